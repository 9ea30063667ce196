"""The nano card: the fraction, the verdict, what would decide it and how firm it is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from segmentation.core.flags import Flag
from segmentation.core.measure.nano.card import (
    INCLUDES,
    SMALL_COUNTED,
    Terms,
    images_to_decide,
    nano_card,
    particles_to_decide,
    variants_of,
)
from segmentation.core.measure.objects.filters import Reason, judge
from segmentation.core.measure.pooling import pool
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.uncertainty.budget import Conditions, Evidence
from segmentation.core.measure.uncertainty.convergence import rounded_up
from segmentation.core.measure.uncertainty.fractions import Fraction, wilson
from segmentation.core.micrograph.types import Calibration
from tests.core.measure.particle_tables import log_normal, table_of
from tools.accuracy.drawn.golden import SPECIMENS, verdicts

SURE = Calibration(2.0, "metadata", relative_uncertainty=0.01)


def card(sizes, calibration=SURE, nm_per_pixel=2.0, **more):
    """The nano card of sizes in nm."""
    table = table_of(np.asarray(sizes) / nm_per_pixel, nm_per_pixel=nm_per_pixel)
    return summarise(table, Conditions(calibration=calibration, **more)).nano


@pytest.mark.parametrize(("nano", "verdict"), [(90, "above"), (10, "below"), (50, "undecided")])
def test_verdicts(nano, verdict):
    answer = card([50] * nano + [150] * (100 - nano))
    assert (answer["fraction"], answer["n"], answer["threshold"]) == (nano / 100, 100, 0.5)
    assert answer["verdict"] == verdict
    assert (answer["decides"] == "") == (verdict != "undecided")
    assert "not a certificate" in answer["sentence"] and "1 to 100 nm" in answer["sentence"]


def test_fraction_is_that_of_the_statistics():
    table = table_of(log_normal(80))
    statistics = summarise(table, Conditions(calibration=SURE))
    assert statistics.nano["fraction"] == statistics.fraction_100nm
    assert [statistics.nano["low"], statistics.nano["high"]] == statistics.intervals["fraction_100nm"]


def test_more_particles_would_decide():
    """60 of 100: Wilson's interval excludes one half only from n on; the card's number must be about that."""
    answer = card([50] * 55 + [150] * 45, Calibration(2.0, "metadata", relative_uncertainty=0.0))
    assert answer["decides"].startswith("About ") and "more particles" in answer["decides"]
    more = int(answer["decides"].split()[1].replace(",", ""))
    needed = next(n for n in range(100, 10_000, 20) if wilson(0.55 * n, n)[0] > 0.5)
    assert 100 + more == pytest.approx(needed, rel=0.1)


@pytest.mark.parametrize("share", [0.52, 0.58, 0.45, 0.41])
@pytest.mark.parametrize("n", [30, 100, 300])
def test_so_many_more_particles_do_decide(share, n):
    more = particles_to_decide(Fraction(share, *wilson(share * n, n), n))
    if more is None:
        return
    low, high = wilson(share * (n + more), n + more)
    assert low > 0.49 if share > 0.5 else high < 0.51


def shares(count, spread, share, n=400, seed=0):
    """Tables of images, of which each has another share of particles below 100 nm."""
    fractions = share + spread * np.random.default_rng(seed).standard_normal(count)
    below = [round(n * min(max(fraction, 0.0), 1.0)) for fraction in fractions]
    return [table_of([25.0] * k + [75.0] * (n - k), nm_per_pixel=2.0) for k in below]


def pooled_card(tables):
    """That of `pool`, without the rest of what it says."""
    return nano_card(variants_of(tables, Conditions()), Terms(Conditions(), 2.0))


def test_of_a_sample_more_images_would_decide():
    """10,000 particles of 25 images that differ: more particles of the same images would not do."""
    tables = shares(25, 0.2, 0.57)
    answer, alone = pool(tables).nano, pooled_card(tables)
    assert all(answer[name] == alone[name] for name in ("fraction", "n", "verdict", "decides", "sentence"))
    assert (answer["low"], answer["high"]) == pytest.approx((alone["low"], alone["high"]))
    assert answer["verdict"] == "undecided"
    words = answer["decides"].split()
    assert words[0] == "About" and words[2:4] == ["more", "images,"]


def test_so_many_more_images_do_decide():
    """With as many images as were asked for, the interval ends near one half, on average over many samples."""
    ends = []
    for seed in range(8):
        answer = pooled_card(shares(25, 0.2, 0.57, seed=seed))
        more = images_to_decide(Fraction(answer["fraction"], answer["low"], answer["high"], answer["n"]), 25)
        if answer["verdict"] != "undecided" or more is None or answer["fraction"] < 0.53:
            continue
        larger_card = pooled_card(shares(25 + more, 0.2, answer["fraction"], seed=100 + seed))
        ends.append(larger_card["fraction"] - larger_card["low"] - (answer["fraction"] - 0.5))
    assert len(ends) > 3
    assert np.mean(ends) == pytest.approx(0.0, abs=0.01)


def test_one_more_image_is_one_and_a_half_is_never_decided():
    assert images_to_decide(Fraction(0.6, 0.499, 0.7, 500), 20) == 1
    assert images_to_decide(Fraction(0.5, 0.4, 0.6, 500), 20) is None
    assert images_to_decide(Fraction(0.51, 0.4, 0.6, 500), 20) is None, "nobody takes 2,000 more images"


def test_particles_and_calibration_together():
    answer = card(log_normal(60, 96, 1.5, seed=4), Calibration(2.0, "drawn", relative_uncertainty=0.1))
    assert "more particles" in answer["decides"] and "better calibration" in answer["decides"]


def test_nothing_decides_exactly_one_half():
    assert particles_to_decide(Fraction(0.5, 0.4, 0.6, 100)) is None
    assert "would hardly help" in card([50] * 500 + [150] * 500)["decides"]


def test_a_better_calibration_would_decide():
    sizes = log_normal(1500, 96, 1.3)
    assert card(sizes, Calibration(2.0, "metadata", relative_uncertainty=0.0))["verdict"] == "above"
    answer = card(sizes, Calibration(2.0, "drawn", relative_uncertainty=0.05))
    assert answer["verdict"] == "undecided" and "calibration" in answer["decides"]


def test_coarse_pixels_decide_nothing():
    answer = card([500] * 100, nm_per_pixel=25.0, calibration=Calibration(25.0, "metadata"))
    assert answer["verdict"] == "undecided"
    assert "magnification" in answer["decides"] and "4.0 px" in answer["decides"]
    assert card([500, 510] * 50, nm_per_pixel=19.0)["verdict"] == "below"


@pytest.mark.parametrize("doubt", [True, False])
def test_only_what_puts_the_numbers_in_doubt_stands_before_more_particles(doubt):
    obstacle = Flag("A check of the scale.", "the scale is to be checked", doubt)
    answer = card([50] * 260 + [150] * 240, obstacle=obstacle)
    assert answer["verdict"] == "undecided"
    assert ("more particles" in answer["decides"]) == (not doubt)
    assert card([50] * 500, obstacle=obstacle)["reason"] == (obstacle.short if doubt else "all sizes are equal")
    few = card([50, 60], obstacle=obstacle)["decides"]
    assert few.endswith("At least 30 particles (2 here).") and few.startswith(obstacle.text) == doubt
    assert card([50] * 250 + [60] * 250, obstacle=obstacle)["reason"] == obstacle.short


def test_no_scale_or_no_particles_no_card():
    assert summarise(table_of([10] * 20, nm_per_pixel=None), Conditions(calibration=Calibration.absent())).nano is None
    assert summarise(table_of([])).nano is summarise(table_of([10], [Reason.FRAME])).nano is None


def test_sensitivity_tells_each_setting_by_name():
    table = judge(table_of([2, 3, 40, 60, 80], area=[4, 9, 2000, 2000, 2000]), True)
    other = table_of([60, 80])
    sensitivity = summarise(
        table,
        Conditions(
            calibration=Calibration(1.0, "drawn", relative_uncertainty=0.03, instrument_uncertainty=0.0),
            filter=True,
            alternatives={"threshold -0.1": other, "threshold +0.1": table_of([])},
        ),
    ).nano["sensitivity"]
    rows = {row["name"]: row for row in sensitivity}
    calibrations = ["calibration −3 %", "calibration +3 %"]
    assert [*rows] == ["as analysed", "filter off", SMALL_COUNTED, "threshold −0.1", *calibrations, "edges weighted"]
    assert (rows["as analysed"]["n"], rows["filter off"]["n"], rows["threshold −0.1"]["n"]) == (3, 4, 2)
    assert all(row["low"] <= row["fraction"] <= row["high"] for row in sensitivity)


def test_sensitivity_to_the_calibration_moves_the_limit():
    sensitivity = card([99.5] * 50 + [101.5] * 50, Calibration(2.0, "metadata"))["sensitivity"]
    rows = {row["name"]: row["fraction"] for row in sensitivity}
    assert (rows["as analysed"], rows["calibration −2 %"], rows["calibration +2 %"]) == (0.5, 1.0, 0.0)


def names_of(calibration):
    sensitivity = summarise(table_of([50] * 40 + [150] * 10), Conditions(calibration=calibration)).nano["sensitivity"]
    return [row["name"].removeprefix("calibration ") for row in sensitivity if row["name"].startswith("calibration")]


def test_of_a_magnification_that_nobody_checked_errors_of_1_2_and_5_per_cent_are_shown():
    typed = Calibration(1.0, "typed", relative_uncertainty=1e-6)
    changes = ["−1 %", "+1 %", "−2 %", "+2 %", "−5 %", "+5 %"]
    assert names_of(typed) == names_of(Calibration(1.0, "typed")) == names_of(Calibration.absent()) == changes
    drawn = Calibration(1.0, "drawn", relative_uncertainty=0.03)
    assert names_of(drawn) == [*changes[:4], "−3 %", "+3 %", *changes[4:]]
    checked = Calibration(1.0, "typed", relative_uncertainty=1e-6, instrument_uncertainty=0.004)
    assert names_of(checked) == ["−0.4 %", "+0.4 %"]


def test_a_verdict_that_2_per_cent_would_end_says_so():
    """69 % lie below 100 nm, half of them within 2 % of it."""
    sizes = [60.0] * 350 + [99.0] * 340 + [160.0] * 310
    unchecked = card(sizes, Calibration(1.0, "typed", relative_uncertainty=1e-6), 1.0)
    assert unchecked["verdict"] == "above"
    assert "error of 2 %" in unchecked["sentence"]
    checked = card(sizes, Calibration(1.0, "typed", relative_uncertainty=1e-6, instrument_uncertainty=0.001), 1.0)
    assert checked["verdict"] == "above" and "accuracy" not in checked["sentence"]
    assert "accuracy" not in card([60.0] * 690 + [160.0] * 310, Calibration(1.0, "typed"), 1.0)["sentence"]


def test_edges_the_other_way_round():
    table = table_of([50, 150], edge_weight=[1.0, 3.0])
    plain = {row["name"]: row["fraction"] for row in summarise(table).nano["sensitivity"]}
    weighted = {row["name"]: row["fraction"] for row in summarise(table, Conditions(edge="weight")).nano["sensitivity"]}
    assert plain["as analysed"] == weighted["edges excluded"] == 0.5
    assert plain["edges weighted"] == weighted["as analysed"] == 0.25


def test_a_firm_verdict_names_what_would_turn_it():
    table = judge(table_of([6] * 200 + [200] * 100, area=[9.0] * 200 + [3e4] * 100), False)
    answer = summarise(table, Conditions(calibration=SURE)).nano
    assert answer["verdict"] == "above"
    assert re.search("would change with: .*filter on", answer["sentence"])


@pytest.mark.parametrize(("number", "rounded"), [(1, 1), (99, 99), (101, 110), (1234, 1300), (1200, 1200)])
def test_advice_is_rounded(number, rounded):
    assert rounded_up(number) == rounded


def set_aside_card(small, large, filter):
    """The card of outlines of 2 x 2 px of 7.5 nm and others of 220 nm."""
    widths = [2.0] * small + [(220 + i % 7) / 7.5 for i in range(large)]
    table = judge(table_of(widths, area=[width**2 for width in widths], nm_per_pixel=7.5), filter)
    return summarise(table, Conditions(calibration=Calibration(7.5, "metadata"), filter=filter)).nano


@pytest.mark.parametrize("filter", [False, True])
def test_what_is_too_small_to_count_enters_the_verdict_as_a_bound(filter):
    """Issue 17: 120 particles of 15 nm beside 40 of 220 nm are three quarters nano, and all of the nano ones leave."""
    answer = set_aside_card(120, 40, filter)
    assert (answer["fraction"], answer["n"]) == (0, 40)
    assert answer["verdict"] == "undecided"
    assert "120 small outlines" in answer["reason"]
    assert re.match("A higher magnification.*120 small outlines.*75.0 % are", answer["decides"])
    assert answer["least_nm"] == (pytest.approx(37.5) if filter else None)
    assert f"40 particles of {'37.5 nm' if filter else '9 px'} " in answer["sentence"]


def test_rods_that_the_filter_would_set_aside_are_not_said_to_be_left_out():
    """Without the filter an outline 2 px wide counts, so "of 15 nm and more" would be false."""
    widths = [2.0 + i % 2 / 10 for i in range(40)]
    table = judge(table_of(widths, area=[40.0] * 40, nm_per_pixel=5.0), False)
    statistics = summarise(table, Conditions(calibration=Calibration(5.0, "metadata")))
    assert re.search("40 particles of 9 px .*area", statistics.nano["sentence"])
    points = {point["title"]: point["said"] for point in statistics.recommendation["points"]}
    assert "under 9 px" in points["External dimension"]


def test_doubtful_outlines_that_the_filter_rejects_anyway_change_nothing():
    """Thirty thin rods of low confidence beside forty squares: odd shapes, whatever the confidence."""
    sizes, thin = [30.0] * 40 + [10.0] * 30, [1.0] * 40 + [0.1] * 30
    judged = table_of(
        sizes, area=[s * s for s in sizes], aspect_ratio=thin, confidence=[0.9] * 40 + [0.3] * 30, nm_per_pixel=5.0
    )
    statistics = summarise(judge(judged, True), Conditions(calibration=Calibration(5.0, "metadata"), filter=True))
    assert statistics.set_aside == {"uncertain": 30} or 30 in statistics.set_aside.values()
    assert statistics.fraction_100nm_with_doubtful == statistics.fraction_100nm_without_doubtful == 0
    assert "doubtful" not in statistics.nano["sentence"]


def test_without_the_filter_is_said_with_the_border_correction():
    widths = [10.0 + i % 9 for i in range(30)] + [100.0 + i % 9 for i in range(20)]
    table = judge(
        table_of(
            widths,
            area=[w * w for w in widths],
            confidence=[0.3] * 10 + [0.9] * 40,
            edge_weight=[1.0] * 30 + [1.5] * 20,
            nm_per_pixel=5.0,
        ),
        True,
    )
    statistics = summarise(table, Conditions(calibration=Calibration(5.0, "metadata"), filter=True, edge="weight"))
    off = next(row for row in statistics.nano["sensitivity"] if row["name"] == "filter off")
    assert statistics.without_filter["fraction_100nm"] == pytest.approx(off["fraction"])


def test_a_few_that_are_too_small_turn_nothing():
    answer = set_aside_card(4, 160, True)
    assert answer["verdict"] == "below" and answer["decides"] == ""
    rows = {row["name"]: row["n"] for row in answer["sensitivity"]}
    assert rows[SMALL_COUNTED] == 164


def test_few_particles_give_no_verdict():
    assert card([50] * 4)["verdict"] == "undecided"
    assert re.search(r"\b30\b.*\b4 here\)\.$", card([50] * 4)["decides"])
    assert re.match(r"4 of .*\b30\b", card([50] * 4)["reason"])
    assert card([50, 60] * 15)["verdict"] == "above" and card([50, 60] * 15)["reason"] == ""


def test_one_picture_says_what_holds_in_it_and_that_the_material_needs_more():
    answer = card(log_normal(300, median=40, gsd=1.4))
    assert answer["verdict"] == "above"
    assert "in this picture. For the material, measure at least three places." in answer["sentence"]
    two = pooled_card([table_of(log_normal(150, 40, 1.4, seed=seed)) for seed in (1, 2)])
    assert two["verdict"] == "above" and "in these pictures. For the material" in two["sentence"]
    assert "For the material" not in pooled_card(shares(3, 0.9, 0.9))["sentence"]


def test_how_many_particles_are_asked_for():
    """Masuda and Iinoya: (1.96 / 0.05)^2 s^2 (1 + s^2 / 2) for a geometric SD of exp(s)."""
    answer = card(log_normal(2000, gsd=1.6))
    spread = np.log(1.6)
    number = int(answer["asked"].split("about ")[1].split()[0].replace(",", ""))
    assert number == pytest.approx((1.96 / 0.05) ** 2 * spread**2 * (1 + spread**2 / 2), rel=0.06)
    assert "2,000 in 1 image" in answer["asked"]


@pytest.mark.parametrize("filter", [False, True])
def test_the_fraction_is_given_with_and_without_doubtful_outlines(filter):
    """Ten small outlines of low confidence beside ten small and twenty large sure ones; one that is sure was odd."""
    sizes = np.array([50.0] * 10 + [50.0] * 10 + [150.0] * 20 + [50.0])
    unsure = np.arange(len(sizes)) < 10
    reasons = np.where(unsure & filter, str(Reason.UNSURE), "")
    reasons[-1] = str(Reason.ODD)
    table = table_of(sizes, reasons, confidence=np.where(unsure, 0.3, 0.9))
    statistics = summarise(table, Conditions(calibration=Calibration(1.0, "metadata"), filter=filter))
    assert statistics.fraction_100nm_with_doubtful == 0.5
    assert statistics.fraction_100nm_without_doubtful == pytest.approx(1 / 3)
    assert statistics.fraction_100nm == pytest.approx(1 / 3 if filter else 0.5)
    sentence = "With 10 doubtful outlines (confidence under 50 %) the fraction is 50.0 %, without them 33.3 %."
    assert statistics.nano["sentence"].endswith(sentence)
    name = f"{'with' if filter else 'without'} doubtful outlines"
    assert [row["name"] for row in statistics.nano["sensitivity"] if "doubtful" in row["name"]] == [name]


def test_doubtful_outlines_that_change_nothing_are_not_mentioned():
    statistics = summarise(
        table_of([50.0] * 40, confidence=np.where(np.arange(40) < 10, 0.3, 0.9)), Conditions(calibration=SURE)
    )
    assert statistics.fraction_100nm_with_doubtful == statistics.fraction_100nm_without_doubtful == 1
    assert "doubtful" not in statistics.nano["sentence"]


def test_without_doubtful_outlines_nothing_is_said_of_them():
    statistics = summarise(table_of(log_normal(80)), Conditions(calibration=SURE))
    both = statistics.fraction_100nm_with_doubtful, statistics.fraction_100nm_without_doubtful
    assert both == (statistics.fraction_100nm, statistics.fraction_100nm)
    assert "doubtful" not in statistics.nano["sentence"] + str(statistics.nano["sensitivity"])


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
def test_golden_specimens(specimen):
    """A short run of the table in docs/method/accuracy.md: of 200 acquisitions 95 % right, 2.5 % wrong and firm."""
    counts = verdicts(specimen, 12)
    assert sum(counts[word] for word in specimen.right) >= 10
    assert counts[specimen.wrong] == 0


@pytest.mark.parametrize("count", [3, 4, 6])
def test_of_images_that_agree_the_verdict_is_that_of_the_interval(count):
    words = []
    for share in (0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0):
        answer = pooled_card([table_of([40.0 + i % 5 + 160 * (i >= 300 * share) for i in range(300)])] * count)
        assert answer["low"] <= share <= answer["high"]
        excluded = "above" if answer["low"] >= 0.5 else "below" if answer["high"] < 0.5 else "undecided"
        assert answer["verdict"] == excluded
        words.append(excluded)
    assert words == sorted(words, key=["below", "undecided", "above"].index) and words[4] == "undecided"
    assert words[:3] == ["below"] * 3 and words[6:] == ["above"] * 3


def test_what_all_images_may_miss_is_said_beside_the_interval():
    answer = pooled_card([table_of([40 + i % 5 for i in range(60)], nm_per_pixel=2.0) for _ in range(5)])
    assert answer["low"] > 0.9
    assert re.search(r"\b5 images .* If that part .* 55 to 100 %", answer["sentence"])


def test_the_verdict_goes_by_the_interval_beside_it():
    """Where all that is known reaches over the limit nothing is decided, however many particles were counted."""
    sizes = np.linspace(60, 240, 400)
    sure = summarise(table_of(sizes), Conditions(calibration=Calibration(1.0, "metadata")))
    evidence = Evidence(draws=[(90.0, 0.6), (150.0, 0.22)])
    unsure = summarise(table_of(sizes), Conditions(calibration=Calibration(1.0, "metadata"), evidence=evidence))
    for statistics in (sure, unsure):
        low, high = statistics.budget["fraction_100nm"]["ends"]
        assert (statistics.nano["verdict"] == "undecided") == (low < 0.5 <= high), (low, high)
    assert unsure.nano["verdict"] == "undecided" and unsure.nano["reason"] == "the interval includes 50 %"


@pytest.mark.parametrize(("read", "advice"), [([], "About "), ([(60.0, 0.9)], "Disperse the particles better")])
def test_more_particles_are_no_advice_where_contacts_are_in_doubt(read, advice):
    sizes = np.random.default_rng(1).lognormal(np.log(97), 0.35, 80)
    evidence = Evidence(draws=read)
    card = summarise(table_of(sizes), Conditions(calibration=Calibration(1.0, "metadata"), evidence=evidence)).nano
    assert (card["verdict"], card["reason"]) == ("undecided", INCLUDES) and card["decides"].startswith(advice)
    assert ("more particles" in card["decides"]) == (not read)
