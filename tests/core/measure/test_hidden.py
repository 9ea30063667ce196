"""Particles hidden in larger outlines: what both answers would be with them, against a merging done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.segmentation import MASKS, Cut, Provenance, Segmentation
from segmentation.core.measure.budget import HIDDEN, Conditions, Effect, Evidence
from segmentation.core.measure.distribution import WeightedSizes
from segmentation.core.measure.fractions import HIDDEN_SIZE, most_hidden, with_hidden
from segmentation.core.measure.statistics import summarise
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.pipeline import measure
from tests.core.measure.particle_tables import log_normal, table_of

SCALE = Calibration(5.0, "typed", relative_uncertainty=0.01)


def table(n=4000, median=150.0):
    return table_of(log_normal(n, median, seed=3) / 5, nm_per_pixel=5.0)


def rows(statistics):
    return {row["name"]: row for row in statistics.budget["rows"]}


def test_answers_with_hidden_particles_are_those_of_all_sizes_together():
    sizes = WeightedSizes.of(table(), edge="exclude")
    small = np.median(sizes.size) * np.exp(np.random.default_rng(1).normal(*HIDDEN_SIZE, 2000))
    diameters = np.concatenate([sizes.size, small])
    median, fraction = with_hidden(sizes, 0.5)
    assert median == pytest.approx(np.median(diameters), rel=0.02)
    assert fraction == pytest.approx((diameters <= 100).mean(), abs=0.01)


def test_without_possible_cuts_nothing_is_hidden():
    sizes = WeightedSizes.of(table(60), edge="exclude")
    statistics = summarise(table(60), Conditions(calibration=SCALE, evidence=Evidence(hidden=0.0)))
    assert most_hidden(0.0) == 0
    assert with_hidden(sizes, 0.0) == (statistics.median, statistics.fraction_100nm)
    row = rows(statistics)[HIDDEN]
    assert (row["median"], row["fraction_100nm"]) == (0, 0)
    assert row["source"].startswith("No outline has possible cuts")


def test_more_hidden_particles_never_make_the_median_larger_or_the_fraction_smaller():
    sizes = WeightedSizes.of(table(300), edge="exclude")
    medians, fractions = np.array([with_hidden(sizes, hidden) for hidden in (0, 0.1, 0.5, 1, 2)]).T
    assert (np.diff(medians) <= 0).all()
    assert (np.diff(fractions) >= 0).all()


def test_equal_sizes_and_a_specimen_far_above_100_nm():
    equal = WeightedSizes.of(table_of(np.full(12, 30.0), nm_per_pixel=5.0), edge="exclude")
    assert 0 < with_hidden(equal, 0.3)[0] <= equal.size[0]
    coarse = WeightedSizes.of(table_of(log_normal(200, 20_000, seed=1) / 500, nm_per_pixel=500.0), edge="exclude")
    assert with_hidden(coarse, 1.0)[1] < 1e-6  # what is hidden is smaller than others, not 200 times


def test_the_total_uncertainty_reaches_further_to_one_side_only():
    without = summarise(table(300), Conditions(calibration=SCALE, evidence=Evidence()))
    statistics = summarise(table(300), Conditions(calibration=SCALE, evidence=Evidence(hidden=0.3)))
    assert HIDDEN not in rows(without)
    (low, high), (least, most) = (statistics.budget[name]["ends"] for name in ("median", "fraction_100nm"))
    (low_before, high_before), (least_before, most_before) = (
        without.budget[name]["ends"] for name in ("median", "fraction_100nm")
    )
    assert low < low_before
    assert high == high_before
    assert least == least_before
    assert most > most_before
    assert "fewer than 30 small particles for 100 counted ones" in rows(statistics)[HIDDEN]["source"]


def test_images_of_a_sample_share_it_weighted_by_their_particles():
    shared = Evidence(unresolved=[(100, Effect(0.04, 0.1)), (300, Effect(0.08, 0.02))])
    row = rows(summarise(table(400), Conditions(calibration=SCALE, evidence=shared)))[HIDDEN]
    assert (row["median"], row["fraction_100nm"]) == pytest.approx((0.07, 0.04))
    unknown = Evidence(unresolved=[(100, Effect(0.04, 0.1)), (300, Effect())])
    assert HIDDEN not in rows(summarise(table(400), Conditions(calibration=SCALE, evidence=unknown)))


def outlines(*, by_hand=(), card=None, parted=False):
    """One object of 40 x 20 px with a possible cut of 30 % across its middle, and one without."""
    labels = np.zeros((60, 60), np.int32)
    labels[10:30, 10:50], labels[40:50, 10:20] = 1, 2
    if parted:
        labels[10:30, 30:50] = 3
    ids = np.unique(labels[labels > 0]).astype(np.int32)
    cut = Cut(0.3, [[30.0, 10.0], [30.0, 30.0]], [], [28, 20, 31, 20])
    origin = Provenance("0" * 64, "particles", card=card or {"name": "particles"})
    confidence = np.ones(len(ids), np.float32)
    classes = np.zeros(len(ids), np.int32)
    return Segmentation(
        labels, ids, classes, ("particle",), confidence, 60, origin, by_hand=frozenset(by_hand), cuts=(cut,)
    )


@pytest.mark.parametrize(
    ("given", "hidden"),
    [({}, most_hidden(0.3 / 2)), ({"by_hand": [1]}, 0), ({"by_hand": [2]}, most_hidden(0.3 / 2)),
     ({"parted": True}, 0), ({"card": {"name": MASKS}}, None)],
    ids=["as found", "checked by a person", "another one was checked", "cut", "masks of another tool"],
)  # fmt: skip
def test_only_possible_cuts_that_nobody_settled_hide_particles(given, hidden):
    micrograph = Micrograph(np.full((60, 60), 90, np.uint8), "a.tif", "0" * 64, SCALE)
    settings = AnalysisSettings.of("particles", faint_limit=0, filter=False)
    contributions = rows(measure(micrograph, outlines(**given), settings).statistics)
    if hidden is None:
        assert HIDDEN not in contributions
    elif not hidden:
        assert contributions[HIDDEN]["median"] == 0
    else:
        assert f"fewer than {100 * hidden:.0f} small particles" in contributions[HIDDEN]["source"]
