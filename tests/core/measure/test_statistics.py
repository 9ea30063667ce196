"""The numbers beside the picture."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binomtest, kstest
from threadpoolctl import threadpool_limits

from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.shape.descriptors import DESCRIPTORS
from segmentation.core.measure.sizes.fitting import log_normal as log_normal_fit
from segmentation.core.measure.statistics import seed_of, summarise
from segmentation.core.measure.uncertainty.budget import Conditions
from segmentation.core.measure.uncertainty.fractions import wilson
from segmentation.core.micrograph.types import Calibration
from tests.core.measure.particle_tables import log_normal, table_of


def test_known_numbers():
    statistics = summarise(table_of([10, 20, 30, 40, 200]))
    assert (statistics.n_kept, statistics.n_set_aside, statistics.unit) == (5, 0, "nm")
    assert (statistics.mean, statistics.median, statistics.d50) == (60, 30, 30)
    assert statistics.sd == pytest.approx(np.sqrt((50**2 + 40**2 + 30**2 + 20**2 + 140**2) / 4))
    assert (statistics.d10, statistics.d90) == pytest.approx((14, 136))
    assert statistics.ecd_median == 60
    assert statistics.fraction_100nm == 0.8
    assert statistics.without_filter is None


@pytest.mark.parametrize(("successes", "n"), [(8, 10), (0, 10), (10, 10), (1, 1), (1219, 5516)])
def test_wilson(successes, n):
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_no_particles():
    statistics = summarise(table_of([]))
    assert statistics.n_kept == 0
    numbers = (
        statistics.mean,
        statistics.median,
        statistics.sd,
        statistics.d10,
        statistics.fraction_100nm,
        statistics.fraction_low,
    )
    assert set(numbers) == {None}
    json.dumps(statistics.as_dict(), allow_nan=False)


def test_one_particle_has_no_deviation():
    statistics = summarise(table_of([50]))
    assert (statistics.mean, statistics.sd, statistics.fraction_100nm) == (50, None, 1.0)


def test_set_aside_particles_count_for_nothing_but_their_reason():
    reasons = ["", Reason.UNSURE, Reason.FRAME, "", Reason.FRAME]
    statistics = summarise(table_of([10, 1000, 1000, 20, 1000], reasons))
    assert (statistics.mean, statistics.n_set_aside) == (15, 3)
    assert list(statistics.set_aside.items()) == [(Reason.FRAME, 2), (Reason.UNSURE, 1)]


@pytest.mark.parametrize(
    ("sizes", "reasons", "nm_per_pixel", "without"),
    [([150, 250, 50, 60, 1, 1], ["", "", Reason.SMALL, Reason.ODD, Reason.FRAME, Reason.SLIP], 1.0, (4, 105, 0.5)),
     ([50], [Reason.SMALL], None, (1, 50, None))],
)  # fmt: skip
def test_what_the_filter_changes(sizes, reasons, nm_per_pixel, without):
    statistics = summarise(table_of(sizes, reasons, nm_per_pixel=nm_per_pixel))
    assert statistics.without_filter == dict(zip(("n", "median", "fraction_100nm"), without, strict=True))


@pytest.mark.parametrize("sizes", [[100.0, 100.1], [0.5, 1.0, 50, 200]])
def test_the_recommendation_counts_from_1_to_100_nm(sizes):
    assert summarise(table_of(sizes)).fraction_100nm == 0.5


def test_every_key_is_there_whatever_there_is():
    keys = set(summarise(table_of(log_normal(40))).as_dict())
    for sizes in ([], [50], [50, 50]):
        statistics = summarise(table_of(sizes)).as_dict()
        assert set(statistics) == keys
        assert set(statistics["weighted"]) == {"number", "area", "volume"}
        json.dumps(statistics, allow_nan=False)


def test_the_same_image_gives_the_same_intervals():
    table = table_of(log_normal(50))
    assert summarise(table, Conditions(seed=3)).as_dict() == summarise(table, Conditions(seed=3)).as_dict()
    assert summarise(table, Conditions(seed=3)).intervals != summarise(table, Conditions(seed=4)).intervals
    assert seed_of("ff" * 32) == 2**64 - 1


def test_order_of_particles_changes_nothing():
    sizes = log_normal(80)
    assert summarise(table_of(sizes)).as_dict() == summarise(table_of(sizes[::-1])).as_dict()


def test_weighted_figures_of_known_sizes():
    """The ECD is twice the size here, and one large particle outweighs the small ones by its area and volume."""
    weighted = summarise(table_of([10, 10, 30])).weighted
    area, volume = np.array([1, 1, 9]), np.array([1, 1, 27])
    assert weighted["number"]["mean"] == pytest.approx(50 / 3)
    assert weighted["area"]["mean"] == pytest.approx((area * [10, 10, 30]).sum() / 11)
    assert weighted["volume"]["mean"] == pytest.approx((volume * [10, 10, 30]).sum() / 29)
    assert weighted["number"]["geometric_mean"] == pytest.approx(3000 ** (1 / 3))
    assert weighted["number"]["geometric_sd"] == pytest.approx(np.exp(np.log([10, 10, 30]).std(ddof=1)))


def test_weighted_figures_follow_hatch_and_choate():
    """Weighting a log-normal distribution by d^k moves its median by GSD^(k ln GSD) and leaves the GSD."""
    weighted, spread = summarise(table_of(log_normal(40_000, 110, 1.5))).weighted, np.log(1.5)
    for way, power in {"number": 0, "area": 2, "volume": 3}.items():
        weighting, median = weighted[way], 110 * np.exp(power * spread**2)
        assert weighting["d50"] == pytest.approx(median, rel=0.02), way
        assert weighting["geometric_mean"] == pytest.approx(median, rel=0.02), way
        assert weighting["geometric_sd"] == pytest.approx(1.5, rel=0.02), way
        assert weighting["d90"] == pytest.approx(median * np.exp(1.2816 * spread), rel=0.03), way
        assert weighting["span"] == pytest.approx((weighting["d90"] - weighting["d10"]) / weighting["d50"]), way
        assert weighting["mode"] == pytest.approx(median * np.exp(-(spread**2)), rel=0.07), way


def test_edge_weights_count_where_asked():
    table = table_of([10, 20], edge_weight=[1.0, 3.0])
    assert summarise(table).mean == 15
    weighted = summarise(table, Conditions(edge="weight"))
    assert (weighted.edge, weighted.mean) == ("weight", 17.5)
    assert weighted.fraction_100nm == 1


def test_edge_weights_undo_the_bias_of_the_frame():
    """Large particles touch the frame more often: without weights their share comes out too small."""
    rng = np.random.default_rng(1)
    side, sizes = 1000.0, np.repeat([40.0, 400.0], 8_000)
    left, top = (rng.uniform(-sizes, side, len(sizes)) for _ in range(2))
    # Particles whose corner is in the frame: the same number of both per area.
    inside = (left >= 0) & (top >= 0) & (left + sizes <= side) & (top + sizes <= side)
    chosen = (left >= 0) & (top >= 0)
    seen_sizes = sizes[inside]
    weight = side**2 / (side - seen_sizes) ** 2
    table = table_of(seen_sizes, edge_weight=weight)
    truth = sizes[chosen].mean()
    assert summarise(table).mean < 0.85 * truth
    assert summarise(table, Conditions(edge="weight")).mean == pytest.approx(truth, rel=0.03)


def test_touching_particles_are_agglomerates():
    statistics = summarise(table_of([10] * 6, ["", "", "", "", "", Reason.ODD], group=[1, 1, 1, 2, 3, 3]))
    # The one in group 3 touches only an outline that was set aside: one counted particle is no agglomerate.
    counted = {"groups": 1, "singles": 2, "primaries_in_groups": 3, "largest": 3, "share": 0.6, "mean_primaries": 3.0}
    assert counted.items() <= statistics.agglomerates.items()


def test_shape_has_every_descriptor():
    shape = summarise(table_of([10, 20, 30], solidity=[0.8, 0.9, 1.0])).shape
    assert list(shape) == list(DESCRIPTORS)
    assert shape["solidity"] == pytest.approx({"median": 0.9, "d10": 0.82, "d90": 0.98})
    assert summarise(table_of([])).shape == {}


def test_log_normal_sizes_fit_and_others_do_not():
    statistics = summarise(table_of(log_normal(300, 110, 1.5)))
    assert statistics.fit["word"] == "good" and statistics.fit["p"] > 0.05
    assert statistics.fit["median"] == pytest.approx(statistics.weighted["number"]["geometric_mean"])
    two_kinds = np.r_[log_normal(300, 40, 1.2), log_normal(300, 200, 1.2, seed=1)]
    assert summarise(table_of(two_kinds)).fit["word"] == "poor"
    assert summarise(table_of([10] * 30)).fit is None
    assert summarise(table_of([10, 20, 30])).fit is None


def test_distance_of_the_fit_is_that_of_scipy():
    sizes = log_normal(200, 90, 1.4, seed=2)
    fit, logs = summarise(table_of(sizes)).fit, np.log(sizes)
    expected = kstest((logs - logs.mean()) / logs.std(ddof=1), "norm").statistic
    assert fit["ks"] == pytest.approx(expected, abs=1e-6)


def test_p_of_the_fit_is_uniform_for_the_law_itself():
    p_values = [log_normal_fit(np.sort(log_normal(60, seed=i)), np.ones(60))["p"] for i in range(400)]
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_convergence_narrows_and_says_how_many_more():
    whole = summarise(table_of(log_normal(400, gsd=1.8)))
    convergence = whole.convergence
    width = [
        (high - low) / median
        for low, high, median in zip(convergence["low"], convergence["high"], convergence["median"], strict=True)
    ]
    assert convergence["n"][0] == 6 and convergence["n"][-1] == 400
    assert width[-1] < 0.3 * width[0]
    assert convergence["median"][-1] == pytest.approx(whole.median)
    reach = max(
        convergence["high"][-1] / convergence["median"][-1] - 1, 1 - convergence["low"][-1] / convergence["median"][-1]
    )
    assert convergence["more"] == pytest.approx(400 * (reach / 0.05) ** 2 - 400, rel=0.1)
    assert summarise(table_of(log_normal(500, gsd=1.2))).convergence["more"] == 0
    assert summarise(table_of([10, 20])).convergence is None


@pytest.mark.parametrize(("uncertainty", "gsd"), [(None, 1.25), (0.015, 1.2)])
def test_particles_are_enough_only_if_both_ends_are_near(uncertainty, gsd):
    answers = set()
    for seed in range(8):
        calibration = Calibration(1.0, "drawn", relative_uncertainty=uncertainty)
        statistics = summarise(
            table_of(log_normal(117, gsd=gsd, seed=seed)), Conditions(calibration=calibration, seed=seed)
        )
        low, high = statistics.intervals["median"]
        line = statistics.convergence
        assert [line["low"][-1], line["high"][-1]] == [low, high]
        assert (line["more"] == 0) == (
            max(statistics.median - low, high - statistics.median) <= 0.05 * statistics.median
        )
        answers.add(line["more"] == 0)
    assert answers == {True, False}


def test_no_number_of_particles_mends_the_scale():
    calibration = Calibration(1.0, "drawn", relative_uncertainty=0.03)
    assert (
        summarise(table_of(log_normal(500, gsd=1.2)), Conditions(calibration=calibration)).convergence["more"] is None
    )


def test_of_three_particles_the_largest_carries_the_volume():
    """D50 by volume is where the cumulative volume reaches one half: within the largest, not between the two larger."""
    weighted = summarise(table_of([10.0, 20.0, 100.0], ecd=np.array([10.0, 20.0, 100.0]))).weighted
    assert [weighted["volume"][name] for name in ("d10", "d50", "d90")] == [100, 100, 100]
    assert weighted["number"]["d50"] == 20


def test_no_number_depends_on_the_number_of_threads():
    table = table_of(log_normal(700))
    with threadpool_limits(1):
        statistics = summarise(table).as_dict()
    with threadpool_limits(2):
        assert summarise(table).as_dict() == statistics
