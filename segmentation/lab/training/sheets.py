"""Draws contact sheets (many pictures in one), outlines, and the pictures of a training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps
from scipy import ndimage

from ...core.micrograph.contrast import preview
from ...core.micrograph.types import Micrograph
from ...core.report.figures.picture import sampled_labels
from .contract import Field, Labels, LearningTask, Picture
from .files import write_picture

GAP_PX = 4  # between pictures
PANEL_PX = 640  # longest side of a panel
STRENGTH = 0.6  # share of a colour in its mixture with the grey picture
TRUE, FOUND = (255, 200, 0), (0, 220, 255)  # colours of outlines


def contact_sheet(pictures: list[Picture], columns: int, side: int = 160) -> Picture:
    """(h, w) or (h, w, 3) uint8: the pictures' middle squares in rows of `columns`, on white."""
    method = {False: Image.Resampling.BICUBIC, True: Image.Resampling.LANCZOS}  # True: the picture is enlarged
    images = map(Image.fromarray, pictures)
    tiles = [np.asarray(ImageOps.fit(image, (side, side), method[side > min(image.size)])) for image in images]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    return in_rows((tiles[start : start + columns] for start in range(0, len(tiles), columns)), grey=255)


def in_rows(rows: Iterable[Iterable[Picture]], gap: int = GAP_PX, grey: int = 128) -> Picture:
    """One picture from rows of pictures of the same size, (h, w) or (h, w, 3). Between them are `gap` px of grey value
    `grey`, and half as much around all."""

    def with_gap(picture: Picture) -> Picture:
        return np.pad(picture, [(gap // 2,) * 2] * 2 + [(0, 0)] * (picture.ndim - 2), constant_values=grey)

    return np.concatenate([np.concatenate([with_gap(picture) for picture in row], axis=1) for row in rows])


def in_colour(grey: Picture) -> Picture:
    """(H, W) uint8 as (H, W, 3)."""
    return np.repeat(grey[..., None], 3, axis=2)


def with_outlines(grey: Picture, labels: Labels, colour: tuple[int, int, int]) -> Picture:
    """(H, W, 3) uint8: the picture with the outline of every particle, its pixels along its edge, in `colour`."""
    rim = (ndimage.minimum_filter(labels, 3) != ndimage.maximum_filter(labels, 3)) & (labels > 0)
    picture = in_colour(grey)
    picture[rim] = colour
    return picture


def as_panels(micrograph: Micrograph, predicted: Labels, truth: Labels) -> tuple[Picture, Labels, Labels]:
    """The image (h, w) in grey, with a longest side of at most PANEL_PX px, and both labels, resampled to (h, w).

    predicted, truth: (R, W) labels of the first R rows of the image; only these are shown.
    """
    grey = preview(replace(micrograph, pixels=micrograph.pixels[: len(truth)]), PANEL_PX)
    shape = grey.shape[0], grey.shape[1]
    return grey, sampled_labels(predicted, shape), sampled_labels(truth, shape)


def as_grey(depth: Field) -> Picture:
    """(H, W) uint8: a map of heights, from black for 0 (the substrate) to white for the highest value."""
    return (255 * depth / max(float(depth.max()), 1e-6)).clip(0, 255).astype(np.uint8)


def draw_examples(
    file: Path, pictures: Field, truths: Sequence[Labels], maps: Picture, task: LearningTask, names: Sequence[str]
) -> None:
    """Write a PNG with a row for each crop: the crop, its true outlines, its found outlines and the maps.

    pictures: (n, S, S) in -1..1. truths: n arrays (S, S) of true labels. maps: (n, C, S, S) uint8, those of the
    network. names: of the maps.
    """
    rows = []
    for picture, truth, predicted in zip(pictures, truths, maps, strict=True):
        grey = (127.5 * (picture + 1)).astype(np.uint8)
        outlines = with_outlines(grey, truth, TRUE), with_outlines(grey, task.preview(predicted), FOUND)
        rows.append([in_colour(grey), *outlines, *map(in_colour, predicted)])
    sheet = in_rows(rows, grey=255)[GAP_PX // 2 : -(GAP_PX // 2), GAP_PX // 2 : -(GAP_PX // 2)]
    page = Image.new("RGB", (sheet.shape[1], sheet.shape[0] + 14), "white")
    page.paste(Image.fromarray(sheet), (0, 14))
    pen = ImageDraw.Draw(page)
    for column, heading in enumerate(("crop", "truth", "found", *names)):
        pen.text((2 + column * (pictures.shape[2] + GAP_PX), 1), heading.replace("_", " "), fill="black")
    write_picture(file, page)
