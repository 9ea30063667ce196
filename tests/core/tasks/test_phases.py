"""Phases: what maps become, what is measured of them, and images that a model cannot judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.quantities import Value
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import ModelCard
from segmentation.core.network.likeness import describe, likeness_entry
from segmentation.core.network.scale_search import View
from segmentation.core.report.figures.charts import Sheet
from segmentation.core.report.figures.panel_charts import draw_fractions
from segmentation.core.settings import MeasurementSettings
from segmentation.core.tasks import phases
from segmentation.core.tasks.base import Decoded, Measured
from segmentation.core.tasks.phases import PhaseSettings, decode, without_small_regions

NAMES = ["matrix", "network", "laths"]
PLAIN = MeasurementSettings()
CARD = ModelCard("steel", "Steel", "", "1", {"name": "x"}, "a" * 64, Path("x"), "phases", maps=NAMES)


def maps_of(classes: np.ndarray, sure: int = 230) -> np.ndarray:
    rest = (255 - sure) // 2
    return np.stack([np.where(classes == number, sure, rest) for number in range(3)]).astype(np.uint8)


def found(classes: np.ndarray, grey: np.ndarray | None = None, card: ModelCard = CARD, **values: object) -> Decoded:
    grey = (60 * classes + 40).astype(np.uint8) if grey is None else grey
    return decode(maps_of(classes), grey, View(), card, PhaseSettings(model="steel", **values))


def segmented(made: Decoded) -> Segmentation:
    return Segmentation(
        made.labels,
        np.arange(1, len(made.classes) + 1, dtype=np.int32),
        made.classes,
        tuple(NAMES),
        made.confidence,
        len(made.labels),
        Provenance("0" * 64, "phases"),
        made.used,
        {},
        made.layers,
    )


def measured(made: Decoded, nm: float | None = None, **values: object) -> Measured:
    segmentation, shape = segmented(made), made.labels.shape
    calibration = Calibration.of_pixel(nm, typed=str(nm)) if nm else Calibration.absent()
    picture = Micrograph(np.zeros(shape, np.uint8), "a.png", "0" * 64, calibration, {})
    return phases.measure(segmentation, picture, MeasurementSettings(**values), calibration)


def striped() -> np.ndarray:
    """Matrix and laths in stripes of 8 px, no network."""
    return np.where(np.indices((64, 64))[1] // 8 % 2, 2, 0).astype(np.int32)


def test_a_class_that_does_not_occur_is_zero_and_has_no_row():
    made = measured(found(striped()))
    assert [made.quantities[f"area_fraction of {name}"].value for name in NAMES] == [0.5, 0, 0.5]
    assert made.quantities["mean_intercept of network"].value is None
    assert made.table["name"].tolist() == ["matrix", "laths"] and made.table["class"].tolist() == [0, 2]
    assert made.table["objects"].tolist() == [4, 4] and made.table["certainty"] == pytest.approx(230 / 255)


def test_lengths_have_the_calibration():
    pixels, nm = measured(found(striped())), measured(found(striped()), 4.0)
    density, intercept = (f"{name} of laths" for name in ("boundary_density", "mean_intercept"))
    assert nm.quantities[density].value == pytest.approx(pixels.quantities[density].value / 4)
    assert (nm.quantities[density].unit, nm.quantities[intercept].unit) == ("nm⁻¹", "nm")
    plain, wide = pixels.quantities[intercept], nm.quantities[intercept]
    assert wide.value == pytest.approx(4 * plain.value)
    unsure = 1.96 * 0.05 / np.sqrt(3) / 4 * wide.value  # the last digit of 4.0 nm per pixel
    assert wide.high - wide.value == pytest.approx(np.hypot(4 * (plain.high - plain.value), unsure), rel=1e-5)
    assert nm.table.columns["object_density_per_nm2"] == pytest.approx(pixels.table["object_density_per_px2"] / 16)
    few = measured(found(np.where(np.isin(np.indices((64, 64))[1], (10, 11, 40, 41)), 2, 0).astype(np.int32)))
    assert few.quantities["mean_free_path of laths"].value is None and "mean free path of laths" in few.flags[0].text
    assert few.quantities["mean_intercept of laths"].value, "the picture holds it with its interval"


def test_intercepts_are_drawn_by_their_length_without_those_that_the_frame_cuts():
    classes = np.zeros((64, 64), np.int32)
    classes[8:56, 10:14], classes[8:56, 30:38] = 2, 2
    (curve,) = phases.curves(segmented(found(classes)), Calibration.of_pixel(2.0, typed="2"), PLAIN)
    assert set(curve.lines) == {"matrix", "laths"} and curve.across.endswith("(nm)")
    shares = {round(low): share for low, share in zip(curve.x, curve.lines["laths"], strict=False) if share}
    whole = 48 * (4 + 8) + 12 * 48  # px of rows and of columns
    assert shares[5] == pytest.approx(100 * 48 * 4 / whole) and shares[13] == pytest.approx(100 * 48 * 8 / whole)
    assert phases.curves(segmented(found(np.zeros((64, 64), np.int32))), Calibration.absent(), PLAIN) == []


def test_small_regions_go_to_what_surrounds_them():
    classes = np.zeros((40, 40), np.int32)
    classes[5:8, 5:8], classes[20:30, 20:30] = 1, 2
    assert set(np.unique(without_small_regions(classes, 9))) == {0, 1, 2}
    assert (without_small_regions(classes, 10) == np.where(classes == 1, 0, classes)).all()
    assert (without_small_regions(classes, 10_000) == classes).all()  # nothing would be left
    assert found(classes, smallest=10).classes.tolist() == [0, 2]


@pytest.fixture
def taught() -> ModelCard:
    """A model that was taught on smooth pictures."""
    smooth = [np.round(127 + 100 * np.sin(np.indices((96, 96))[0] / (6 + n / 4))).astype(np.uint8) for n in range(5)]
    return replace(CARD, options=likeness_entry([describe(picture) for picture in smooth], list("abcde")))


def test_no_number_is_given_of_an_image_of_another_kind(taught):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    refused = measured(found(striped(), noise, taught))
    assert all(value.value is None for value in refused.quantities.values())
    assert not refused.table.kept.any() and set(refused.table.reasons) == {Reason.UNLIKE}
    numbers = {name: cells for name, cells in refused.table.columns.items() if cells.dtype.kind in "if"}
    assert {name for name, cells in numbers.items() if not np.isnan(cells).all()} == {"label", "class"}, "nor in files"
    anyway = measured(found(striped(), noise, taught), measure_unlike=True)
    assert anyway.quantities["area_fraction of laths"].value == 0.5 and anyway.flags[0] == phases.UNLIKE_WARNING


def test_an_image_of_its_kind_is_measured_without_a_word(taught):
    alike = np.round(127 + 100 * np.sin(np.indices((96, 96))[1] / 6.6)).astype(np.uint8)
    made = measured(found(np.zeros((96, 96), np.int32), alike, taught))
    assert made.quantities["area_fraction of matrix"].value == 1 and not made.flags


def test_the_page_of_models_says_which_classes_are_confused():
    card = replace(CARD, options={"confusion": [[0.99, 0.01, 0, 0], [0.2, 0.8, 0, 0], [0, 0.07, 0.93, 0]]})
    assert phases.facts(card)[1][1].split(", ") == ["network for matrix (20 %)", "laths for network (7 %)"]
    assert len(phases.facts(CARD)) == 1


def test_a_card_names_two_classes_at_least():
    for wrong in ([], ["one"], ["one", "one"]):
        with pytest.raises(ValueError, match=r"maps .*classes"):
            phases.channels(replace(CARD, maps=wrong))


def test_bars_of_fractions_have_the_interval_that_stands_beside_them():
    parts = {"area_fraction of laths": Value(0.5, 0.49, 0.51, total=(0.4, 0.6))}
    drawing: Any = SimpleNamespace(
        analysis=SimpleNamespace(segmentation=SimpleNamespace(class_names=["laths"])),
        sample=SimpleNamespace(quantities=parts),
    )
    ax = Sheet((4, 2)).add_axes((0.1, 0.1, 0.8, 0.8))
    draw_fractions(ax, drawing, "")
    assert ax.collections[0].get_segments()[0][:, 0] == pytest.approx([40, 60])
    assert [text.get_text() for text in ax.texts] == ["laths", "50 % (40–60)"]
