"""The thickness of drawn layers: flat, tilted, wavy, interrupted, cut by the frame; and what its intervals hold."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import KDTree

from segmentation.core.measure.kinds.thickness import Profile, figures, independent_lengths, measure_layer
from segmentation.core.measure.quantities import Value

ROWS, COLUMNS = np.mgrid[:300, :500].astype(float)


def straight(thick: float, degrees: float) -> np.ndarray:
    """(H, W) bool: a layer whose sides fall between pixels."""
    turn = np.radians(degrees)
    return np.abs((ROWS - 150.37) * np.cos(turn) - (COLUMNS - 250.21) * np.sin(turn)) <= thick / 2


def wavy(thick: float, height: float, length: float) -> np.ndarray:
    """(H, W) bool: every place nearer to a sine than half of the thickness."""
    along = np.arange(-100, 600, 0.2)
    curve = np.stack([150.31 + height * np.sin(2 * np.pi * along / length), along], axis=1)
    apart, _ = KDTree(curve).query(np.stack([ROWS.ravel(), COLUMNS.ravel()], axis=1))
    return (apart <= thick / 2).reshape(ROWS.shape)


@pytest.mark.parametrize("thick", [10, 25, 80])
@pytest.mark.parametrize("degrees", [0, 7, 20, 45, 70, 90])
def test_straight_layers_at_all_angles(thick, degrees):
    readings = measure_layer(straight(thick, degrees))
    thickness = figures(readings)
    assert thickness["mean"].value == pytest.approx(thick, rel=0.02)
    assert thickness["median"].value == pytest.approx(thick, rel=0.02)
    assert thickness["sd"].value < max(0.6, 0.02 * thick)
    assert thickness["min"].value <= thickness["d10"].value <= thickness["d90"].value <= thickness["max"].value
    assert thickness["max"].value < 1.02 * thick + 1  # nothing flares where the frame cuts the layer


@pytest.mark.parametrize(("thick", "height", "length"), [(10, 20, 200), (25, 30, 300), (40, 20, 200), (40, 40, 300)])
def test_wavy_layers(thick, height, length):
    thickness = figures(measure_layer(wavy(thick, height, length)))
    assert thickness["mean"].value == pytest.approx(thick, rel=0.02)
    assert thickness["median"].value == pytest.approx(thick, rel=0.02)


def test_a_wedge_has_its_mean_and_its_ends():
    wedge = np.abs(ROWS - 150.3) <= (20 + 40 * COLUMNS / 500) / 2
    thickness = figures(measure_layer(wedge))
    assert thickness["mean"].value == pytest.approx(40, rel=0.02)
    assert thickness["min"].value < 25 and thickness["max"].value > 55
    assert thickness["mean"].low is None  # one slope is one length: nothing tells how it goes on


def test_pores_belong_to_the_layer_and_specks_do_not():
    layer = straight(40, 0)
    porous = layer & (np.hypot((ROWS - 150) / 8, (COLUMNS % 60 - 30) / 20) > 1)
    porous |= np.hypot(ROWS - 40, COLUMNS - 100) < 6
    assert figures(measure_layer(porous))["mean"].value == pytest.approx(40, rel=0.02)


def test_what_the_frame_cuts_is_not_read():
    assert measure_layer(ROWS < 40) is None  # its upper side is not seen
    assert measure_layer(np.zeros((50, 60), bool)) is None
    assert measure_layer(np.ones((50, 60), bool)) is None
    assert measure_layer(np.hypot(ROWS - 150, COLUMNS - 250) < 60) is None  # as long as it is thick
    half = straight(40, 0) & ((COLUMNS < 200) | (COLUMNS > 260))
    readings = measure_layer(half)
    assert figures(readings)["mean"].value == pytest.approx(40, rel=0.02)
    assert readings.length == pytest.approx(500 - 60 - 40, abs=12)  # half a thickness at either end of the line


def test_intervals_hold_the_mean_of_rough_layers():
    rng, held = np.random.default_rng(3), 0
    for _ in range(60):
        rough = gaussian_filter1d(rng.normal(size=1200), 10)[100:1100]
        mean = figures(Profile(50 + 30 * rough, 1.0, np.zeros((1000, 2, 2))))["mean"]
        held += mean.low <= 50 <= mean.high
    assert held >= 51  # 85 % of what are 95 % intervals, by chance fewer in one of a thousand runs
    assert independent_lengths(rng.normal(size=4000)) > 1000


def test_the_scale_enters_the_interval():
    rough = 50 + 5 * np.random.default_rng(0).normal(size=400)
    sure, unsure = (
        figures(Profile(rough, 1.0, np.zeros((400, 2, 2))), uncertainty)["mean"] for uncertainty in (0.0, 0.1)
    )
    assert unsure.high - unsure.value == pytest.approx(np.hypot(sure.high - sure.value, 1.96 * 0.1 * 50), rel=0.01)
    assert figures(Profile(np.full(40, 7.0), 1.0, np.zeros((40, 2, 2))))["mean"] == Value(7.0)


def test_what_looks_like_the_layer_beside_it_does_not_count():
    layer = straight(25, 0)
    beside = (ROWS < 70) & (ROWS > 30) & (COLUMNS > 200) & (COLUMNS < 280)
    alone, thickness = (figures(measure_layer(mask)) for mask in (layer, layer | beside))
    assert thickness["mean"].value == pytest.approx(alone["mean"].value)


def test_an_interrupted_tilted_layer_keeps_its_pieces():
    layer = straight(25, 20) & ~((COLUMNS > 200) & (COLUMNS < 260))
    readings = measure_layer(layer)
    assert readings.length > 300 and figures(readings)["mean"].value == pytest.approx(25, rel=0.03)
