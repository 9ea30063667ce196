"""The nano card: the fraction, the verdict, what would decide it and how firm it is."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.convergence import rounded_up
from segmentation.core.measure.filters import Reason, set_aside
from segmentation.core.measure.nano import Fraction, images_to_decide, particles_to_decide, wilson
from segmentation.core.measure.pooling import pool
from segmentation.core.measure.statistics import summarise
from segmentation.core.micrograph.types import Calibration

from .particle_tables import log_normal, table_of

SURE = Calibration(2.0, "metadata", relative_uncertainty=0.01)


def card(sizes, calibration=SURE, nm_per_pixel=2.0, **more):
    """The nano card of sizes in nm."""
    table = table_of(np.asarray(sizes) / nm_per_pixel, nm_per_pixel=nm_per_pixel)
    return summarise(table, calibration=calibration, **more).nano


@pytest.mark.parametrize(("nano", "verdict"), [(90, "above"), (10, "below"), (50, "undecided")])
def test_verdicts(nano, verdict):
    found = card([50] * nano + [150] * (100 - nano))
    assert (found["fraction"], found["n"], found["threshold"]) == (nano / 100, 100, 0.5)
    assert found["verdict"] == verdict
    assert (found["decides"] == "") == (verdict != "undecided")
    assert "not a certificate" in found["sentence"] and "1 to 100 nm" in found["sentence"]


def test_fraction_is_that_of_the_statistics():
    table = table_of(log_normal(80))
    found = summarise(table, calibration=SURE)
    assert found.nano["fraction"] == found.fraction_100nm
    assert [found.nano["low"], found.nano["high"]] == found.intervals["fraction_100nm"]


def test_more_particles_would_decide():
    """60 of 100: Wilson's interval excludes one half only from n on; the card's number must be about that."""
    found = card([50] * 55 + [150] * 45, Calibration(2.0, "metadata", relative_uncertainty=0.0))
    assert found["decides"].startswith("About ") and "more particles" in found["decides"]
    more = int(found["decides"].split()[1].replace(",", ""))
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
    each = share + spread * np.random.default_rng(seed).standard_normal(count)
    below = [round(n * min(max(one, 0.0), 1.0)) for one in each]
    return [table_of([25.0] * k + [75.0] * (n - k), nm_per_pixel=2.0) for k in below]


def pooled_card(tables):
    return pool(tables, names=[str(i) for i in range(len(tables))], calibration=None).nano


def test_of_a_sample_more_images_would_decide():
    """10,000 particles of 25 images that differ: more particles of the same images would not do."""
    found = pooled_card(shares(25, 0.2, 0.56))
    assert found["verdict"] == "undecided"
    words = found["decides"].split()
    assert words[0] == "About" and words[2:4] == ["more", "images,"]


def test_so_many_more_images_do_decide():
    """With as many images as were asked for, the interval ends near one half, on average over many samples."""
    ends = []
    for seed in range(12):
        found = pooled_card(shares(25, 0.2, 0.56, seed=seed))
        more = images_to_decide(Fraction(found["fraction"], found["low"], found["high"], found["n"]), 25)
        if found["verdict"] != "undecided" or more is None or found["fraction"] < 0.53:
            continue
        again = pooled_card(shares(25 + more, 0.2, found["fraction"], seed=100 + seed))
        ends.append(again["fraction"] - again["low"] - (found["fraction"] - 0.5))
    assert len(ends) > 3
    assert np.mean(ends) == pytest.approx(0.0, abs=0.01)


def test_one_more_image_is_one_and_a_half_is_never_decided():
    assert images_to_decide(Fraction(0.6, 0.499, 0.7, 500), 20) == 1
    assert images_to_decide(Fraction(0.5, 0.4, 0.6, 500), 20) is None


def test_particles_and_calibration_together():
    found = card(log_normal(60, 96, 1.5, seed=4), Calibration(2.0, "drawn", relative_uncertainty=0.1))
    assert "more particles and a better calibration" in found["decides"]


def test_nothing_decides_exactly_one_half():
    assert particles_to_decide(Fraction(0.5, 0.4, 0.6, 100)) is None
    assert "Hardly more particles" in card([50] * 500 + [150] * 500)["decides"]


def test_a_better_calibration_would_decide():
    sizes = log_normal(3000, 98, 1.3)
    assert card(sizes, Calibration(2.0, "metadata", relative_uncertainty=0.0))["verdict"] == "above"
    found = card(sizes, Calibration(2.0, "drawn", relative_uncertainty=0.05))
    assert found["verdict"] == "undecided" and "calibration" in found["decides"]


def test_coarse_pixels_decide_nothing():
    found = card([500] * 100, nm_per_pixel=25.0, calibration=Calibration(25.0, "metadata"))
    assert found["verdict"] == "undecided"
    assert "magnification" in found["decides"] and "4.0 px" in found["decides"]
    assert card([500] * 100, nm_per_pixel=19.0)["verdict"] == "below"


def test_pixels_have_no_card():
    assert summarise(table_of([10] * 20, nm_per_pixel=None), calibration=Calibration.absent()).nano is None


def test_no_particles_no_card():
    assert summarise(table_of([])).nano is None
    assert summarise(table_of([10], [Reason.FRAME])).nano is None


def test_sensitivity_tells_each_setting_by_name():
    table = set_aside(table_of([2, 3, 40, 60, 80], area=[4, 9, 2000, 2000, 2000]), True)
    other = table_of([60, 80])
    found = summarise(
        table,
        calibration=Calibration(1.0, "drawn", relative_uncertainty=0.03),
        filter=True,
        alternatives={"threshold -0.1": other, "threshold +0.1": table_of([])},
    ).nano["sensitivity"]
    assert [row["name"] for row in found] == [
        "as analysed",
        "filter off",
        "threshold −0.1",
        "calibration −3 %",
        "calibration +3 %",
        "edges weighted",
    ]
    rows = {row["name"]: row for row in found}
    assert (rows["as analysed"]["n"], rows["filter off"]["n"], rows["threshold −0.1"]["n"]) == (3, 4, 2)
    assert all(row["low"] <= row["fraction"] <= row["high"] for row in found)


def test_sensitivity_to_the_calibration_moves_the_limit():
    found = card([99.5] * 50 + [101.5] * 50, Calibration(2.0, "metadata"))["sensitivity"]
    rows = {row["name"]: row["fraction"] for row in found}
    assert (rows["as analysed"], rows["calibration −2 %"], rows["calibration +2 %"]) == (0.5, 1.0, 0.0)


def test_edges_the_other_way_round():
    table = table_of([50, 150], edge_weight=[1.0, 3.0])
    plain = {row["name"]: row["fraction"] for row in summarise(table).nano["sensitivity"]}
    weighted = {row["name"]: row["fraction"] for row in summarise(table, edge="weight").nano["sensitivity"]}
    assert plain["as analysed"] == weighted["edges excluded"] == 0.5
    assert plain["edges weighted"] == weighted["as analysed"] == 0.25


def test_a_firm_verdict_names_what_would_turn_it():
    table = set_aside(table_of([6] * 200 + [200] * 100, area=[9.0] * 200 + [3e4] * 100), False)
    found = summarise(table, calibration=SURE).nano
    assert found["verdict"] == "above"
    assert "the other way with: filter on" in found["sentence"]


@pytest.mark.parametrize(("number", "rounded"), [(1, 1), (99, 99), (101, 110), (1234, 1300), (1200, 1200)])
def test_advice_is_rounded(number, rounded):
    assert rounded_up(number) == rounded
