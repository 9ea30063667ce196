"""Many images as one sample."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from segmentation.core.combine import combine, unique_names
from segmentation.core.flags import Flag
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.pooling import (
    NO_PIXEL_SIZE,
    WHY_LEFT_OUT,
    between_images,
    find_outliers,
    holm,
    kolmogorov,
    pool,
)
from segmentation.core.measure.sizes.distribution import WeightedSizes
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.uncertainty.budget import Conditions, Evidence
from segmentation.core.measure.uncertainty.convergence import MOST_IMAGES, more_images, more_images_words
from segmentation.core.micrograph.types import Calibration, common_calibration
from segmentation.core.report.summary import Summary
from segmentation.core.report.wording import agreement_words
from segmentation.core.sample import Member
from tests.core.measure.particle_tables import log_normal, table_of


def images(count=8, n=60, between=1.0, seed=0, median=110.0, nm_per_pixel=2.0):
    rng = np.random.default_rng(seed)
    medians = median * np.exp(np.log(between) * rng.standard_normal(count))
    return [
        table_of(log_normal(n, m / nm_per_pixel, 1.4, seed=seed + i), nm_per_pixel=nm_per_pixel)
        for i, m in enumerate(medians)
    ]


def pooled(tables, **more):
    return pool(tables, Conditions(**more))


def together(tables):
    """The sample of images with these tables."""
    scales = [table.nm_per_pixel for table in tables]
    calibrations = [Calibration(nm, "typed") if nm else Calibration.absent() for nm in scales]
    return combine("lot", [Member(f"{i}.tif", *of) for i, of in enumerate(zip(tables, calibrations, strict=True))])


def test_pooled_figures_are_those_of_all_particles_together():
    tables = images()
    statistics = pooled(tables)
    sizes = np.concatenate([table["min_feret_nm"] for table in tables])
    assert statistics.n_kept == len(sizes)
    assert statistics.mean == pytest.approx(sizes.mean())
    assert statistics.median == pytest.approx(np.median(sizes))
    assert statistics.interval_basis == "by image"
    json.dumps(statistics.as_dict(), allow_nan=False)


def test_keys_are_those_of_one_image_and_three_more():
    keys = set(summarise(images(1)[0]).as_dict())
    assert set(pooled(images()).as_dict()) == keys | {"between", "images", "notes"}


def test_images_that_differ_widen_the_intervals():
    alike, unlike = (pooled(images(between=between)).intervals["median"] for between in (1.0, 1.5))
    assert np.log(unlike[1] / unlike[0]) > 3 * np.log(alike[1] / alike[0])
    by_particle = summarise(table_of(np.concatenate([t["min_feret_nm"] for t in images(between=1.5)])))
    assert unlike[1] / unlike[0] > 1.3 * by_particle.intervals["median"][1] / by_particle.intervals["median"][0]


def test_few_images_are_told_apart_from_none():
    three, twenty = (pooled(images(count, between=1.2)).intervals["mean"] for count in (3, 20))
    assert np.log(three[1] / three[0]) > 2 * np.log(twenty[1] / twenty[0])


def test_only_intervals_that_are_given_are_called_too_narrow():
    apart = pooled(images(3, 200, 2.5, seed=1))
    assert apart.intervals["d90"] is None and apart.intervals["median"] is not None
    assert "median" in apart.cautions[0] and not re.search(r"deviation|D90", " ".join(apart.cautions))


def test_one_image_is_resampled_by_particle():
    table = images(1)[0]
    statistics = pooled([table])
    assert statistics.interval_basis == "by particle"
    assert statistics.between is None
    assert statistics.intervals == summarise(table).intervals


def test_variance_between_images():
    variance, alike = (
        between_images(WeightedSizes.of(*images(60, 80, between=between), edge="exclude")) for between in (1.3, 1.0)
    )
    assert variance["sd"] == pytest.approx(np.log(1.3), rel=0.3)
    assert variance["share"] == pytest.approx(np.log(1.3) ** 2 / (np.log(1.3) ** 2 + np.log(1.4) ** 2), rel=0.5)
    assert alike["share"] < 0.02


def test_variance_between_images_is_that_of_an_f_test():
    tables = images(5, 30, between=1.3)
    f, p = stats.f_oneway(*(np.log(table["min_feret_nm"]) for table in tables))
    within = np.mean([np.log(table["min_feret_nm"]).var(ddof=1) for table in tables])
    variance = between_images(WeightedSizes.of(*tables, edge="exclude"))
    assert variance["variance"] == pytest.approx((f - 1) * within / 30)
    assert variance["p"] == pytest.approx(p)
    medians = [np.median(table["min_feret_nm"]) for table in tables]
    assert variance["times"] == pytest.approx(max(medians) / min(medians), rel=0.02)


@pytest.mark.parametrize("size", [33.3, 41.7, 100.0])
def test_equal_sizes_differ_by_nothing_but_rounding(size):
    tables = [table_of(np.full(n, size), nm_per_pixel=7.34) for n in (7, 9, 13)]
    between = between_images(WeightedSizes.of(*tables, edge="exclude"))
    assert between["p"] == 1.0 and "no more than by chance" in agreement_words(between)
    tables[1] = table_of(np.full(9, 1.2 * size), nm_per_pixel=7.34)
    between = between_images(WeightedSizes.of(*tables, edge="exclude"))
    assert between["p"] == 0.0 and "differs by 20 %" in agreement_words(between)


def test_a_difference_below_one_per_cent_is_not_written_as_zero():
    between = {"variance": 1e-5, "sd": 0.003, "share": 0.01, "p": 0.01, "times": 1.004}
    assert "the typical sizes by less than 1 %" in agreement_words(between)
    assert "differs by 1 %" in agreement_words(between | {"times": 1.012})


def test_the_odd_image_is_named_and_no_other():
    tables = images(12)
    tables[4] = table_of(log_normal(60, 110, 1.4, seed=99), nm_per_pixel=2.0)
    rows = together(tables).pooled.images
    assert [bool(row["outlier"]) for row in rows] == [i == 4 for i in range(12)]
    assert " above " in rows[4]["outlier"] and rows[4]["name"] == "4.tif"


def test_images_alike_have_no_outlier():
    """Nor have images that all differ a little: an outlier lies outside of what the others do."""
    for between in (1.0, 1.1):
        flagged = [
            bool(reason)
            for seed in range(5)
            for reason in find_outliers(
                WeightedSizes.of(*images(20, between=between, seed=40 * seed), edge="exclude"), 20
            )
        ]
        assert sum(flagged) <= 1


def test_of_three_images_none_is_odd():
    tables = [*images(2), table_of(log_normal(60, 300, 1.4), nm_per_pixel=2.0)]
    assert not any(row["outlier"] for row in together(tables).pooled.images)


def test_images_without_calibration_are_left_out_where_others_have_one():
    bare = table_of([10.0] * 30, nm_per_pixel=None)
    statistics = together([*images(3), bare]).pooled
    assert statistics.unit == "nm" and statistics.n_kept == 180
    assert [bool(row["excluded"]) for row in statistics.images] == [False, False, False, True]
    assert [row["n"] for row in statistics.images] == [60, 60, 60, 0], (
        "an image that does not count has no objects that do"
    )
    assert any(re.match(f"1 image .*{WHY_LEFT_OUT[NO_PIXEL_SIZE]}", note) for note in statistics.notes)


def test_images_without_any_calibration_are_pooled_in_pixels():
    statistics = together([table_of(log_normal(30, seed=i), nm_per_pixel=None) for i in range(3)]).pooled
    assert statistics.unit == "px" and statistics.n_kept == 90
    low, high = statistics.intervals["median"]
    assert statistics.nano is None and low < statistics.median < high
    assert any("pixels" in note for note in statistics.notes)


def test_images_of_unlike_magnification_are_pooled_in_nanometres():
    statistics = together([*images(2, nm_per_pixel=1.0), *images(2, seed=9, nm_per_pixel=4.0)]).pooled
    assert statistics.median == pytest.approx(110, rel=0.1)
    assert any("1 to 4 nm" in note for note in statistics.notes)


def test_a_coarse_image_puts_the_numbers_in_doubt_only_where_it_cannot_show_the_particles_of_another():
    fine = images(2, nm_per_pixel=1.0)  # of about 110 nm
    for coarse, doubt in ((4.0, False), (40.0, True)):
        flags = together([*fine, *images(2, seed=9, nm_per_pixel=coarse)]).flags
        differ = f"Pixel sizes differ by up to {coarse:g} times between images"
        (flag,) = (flag for flag in flags if flag.short == differ)
        assert flag.doubt == doubt and flag.short in flag.text
        assert flag.ids == (3, 4), "what the sentence names is what its action shows"


def test_empty_images_count_nothing():
    statistics = together(
        [*images(3), table_of([], nm_per_pixel=2.0), table_of([5.0], [Reason.FRAME], nm_per_pixel=2.0)]
    )
    statistics = statistics.pooled
    assert statistics.n_kept == 180 and statistics.n_set_aside == 1
    assert [row["n"] for row in statistics.images] == [60, 60, 60, 0, 0]
    assert statistics.images[3]["median"] is None
    assert any(note.startswith("2 of 5 images") for note in statistics.notes)


def test_nothing_at_all():
    statistics = pooled([table_of([]), table_of([])])
    assert statistics.n_kept == 0 and statistics.mean is None and statistics.nano is None
    json.dumps(statistics.as_dict(), allow_nan=False)


def test_a_sample_has_tables():
    with pytest.raises(ValueError, match="0 tables"):
        pool([])


def test_agglomerates_of_different_images_do_not_mix():
    table = table_of([10, 20, 30], group=[1, 1, 2])
    agglomerates = pooled([table, table, table]).agglomerates
    assert {"groups": 3, "singles": 3, "primaries_in_groups": 6, "largest": 2}.items() <= agglomerates.items()


def test_the_calibration_is_shared_by_all_images():
    tables = images(12)
    doubtful = pooled(tables, calibration=Calibration(2.0, "drawn", relative_uncertainty=0.05)).intervals["median"]
    assert np.log(doubtful[1] / doubtful[0]) == pytest.approx(2 * 1.96 * 0.05, rel=0.2)


def test_kolmogorov_is_that_of_scipy():
    for distance, n in ((0.1, 100), (0.2, 50), (0.05, 900)):
        assert kolmogorov(distance, n) == pytest.approx(stats.kstwo.sf(distance, n), rel=0.05)


def test_holm_is_the_textbook_one():
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize("uncertainty", [None, 0.0, 0.03])
def test_the_median_settles_by_image_and_ends_at_the_interval_beside_it(uncertainty):
    calibration = Calibration(2.0, "drawn", relative_uncertainty=uncertainty)
    statistics = pooled(images(12, 50, between=1.2), calibration=calibration)
    line = statistics.convergence
    assert (line["by"], line["n"][0], line["n"][-1]) == ("image", 3, 12)
    assert line["n"] == sorted(set(line["n"]))
    said = statistics.value("median").reported
    low, high = said.low, said.high
    assert [line["low"][-1], line["high"][-1]] == [low, high] == statistics.budget["median"]["ends"]
    assert line["median"][-1] == statistics.median
    assert (line["more"] == 0) == (max(statistics.median - low, high - statistics.median) <= 0.05 * statistics.median)
    first, last = ((line["high"][at] - line["low"][at]) / line["median"][at] for at in (0, -1))
    assert last < first


def test_many_particles_of_images_that_differ_do_not_settle_the_median():
    """By particle these 1,200 would be plenty; the images differ by 30 %, so many more of them are needed."""
    tables = images(8, 150, between=1.3)
    by_particle = summarise(table_of(np.concatenate([table["min_feret_nm"] for table in tables]))).convergence
    assert by_particle["more"] == 0
    assert pooled(tables).convergence["more"] > 20


def test_with_so_many_more_images_the_interval_is_as_narrow_as_wanted():
    few = pooled(images(30, 30, between=1.3, seed=1)).convergence
    assert few["more"] > 20
    low, high = pooled(images(30 + few["more"], 30, between=1.3, seed=1)).intervals["median"]
    assert np.log(high / low) / 2 == pytest.approx(few["wanted"], rel=0.35)


def test_more_images_follow_students_t():
    def reach(count):
        return 0.2 * stats.t.ppf(0.975, count - 1) / np.sqrt(count)

    more = more_images(8, reach(8), 0.05)
    assert reach(8 + more) <= 0.0501
    assert reach(8 + 0.9 * more) > 0.05
    assert more_images(8, 0.04, 0.05) == 0
    assert more_images(2, 0.6, 0.5) == 1


def test_the_calibrations_part_does_not_shrink():
    assert more_images(8, 0.06, 0.05, fixed=0.05) is None
    assert more_images(8, 0.06, 0.05, fixed=0.04) > 2 * more_images(8, 0.06, 0.05)
    assert more_images(8, 100.0, 0.05) is None and more_images(8, 1.0, 0.05) < MOST_IMAGES
    words = more_images_words(None, 0.05, 0.03)
    assert "because the scale is less certain" in words
    assert more_images_words(None, 0.05, None).startswith("even with 50 more images the median would not be known")
    assert more_images_words(1, 0.05, None).startswith("about 1 more image ")
    assert "enough" in more_images_words(0, 0.05, None)


def test_two_images_say_what_holds_in_them_by_particle():
    """How other places differ two cannot show; where one has an interval, so do both."""
    one, two = (pooled(images(m, n=200)) for m in (1, 2))
    assert two.interval_basis == "by particle" and two.interval_note == "" and two.convergence is not None
    for name in ("mean", "median", "d10"):
        width, of_one = (of.intervals[name][1] - of.intervals[name][0] for of in (two, one))
        assert 0 < width < of_one, name
    assert two.budget["median"]["ends"] is not None and two.agglomerates["share_interval"] is not None
    assert "sampling_between" not in {row["name"] for row in two.budget["rows"]}


@pytest.mark.parametrize(("count", "drawn"), [(3, [3]), (4, [4]), (5, [3, 4, 5])])
def test_under_five_images_there_is_the_end_of_a_curve_only(count, drawn):
    statistics = pooled(images(count, between=1.2))
    assert statistics.convergence["n"] == drawn
    said = statistics.value("median").reported
    assert (statistics.convergence["low"][-1], statistics.convergence["high"][-1]) == (said.low, said.high)


def test_what_no_further_image_reduces_widens_every_interval_of_the_curve():
    """Errors of the outlines: each interval reaches as much further as the last one does, and more images do not help
    where these alone reach further than wanted."""
    tables = images(12, 50, between=1.05)
    sure = pooled(tables)
    conditions = Conditions(evidence=Evidence(scores=[{"data": "d", "median_error": 6.0}]))
    doubtful = pool(tables, conditions)
    one, other = sure.convergence, doubtful.convergence
    assert one["n"] == other["n"] and one["median"] == other["median"] and one["more"] is not None
    assert all(low > further for low, further in zip(one["low"], other["low"], strict=True))
    assert doubtful.value("median").reported.high == other["high"][-1]
    assert other["more"] is None
    sentence = Summary(doubtful, {}, "particle", "particles").enough
    assert "Better: measure outlines that were corrected by hand" in sentence


@pytest.mark.parametrize("edge", ["exclude", "weight"])
def test_the_order_of_the_images_changes_no_number(edge):
    tables = images(5, between=1.3, seed=3)
    forwards, backwards = (pooled(sequence, edge=edge).as_dict() for sequence in (tables, tables[::-1]))
    assert json.dumps(forwards) == json.dumps(backwards)


def test_what_is_not_known_of_one_image_never_ranks_as_nothing():
    """Three images of a width that nobody checked and one that was typed, whose rounding is a millionth."""
    unknown, typed = Calibration(2.0, "typed"), Calibration(2.0, "typed", relative_uncertainty=1e-6)
    assert common_calibration([unknown, unknown, unknown, typed]) == unknown
    drawn = Calibration(2.0, "drawn", relative_uncertainty=0.04)
    assert common_calibration([unknown, drawn]) == drawn
    certified = Calibration(2.0, "typed", instrument_uncertainty=0.005)
    members = [Member(str(i), table, unknown if i else certified) for i, table in enumerate(images(4))]
    rows = [row["name"] for row in combine("lot", members).pooled.nano["sensitivity"]]
    assert "calibration −2 %" in rows
    assert combine("lot", members).pooled.relative_uncertainty is None
    mixed = common_calibration(
        [replace(drawn, relative_uncertainty=2e-4), replace(certified, relative_uncertainty=2e-3)]
    )
    assert (mixed.relative_uncertainty, mixed.instrument_uncertainty, mixed.instrument_note) == (2e-3, None, "")
    lot = [replace(member, calibration=certified) for member in members]
    rows = [row["name"] for row in combine("lot", lot).pooled.nano["sensitivity"]]
    assert "calibration −0.5 %" in rows and "calibration −2 %" not in rows


def test_warnings_of_images_are_named_and_stand_in_their_rows():
    members = [Member(f"{i}.tif", table, Calibration(2.0, "typed")) for i, table in enumerate(images(8))]
    flag = Flag.doubtful("The file gives 2 nm.", "Scale doubtful")
    flagged = [replace(member, flags=(flag, Flag("A note."))) for member in members[:7]]
    sample = combine("lot", [*flagged, members[7]])
    first, *named, more = sample.flags[-7:]
    assert first.doubt and first.short == "7 of 8 images: scale doubtful", "the warning that all of them have"
    assert first.text.startswith("7 images have warnings")
    assert first.ids == (1, 2, 3, 4, 5, 6, 7) and [warning.ids for warning in named] == [(1,), (2,), (3,), (4,), (5,)]
    assert [warning.text for warning in named] == [f"{i}.tif: {flag.text}" for i in range(5)]
    assert "other 2 images" in more.text
    assert [image.warning for image in sample.images] == ["Scale doubtful"] * 7 + [""]
    assert [row["warning"] for row in sample.as_dict()["images"]] == ["Scale doubtful"] * 7 + [""]


def test_by_volume_few_images_have_no_intervals_and_more_none_of_the_spread():
    """Of 5 images those with intervals by volume held the truth in 58 % of samples, spans of 20 in 79 to 91 %."""
    tables = [table_of(log_normal(80, gsd=1.2, seed=seed)) for seed in range(8)]
    for count, given in ((7, set()), (8, {"mean", "d10", "d50", "d90", "mode", "geometric_mean"})):
        weighting = pool(tables[:count]).weighted["volume"]
        assert {name for name, limits in weighting["intervals"].items() if limits} == given
        assert ("need at least 8" in weighting["note"]) == (not given)


def test_images_of_one_name_get_names_of_their_own():
    assert unique_names(["a.tif", "a.tif", "a.tif (2)", "b.tif"]) == ["a.tif", "a.tif (2)", "a.tif (2) (2)", "b.tif"]
