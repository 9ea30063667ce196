"""Panels that touch are told by a letter in the same corner of each, or by several scale bars."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.micrograph.drawn.panel_signs import signs_of_panels
from segmentation.core.micrograph.pages import PANELS
from segmentation.core.micrograph.scale_bar.barreading import reading_of_picture
from segmentation.core.micrograph.scale_bar.burntin import scale_bars
from segmentation.core.micrograph.scale_bar.ocr import Text
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.settings import MeasurementSettings
from segmentation.core.tasks.file_signals import file_signals

from .twenty_four import ACROSS, LEFT, TOP, ground


def letter(name: str, x: float, y: float, score: float = 0.95, tall: float = 24) -> Text:
    return Text(name, x, y, x + 0.8 * tall, y + tall, score)


@pytest.mark.parametrize(
    "texts",
    [
        [letter("(a)", 10, 8), letter("(b)", 340, 8), letter("(c)", 10, 290)],
        [letter("A", 200, 500), letter("B", 420, 502), letter("C", 630, 498)],
        [letter("b)", 8, 270), letter("a)", 9, 6)],
        [letter("a", 10, 8), letter("b", 225, 9), letter("C", 440, 8)],
    ],
    ids=["four", "below, three in a row", "a column", "one large"],
)
def test_letters_in_the_corners_of_panels(texts):
    assert signs_of_panels((560, 660), texts, []).startswith("the letters ")


@pytest.mark.parametrize(
    "texts",
    [
        [letter("A", 200, 180), letter("B", 420, 182)],
        [letter("a", 10, 8), letter("b", 400, 140)],
        [letter("a", 10, 8), letter("c", 340, 8)],
        [letter("a", 10, 8), letter("b", 340, 8, 0.6)],
        [letter("a", 10, 8), letter("b", 340, 8, tall=60)],
        [letter("a", 10, 8), letter("b", 40, 8)],
    ],
    ids=["marks inside", "not in line", "not in order", "unsure", "of two sizes", "one word"],
)
def test_letters_on_one_picture(texts):
    assert signs_of_panels((560, 660), texts, []) == ""


def bars(nm: int) -> tuple[np.ndarray, list[Text]]:
    """Two scale bars side by side, of 100 nm and of another length."""
    picture = np.asarray(ground()).copy()
    texts = []
    for left, length in ((40, 100), (LEFT, nm)):
        picture[TOP : TOP + 6, left : left + ACROSS] = 0
        texts.append(Text(f"{length} nm", left + 20, TOP + 12, left + 100, TOP + 36, 0.99, f"{length} nm"))
        picture[TOP + 14 : TOP + 34, left + 24 : left + 96 : 8] = 0  # strokes of letters
    return picture, texts


def test_a_picture_with_bars_of_different_scales_has_no_scale():
    reading = reading_of_picture(*bars(500))
    assert reading is not None and not reading.nm_per_pixel and not reading.is_in_question
    assert "2 scale bars of different scales: “100 nm” gives 0.8 nm/px, “500 nm” gives 4 nm/px." in reading.note


def test_bars_of_the_same_scale_give_it():
    picture, texts = bars(100)
    reading = reading_of_picture(picture, texts)
    assert reading is not None and reading.nm_per_pixel == pytest.approx(100 / ACROSS, rel=0.02)
    assert signs_of_panels(picture.shape, texts, scale_bars(picture, texts)) == "2 scale bars (“100 nm”, “100 nm”)"


def test_panels_that_were_not_parted_are_a_warning():
    micrograph = Micrograph(np.zeros((9, 9), np.uint8), "a.png", "0" * 64, Calibration.absent())
    (flag,) = file_signals(micrograph, MeasurementSettings(), "2 scale bars")
    assert (flag.moves, flag.kind, flag.by) == ("sizes", "panels", 1.0)
    assert flag.text.startswith("This picture has 2 scale bars, so it is probably a figure whose panels touch.")
    micrograph.metadata[PANELS] = "1,0,0,4,4 2,5,5,9,9"
    (flag,) = file_signals(micrograph, MeasurementSettings(), "2 scale bars")
    assert flag.short.startswith("A figure of several panels")
