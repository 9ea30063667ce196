"""Outlines as shapes, and how they are drawn into labels: a pixel belongs to a shape if its centre lies in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..labels.drawn import polygon_spans
from ..labels.geometry import Box, Mask
from ..labels.segmentation import MOST_IDS
from ..micrograph.square import as_resampled
from ..micrograph.types import UnreadableImage

MOST_OUTLINES = 100_000
MOST_CORNERS = 2_000_000  # of one outline
LONGEST_REASON = 40
MANY = f"The file holds more than {MOST_OUTLINES:,} outlines: split it, or cut the image into parts."
WILD = "An outline of the file has corners that are no numbers, or too many: export it again."
SIZE = "The outlines are of an image of {} px and this one has {} px: export them from the same image, uncropped."
Ring = NDArray[np.float64]
Shape = tuple[int, int]


class Frame(NamedTuple):
    """The size of an image. The first `rows` of its `height` rows are analysed; the data bar lies below them. stored:
    rows and columns in its file, if its pixels were made square when it was read (`micrograph.square`)."""

    height: int
    columns: int
    rows: int
    stored: Sequence[int] = ()

    @property
    def canvas(self) -> Shape:
        return self.rows, self.columns

    def is_stored(self, rows: int, columns: int) -> bool:
        """Whether outlines of this size are those of the image as its file stores it."""
        return (rows, columns) == tuple(self.stored)

    def fitted(self, values: NDArray[Any]) -> NDArray[Any]:
        """Labels (H, W) or (H, W, channels) in the pixels of the image; raises UnreadableImage as `check`."""
        rows, columns = values.shape[:2]
        if self.is_stored(rows, columns):
            return as_resampled(values, (self.height, self.columns), (rows, columns))
        self.check(rows, columns)
        return values

    def check(self, rows: int, columns: int) -> None:
        """Raise UnreadableImage for outlines of another size; those of an image without its data bar may come, too."""
        if (rows, columns) not in (self.canvas, (self.height, self.columns)):
            raise UnreadableImage(SIZE.format(f"{columns} × {rows}", f"{self.columns} × {self.height}"))


class Facts(NamedTuple):
    """What a file says of an outline. number: its id, 0 where it has none. reason: why it was set aside, "" if it was
    not. class_name: "" where not said."""

    number: int = 0
    reason: str = ""
    class_name: str = ""


@dataclass(frozen=True, eq=False)
class Outline:
    """The pixels `inside` (h, w) of a box of the image."""

    box: Box
    inside: Mask
    facts: Facts


class Painted(NamedTuple):
    """labels: (H, W) int32, ids as in the file where it numbers its outlines, else 1..n. facts: of each outline, by id.
    overlapping: outlines that cover a part of an earlier one. outside: outlines without a pixel in the image."""

    labels: NDArray[np.int32]
    facts: dict[int, Facts]
    overlapping: int
    outside: int


def box_of(rings: Sequence[Ring], shape: Shape) -> Box:
    """The part of the image (H, W) in which the rings lie; raises UnreadableImage for corners that cannot be."""
    corners = np.concatenate(rings) if rings else np.zeros((0, 2))
    if len(corners) > MOST_CORNERS or not np.isfinite(corners).all():
        raise UnreadableImage(WILD)
    if not len(corners):
        return 0, 0, 0, 0
    size = np.array(shape[::-1])
    left, top = np.clip(np.floor(corners.min(0)), 0, size).astype(int).tolist()
    right, bottom = np.clip(np.ceil(corners.max(0)), 0, size).astype(int).tolist()
    return top, left, bottom, right


def outline_of(rings: Sequence[Ring], shape: Shape, facts: Facts, *, joined: bool = False) -> Outline:
    """The pixels in the rings, each (n, 2) of x and y. A ring within another one is a hole; joined: both count."""
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
        raise UnreadableImage(WILD) from problem
    turns = np.zeros((bottom - top) * (right - left) + 1, np.int32)
    np.add.at(turns, starts, 1)
    np.add.at(turns, stops, -1)
    inside: Mask = turns.cumsum()[:-1].reshape(bottom - top, right - left) > 0
    return inside


def paint(outlines: Iterable[Outline], shape: Shape) -> Painted:
    """Labels of the outlines, a later one on top of an earlier one; raises UnreadableImage for too many."""
    labels = np.zeros(shape, np.int32)
    facts_of: list[Facts] = []
    overlapping = outside = 0
    for outline in outlines:
        if not outline.inside.any():
            outside += 1
            continue
        if len(facts_of) == MOST_OUTLINES:
            raise UnreadableImage(MANY)
        facts_of.append(outline.facts)
        top, left, bottom, right = outline.box
        part = labels[top:bottom, left:right]
        overlapping += bool(part[outline.inside].any())
        part[outline.inside] = len(facts_of)
    own_numbers = [facts.number for facts in facts_of]
    # They count if all outlines have one and none twice, else the order does.
    usable = len(set(own_numbers)) == len(own_numbers) and all(0 < number < MOST_IDS for number in own_numbers)
    numbers = np.array([0, *(own_numbers if usable else range(1, len(facts_of) + 1))], np.int32)
    facts = dict(zip(numbers[1:].tolist(), facts_of, strict=True))
    return Painted(numbers[labels], facts, overlapping, outside)
