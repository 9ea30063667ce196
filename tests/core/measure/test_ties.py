"""Sizes measured in whole pixels: what their steps do to the intervals, and that they leave other sizes alone."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.pooling import pool
from segmentation.core.measure.sizes.distribution import WEIGHTINGS, figures
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.uncertainty.bootstrap import intervals
from segmentation.core.measure.uncertainty.budget import Conditions
from segmentation.core.measure.uncertainty.figure_draws import FigureDraws, half_steps
from segmentation.core.measure.uncertainty.resampling import resample
from segmentation.core.micrograph.types import Calibration
from tests.core.measure.particle_tables import log_normal, table_of
from tools.accuracy.drawn import coverage

NM = 5.5
SURE = Calibration(NM, "typed", relative_uncertainty=0.0)
STEPPED = ("d10", "d50", "d90", "mode", "median", "ecd_median")


def small(n, seed=0, nm=NM):
    """Rectangles of 3 to 7 px."""
    return table_of(np.random.default_rng(seed).integers(3, 8, n), nm_per_pixel=nm)


@pytest.mark.parametrize("n", [225, 30_000])
def test_sizes_in_whole_pixels_are_known_to_half_a_pixel(n):
    statistics = summarise(small(n), Conditions(calibration=SURE))
    assert statistics.interval_note == ""
    for name, (low, high) in statistics.intervals.items():
        if name in STEPPED:
            pixel = 2 * NM if name == "ecd_median" else NM  # the table's ECD are twice the sizes
            assert high - low >= 0.999 * pixel, name
    assert statistics.intervals["d90"] == pytest.approx([6.5 * NM, 7.5 * NM])
    for way, weighting in statistics.weighted.items():
        defined = {name for name, limits in weighting["intervals"].items() if limits}
        of_amounts = set(weighting["intervals"]) - {"sd"} if n == 30_000 else set()
        assert defined == (set(weighting["intervals"]) if way == "number" else of_amounts)
        for name, (low, high) in ((name, weighting["intervals"][name]) for name in defined):
            assert low <= weighting[name] <= high, name


def test_many_particles_narrow_the_interval_to_the_step_and_no_further():
    medians = [summarise(small(n), Conditions(calibration=SURE)).intervals["median"] for n in (100, 10_000)]
    wide = [high - low for low, high in medians]
    assert wide[0] >= wide[1] == pytest.approx(NM)


def test_the_calibration_widens_beyond_the_step():
    doubtful = Calibration(NM, "typed", relative_uncertainty=0.05)
    low, high = summarise(small(3_000), Conditions(calibration=doubtful)).intervals["median"]
    assert low == pytest.approx(4.5 * NM * np.exp(-1.96 * 0.05), rel=0.01)
    assert high == pytest.approx(5.5 * NM * np.exp(1.96 * 0.05), rel=0.01)


def test_the_span_may_be_as_small_and_as_large_as_the_steps_allow():
    statistics = summarise(table_of([4] * 50 + [5] * 100 + [6] * 50), Conditions(calibration=Calibration(1.0, "typed")))
    number = statistics.weighted["number"]
    assert number["span"] == pytest.approx(2 / 5)
    assert number["intervals"]["span"] == pytest.approx([1 / 5.5, 3 / 4.5])


def test_a_span_of_nothing_may_be_nothing():
    weighting = summarise(
        table_of([5] * 197 + [4, 4, 6, 6]), Conditions(calibration=Calibration(1.0, "typed"))
    ).weighted["number"]
    assert weighting["span"] == 0
    assert weighting["intervals"]["span"] == pytest.approx([0, 1 / 4.5])


@pytest.mark.parametrize(("images", "steps"), [(3, 1.5), (12, 1)])
def test_images_of_small_particles(images, steps):
    """Three images leave open how much images differ, even where these do not."""
    statistics = pool([small(80, seed) for seed in range(images)], Conditions(calibration=SURE))
    assert statistics.interval_note == ""
    assert None not in statistics.intervals.values()
    for name in ("d10", "d90"):
        low, high = statistics.intervals[name]
        assert NM * 0.999 <= high - low <= NM * 1.001 * steps, "the step does not grow with the spread of few images"
    assert all(row["high"] - row["low"] >= 0.999 * NM for row in statistics.images)


def test_images_of_one_step_have_a_span():
    statistics = pool([table_of([5] * 80 + [4] * k) for k in (1, 2, 3)])
    assert statistics.weighted["number"]["span"] == 0
    assert statistics.weighted["number"]["intervals"]["span"] == pytest.approx([0, 1 / 4.5])


def test_the_same_image_many_times_is_said_to_be():
    table = table_of(log_normal(50))
    statistics = pool([table, table, table], Conditions(calibration=Calibration(1.0, "drawn", "", 0.05)))
    assert "not defined" in statistics.interval_note and "same sizes" in statistics.interval_note
    assert {limits for name, limits in statistics.intervals.items() if not name.startswith("fraction_100nm")} == {None}
    other = pool([table, table, table_of(log_normal(50, seed=1))])
    assert other.interval_note == "" and other.intervals["mean"] is not None


@pytest.mark.parametrize(
    ("size", "half"),
    [([1.0, 2.5, 7.0], [0, 0, 0]), ([22.0] * 3, [11.0] * 3), ([3, 3, 4, 4, 6, 6], [0.5] * 4 + [1.0] * 2),
     ([3, 3, 4, 6, 6], [0.5, 0.5, 0, 1.0, 1.0]), ([2, 2, 50, 50], [1, 1, 1, 1]), ([3, 3, 3 + 1e-12, 4, 4], [0.5] * 5),
     ([4.0] * 40 + [4.001] * 3 + [5.0] * 40, [0.5] * 40 + [0.0005] * 3 + [0.5] * 40),
     ([4.0] * 40 + [4.5], [0.25] * 40 + [0])],
    ids=["none", "one size", "a gap", "once", "no step is larger than a particle", "rounding", "odd shapes", "alone"],
)  # fmt: skip
def test_half_steps(size, half):
    assert half_steps(np.array(size, float)) == pytest.approx(np.array(half, float), abs=1e-9)


def test_sizes_that_differ_have_no_steps():
    """So their intervals are those of the draws alone: nothing is added to them."""
    sizes = coverage.sizes_of(log_normal(2000))
    assert not resample(sizes, np.random.default_rng(0)).half_steps.any()
    drawn = FigureDraws.of_logs(np.log(sizes.size), np.zeros(2000))
    assert drawn.down == drawn.up == 0.0
    assert drawn.limits(0) == pytest.approx(np.quantile(sizes.size, (0.025, 0.975)), rel=1e-3)


def test_intervals_of_rounded_sizes_cover():
    """Of a log-normal law measured in whole pixels, coarse ones: the truth is that of the law, not of the pixels."""
    law = coverage.log_normal(1.3)
    goal, pixel, samples = coverage.truths(law((np.arange(100_000) + 0.5) / 100_000))["number"], 25.0, 40
    held = dict.fromkeys(("d10", "d50", "d90", "span"), 0)
    for seed in range(samples):
        values = np.maximum(np.round(log_normal(100, gsd=1.3, seed=seed) / pixel), 1) * pixel
        sizes = coverage.sizes_of(values)
        rng = np.random.default_rng(seed)
        estimates = {way: figures(sizes.size, sizes.weights[way], way) for way in WEIGHTINGS}
        limits = intervals(sizes, estimates, rng)["number"]
        for name in held:
            held[name] += limits[name][0] <= goal[name] <= limits[name][1]
    assert min(held.values()) >= 0.93 * samples, held


def test_equal_sizes_have_no_convergence():
    sizes = np.full(20, 390.0)
    assert summarise(table_of(sizes)).convergence is None
    sizes[-1] = 401.0
    assert summarise(table_of(sizes)).convergence is not None


def test_resamples_of_a_single_particle_have_a_span_of_nothing():
    """In three images of which one holds one particle many resamples hold that alone."""
    least, most = np.array([0.0, *[1.0] * 4] * 20), np.array([0.0, *[2.0] * 4] * 20)
    low, high = FigureDraws.between(least, most).limits(0)
    assert low == 0 and high == pytest.approx(2.0)
    assert FigureDraws.between(np.zeros(10), np.zeros(10)).limits(0) is None
