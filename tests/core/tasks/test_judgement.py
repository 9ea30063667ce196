"""Images of another kind than those that a model was taught on: no number, unless one insists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.combine import combine
from segmentation.core.flags import DO_NOT_USE, NO_NUMBERS, Flag
from segmentation.core.labels.segmentation import MASKS, Segmentation
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.pooling import notes_on, pool
from segmentation.core.measure.uncertainty.budget import Conditions
from segmentation.core.micrograph.colours import CHANNEL, CHANNELS, COLOURS, FALSE_COLOURS, MANY, MAP, RAINBOW
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.likeness import LIKENESS
from segmentation.core.pipeline import measure
from segmentation.core.sample import Member, SampleAnalysis
from segmentation.core.tasks.judgement import TO_CHECK, is_out_of_domain
from tests.core.builders import disc_labels, segmentation_of

STEEL = {"model": "uhcs-steel", "title": "UHCS steel (Phases)", "task": "phases"}
SUPPORTED = {"model": "supported", "title": "Particles on a support (Particles)", "task": "particles"}
CALIBRATED = {"name": "particles", "title": "Particles", "options": {"confidence": {"intercept": 0.0}}}
KNOWS_ITS_IMAGES = {"name": "particles", "title": "Particles", "options": {LIKENESS: {"taught": [], "limit": 1.0}}}


def squares(count: int = 9) -> np.ndarray:
    labels = np.zeros((96, max(160, 10 * count + 40)), np.int32)
    for number in range(1, count + 1):
        column, row = divmod(number - 1, 3)
        labels[30 * row + 8 : 30 * row + 24, 30 * column + 8 : 30 * column + 24] = number
    return labels


def measured(segmentation: Segmentation, metadata: dict[str, str] | None = None, **settings: object) -> Analysis:
    grey = np.random.default_rng(1).normal(np.where(segmentation.labels, 200, 60), 4).astype(np.uint8)
    picture = Micrograph(grey, "a.png", "0" * 64, Calibration.of_pixel(2.0, typed="2 nm"), metadata or {})
    return measure(picture, segmentation, AnalysisSettings.of(**settings))


def together(analyses: dict[str, Analysis], **rules: bool) -> SampleAnalysis:
    named = {name: replace(of, micrograph=replace(of.micrograph, name=name)) for name, of in analyses.items()}
    return combine("all", [Member.of(of) for of in named.values()], **rules)


def test_particles_of_an_image_that_looks_like_steel_have_no_number():
    made = measured(segmentation_of(squares(), resembles=STEEL))
    assert [value.value for value in made.quantities.values()] == [None] * len(made.quantities)
    assert made.statistics is not None and made.statistics.n_kept == 0
    assert made.statistics.nano is None and made.statistics.without_filter is None
    assert set(made.table.reasons) == {Reason.UNLIKE}
    assert [flag.short for flag in made.flags if flag.doubt] == [NO_NUMBERS]


def test_pooled_with_others_it_adds_nothing_and_leaves_them_without_a_verdict():
    analyses = [measured(segmentation_of(squares(n), **used)) for n, used in ((9, {"resembles": STEEL}), (15, {}))]
    pooled = pool([analysis.table for analysis in analyses], Conditions(filter=True))
    assert pooled.n_kept == 15 and pooled.without_filter is None and pooled.nano is not None
    assert {row["n"] for row in pooled.nano["sensitivity"]} == {15} and pooled.nano["verdict"] == "undecided"
    notes = notes_on([analysis.table for analysis in analyses], ["", ""], "particles")
    assert any(note.text.startswith("1 of 2 images ") for note in notes)


def test_no_verdict_stands_beside_a_warning_that_outlines_are_doubtful():
    labels, few_right = disc_labels(60, (300, 400)), {"expected": 0.6}
    sure, doubtful = (measured(segmentation_of(labels, **used)) for used in ({}, few_right))
    assert (sure.statistics.nano["verdict"], sure.statistics.nano["reason"]) == ("above", "")
    assert (doubtful.statistics.nano["verdict"], doubtful.statistics.nano["reason"]) == ("undecided", TO_CHECK)
    assert together({"a": sure, "b": doubtful}).pooled.nano["reason"] == "the outlines of 1 image are to be checked"


def test_the_verdict_of_most_images_stands_with_a_doubtful_one_among_them():
    """One that alone would turn the verdict leaves none, nor does one whose scale is wrong, if a person counts it."""
    seeds = dict(zip("abcd", range(4), strict=True))
    sure = {name: measured(segmentation_of(disc_labels(60, (300, 400), seed))) for name, seed in seeds.items()}
    doubtful = measured(segmentation_of(disc_labels(60, (300, 400)), expected=0.6))
    sample = together({**sure, "e": doubtful})
    assert (sample.pooled.nano["verdict"], sample.pooled.nano["reason"]) == ("above", "")
    assert sample.pooled.n_kept > together(sure).pooled.n_kept and any(flag.doubt for flag in sample.flags)
    wrong = replace(doubtful, flags=(Flag.doubtful("It is wrong.", f"{DO_NOT_USE}: scale", level=DO_NOT_USE),))
    assert together({**sure, "e": wrong}).pooled.nano["verdict"] == "above"
    assert together({**sure, "e": wrong}, count_unusable=True).pooled.nano["verdict"] == "undecided"


def test_what_another_model_recognised_is_said_beside_sure_outlines():
    fibres = {"model": "fibres", "title": "Fibres", "task": "fibres", "recognised": True}
    sure = {"expected": 0.9, "card": CALIBRATED}
    made = measured(segmentation_of(squares(12), resembles=fibres, **sure))
    assert made.table.kept.all()
    assert [flag.short for flag in made.flags if flag.doubt] == ["Looks like the images of another model"]
    by_texture = measured(segmentation_of(squares(12), resembles=STEEL, **sure))
    assert not any("another model" in flag.short for flag in by_texture.flags)
    assert not measured(segmentation_of(squares(), resembles=fibres)).table.kept.any()


def test_who_knows_better_has_them_measured():
    made = measured(segmentation_of(squares(), resembles=STEEL), measure_unlike=True)
    assert made.quantities["median"].value == pytest.approx(32, rel=0.1) and made.table.kept.all()
    assert not any(flag.doubt for flag in made.flags) and "because somebody asked" in made.flags[0].text


@pytest.mark.parametrize(("probability", "doubt"), [(0.95, False), (0.8, True)])
def test_removed_gaps_say_nothing_of_the_many_sure_outlines_that_are_left(probability, doubt):
    left = segmentation_of(
        squares(12), np.full(12, probability, np.float32), expected=0.45, dropped=20, card=CALIBRATED
    )
    assert any(flag.doubt for flag in measured(left).flags) == doubt


def test_where_the_other_polarity_shows_more_both_are_named():
    made = measured(segmentation_of(squares(3), beside={"polarity": "dark", "count": 8}))
    assert made.flags[0].text.startswith("3 bright objects count; read as dark ones, about 8 do.")
    assert not any(flag.doubt for flag in made.flags)


@pytest.mark.parametrize(
    ("count", "expected", "counted"),
    [
        *((12, 0.9, True), (12, 0.8, False), (9, 0.9, False), (3, 0.97, True), (2, 0.99, False)),
        *((120, 0.83, True), (120, 0.8, False), (90, 0.83, False)),
    ],
)
def test_outlines_that_are_surely_particles_speak_for_themselves(count, expected, counted):
    made = measured(segmentation_of(squares(count), resembles=STEEL, expected=expected, card=CALIBRATED))
    assert made.table.kept.all() == counted and (made.quantities["median"].value is not None) == counted


def test_the_warning_of_wrong_outlines_means_the_least_certain_ones():
    confidence = np.linspace(0.9, 0.1, 9).astype(np.float32)
    (flag,) = measured(segmentation_of(squares(), confidence, expected=0.7)).flags
    assert flag.doubt and flag.ids == (9, 8, 7)


def test_more_than_a_quarter_that_rules_leave_out_is_said_whatever_else_is():
    labels = squares(18)
    grey = np.full(labels.shape, 60)
    for number in range(1, 19):
        grey[labels == number] = 200 if number % 3 else 64
    noisy = np.random.default_rng(1).normal(grey, 1).astype(np.uint8)
    picture = Micrograph(noisy, "a.png", "0" * 64, Calibration.of_pixel(2.0, typed="2 nm"))
    made = measure(picture, segmentation_of(labels, expected=0.7), AnalysisSettings.of())
    said = [flag for flag in made.flags if flag.doubt]
    assert [flag.short for flag in said] == ["33 % of the outlines are left out", "Only about 70 % are probably right"]
    assert (said[0].reason, said[0].moves, round(said[0].by, 2)) == (Reason.FAINT, "count", 0.33)
    assert "With them the median is 32.3 nm, without them 32.3 nm." in said[0].text


def test_another_model_of_particles_is_only_recommended():
    assert measured(segmentation_of(squares(), resembles=SUPPORTED)).table.kept.all()


def test_where_the_card_knows_its_images_others_are_out_of_domain():
    assert is_out_of_domain(segmentation_of(squares(), card=KNOWS_ITS_IMAGES, resembles=SUPPORTED))
    assert not is_out_of_domain(segmentation_of(squares(), resembles=SUPPORTED))


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({COLOURS: MANY}, "photographs and charts"),
        ({COLOURS: MAP, CHANNELS: "red, green"}, "map of elements (red, green)"),
    ],
)
def test_a_picture_in_many_colours_has_no_numbers_however_sure_its_outlines_are(metadata, words):
    sure = {"expected": 0.97, "card": CALIBRATED}
    made = measured(segmentation_of(squares(12), **sure), metadata)
    assert not made.table.kept.any() and words in made.flags[0].text
    assert measured(segmentation_of(squares(12), **sure), metadata, measure_unlike=True).table.kept.all()
    drawn_by_hand = segmentation_of(squares(12), card={"name": MASKS})
    assert measured(drawn_by_hand, metadata).table.kept.all()


@pytest.mark.parametrize("kind", [FALSE_COLOURS, RAINBOW, CHANNEL])
def test_false_colours_and_a_channel_are_measured_with_a_warning_where_they_mislead(kind):
    made = measured(segmentation_of(squares(12), expected=0.97, card=CALIBRATED), {COLOURS: kind})
    assert made.table.kept.all() and any(flag.doubt for flag in made.flags) == (kind != FALSE_COLOURS)


def test_straight_objects_that_cross_are_said_before_their_pieces_are_counted():
    fibres = {"model": "fibres", "title": "Fibres", "task": "fibres", "recognised": True, "crossing": 0.4}
    sure = measured(segmentation_of(squares(12), resembles=fibres, expected=0.9, card=CALIBRATED))
    (flag,) = [flag for flag in sure.flags if flag.doubt]
    assert sure.table.kept.all() and (flag.moves, flag.by) == ("count", 0.4)
    assert "cross" in flag.text and "fibres" in flag.text and "pieces" in flag.short
    unsure = measured(segmentation_of(squares(12), resembles=fibres, expected=0.6, card=CALIBRATED))
    assert (
        not unsure.table.kept.any() and "This picture shows fibres: straight objects that cross" in unsure.flags[0].text
    )


@pytest.mark.parametrize(("cores", "shift", "doubts"), [(0.2, 0.45, True), (1.0, 0.5, True), (0.0, 0.0, False)])
def test_outlines_that_follow_the_core_of_a_shell_are_said(cores, shift, doubts):
    edges = {"outlines": 40, "cores": cores, "ratio": 2.0, "shift": shift}
    made = measured(segmentation_of(squares(12), concentric=edges))
    assert made.flags[0].doubt == doubts and "a core in a shell" in made.flags[0].text
    assert not doubts or (made.flags[0].moves, made.flags[0].by) == ("sizes", shift)
    asked = segmentation_of(squares(12), concentric=edges)
    asked = replace(asked, provenance=replace(asked.provenance, settings={"edge": "inner"}))
    assert not any(flag.doubt for flag in measured(asked).flags) and "as chosen" in measured(asked).flags[0].text


@pytest.mark.parametrize(
    ("used", "counted"),
    [({"expected": 0.6}, False), ({"expected": 0.7, "dropped": 20}, False), ({"expected": 0.7, "dropped": 3}, True)],
)
def test_outlines_that_are_mostly_wrong_by_the_models_own_chances_have_no_ground(used, counted):
    doubtful = np.full(9, 0.6, np.float32)
    made = measured(segmentation_of(squares(), doubtful, card=CALIBRATED, **used))
    assert made.table.kept.all() == counted
    assert measured(segmentation_of(squares(), doubtful, card=CALIBRATED, **used), measure_unlike=True).table.kept.all()
    finds_specks = {**CALIBRATED, "options": {**CALIBRATED["options"], "noise": 0.0}}
    assert measured(segmentation_of(squares(), doubtful, card=finds_specks, **used)).table.kept.all()
