"""What outlines may be instead: probabilities of pieces, samples drawn by them, and the answers to both questions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.combine import combine
from segmentation.core.labels.segmentation import MASKS, Cut, Provenance, Segmentation
from segmentation.core.measure.review.possible_pieces import possible_pieces, sizes_of_pieces
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.uncertainty.budget import UNRESOLVED_CONTACTS, Conditions, Effect, Evidence
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.pipeline import Clock, measure_objects
from segmentation.core.sample import Member
from tests.core.measure.particle_tables import log_normal, table_of

SCALE = Calibration(5.0, "typed", relative_uncertainty=0.01)
CUTS = (
    Cut(0.3, [[30.0, 10.0], [30.0, 30.0]], [], [28, 20, 31, 20]),
    Cut(0.2, [[20.0, 10.0], [20.0, 30.0]], [], [18, 20, 21, 20]),
)


def rows(statistics):
    return {row["name"]: row for row in statistics.budget["rows"]}


def outlines(*, by_hand=(), card=None, parted=False, cuts=CUTS):
    """One object of 40 x 20 px with two possible cuts across it, and others of 12 to 30 px without any."""
    labels = np.zeros((200, 200), np.int32)
    labels[10:30, 10:50] = 1
    for at in range(10):
        row, column = divmod(at, 4)
        labels[50 + 40 * row : 62 + 40 * row + 2 * at, 10 + 45 * column : 22 + 45 * column + 2 * at] = 2 + at
    if parted:
        labels[10:30, 30:50] = 12
    ids = np.unique(labels[labels > 0]).astype(np.int32)
    origin = Provenance("0" * 64, "particles", card=card or {"name": "particles"})
    confidence, classes = np.ones(len(ids), np.float32), np.zeros(len(ids), np.int32)
    return Segmentation(
        labels, ids, classes, ("particle",), confidence, 200, origin, by_hand=frozenset(by_hand), cuts=cuts
    )


def measured(segmentation, **settings):
    micrograph = Micrograph(np.full((200, 200), 90, np.uint8), "a.tif", "0" * 64, SCALE)
    return measure_objects(
        micrograph, segmentation, AnalysisSettings.of("particles", faint_limit=0, **settings), clock=Clock()
    )


def test_each_possible_object_has_the_probability_that_the_cuts_before_it_are_right_and_its_own_is_wrong():
    of = possible_pieces(outlines().dense, CUTS)
    probabilities = of.probabilities()
    assert probabilities[0] == pytest.approx(0.7) and (probabilities[1:11] == 1).all()
    boxes = {
        round(piece.box[1], -1): probability
        for piece, probability in zip(of.pieces[2:], probabilities[13:], strict=True)
    }
    assert boxes == pytest.approx({10: 0.06, 20: 0.06}) and sorted(probabilities[11:13]) == pytest.approx([0.24, 0.3])
    table = sizes_of_pieces(of, None, outlines().dense.shape)
    assert sorted(table.length("area")) == pytest.approx([200, 200, 400, 400], abs=20)  # a pixel beside the line
    drawn = np.mean([of.sampled(np.random.default_rng(seed), 0.0).mean(1) for seed in range(20)], axis=0)
    assert drawn == pytest.approx(probabilities, abs=0.04)


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 0.7), ({"by_hand": [1]}, 1.0), ({"by_hand": [2]}, 0.7), ({"parted": True}, 1.0)],
    ids=["as found", "the cut refused", "another one decided", "the cut taken"],
)
def test_a_decision_makes_the_probability_of_a_cut_one_or_none(given, expected):
    segmentation = outlines(**given, cuts=CUTS[:1])
    statistics = measured(segmentation).statistics
    assert measured(segmentation).table["chance"][0] == pytest.approx(expected)
    assert (rows(statistics)[UNRESOLVED_CONTACTS]["source"].startswith("Root mean")) == (expected < 1)
    assert bool(statistics.pieces) == (expected < 1)


def test_all_particles_are_the_expected_distribution():
    both = [measured(outlines(), measurand=measurand).statistics for measurand in ("seen", "all")]
    seen, every = both
    assert (seen.counted, seen.n_kept, every.n_kept) == ("seen", 11, round(10 + 0.7 + 0.24 + 0.3 + 0.12))
    assert seen.other["median"] == pytest.approx(every.median) and every.other["median"] == pytest.approx(seen.median)
    assert seen.other["n"] == every.n_kept and every.median <= seen.median
    assert "11 particles (particles whose outline can be seen)" in seen.nano["sentence"]


def test_pieces_are_judged_by_the_region_that_they_lie_in():
    region = {"ignore": [[[10, 10], [29, 30]]]}  # the left piece of the long outline, and less than half of the whole
    table = measured(outlines(), measurand="all").statistics
    without = measured(outlines(), measurand="all", **region)
    assert without.table.kept.all()
    assert 0 < len(without.statistics.pieces["chance"]) < len(table.pieces["chance"])


def test_without_possible_and_hidden_outlines_both_questions_have_one_answer():
    seen, every = (measured(outlines(cuts=()), measurand=measurand).statistics for measurand in ("seen", "all"))
    assert (seen.median, seen.n_kept, seen.intervals) == (every.median, every.n_kept, every.intervals)
    assert rows(seen)[UNRESOLVED_CONTACTS]["source"].startswith("No outline has possible cuts")


def test_masks_of_another_tool_have_no_unresolved_contacts():
    assert UNRESOLVED_CONTACTS not in rows(measured(outlines(card={"name": MASKS})).statistics)


def test_a_sample_pools_the_pieces_of_its_images():
    analyses = [measured(outlines(), measurand="all") for _ in range(2)]
    members = [replace(Member.of(analysis), name=f"{n}.tif") for n, analysis in enumerate(analyses)]
    pooled = combine("TiO2", members).pooled
    assert pooled.n_kept == round(2 * (10 + 0.7 + 0.24 + 0.3 + 0.12)) and pooled.counted == "all"
    assert pooled.median == pytest.approx(analyses[0].statistics.median, rel=0.02)


def test_images_of_a_sample_share_it_weighted_by_their_particles():
    table = table_of(log_normal(400, 150.0, seed=3) / 5, nm_per_pixel=5.0)
    shared = Evidence(unresolved=[(100, Effect(0.04, 0.1)), (300, Effect(0.08, 0.02))])
    row = rows(summarise(table, Conditions(calibration=SCALE, evidence=shared)))[UNRESOLVED_CONTACTS]
    assert (row["median"], row["fraction_100nm"]) == pytest.approx((0.07, 0.04))
    unknown = Evidence(unresolved=[(100, Effect(0.04, 0.1)), (300, Effect())])
    assert UNRESOLVED_CONTACTS not in rows(summarise(table, Conditions(calibration=SCALE, evidence=unknown)))
