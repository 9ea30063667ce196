"""The uncertainty budget and the points of 2022/C 229/01, against sums by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from math import pi, sqrt

import numpy as np
import pytest

from segmentation.core.measure.objects.filters import judge
from segmentation.core.measure.pooling import pool
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.uncertainty.budget import SCORED_BY_OWNER, Conditions, Evidence, effect
from segmentation.core.micrograph.types import Calibration
from tests.core.measure.particle_tables import log_normal, table_of

GIVEN = Calibration(5.0, "typed", relative_uncertainty=0.01, instrument_uncertainty=0.02)
SCORES = [
    {"data": "EMPS, 52", "median_error": 3.0, "merges": 2.5},
    {"data": "powder", "median_error": -4.0},
    {"dice": 1},
]
ALL = Evidence(SCORES, repeatability=0.03)


def table(n=200, median=110.0, seed=0):
    return table_of(log_normal(n, median, seed=seed) / 5, nm_per_pixel=5.0)


def found(calibration=GIVEN, evidence=ALL, **more):
    sizes = table()
    others = {"threshold -0.1": sizes.rescaled(5.05), "threshold +0.1": sizes.rescaled(4.8)}
    return summarise(sizes, Conditions(calibration=calibration, evidence=evidence, alternatives=others, **more))


def rows(statistics):
    return {row["name"]: row for row in statistics.budget["rows"]}


def test_every_contribution_of_the_median_is_the_one_by_hand():
    statistics = found()
    low, high = summarise(
        table(), Conditions(calibration=replace(GIVEN, relative_uncertainty=0, instrument_uncertainty=0))
    ).intervals["median"]
    expected = {
        "calibration_reading": 0.01,
        "calibration_instrument": 0.02,
        "threshold": 0.04 / sqrt(3),
        "segmentation": sqrt((3**2 + 4**2) / 2) / 100,
        "resolution": 5 * 0.45 / statistics.median,
        "sampling_within": (high - low) / 2 / 1.96 / statistics.median,
        "repeatability": 0.03,
    }
    terms = rows(statistics)
    assert list(terms) == list(expected)
    for name, value in expected.items():
        assert terms[name]["median"] == pytest.approx(value, rel=0.1 if name == "sampling_within" else 1e-9), name
    total = statistics.budget["median"]
    assert total["standard"] == pytest.approx(sqrt(sum(row["median"] ** 2 for row in terms.values())))
    assert total["expanded"] == 2 * total["standard"] and total["without"] == []
    assert total["largest"] == "sampling_within" and "count more particles" in total["sentence"]
    assert "EMPS +3.0 % (2.5 % merged); powder -4.0 %" in terms["segmentation"]["source"]


def test_the_difference_between_operators_counts_where_it_is_provided():
    terms, total = rows(found()), found(evidence=replace(ALL, operators=0.06))
    assert "operators" not in terms
    assert rows(total)["operators"]["median"] == 0.06
    assert total.budget["median"]["standard"] == pytest.approx(
        sqrt(found().budget["median"]["standard"] ** 2 + 0.06**2)
    )


def test_the_repeatability_names_its_source():
    evidence = replace(ALL, repeatability=0.04)
    assert rows(found(evidence=evidence))["repeatability"]["source"] == "As provided."
    studied = replace(evidence, repeatability_source="study “June” of 2026-06-30")
    assert rows(found(evidence=studied))["repeatability"]["source"] == "As provided: study “June” of 2026-06-30."
    unknown = replace(ALL, repeatability=None, repeatability_source="study “June”")
    assert rows(found(evidence=unknown))["repeatability"]["source"] == "Not provided."


def test_truth_masks_of_ones_own_count_alone():
    terms = rows(
        found(evidence=Evidence([*SCORES, {"data": "mine, 4 images", "median_error": 7.0, "split": SCORED_BY_OWNER}]))
    )
    assert terms["segmentation"]["median"] == pytest.approx(0.07)
    assert "own truth masks" in terms["segmentation"]["source"] and "EMPS" not in terms["segmentation"]["source"]


def test_a_common_error_moves_the_fraction_by_its_root_mean_square_change():
    sizes, terms = table().length("min_feret"), rows(found(evidence=replace(ALL, repeatability=0.15)))
    errors = np.random.default_rng(0).normal(0, 0.15, 20_000)
    shares = np.array([(sizes * np.exp(error) <= 100).mean() for error in errors])
    change = np.sqrt(((shares - (sizes <= 100).mean()) ** 2).mean())
    assert terms["repeatability"]["fraction_100nm"] == pytest.approx(change, rel=0.02)


def test_sizes_that_pass_100_nm_together_show_it_as_a_part_of_the_fraction():
    def repeated(low, high):
        few = table_of(np.linspace(low, high, 4), nm_per_pixel=1.0)
        evidence = Evidence(repeatability=0.15)
        return rows(summarise(few, Conditions(evidence=evidence)))["repeatability"]["fraction_100nm"]

    assert repeated(76.7, 79.8) > 0.2  # one specimen in sixteen like this has none under 100 nm
    assert repeated(30.0, 31.0) == 0


def test_what_was_fitted_to_images_with_truth_takes_the_place_of_the_cards_scores():
    fitted = rows(found(evidence=replace(ALL, outline_error=(0.02, 0.1))))["segmentation"]
    assert fitted["median"] == 0.02 and "90 %" in fitted["source"]
    share = found().fraction_100nm
    assert fitted["fraction_100nm"] == pytest.approx(0.1 * sqrt(share * (1 - share)), rel=0.01)
    own = [*SCORES, {"data": "mine, 4 images", "median_error": 7.0, "split": SCORED_BY_OWNER}]
    assert rows(found(evidence=Evidence(own, outline_error=(0.02, 0.1))))["segmentation"]["median"] == pytest.approx(
        0.07
    )


def test_what_is_not_known_is_named_and_is_no_zero():
    statistics = summarise(table(), Conditions(calibration=Calibration(5.0, "metadata")))
    terms, total = rows(statistics), statistics.budget["median"]
    unknown = ["calibration_reading", "calibration_instrument", "threshold", "segmentation", "repeatability"]
    assert [name for name, row in terms.items() if row["median"] is None] == unknown
    assert all(terms[name]["fraction_100nm"] is None for name in unknown)
    assert total["without"] == [terms[name]["title"] for name in unknown]
    without = total["sentence"].partition("not known")[2]
    assert "reading and rounding" in without and "microscope itself" in without
    assert total["standard"] == pytest.approx(sqrt(sum(row["median"] ** 2 for row in terms.values() if row["median"])))


@pytest.mark.parametrize("few", [1, 5])
def test_sampling_of_few_particles_is_not_known(few):
    statistics = summarise(table(few), Conditions(calibration=GIVEN))
    assert rows(statistics)["sampling_within"]["median"] is None
    assert "Sampling of particles" in statistics.budget["median"]["without"]


@pytest.mark.parametrize(
    ("count", "median", "scale"), [(7, 60, 0.0), (7, 200, 0.05), (12, 30, 0.1), (40, 95, 0.02), (200, 110, 0)]
)
def test_the_range_of_all_that_is_known_holds_the_interval(count, median, scale):
    calibration = Calibration(5.0, "typed", relative_uncertainty=scale)
    for seed in range(3):
        statistics = summarise(table(count, median, seed), Conditions(calibration=calibration))
        for answer in ("median", "fraction_100nm"):
            low, high = statistics.intervals[answer]
            ends = statistics.budget[answer]["ends"]
            assert ends[0] <= low and high <= ends[1]
            if answer == "fraction_100nm":
                assert 0 <= ends[0] <= ends[1] <= 1


def test_of_many_particles_the_range_is_the_expanded_uncertainty():
    statistics = found()
    total = statistics.budget["median"]
    times = np.exp(total["expanded"])
    assert total["ends"] == pytest.approx([statistics.median / times, statistics.median * times], rel=0.03)


def test_without_sampling_there_is_no_range():
    assert summarise(table(1), Conditions(calibration=GIVEN)).budget["median"]["ends"] is None


def test_pixels_and_nothing_have_neither():
    for empty in (table_of([20.0] * 40, nm_per_pixel=None), table_of([])):
        statistics = summarise(empty)
        assert statistics.budget is None and statistics.recommendation is None


def test_a_sample_has_the_spread_that_its_images_show():
    alike = [table(60, 110, seed) for seed in range(8)]
    apart = [table(60, median, seed) for seed, median in enumerate(np.geomspace(70, 170, 8))]
    evidence = Evidence(thresholds=[(60, effect(found().budget, "threshold")), (180, effect(None, "threshold"))])
    near, far = (pool(tables, Conditions(calibration=GIVEN)) for tables in (alike, apart))
    assert rows(far)["sampling_between"]["median"] > 3 * (rows(near)["sampling_between"]["median"] or 0.01)
    assert rows(far)["sampling_between"]["median"] > rows(far)["sampling_within"]["median"]
    assert rows(pool(apart, Conditions(evidence=evidence)))["threshold"]["median"] is None  # of one image not known


def test_an_answer_without_an_interval_has_no_sum_and_each_answer_its_own_source():
    """Of three images that differ much the fraction has an interval, the median none."""
    pooled = pool(
        [table(60, median, seed) for seed, median in enumerate((40, 110, 400))], Conditions(calibration=GIVEN)
    )
    between = rows(pooled)["sampling_between"]
    assert between["median"] is None and between["fraction_100nm"] > 0.1
    assert re.match(r"How much 3 images differ.* Of the median not known: 3 images", between["source"])
    assert pooled.budget["median"]["standard"] is None and pooled.budget["median"]["expanded"] is None
    fraction = pooled.budget["fraction_100nm"]
    assert fraction["expanded"] == 2 * fraction["standard"]


def test_the_threshold_of_a_sample_is_the_mean_of_its_images():
    thresholds = [(60, (0.01, 0.02)), (180, (0.03, 0.06))]
    pooled = pool([table(60), table(180)], Conditions(evidence=Evidence(thresholds=thresholds)))
    assert rows(pooled)["threshold"]["median"] == pytest.approx(0.025)
    assert rows(pooled)["threshold"]["fraction_100nm"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("size", "verdict"), [(50, "whatever the shape"), (700, "the shape decides"), (2000, "gas ads")]
)
def test_surface_by_volume_of_equal_spheres(size, verdict):
    statistics = summarise(judge(table_of([size / 5] * 40, nm_per_pixel=5.0), False))
    surface, volume = pi * size**2, pi / 6 * size**3
    assert statistics.recommendation["vssa"] == pytest.approx(surface / volume * 1e3)
    assert verdict in statistics.recommendation["points"][-1]["said"]


def test_surface_by_volume_of_two_sizes_is_that_of_all_together():
    statistics = summarise(table_of([10.0] * 50 + [100.0] * 50, nm_per_pixel=10.0))
    assert statistics.recommendation["vssa"] == pytest.approx(6000 * (100**2 + 1000**2) / (100**3 + 1000**3))


def test_each_point_is_said():
    sizes = [20_000.0] * 3 + [50.0] * 7
    statistics = summarise(table_of(sizes, nm_per_pixel=10.0, group=[1, 1, 1, *range(2, 9)]))
    sentences = {point["title"]: point["said"] for point in statistics.recommendation["points"]}
    assert statistics.recommendation["exempt"] == 3 and "counted 3 such particles" in sentences["Particles over 100 µm"]
    assert re.search(r"3 of 10 .* 1 group .*\b7 are single", sentences["Constituent particles"])
    assert "never makes it lower" in sentences["Thickness"] and "under 1 nm thick" in next(
        sentence for title, sentence in sentences.items() if "plate-like" in title
    )
    assert "under 9 px" in sentences["External dimension"]


def test_an_interval_too_wide_to_print_is_still_in_the_sum():
    """Fine debris beside large particles, half of each: the median may be either."""
    sizes = [5.0 + i / 100 for i in range(62)] + [200.0 + i / 10 for i in range(60)]
    calibration = Calibration(2.0, "typed", relative_uncertainty=0.001)
    statistics = summarise(table_of(sizes, nm_per_pixel=2.0), Conditions(calibration=calibration))
    assert statistics.intervals["median"] is None
    assert rows(statistics)["sampling_within"]["median"] > 1
    assert statistics.budget["median"]["largest"] == "sampling_within"


def test_lengths_in_the_sentence_have_no_exponent():
    sizes = np.linspace(400, 520, 60)
    statistics = summarise(table_of(sizes), Conditions(calibration=Calibration(1.0, "metadata")))
    assert statistics.budget["median"]["sentence"].startswith(
        "Median 460 nm, 444 to 475 nm with the known uncertainty."
    )
    assert "e+" not in statistics.budget["median"]["sentence"]
