"""Layers: which class is the layer, what belongs to it, and its thickness in several images."""

from pathlib import Path

import numpy as np
import pytest

from segmentation.core import tasks
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.measure.table import Table
from segmentation.core.measure.uncertainty.pooled_fields import FieldOfView
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import ModelCard
from segmentation.core.network.scale_search import View
from segmentation.core.settings import MeasurementSettings
from segmentation.core.tasks.layers import LENGTH, TASK
from segmentation.core.tasks.phases import PhaseSettings, scale

NAMES = ["other", "oxide", "crack"]
PLAIN = MeasurementSettings()
OPTIONS = {"layer": "oxide", "filled_by": ["crack"]}


def card(**options: object) -> ModelCard:
    return ModelCard("ox", "Ox", "", "1", {"name": "x"}, "a" * 64, Path("x"), "layers", maps=NAMES, options=options)


def segmented(classes: np.ndarray, **options: object) -> Segmentation:
    present = np.unique(classes)
    return Segmentation(
        (np.searchsorted(present, classes) + 1).astype(np.int32),
        np.arange(1, len(present) + 1, dtype=np.int32),
        present.astype(np.int32),
        tuple(NAMES),
        np.ones(len(present), np.float32),
        len(classes),
        Provenance("0" * 64, "layers", card=card(**options).entries()),
        {},
        {},
        {},
    )


def measured(classes: np.ndarray, nm: float | None = None, **options: object):
    segmentation = segmented(classes, **options)
    calibration = Calibration.of_pixel(nm, typed=str(nm)) if nm else Calibration.absent()
    picture = Micrograph(np.zeros(classes.shape, np.uint8), "a.png", "0" * 64, calibration, {})
    return TASK.measure(segmentation, picture, MeasurementSettings(), calibration)


def coated() -> np.ndarray:
    """A layer of 30 px, whose crack of 4 px goes through it every 50 px."""
    rows, columns = np.indices((120, 300))
    layer = (rows >= 40) & (rows < 70)
    return np.where(layer, np.where(columns % 50 < 4, 2, 1), 0)


def test_without_a_scale_the_thickness_is_in_pixels_with_its_interval():
    rows, columns = np.indices((120, 300))
    wavy = ((rows >= 40) & (rows < 70 + columns // 20 % 4)).astype(int)
    thickness = measured(wavy, layer="oxide").quantities["thickness_mean of oxide"]
    assert thickness.unit == "px" and thickness.low < thickness.value < thickness.high, "counting needs no scale"


def test_cracks_belong_to_the_thickness_where_the_card_says_so():
    made = measured(coated(), **OPTIONS)
    assert made.quantities["thickness_mean of oxide"].value == pytest.approx(30, rel=0.02)
    assert made.quantities[f"{LENGTH} of oxide"].value == pytest.approx(300 - 30, abs=3)
    alone = measured(coated(), layer="oxide")
    assert alone.quantities[f"{LENGTH} of oxide"].value < 260  # it is interrupted at the cracks
    assert made.table["name"].tolist() == NAMES
    assert made.table["thickness_mean_px"][1] == pytest.approx(30, rel=0.02)
    assert np.isnan(made.table["thickness_mean_px"][[0, 2]]).all()
    assert next(iter(made.quantities)) == "thickness_mean of oxide" and "area_fraction of crack" in made.quantities


def test_thickness_has_the_calibration():
    made = measured(coated(), 12.0, **OPTIONS)
    thick = made.quantities["thickness_mean of oxide"]
    assert thick.value == pytest.approx(360, rel=0.02) and thick.unit == "nm"
    assert made.table["thickness_mean_nm"][1] == pytest.approx(thick.value)


@pytest.mark.parametrize("turned", [False, True])
def test_how_much_of_the_section_the_layer_is_varies_only_along_it(turned):
    """Blocks that lie in the layer or beside it would say that the share is anything from 0 to 60 %."""
    rows, columns = np.indices((240, 480))
    layer = (abs(rows - 70) <= 18 + 3 * np.sin(columns / 20)).astype(int)
    share = measured(layer.T if turned else layer, **OPTIONS).quantities["area_fraction of oxide"]
    assert share.value == pytest.approx(0.155, abs=0.005)
    assert 0.13 < share.low < share.value < share.high < 0.18


def test_the_page_draws_the_thickness_along_the_layer_and_how_often_each_was_read():
    along, spread = TASK.curves(segmented(coated(), **OPTIONS), Calibration.of_pixel(50.0, typed="50"), PLAIN)
    assert (along.title, along.across) == ("Thickness of oxide (µm)", "Along the layer (µm)")
    thickness, shares = along.lines["oxide"], spread.lines["oxide"]
    assert len(along.x) == len(thickness) <= 200 and along.x[-1] == pytest.approx(15, rel=0.15)
    assert along.x[0] == pytest.approx(0.75, rel=0.1), "half a thickness at the ends is not measured"
    assert np.nanmedian(np.array(thickness, float)) == pytest.approx(1.5, rel=0.03)
    interrupted = coated()
    interrupted[:, 140:160] = interrupted[0, 0]
    (gap, _) = TASK.curves(segmented(interrupted, **OPTIONS), Calibration.absent(), PLAIN)
    assert len(gap.x) == len(gap.lines["oxide"]) and np.isnan(gap.lines["oxide"]).any()
    assert len(spread.x) == len(shares) + 1 and sum(shares) == pytest.approx(100)
    assert spread.across == along.title
    assert TASK.curves(segmented(np.zeros((60, 80), np.int32), **OPTIONS), Calibration.absent(), PLAIN) == []


def test_without_a_layer_there_is_a_sentence_and_no_number():
    made = measured(np.zeros((60, 80), np.int32), **OPTIONS)
    assert made.quantities["thickness_mean of oxide"].value is None
    assert any("oxide" in sentence and "thickness" in sentence for sentence in map(str, made.flags))


def test_a_card_names_a_map_that_there_is():
    assert TASK.channels(card(**OPTIONS)).names == tuple(NAMES)
    with pytest.raises(ValueError, match="rust"):
        TASK.channels(card(layer="rust"))
    with pytest.raises(ValueError, match="pore"):
        TASK.channels(card(layer="oxide", filled_by=["pore"]))


def test_images_are_resampled_as_the_card_says():
    ask, picture = (lambda _: None), np.zeros((8, 8), np.float32)
    assert scale(ask, card(scale=0.5), picture, PhaseSettings(model="ox", scale=0.8)) == View(scale=0.4)
    assert scale(ask, card(), picture, PhaseSettings(model="ox", scale=0.8)) == View(scale=0.8)


def test_several_images_weigh_by_the_length_of_their_layer():
    def field(mean: float | None, sd: float, length: float | None) -> FieldOfView:
        values = dict.fromkeys((f"{name} of oxide" for name in TASK.quantities), None)
        quantities = {"thickness_mean": mean, "thickness_sd": sd, "thickness_min": mean and mean - 5, LENGTH: length}
        values |= {f"{name} of oxide": value for name, value in quantities.items()}
        table = Table({"kept": np.ones(1, bool), "reason": np.array([""])})
        return FieldOfView(table, values, 100.0)

    pooled = tasks.find("layers").pool_fields(
        [field(20.0, 3.0, 100.0), field(40.0, 3.0, 300.0), field(None, 0.0, None)]
    )
    assert pooled["thickness_mean of oxide"] == pytest.approx(35)
    assert pooled["thickness_sd of oxide"] == pytest.approx(np.sqrt(9 + 0.25 * 15**2 + 0.75 * 5**2))
    assert pooled["thickness_min of oxide"] == 15 and pooled["thickness_median of oxide"] is None
    assert pooled[f"{LENGTH} of oxide"] == 400
