"""Single objects cut out and laid side by side in one small label image, so that a few can be measured without the
whole image. It needs numpy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..labels.geometry import Box
from ..labels.working import WorkingLabels

MOST_AT_ONCE = 1 << 22  # px of the boxes of objects that lie side by side


class CutOut(NamedTuple):
    """The pixels (h, w) of one object, none of their outer rows and columns empty, and where they lie in the image."""

    mask: NDArray[np.bool_]
    top: int
    left: int

    @classmethod
    def of(cls, labels: WorkingLabels, number: int, box: Box) -> CutOut | None:
        """An object that lies within a box; None where it has no pixel there. Raises BadEdit for too large a box."""
        mask = labels.crop(box) == number
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            return None
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return cls(part, box[0] + int(rows[0]), box[1] + int(columns[0]))

    @property
    def box(self) -> Box:
        return self.top, self.left, self.top + self.mask.shape[0], self.left + self.mask.shape[1]

    def is_same(self, other: CutOut | None) -> bool:
        """Whether both are the same pixels of one image."""
        return other is not None and self.box == other.box and bool(np.array_equal(self.mask, other.mask))


def in_batches(objects: Sequence[CutOut]) -> Iterator[list[int]]:
    """The places of the objects, those of similar height together, as many as may lie side by side."""
    batch, pixels = list[int](), 0
    for place in sorted(range(len(objects)), key=lambda at: -objects[at].mask.shape[0]):
        if batch and pixels + objects[place].mask.size > MOST_AT_ONCE:
            yield batch
            batch, pixels = [], 0
        batch.append(place)
        pixels += objects[place].mask.size
    if batch:
        yield batch


def side_by_side(objects: Sequence[CutOut]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """A label image (h, w) of the objects 1..n, none of which touches another or the edge, and (n, 2) by how many rows
    and columns each lies further down and to the right in its own image."""
    wide = max((part.mask.shape[1] for part in objects), default=0)
    wide = max(wide, isqrt(sum((part.mask.shape[0] + 1) * (part.mask.shape[1] + 1) for part in objects))) + 2
    places, top, left, below = list[tuple[int, int]](), 1, 1, 1
    for part in objects:
        if left + part.mask.shape[1] + 1 > wide:
            top, left = below, 1
        places.append((top, left))
        left += part.mask.shape[1] + 1
        below = max(below, top + part.mask.shape[0] + 1)
    labels = np.zeros((below, wide), np.int32)
    for number, ((row, column), part) in enumerate(zip(places, objects, strict=True), 1):
        tall, across = part.mask.shape
        labels[row : row + tall, column : column + across][part.mask] = number
    shifts = [(part.top - row, part.left - column) for (row, column), part in zip(places, objects, strict=True)]
    return labels, np.array(shifts, np.int64).reshape(-1, 2)
