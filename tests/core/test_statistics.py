"""The numbers beside the picture."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from segmentation.core.measure.filters import Reason
from segmentation.core.measure.statistics import summarise, wilson
from segmentation.core.measure.table import ORDER, ParticleTable


def table_of(sizes, reasons=None, nm_per_pixel=1.0):
    """A table of particles with these minimum Ferets (px) and nothing else of interest."""
    measures = {name: np.ones(len(sizes)) for name in ORDER}
    measures |= {"min_feret": np.array(sizes, float), "ecd": np.array(sizes, float) * 2}
    reasons = np.array(reasons if reasons is not None else [""] * len(sizes), "U40")
    return ParticleTable.of_pixels(measures | {"kept": reasons == "", "reason": reasons}, nm_per_pixel)


def test_known_numbers():
    found = summarise(table_of([10, 20, 30, 40, 200]))
    assert (found.n_kept, found.n_set_aside, found.unit) == (5, 0, "nm")
    assert (found.mean, found.median, found.d50) == (60, 30, 30)
    assert found.sd == pytest.approx(np.sqrt((50**2 + 40**2 + 30**2 + 20**2 + 140**2) / 4))
    assert (found.d10, found.d90) == pytest.approx((14, 136))
    assert found.ecd_median == 60
    assert found.fraction_100nm == 0.8
    assert found.without_filter is None


def test_exactly_100_nm_is_nano():
    assert summarise(table_of([100.0, 100.1])).fraction_100nm == 0.5


@pytest.mark.parametrize(("successes", "n"), [(8, 10), (0, 10), (10, 10), (1, 1), (1219, 5516)])
def test_wilson(successes, n):
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_no_particles():
    found = summarise(table_of([]))
    assert found.n_kept == 0
    numbers = (found.mean, found.median, found.sd, found.d10, found.fraction_100nm, found.fraction_low)
    assert set(numbers) == {None}
    json.dumps(found.as_dict(), allow_nan=False)


def test_one_particle_has_no_deviation():
    found = summarise(table_of([50]))
    assert (found.mean, found.sd, found.fraction_100nm) == (50, None, 1.0)


def test_pixels_have_no_fraction():
    found = summarise(table_of([50, 60], nm_per_pixel=None))
    assert (found.unit, found.mean) == ("px", 55)
    assert found.fraction_100nm is found.fraction_low is found.fraction_high is None


def test_set_aside_particles_count_for_nothing_but_their_reason():
    reasons = ["", Reason.UNSURE, Reason.FRAME, "", Reason.FRAME]
    found = summarise(table_of([10, 1000, 1000, 20, 1000], reasons))
    assert (found.mean, found.n_set_aside) == (15, 3)
    assert list(found.set_aside.items()) == [(Reason.FRAME, 2), (Reason.UNSURE, 1)]


def test_what_the_filter_changes():
    reasons = ["", "", Reason.SMALL, Reason.ODD, Reason.FRAME, Reason.SLIP]
    found = summarise(table_of([150, 250, 50, 60, 1, 1], reasons))
    assert found.fraction_100nm == 0
    assert found.without_filter == {"n": 4, "median": 105, "fraction_100nm": 0.5}


def test_what_the_filter_changes_when_it_takes_all():
    found = summarise(table_of([50], [Reason.SMALL], nm_per_pixel=None))
    assert found.without_filter == {"n": 1, "median": 50, "fraction_100nm": None}
