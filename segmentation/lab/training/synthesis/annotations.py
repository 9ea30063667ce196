"""Annotations in pictures: letters, scale bars, data bars. They hide the scene under them and are never labelled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .databars import draw_data_bar, font_of

LENGTHS = ("10 nm", "20 nm", "50 nm", "100 nm", "200 nm", "500 nm", "1 um", "2 um", "5 um", "0.5 um")


def annotate(
    grey: NDArray[np.uint8], kind: str, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The (H, W) uint8 picture with a "letter", "scale-bar" or "data-bar", and the (H, W) mask of hidden pixels.

    A box hides everything under it, letters without one hide only their strokes and leave the mask empty.
    """
    image = Image.fromarray(grey)
    hidden = Image.new("L", image.size, 0)
    size = max(9, round(min(grey.shape) * rng.uniform(0.04, 0.09)))
    if kind == "letter":
        _letter(image, hidden, size, rng)
    elif kind == "scale-bar":
        _scale_bar(image, hidden, size, rng)
    elif kind == "data-bar":
        draw_data_bar(image, hidden, size, rng)
    return np.asarray(image), np.asarray(hidden) > 0


def _ink(rng: np.random.Generator) -> tuple[int, int]:
    """Grey of the strokes and of their box."""
    return (255, 0) if rng.random() < 0.6 else (0, 255)


def _box(image: Image.Image, hidden: Image.Image, box: tuple[int, int, int, int], grey: int) -> None:
    ImageDraw.Draw(image).rectangle(box, fill=grey)
    ImageDraw.Draw(hidden).rectangle(box, fill=1)


def _letter(image: Image.Image, hidden: Image.Image, size: int, rng: np.random.Generator) -> None:
    text = str(rng.choice(list("abcdefABCD")))
    text = f"({text})" if rng.random() < 0.5 else text
    ink, paper = _ink(rng)
    size = round(1.6 * size)
    if rng.random() < 0.5:
        _box(image, hidden, (0, 0, round(1.8 * size), round(1.3 * size)), paper)
    ImageDraw.Draw(image).text((round(0.3 * size), 0), text, fill=ink, font=font_of(size))


def _scale_bar(image: Image.Image, hidden: Image.Image, size: int, rng: np.random.Generator) -> None:
    wide, tall = image.size
    length = round(wide * rng.uniform(0.12, 0.3))
    left = size if rng.random() < 0.3 else wide - length - 2 * size
    top = tall - round(2.6 * size)
    ink, paper = _ink(rng)
    if rng.random() < 0.5:
        _box(image, hidden, (left - size // 2, top - size // 4, left + length + size // 2, tall - size // 3), paper)
    pen = ImageDraw.Draw(image)
    pen.text((left + length / 2, top), str(rng.choice(LENGTHS)), fill=ink, font=font_of(size), anchor="ma")
    pen.rectangle((left, top + round(1.4 * size), left + length, top + round(1.4 * size) + max(1, size // 5)), fill=ink)
