"""Draws outlines of other tools as labels: a pixel belongs to an outline if its centre lies inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..labels.corrections.geometry import Box, Mask
from ..labels.corrections.shape_pixels import polygon_spans
from ..labels.segmentation import MOST_IDS
from ..micrograph.calibration.square import resample_labels
from ..micrograph.types import UnreadableImage

MOST_OUTLINES = 100_000
MOST_CORNERS = 2_000_000  # of one outline
LONGEST_REASON = 40  # characters
# Sentences for the user.
MANY = f"The file holds more than {MOST_OUTLINES:,} outlines: split it, or cut the image into parts."
BAD_CORNERS = "An outline of the file has corners that are no numbers, or too many: export it again."
OTHER_SIZE = "The outlines are of an image of {} px and this one has {} px: export them from the same image, uncropped."
Ring = NDArray[np.float64]  # (n, 2): corners x, y of a closed line
Shape = tuple[int, int]  # rows, columns


class Frame(NamedTuple):
    """The size of an image: `height` rows, of which the first `rows` are analysed (the data bar lies below them).

    stored: rows and columns in the image's file, if its pixels were not square and were resampled when the file was
    read (`micrograph.square`); else ().
    """

    height: int
    columns: int
    rows: int
    stored: Sequence[int] = ()

    @property
    def canvas(self) -> Shape:
        """The shape of the analysed rows."""
        return self.rows, self.columns

    def is_stored(self, rows: int, columns: int) -> bool:
        """Whether this is the size of the image in its file (`stored`)."""
        return (rows, columns) == tuple(self.stored)

    def fit(self, values: NDArray[Any]) -> NDArray[Any]:
        """Labels (H, W) or (H, W, channels), resampled to the image if they have its stored size; raises
        UnreadableImage as `check` does."""
        rows, columns = values.shape[:2]
        if self.is_stored(rows, columns):
            return resample_labels(values, (self.height, self.columns), (rows, columns))
        self.check(rows, columns)
        return values

    def check(self, rows: int, columns: int) -> None:
        """Raise UnreadableImage unless this is the size of the image, with or without its data bar."""
        if (rows, columns) not in (self.canvas, (self.height, self.columns)):
            raise UnreadableImage(OTHER_SIZE.format(f"{columns} × {rows}", f"{self.columns} × {self.height}"))


class OutlineFacts(NamedTuple):
    """What a file states about an outline. number: its id, 0 without one. reason: why it was left out, "" if it was
    counted. class_name: "" without a class."""

    number: int = 0
    reason: str = ""
    class_name: str = ""


@dataclass(frozen=True, eq=False)
class Outline:
    """One outline. box: top, left, bottom, right in the image. inside: (h, w) bool, its pixels in the box."""

    box: Box
    inside: Mask
    facts: OutlineFacts


class PaintedLabels(NamedTuple):
    """Outlines drawn into labels.

    labels: (H, W) int32, with the ids of the file if it numbers its outlines, else 1..n. facts: by id. overlapping:
    number of outlines that cover a part of an earlier one. outside: number of outlines without a pixel in the image.
    """

    labels: NDArray[np.int32]
    facts: dict[int, OutlineFacts]
    overlapping: int
    outside: int


def box_of(rings: Sequence[Ring], shape: Shape) -> Box:
    """The smallest box of an image (H, W) that contains the rings; raises UnreadableImage for too many corners, and for
    corners that are not finite."""
    corners = np.concatenate(rings) if rings else np.zeros((0, 2))
    if len(corners) > MOST_CORNERS or not np.isfinite(corners).all():
        raise UnreadableImage(BAD_CORNERS)
    if not len(corners):
        return 0, 0, 0, 0
    size = np.array(shape[::-1])
    left, top = np.clip(np.floor(corners.min(0)), 0, size).astype(int).tolist()
    right, bottom = np.clip(np.ceil(corners.max(0)), 0, size).astype(int).tolist()
    return top, left, bottom, right


def outline_of(rings: Sequence[Ring], shape: Shape, facts: OutlineFacts, *, joined: bool = False) -> Outline:
    """The Outline of all pixels in the rings. A ring within another one is a hole unless `joined`: then the pixels of
    every ring are inside."""
    rings = [ring for ring in rings if len(ring) > 2]
    box = box_of(rings, shape)
    inside = np.zeros((box[2] - box[0], box[3] - box[1]), bool)
    for ring in rings if inside.size else ():
        part = _pixels_in_ring(ring, box)
        inside = inside | part if joined else inside ^ part
    return Outline(box, inside, facts)


def _pixels_in_ring(ring: Ring, box: Box) -> Mask:
    """The pixels (h, w) of a box in a closed ring (n, 2)."""
    top, left, bottom, right = box
    try:
        (starts, stops), _ = polygon_spans(ring - (left, top), bottom - top, right - left)
    except ValueError as problem:
        raise UnreadableImage(BAD_CORNERS) from problem
    changes = np.zeros((bottom - top) * (right - left) + 1, np.int32)  # of the number of spans, from pixel to pixel
    np.add.at(changes, starts, 1)
    np.add.at(changes, stops, -1)
    inside: Mask = changes.cumsum()[:-1].reshape(bottom - top, right - left) > 0
    return inside


def paint(outlines: Iterable[Outline], shape: Shape) -> PaintedLabels:
    """Draw outlines into labels of this shape, later ones over earlier ones; raises UnreadableImage for too many."""
    labels = np.zeros(shape, np.int32)
    facts_in_order: list[OutlineFacts] = []
    overlapping = outside = 0
    for outline in outlines:
        if not outline.inside.any():
            outside += 1
            continue
        if len(facts_in_order) == MOST_OUTLINES:
            raise UnreadableImage(MANY)
        facts_in_order.append(outline.facts)
        top, left, bottom, right = outline.box
        part = labels[top:bottom, left:right]
        overlapping += bool(part[outline.inside].any())
        part[outline.inside] = len(facts_in_order)
    file_ids = [facts.number for facts in facts_in_order]
    # The ids of the file are used if every outline has one and no two are equal.
    are_usable = len(set(file_ids)) == len(file_ids) and all(0 < number < MOST_IDS for number in file_ids)
    numbers = np.array([0, *(file_ids if are_usable else range(1, len(facts_in_order) + 1))], np.int32)
    facts = dict(zip(numbers[1:].tolist(), facts_in_order, strict=True))
    return PaintedLabels(numbers[labels], facts, overlapping, outside)
