"""The whole story, with the shipped model on rendered micrographs whose truth is known."""

import re
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core import pipeline, tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import NO_NUMBERS, Flag
from segmentation.core.labels.separate import separate
from segmentation.core.learning.training_summary import OVERRULED
from segmentation.core.micrograph.contrast import clip_outliers
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import NO_SCALE, Calibration, Micrograph, Scale
from segmentation.core.network.cards import find
from segmentation.core.network.inference import HALO, predict
from segmentation.core.network.likeness import LIKENESS, OWN_IMAGES, describe, likeness_entry
from segmentation.core.network.runtime import Runtime, load_network
from segmentation.core.network.scale_search import as_shown
from segmentation.core.pipeline import analyse, measure, segment
from segmentation.core.stages import search
from segmentation.core.stages.pace import Clock
from segmentation.core.stored import Used
from segmentation.core.tasks.judgement import EVIDENT, is_out_of_domain
from segmentation.lab.training.synthesis.bodies import make_body
from segmentation.lab.training.synthesis.render import random_rendering
from tests.core.builders import core_shells
from tests.examples.sample import data_bar
from tests.fibre_mats import mat, needles
from tests.lab.scores import score

from .builders import grey_of, segmentation_of

NOWHERE = Calibration.absent()
LOOKS_LIKE = "Looks like the images of another model"
SAMPLES = Path(__file__).parents[2] / "static" / "sample"


def micrograph_of(pixels, calibration=NOWHERE):
    return Micrograph(pixels, "test.tif", "0" * 64, calibration)


def isolated(diameter=32, shape=(320, 400), pitch=1.9, seed=0):
    """Bright bodies on a grid, apart from one another: what any segmentation must get right."""
    rng = np.random.default_rng(seed)
    grey = rng.normal(60, 6, shape)
    labels = np.zeros(shape, np.int32)
    step = int(diameter * pitch)
    number = 0
    for row in range(step, shape[0] - step // 2, step):
        for column in range(step, shape[1] - step // 2, step):
            top = make_body("ellipsoid", diameter, rng).top
            inside = np.isfinite(top)
            r, c = row - top.shape[0] // 2, column - top.shape[1] // 2
            window = slice(r, r + top.shape[0]), slice(c, c + top.shape[1])
            number += 1
            labels[window][inside] = number
            grey[window][inside] = 150 + rng.normal(0, 6, inside.sum())
    return np.clip(grey, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def clear():
    """Isolated particles, analysed: micrograph, truth, analysis, and what was told meanwhile."""
    grey, truth = isolated()
    progress = []
    micrograph = micrograph_of(grey, Calibration(2.0, "metadata"))
    analysis = analyse(micrograph, AnalysisSettings.of(), lambda stage, fraction: progress.append((stage, fraction)))
    return micrograph, truth, analysis, progress


def test_isolated_particles_are_found_and_measured(clear):
    _, truth, analysis, _ = clear
    scores = score([(analysis.segmentation.labels, truth)])
    assert scores.f50 == 1.0 and scores.dice > 0.93
    areas = np.bincount(truth.ravel())[1:]
    expected = np.sqrt(4 * np.median(areas) / np.pi)
    assert np.median(analysis.table.length("ecd")) == pytest.approx(2 * expected, rel=0.08)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.3, 3])
def test_the_working_scale_follows_the_particles(factor):
    grey, truth = isolated(diameter=32 * factor, shape=(round(330 * max(1, factor)),) * 2)
    analysis = analyse(micrograph_of(grey), AnalysisSettings.of())
    assert score([(analysis.segmentation.labels, truth)]).f50 > 0.9
    assert analysis.segmentation.used["scale"] * factor == pytest.approx(1, rel=0.6)


def test_dark_particles_are_recognised():
    grey, truth = isolated()
    analysis = analyse(micrograph_of(255 - grey), AnalysisSettings.of())
    assert analysis.segmentation.used["polarity"] == "dark"
    assert score([(analysis.segmentation.labels, truth)]).f50 == 1.0


def beside_a_hole():
    """Small dark particles on a grey film, with a bright hole that has a dark edge."""
    rng, (rows, columns) = np.random.default_rng(2), np.indices((384, 480))
    grey, truth = np.full((384, 480), 150.0), np.zeros((384, 480), np.int32)
    places = [(row, column) for row in range(20, 384, 26) for column in range(20, 480, 26)]
    away = np.hypot(rows - 190, columns - 500) - 160
    for row, column in places:
        row, column = row + rng.uniform(-5, 5), column + rng.uniform(-5, 5)
        if np.hypot(row - 190, column - 500) > 200:
            inside = np.hypot(rows - row, columns - column) < 6
            truth[inside], grey[inside] = truth.max() + 1, 95
    grey = np.where(away < 0, 215, np.where(away < 14, 40, grey))
    return grey, truth


def close_packed():
    """Dark discs with bright rims that fill the picture; the gaps between them are nearly as dark."""
    rng, (rows, columns) = np.random.default_rng(1), np.indices((320, 320))
    away, truth = np.full((320, 320), 99.0), np.zeros((320, 320), np.int32)
    places = [(27 * row, 31 * column + 15.5 * (row % 2)) for row in range(13) for column in range(12)]
    for number, (row, column) in enumerate(places, 1):
        far = np.hypot(rows - row - rng.normal(0, 1), columns - column - rng.normal(0, 1)) - 13.5 * rng.lognormal(
            0, 0.07
        )
        truth[(far < 0) & (far < away)] = number
        away = np.minimum(away, far)
    return np.where(away < 0, 70.0, np.where(away < 2, 190.0, 90.0)), truth


@pytest.mark.slow
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("drawn", [beside_a_hole, close_packed])
def test_neither_the_edge_of_a_hole_nor_rims_decide_the_polarity(drawn, inverted):
    grey, truth = drawn()
    grey = ndimage.gaussian_filter(grey, 0.8) + np.random.default_rng(0).normal(0, 12, grey.shape)
    pixels = np.clip(grey, 0, 255).astype(np.uint8)
    analysis = analyse(micrograph_of(255 - pixels if inverted else pixels), AnalysisSettings.of(model="particles"))
    assert analysis.segmentation.used["polarity"] == ("bright" if inverted else "dark")
    matched = score([(analysis.segmentation.labels, truth)])
    assert matched.f50 >= 0.9
    assert not any(flag.doubt for flag in analysis.flags)


@pytest.mark.slow
def test_where_the_other_polarity_shows_more_it_is_named_beside():
    """Eight vesicles with bright walls in negative stain: two are dark inside, the others as grey as the film."""
    rng, (rows, columns) = np.random.default_rng(3), np.indices((400, 640))
    film = ndimage.gaussian_filter(rng.normal(0, 1, rows.shape), 12)
    film = 6 * film / film.std()
    grey = 130 + film
    for number in range(8):
        row, column = 110 + 180 * (number % 2), 80 + 160 * (number // 2)
        far = np.hypot(rows - row, columns - column) - 45 * rng.lognormal(0, 0.12)
        stained = grey - 30 * np.exp(-np.clip(far, 0, None) / 6)
        grey = np.where(far < -8, (60 if number < 2 else 125) + film, np.where(far < 0, 190, stained))
    pixels = ndimage.gaussian_filter(grey, 1.0) + rng.normal(0, 12, grey.shape)
    analysis = analyse(micrograph_of(np.clip(pixels, 0, 255).astype(np.uint8)), AnalysisSettings.of(model="particles"))
    used = analysis.segmentation.used
    assert used["polarity"] == "dark" and analysis.table.kept.sum() == 2
    assert used["beside"]["polarity"] == "bright" and used["beside"]["count"] >= 5
    assert any("read as bright ones" in flag.text for flag in analysis.flags)


def test_an_image_unlike_those_of_a_further_training_gets_a_warning():
    card = find("particles")
    described = [describe(isolated(seed=seed)[0]) for seed in (1, 2, 3)]
    entry = {OWN_IMAGES: likeness_entry(described, ["a", "b", "c"])[LIKENESS]}
    fine_tuned = replace(
        card, name="own", title="Own", options=card.options | entry, training={"start_from": "particles"}
    )
    like = isolated(seed=4)[0]
    unlike = np.clip(like + np.linspace(-60, 90, like.shape[1]), 0, 255).astype(np.uint8)  # uneven brightness
    flags = [
        analyse(micrograph_of(grey), AnalysisSettings.of(scale=0.5), card=fine_tuned).flags for grey in (like, unlike)
    ]
    warnings = [
        [flag for flag in raised if flag.short == "Unusual picture for the fine-tuned model"] for raised in flags
    ]
    assert warnings[0] == [] and warnings[1][0].doubt
    assert "fine-tuned on 3 images" in warnings[1][0].text and "(particles)" in warnings[1][0].text


@pytest.mark.parametrize(
    ("model", "kind", "part", "other"),
    [
        ("grain-boundaries", "grains", np.s_[172:, 172:], "bubbles"),
        pytest.param("bubbles", "bubbles", np.s_[:340, :340], "grains", marks=pytest.mark.slow),
    ],
)
def test_a_small_crop_is_of_its_kind_and_an_image_of_another_kind_is_refused(model, kind, part, other):
    crop, whole = read(SAMPLES / f"{kind}.tif").pixels[part], read(SAMPLES / f"{other}.tif").pixels
    settings, card = AnalysisSettings.of(kind), find(model)
    analysis, refused = (
        analyse(micrograph_of(np.ascontiguousarray(grey)), settings, card=card) for grey in (crop, whole)
    )
    assert not is_out_of_domain(analysis.segmentation) and analysis.table.kept.sum() > 20
    assert is_out_of_domain(refused.segmentation) and not refused.table.kept.any()
    assert refused.segmentation.used["resembles"]["task"] == other


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        *(("phases", "auto-phases"), ("layers", "coatings"), ("grains", "grain-boundaries"), ("bubbles", "bubbles")),
        ("fibres", "fibres"),
    ],
)
def test_the_examples_of_the_start_page_have_numbers(kind, model):
    analysis = analyse(read(SAMPLES / f"{kind}.tif"), AnalysisSettings.of(kind, model=model))
    assert "resembles" not in analysis.segmentation.used
    assert not [flag.short for flag in analysis.flags if flag.doubt and "experimental" not in flag.short]
    first, *_ = tasks.find(kind).headline_quantities(analysis.quantities)
    assert analysis.quantities[first].value


@pytest.mark.parametrize("is_dark", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fibres_analysed_as_particles_are_recognised(is_dark):
    made = mat((320, 320), 12, 0.3, np.random.default_rng(3), dark=is_dark)
    analysis = analyse(micrograph_of(made.grey), AnalysisSettings.of())
    resembled = analysis.segmentation.used["resembles"]
    resembled.pop("crossing", None)
    assert resembled == {"model": "fibres", "title": "Fibres", "task": "fibres", "recognised": True}
    doubt = next(flag for flag in analysis.flags if flag.doubt)
    assert doubt.short in (NO_NUMBERS, "Looks like the images of another model", "Objects cross; particles are pieces")


@pytest.mark.slow
@pytest.mark.parametrize("is_dark", [False, True])
def test_thin_fibres_of_a_large_dense_mat_are_recognised(is_dark):
    """Where the whole picture is looked at, they are 5 px wide."""
    made = mat((768, 1024), 8, 0.55, np.random.default_rng((79, 1, 8)), dark=is_dark)
    analysis = analyse(micrograph_of(made.grey), AnalysisSettings.of())
    assert analysis.segmentation.used["resembles"]["title"] == "Fibres" and not analysis.table.kept.any()


def test_only_where_outlines_are_doubtful_the_middle_is_looked_at_for_thin_fibres(monkeypatch):
    fibres, looked = tasks.find("fibres"), []

    def recognised(predict, card, picture):
        looked.append(picture.shape)
        return {"recognised": True} if picture.shape == (600, 640) else {}

    monkeypatch.setattr(search, "load_network", lambda *given: None)
    monkeypatch.setattr(tasks, "find", lambda name: replace(fibres, recognised=recognised))
    grey, settings = np.zeros((600, 900), np.uint8), AnalysisSettings.of().segmentation
    picture = grey.astype(np.float32)
    tried = search.Search(micrograph_of(grey), picture, 600, fibres, settings, Runtime(), Clock())
    assert not tried._recognised_by(find("fibres"), False) and looked == [(600, 900)]
    assert tried._recognised_by(find("fibres"), True) and looked == [(600, 900), (600, 640)]


@pytest.mark.parametrize("is_dark", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_short_straight_needles_that_cross_are_no_particles(is_dark):
    """They are too short for the fibres of a mat; side by side they are particles."""
    rng = np.random.default_rng(5)
    grey = needles((400, 400), 9, 130, 30, rng)
    used = analyse(micrograph_of(255 - grey if is_dark else grey), AnalysisSettings.of()).segmentation.used
    assert used["resembles"]["task"] == "fibres" and used["resembles"]["crossing"] > 0.25
    apart = needles((400, 400), 9, 130, 12, rng, crossing=False)
    assert "crossing" not in analyse(micrograph_of(apart), AnalysisSettings.of()).segmentation.used.get("resembles", {})


def test_textures_do_not_count_for_an_image_near_the_training_images(monkeypatch):
    grey = np.ascontiguousarray(read(SAMPLES / "grains.tif").pixels[:200, :200])
    bright, card = as_shown(clip_outliers(grey), "bright"), find("grain-boundaries")
    monkeypatch.setattr(search, "compared_with_models", lambda *given, **more: ([find("particles")], True))
    for taught, refused in ((describe(bright), False), (describe(bright) + 0.2, True)):
        entry = {LIKENESS: {"taught": [taught.tolist()], "limit": 0.8}}
        analysis = analyse(micrograph_of(grey), AnalysisSettings.of("grains"), card=replace(card, options=entry))
        assert is_out_of_domain(analysis.segmentation) == refused == ("resembles" in analysis.segmentation.used)


def test_noise_has_the_texture_of_no_kind(monkeypatch):
    monkeypatch.setattr(search, "compared_with_models", lambda *given, **more: ([find("bubbles")], True))
    rows, columns = np.mgrid[:200, :200]
    discs = np.hypot(rows % 50 - 25, columns % 50 - 25) < 13
    counts = np.random.default_rng(4).poisson(np.where(discs, 3.0, 1.5))
    used = analyse(micrograph_of((30 * counts).clip(0, 255).astype(np.uint8)), AnalysisSettings.of()).segmentation.used
    assert used["noise"] > 1 and not {"resembles", "unfamiliar"} & used.keys()


@pytest.mark.parametrize("is_dark", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_cores_in_shells_are_measured_along_the_chosen_edge(is_dark):
    grey, _ = core_shells(30.0, 0.5)
    picture = micrograph_of(255 - grey if is_dark else grey)
    medians = {
        edge: analyse(picture, AnalysisSettings.of(edge=edge)).quantities["median"].value for edge in ("outer", "inner")
    }
    assert medians == {"outer": pytest.approx(30, rel=0.1), "inner": pytest.approx(15, rel=0.15)}
    usual = analyse(picture, AnalysisSettings.of())
    assert any("a core in a shell" in flag.text for flag in usual.flags)


def test_a_typed_polarity_overrules():
    grey, _ = isolated()
    assert analyse(micrograph_of(grey), AnalysisSettings.of(polarity="dark")).segmentation.used["polarity"] == "dark"


def test_the_data_bar_is_left_out_and_can_be_kept():
    grey, _ = isolated(shape=(448, 1024))
    with_bar = np.concatenate([grey, data_bar(1024)])
    analysis = analyse(micrograph_of(with_bar), AnalysisSettings.of(scale=0.25))  # the rows are the same at any
    assert analysis.segmentation.rows == 448
    assert not analysis.segmentation.labels[448:].any()
    assert analysis.segmentation.labels.shape == with_bar.shape
    for bar_rows, rows in ((0, 512), (100, 412)):
        settings = AnalysisSettings.of(data_bar=bar_rows, scale=0.25, polarity="bright")
        assert segment(micrograph_of(with_bar), settings).rows == rows


def test_an_image_of_one_grey_has_no_particles():
    analysis = analyse(micrograph_of(np.full((200, 300), 128, np.uint8)), AnalysisSettings.of())
    assert len(analysis.table) == 0 and analysis.statistics.median is None
    assert any("No particles" in flag.text for flag in analysis.flags)


def test_progress_rises_and_names_its_stages(clear):
    progress = clear[-1]
    fractions = [fraction for _, fraction in progress]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    assert {"outlining particles", "measuring"} <= {stage for stage, _ in progress}


def test_progress_may_stop_the_analysis():
    class Stop(Exception):
        pass

    def stop(stage, fraction):
        if stage == "outlining particles":
            raise Stop

    with pytest.raises(Stop):
        analyse(micrograph_of(isolated()[0]), AnalysisSettings.of(), stop)


def test_file_then_reading_then_pixels_unless_the_user_says_otherwise():
    file, read, typed = Calibration(2.0, "metadata"), Calibration(3.0, "read"), Calibration(5.0, "typed")
    silent = micrograph_of(isolated()[0])
    measurement = AnalysisSettings.of().measurement
    assert (
        measurement.scaled(replace(silent, calibration=file, reading=replace(read, nm_per_pixel=2.03)).scale).in_use
        == file
    )
    alone = replace(silent, calibration=file, reading=read)
    assert measurement.scaled(alone.scale).in_use == file
    by_a_program = replace(file, detail="ImageJ, pixels per nm")
    assert replace(alone, calibration=by_a_program).scale.in_use == Calibration.absent()
    contradicted = replace(alone, texts_agree=True)
    assert measurement.scaled(contradicted.scale).in_use == Calibration.absent()
    doubtful = replace(file, relative_uncertainty=0.3)
    assert replace(contradicted, calibration=doubtful).scale.in_use == doubtful
    assert measurement.scaled(replace(silent, reading=read).scale).in_use == read
    assert measurement.scaled(silent.scale).in_use.nm_per_pixel is None
    assert measurement.replaced(calibration=typed).scaled(Scale(file)).in_use == typed
    assert measurement.replaced(calibration=Calibration.absent()).scaled(Scale(file)).in_use.nm_per_pixel is None


def test_the_microscopes_own_uncertainty_counts_only_where_it_is_given():
    file = Calibration(2.0, "metadata", relative_uncertainty=0.003)
    measurement = AnalysisSettings.of(scale_uncertainty=0.4, scale_uncertainty_source="certified grating").measurement
    used = measurement.scaled(Scale(file)).in_use
    assert (used.instrument_uncertainty, used.instrument_note) == (0.004, "certified grating")
    assert used.standard_uncertainty == pytest.approx(0.005)
    expanded = measurement.replaced(scale_uncertainty=0.8, scale_uncertainty_k=2).scaled(Scale(file)).in_use
    assert expanded.instrument_uncertainty == used.instrument_uncertainty
    assert re.fullmatch(r"certified grating\b.* 0\.8 %.* 2", expanded.instrument_note)
    for uncertainty in ("auto", 0.0):
        assert measurement.replaced(scale_uncertainty=uncertainty).scaled(Scale(file)).in_use == file
    assert measurement.scaled(Scale()).in_use == Calibration.absent()


def test_in_pixels_sizes_have_the_intervals_of_counting_and_no_verdict(clear):
    micrograph, _, analysis, _ = clear
    in_pixels = measure(replace(micrograph, calibration=NOWHERE), analysis.segmentation, AnalysisSettings.of())
    assert Flag(NO_SCALE, kind="no scale") in in_pixels.flags
    statistics = in_pixels.statistics
    assert statistics.unit == "px" and statistics.nano is None and statistics.budget is None
    low, high = statistics.intervals["median"]
    assert low < statistics.median < high and statistics.interval_note == ""


@pytest.mark.parametrize("tiled", ["columns", "rows"])
@pytest.mark.slow
def test_tiles_give_the_same_particles_as_the_whole(tiled):
    """Of the shipped model, whose halo is long; tiles in two directions are tested with a small network."""
    fixed = {"diameter": 36, "kind": "sem", "polarity": "bright", "annotation": "none"}
    grey = random_rendering((384, 1312), np.random.default_rng(4), fixed).grey
    card = find("particles")
    exact = Runtime("cpu", "float32")
    network = load_network(card, exact, 2)
    picture = (grey if tiled == "columns" else grey.T).astype(np.float32) / 255
    assert max(picture.shape) > 512 + 2 * HALO
    whole = predict(network, picture, tile=1312)
    parts = predict(network, picture, tile=512)
    # The sums of a convolution run in another order, which may round to the next of 255 levels.
    assert np.abs(whole.astype(int) - parts).max() <= 1
    labels, other = (separate(*maps, threshold=card.threshold, seed_threshold=0.5) for maps in (whole, parts))
    assert labels.max() == other.max() > 100
    assert ((labels > 0) != (other > 0)).mean() < 1e-5
    assert score([(other, labels)]).ap75 == 1.0


@pytest.mark.slow
def test_blank_substrates_are_doubted():
    """What is invented on a bare substrate is little, and seven results of eight have nothing or a doubt."""
    rng = np.random.default_rng(8)
    blanks = (random_rendering((256, 384), rng, {"kind": "blank"}).grey for _ in range(8))
    analyses = [analyse(micrograph_of(grey), AnalysisSettings.of(filter=True)) for grey in blanks]
    assert np.median([analysis.statistics.n_kept for analysis in analyses]) <= 1
    words = ("clearly", "shows no", "unlike")
    doubted = [any(word in flag.text for word in words for flag in a.flags) for a in analyses]
    assert sum(doubt or not a.statistics.n_kept for doubt, a in zip(doubted, analyses, strict=True)) >= 7


def test_clear_particles_are_not_doubted(clear):
    analysis = clear[2]
    assert analysis.segmentation.used["clarity"] > 0.7
    assert not any("clearly" in flag.text for flag in analysis.flags)


def doubts(pixels, n=4, **used):
    labels = np.zeros(pixels.shape, np.int32)
    labels.ravel()[: 2 * n : 2] = np.arange(1, n + 1)
    segmentation = segmentation_of(labels, **used)
    micrograph = Micrograph(pixels, "a.png", "cd" * 32, Calibration.absent())
    flags = pipeline.measure(micrograph, segmentation, AnalysisSettings.of()).flags
    return " ".join(flag.text for flag in flags if flag.text != NO_SCALE)


class TestDoubts:
    """What is said at the top of a result about images that the model may not be able to judge."""

    noise = np.random.default_rng(0).integers(0, 255, (120, 160)).astype(np.uint8)

    def test_a_micrograph_gives_no_cause(self):
        assert doubts(self.noise) == ""

    def test_a_drawing_is_called_one(self):
        drawing = np.full((120, 160), 255, np.uint8)
        drawing[20:60:8, 30:90] = 0
        assert "same grey value" in doubts(drawing)
        assert "same grey value" not in doubts(np.where(self.noise > 200, 255, self.noise).astype(np.uint8))

    def test_outlines_of_which_few_are_expected_to_be_right(self):
        assert "about 64 % of these outlines are probably right" in doubts(self.noise, expected=0.64)
        assert "outlines" not in doubts(self.noise, expected=0.8)

    def test_where_nothing_is_outlined_there_is_nothing_to_compare(self):
        assert "Compare the outlines" in doubts(self.noise, unfamiliar=True)
        assert "outlines" not in doubts(self.noise, 0, unfamiliar=True)


def test_outlines_are_shown_before_the_network_has_seen_the_whole_picture():
    grey, truth = isolated()
    seen, stages = [], []

    def show(labels, confidence):
        seen.append((labels, confidence, list(stages)))

    def progress(stage, fraction):
        stages.append(stage)

    for picture, settings in ((grey, {}), (255 - grey, {}), (grey, {"polarity": "bright", "scale": 1.0})):
        segment(micrograph_of(picture), AnalysisSettings.of(**settings), progress, show=show)
    (labels, confidence, before), (inverted, *_) = seen  # where nothing is searched for there is no trial to show
    assert "outlining particles" not in before and len(confidence) == labels.max()
    assert labels.max() == pytest.approx(truth.max(), abs=2) == inverted.max()


def test_outlines_that_nobody_is_shown_are_not_made(monkeypatch):
    grey, _ = isolated()
    particles, looked = tasks.find("particles"), Mock(side_effect=AssertionError("outlines were made for nobody"))
    monkeypatch.setattr(tasks, "find", lambda name: replace(particles, first_look=looked))
    assert len(segment(micrograph_of(grey), AnalysisSettings.of()))
    with pytest.raises(AssertionError, match="for nobody"):
        segment(micrograph_of(grey), AnalysisSettings.of(), show=Mock())


def specks_on_supports(dark: bool, seed: int = 7, side: int = 640, count: int = 40) -> np.ndarray:
    """Small discs on large smooth lumps, as platinum on carbon in STEM: (H, W) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    support = np.zeros((side, side))
    for row, column, radius in zip(*rng.uniform(0.1, 0.9, (2, 12)) * side, rng.uniform(50, 110, 12), strict=True):
        support += 30 * np.sqrt(np.clip(1 - np.hypot(y - row, x - column) ** 2 / radius**2, 0, 1))
    grey = 100 + support + (support > 5) * 4 * ndimage.gaussian_filter(rng.normal(0, 10, support.shape), 3)
    rows, columns = np.nonzero(support > 15)
    placed: list[tuple[int, int]] = []
    while len(placed) < count:
        at = rng.integers(len(rows))
        row, column = int(rows[at]), int(columns[at])
        if all(np.hypot(row - r, column - c) > 20 for r, c in placed):
            placed.append((row, column))
            grey += 50 * np.clip(rng.uniform(4, 6.5) + 0.5 - np.hypot(y - row, x - column), 0, 1)
    grey = np.clip(ndimage.gaussian_filter(grey, 0.8) + rng.normal(0, 8, grey.shape), 0, 255)
    return (255 - grey if dark else grey).astype(np.uint8)


@pytest.mark.parametrize("dark", [True, False])
def test_specks_on_supports_that_look_like_large_particles_are_counted_or_named(dark):
    """Where the supports are clearly outlined both are there to be measured."""
    settings = AnalysisSettings.of(model="auto-particles")
    made = analyse(micrograph_of(specks_on_supports(dark)), settings, runtime=Runtime(threads=1))
    assert made.segmentation.used["polarity"] == ("dark" if dark else "bright")
    if dark:
        small = made.segmentation.used["small"]
        advised_model = Used.read(made.segmentation.used).advised_model
        assert small["model"] == advised_model == "supported" and 25 <= small["count"] <= 60
        assert any(flag.doubt and "small objects are left out" in flag.short for flag in made.flags)
    else:
        assert made.segmentation.provenance.card["name"] == "supported" and 30 <= made.table.kept.sum() <= 60


def polycrystal(size: float, seed: int = 1, side: int = 512) -> tuple[np.ndarray, float]:
    """Grains of different brightness with dark grooves between, as a perovskite film in SEM: (H, W) uint8, and their
    median diameter."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    points = np.stack(np.mgrid[:side, :side], -1).reshape(-1, 2)
    seeds = rng.uniform(0, side, (round((side / size) ** 2), 2))
    for _ in range(2):
        nearest = cKDTree(seeds).query(points)[1]
        size_of = np.maximum(np.bincount(nearest, minlength=len(seeds)), 1)
        seeds = np.stack([np.bincount(nearest, points[:, i], len(seeds)) / size_of for i in (0, 1)], 1)
    apart, nearest = cKDTree(seeds).query(points, k=2)
    groove = 60 * np.exp(-(((apart[:, 1] - apart[:, 0]) / 4) ** 2))
    grey = (rng.normal(130, 25, len(seeds))[nearest[:, 0]] - groove).reshape(side, side)
    grey = ndimage.gaussian_filter(grey, 0.8) + rng.normal(0, 10, grey.shape)
    areas = np.bincount(nearest[:, 0])
    return np.clip(grey, 0, 255).astype(np.uint8), float(np.median(np.sqrt(4 / np.pi * areas)))


@pytest.mark.parametrize("size", [30, 60])
def test_grains_that_are_outlined_right_are_measured_however_unlike_the_picture_is(size):
    picture, median = polycrystal(size)
    made = analyse(micrograph_of(picture), AnalysisSettings.of("grains", model="grain-boundaries"))
    assert made.segmentation.used["unlike"] > 1 and made.segmentation.used[EVIDENT] and not made.refused
    assert made.quantities["grain_diameter_median"].value == pytest.approx(median, abs=7)  # without the boundaries
    assert any(flag.doubt and flag.short in (LOOKS_LIKE, "Unusual picture") for flag in made.flags)


def test_particles_on_a_ground_are_no_grains():
    made = analyse(micrograph_of(isolated(40)[0]), AnalysisSettings.of("grains", model="grain-boundaries"))
    assert EVIDENT not in made.segmentation.used and (made.refused or not len(made.segmentation))


def test_a_picture_of_single_counts_is_read_smoothed_and_named_noisy():
    """Two counts a pixel on the ground, four in the particles."""
    grey, labels = isolated(32, seed=3)
    counted = np.random.default_rng(4).poisson(np.where(labels > 0, 4.0, 2.0))
    made = analyse(micrograph_of(np.minimum(counted * 20, 255).astype(np.uint8)), AnalysisSettings.of())
    assert made.segmentation.used["noise"] > 1
    assert score([(made.segmentation.labels, labels)]).f50 > 0.8
    noisy = next(flag for flag in made.flags if "very noisy" in flag.text)
    assert noisy.doubt and "counts a pixel" in noisy.short
    clean = analyse(micrograph_of(grey), AnalysisSettings.of())
    assert "noise" not in clean.segmentation.used and not any("noisy" in flag.text for flag in clean.flags)


def test_every_result_says_that_its_model_was_offered_all_the_same():
    labels = np.zeros((96, 96), np.int32)
    labels[20:40, 20:40] = 1
    micrograph = Micrograph(grey_of(labels), "a.png", "ab" * 32, Calibration(2.0, "typed"))
    limit = OVERRULED.format(who="Ada")
    for limits, said in ((["Not for fibres."], False), (["Not for fibres.", limit], True)):
        card = {"name": "tio2-1", "title": "TiO2", "version": "1", "sha256": "cd" * 32, "limits": limits}
        flags = pipeline.measure(micrograph, segmentation_of(labels, card=card), AnalysisSettings.of()).flags
        texts = [flag.text for flag in flags if flag.short == "The model was offered all the same"]
        assert texts == (
            ["The model tio2-1: its error on held-out images did not fall. Ada offered it all the same."]
            if said
            else []
        )
