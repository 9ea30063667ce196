"""Draws synthetic pictures without particles: substrates at any magnification, pages of text, and plots."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..contract import Picture, Rng, Shape
from .render import random_rendering

MOST_REDUCED = 4  # a substrate is rendered up to so many times larger, then reduced, as at a low magnification
LETTERS = list("abcdefghijklmnopqrstuvwxyz0123456789.,-")
FOREIGN_SHARE = 0.25  # share of pictures with text or a plot; the others are substrates


def draw_empty(shape: Shape, rng: Rng) -> Picture:
    """A picture (H, W) uint8 without particles: mostly a substrate, else text or a plot; half of all are inverted."""
    if rng.random() < FOREIGN_SHARE:
        image = Image.new("L", (shape[1], shape[0]), int(rng.integers(215, 256)))
        pen = ImageDraw.Draw(image)
        _KINDS[int(rng.integers(len(_KINDS)))](pen, shape, int(rng.integers(0, 90)), rng)
        noise = rng.normal(0, rng.uniform(0, 6), shape)
        grey = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    else:
        times = float(np.exp(rng.uniform(0, np.log(MOST_REDUCED))))
        large_picture = random_rendering(
            (round(shape[0] * times), round(shape[1] * times)), rng, {"kind": "blank"}
        ).grey
        grey = np.asarray(Image.fromarray(large_picture).resize((shape[1], shape[0]), Image.Resampling.BOX))
    return 255 - grey if rng.random() < 0.5 else grey


def _page(pen: ImageDraw.ImageDraw, shape: Shape, ink: int, rng: Rng) -> None:
    size = int(rng.integers(8, 40))
    font = ImageFont.load_default(size=size)
    for top in range(size // 2, shape[0], round(size * rng.uniform(1.2, 2.0))):
        words = ("".join(rng.choice(LETTERS, int(rng.integers(1, 10)))) for _ in range(2 + 2 * shape[1] // (3 * size)))
        pen.text((size // 2, top), " ".join(words), fill=ink, font=font)


def _axes(pen: ImageDraw.ImageDraw, shape: Shape, ink: int) -> tuple[int, int]:
    """Draw the axes of a plot with numbers; returns the positions of its left and bottom axis in px."""
    left, bottom = round(0.12 * shape[1]), round(0.88 * shape[0])
    pen.line([(left, round(0.05 * shape[0])), (left, bottom), (shape[1], bottom)], fill=ink, width=2)
    font = ImageFont.load_default(size=max(8, shape[0] // 28))
    for step in range(6):
        x, y = left + step * (shape[1] - left) // 6, bottom - step * bottom // 6
        pen.text((x, bottom + 4), f"{2 * step}", fill=ink, font=font)
        pen.text((2, y - 6), f"{step * 0.2:.1f}", fill=ink, font=font)
    return left, bottom


def _spectrum(pen: ImageDraw.ImageDraw, shape: Shape, ink: int, rng: Rng) -> None:
    left, bottom = _axes(pen, shape, ink)
    x = np.arange(left, shape[1])
    peaks = [(rng.uniform(left, shape[1]), rng.uniform(2, 0.06 * shape[1]), rng.uniform(0.1, 0.9)) for _ in range(8)]
    curve = sum(height * np.exp(-(((x - middle) / width) ** 2)) for middle, width, height in peaks) + rng.normal(
        0, 0.01, len(x)
    )
    points = np.stack([x, bottom - np.clip(curve, 0, 1) * 0.85 * bottom], axis=1)
    pen.line([tuple(p) for p in points.tolist()], fill=ink, width=int(rng.integers(1, 4)))


def _bars(pen: ImageDraw.ImageDraw, shape: Shape, ink: int, rng: Rng) -> None:
    left, bottom = _axes(pen, shape, ink)
    count = int(rng.integers(4, 25))
    pitch = (shape[1] - left) / count
    for number, height in enumerate(rng.uniform(0.02, 0.9, count) * bottom):
        edge = left + number * pitch
        pen.rectangle((edge, bottom - height, edge + rng.uniform(0.4, 1.0) * pitch, bottom), fill=ink + 60, outline=ink)


def _scatter(pen: ImageDraw.ImageDraw, shape: Shape, ink: int, rng: Rng) -> None:
    left, bottom = _axes(pen, shape, ink)
    radius = int(rng.integers(2, 6))
    for x, y in rng.uniform((left, 0.05 * bottom), (shape[1], bottom), (int(rng.integers(10, 90)), 2)):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)


_KINDS = (_page, _spectrum, _bars, _scatter)  # each draws with `pen` on a page of `shape` (H, W) px in the grey `ink`
