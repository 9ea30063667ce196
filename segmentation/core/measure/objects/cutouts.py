"""Cuts single objects out of an image, and puts them side by side into one small label image, to
measure a few objects without the whole image. The web process imports this module, so it needs only
numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...labels.corrections.geometry import Box
from ...labels.corrections.working import WorkingLabels
from ..outlines.contours import EDGE_SHIFTS

Map = NDArray[np.uint8]
MOST_PIXELS = 1 << 22  # of all boxes in one label image


class CutOut(NamedTuple):
    """One object. mask: (h, w) its pixels; no outer row or column is empty. top, left: the row and
    column of the image where the mask begins. shifts: (h, w) of the map EDGE_SHIFTS, None without it."""

    mask: NDArray[np.bool_]
    top: int
    left: int
    shifts: Map | None = None

    @classmethod
    def of(cls, labels: WorkingLabels, number: int, box: Box) -> CutOut | None:
        """The object `number` of the labels within a box; None if it has no pixel there. Raises
        BadEdit for too large a box."""
        mask = labels.crop(box) == number
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            return None
        cropped = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        part = cls(cropped, box[0] + int(rows[0]), box[1] + int(columns[0]))
        return part._replace(shifts=labels.maps[EDGE_SHIFTS](part.box)) if EDGE_SHIFTS in labels.maps else part

    @classmethod
    def within(cls, mask: NDArray[np.bool_], top: int, left: int, shifts: Map | None) -> CutOut:
        """An object at a place of an image with the map EDGE_SHIFTS (H, W), or None."""
        part = cls(mask, top, left)
        return part if shifts is None else part._replace(shifts=shifts[part.box[0] : part.box[2], left : part.box[3]])

    @property
    def box(self) -> Box:
        """Top, left, bottom and right in the image, the last two exclusive."""
        return self.top, self.left, self.top + self.mask.shape[0], self.left + self.mask.shape[1]

    def is_same(self, other: CutOut | None) -> bool:
        """Whether both objects have the same pixels of the image."""
        return other is not None and self.box == other.box and bool(np.array_equal(self.mask, other.mask))


def in_batches(objects: Sequence[CutOut]) -> Iterator[list[int]]:
    """The indices of the objects in batches of at most MOST_PIXELS px. Objects of similar height
    are in one batch, so that little space is lost when they lie side by side."""
    batch, pixels = list[int](), 0
    for index in sorted(range(len(objects)), key=lambda index: -objects[index].mask.shape[0]):
        if batch and pixels + objects[index].mask.size > MOST_PIXELS:
            yield batch
            batch, pixels = [], 0
        batch.append(index)
        pixels += objects[index].mask.size
    if batch:
        yield batch


def side_by_side(objects: Sequence[CutOut]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """A label image (h, w) of the objects as 1..n, in which none touches another or the edge; and
    (n, 2) by how many rows and columns each object lies further down and to the right in the image
    it is from."""
    width = max((part.mask.shape[1] for part in objects), default=0)
    width = max(width, isqrt(sum((part.mask.shape[0] + 1) * (part.mask.shape[1] + 1) for part in objects))) + 2
    places, top, left, below = list[tuple[int, int]](), 1, 1, 1
    for part in objects:
        if left + part.mask.shape[1] + 1 > width:
            top, left = below, 1
        places.append((top, left))
        left += part.mask.shape[1] + 1
        below = max(below, top + part.mask.shape[0] + 1)
    labels = np.zeros((below, width), np.int32)
    for number, ((row, column), part) in enumerate(zip(places, objects, strict=True), 1):
        tall, across = part.mask.shape
        labels[row : row + tall, column : column + across][part.mask] = number
    shifts = [(part.top - row, part.left - column) for (row, column), part in zip(places, objects, strict=True)]
    return labels, np.array(shifts, np.int64).reshape(-1, 2)


def shifts_side_by_side(objects: Sequence[CutOut], moved_by: NDArray[np.int64], shape: tuple[int, int]) -> Map | None:
    """The maps EDGE_SHIFTS of the objects in a label image of this shape, from `side_by_side`; None without any.
    moved_by: (n, 2), from there, too."""
    if not any(part.shifts is not None for part in objects):
        return None
    shifts = np.zeros(shape, np.uint8)
    for part, (down, across) in zip(objects, moved_by.tolist(), strict=True):
        if part.shifts is not None:
            top, left = part.top - down, part.left - across
            view = shifts[top : top + part.mask.shape[0], left : left + part.mask.shape[1]]
            view[part.mask] = part.shifts[part.mask]
    return shifts
