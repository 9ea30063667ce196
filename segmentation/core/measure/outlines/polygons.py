"""Sizes of objects from the closed lines around them: areas, lengths, convex hulls and second moments, of all objects
at once. Definitions: ISO 9276-6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..pixels.hulls import Hulls, convex_hulls, cross
from .borders import Ints, Points, find_pixel_borders
from .contours import EDGE_SHIFTS, Contours, along_rings, contours, moved, typical_shift

Floats = NDArray[np.float64]
ROUNDED_TO = 2**24  # parts of a px


class Shifts(NamedTuple):
    """Where the picture shows the edges of objects. map: EDGE_SHIFTS (H, W), None without one. otherwise: px by which
    an outline lies further out where the map says nothing."""

    map: NDArray[np.uint8] | None = None
    otherwise: float = 0.0

    @classmethod
    def of(cls, maps: Mapping[str, NDArray[np.uint8]]) -> Shifts:
        """Those among the stored maps of a segmentation."""
        return cls(maps.get(EDGE_SHIFTS))

    @property
    def elsewhere(self) -> Shifts:
        """The same for other outlines of the same picture, whose edges are as far from their pixels."""
        return self if self.map is None else self._replace(otherwise=typical_shift(self.map) or 1e-9)

    @property
    def checksum(self) -> str:
        """It tells maps apart."""
        return "" if self.map is None else f"{crc32(np.ascontiguousarray(self.map).data)} {self.otherwise:.3f}"


NO_SHIFTS = Shifts()


class Polygons(NamedTuple):
    """The r closed lines around n objects and their holes. points: (k, 2) x and y in px, from the first point of their
    object, one line after the other; outer lines run clockwise on the screen, holes anticlockwise. bounds: (r + 1,)
    line i is bounds[i]:bounds[i + 1]. owners: (r,) the label, from 1 on, of the object of each line."""

    points: Points
    bounds: Ints
    owners: Ints

    @classmethod
    def of(cls, lines: Contours) -> Polygons:
        """The lines of contours. Places are rounded, so that an object has the same sizes wherever it lies."""
        start = np.zeros(int(lines.owners.max(initial=0)) + 1, np.int64)
        start[lines.owners[::-1]] = lines.bounds[:-1][::-1]
        points = lines.points - lines.points[start[lines.labels]]
        return cls(np.round(points * ROUNDED_TO) / ROUNDED_TO, lines.bounds, lines.owners)

    @classmethod
    def around(cls, lines: Sequence[Points]) -> Polygons:
        """One line (k, 2) around each object, clockwise on the screen."""
        points = [line - line[0] for line in lines]
        return cls(np.concatenate(points), np.cumsum([0, *map(len, points)]), np.arange(1, len(points) + 1))

    @property
    def members(self) -> Ints:
        """(k,) the object of each point, from 0 on."""
        return np.repeat(self.owners, np.diff(self.bounds)) - 1

    def sums(self, values: Floats, n: int) -> Floats:
        """(n,) the values (k,) of the lines from each point to the next, added up for each object."""
        return np.asarray(np.bincount(self.members, values, n), np.float64)

    def sides(self) -> tuple[Points, Points]:
        """(k, 2) each: both ends of the line from each point to the next."""
        return self.points, self.points[along_rings(self.bounds, 1)]

    def areas(self, n: int) -> Floats:
        """(n,) px², without holes."""
        return self.sums(cross(*self.sides()) / 2, n)

    def perimeters(self, n: int) -> Floats:
        """(n,) px, with the rims of holes."""
        begin, end = self.sides()
        return self.sums(np.hypot(*(end - begin).T), n)

    def moments(self, n: int) -> tuple[Floats, Floats, Floats]:
        """(n,) each: the second moments of area xx, yy and xy about the centre, by the area, px²."""
        begin, end = self.sides()
        turn, area = cross(begin, end), np.maximum(self.areas(n), 1e-9)
        x, y = (self.sums(turn * (begin[:, axis] + end[:, axis]) / 6, n) / area for axis in (0, 1))

        def second(one: int, other: int) -> Floats:
            products = 2 * begin[:, one] * begin[:, other] + 2 * end[:, one] * end[:, other]
            products += begin[:, one] * end[:, other] + end[:, one] * begin[:, other]
            return self.sums(turn * products / 24, n) / area

        return second(0, 0) - x * x, second(1, 1) - y * y, second(0, 1) - x * y

    def hulls(self) -> Hulls:
        """The convex hulls of the objects."""
        return convex_hulls(self.points, self.members)


@dataclass(frozen=True, eq=False)
class ObjectOutlines:
    """The outlines of the objects 1..n of labels (h, w), each of which is traced once, when it is needed. shifts: where
    the picture shows the edges. places: (n, 2), or 0, by how much further right and down in their map each object
    lies."""

    labels: NDArray[np.int32]
    shifts: Shifts = NO_SHIFTS
    places: Ints | int = 0

    def in_image(self, labels: NDArray[np.int32], places: Ints) -> ObjectOutlines:
        """The same of some of the objects, which lie elsewhere in labels (h, w); these if it is the same image."""
        return self if labels is self.labels else replace(self, labels=labels, places=places)

    @cached_property
    def pixel_lines(self) -> Contours:
        """Along the pixels."""
        return contours(find_pixel_borders(self.labels))

    @cached_property
    def lines(self) -> Contours:
        """Where the picture shows the edges."""
        if self.shifts.map is None:
            return self.pixel_lines
        places = self.places if isinstance(self.places, int) else self.places[self.pixel_lines.labels - 1]
        return moved(self.pixel_lines, self.shifts.map, places, self.shifts.otherwise)

    @cached_property
    def along_pixels(self) -> Polygons:
        """The polygons of `pixel_lines`."""
        return Polygons.of(self.pixel_lines)

    @cached_property
    def polygons(self) -> Polygons:
        """Those of `lines`."""
        return self.along_pixels if self.shifts.map is None else Polygons.of(self.lines)

    @cached_property
    def hulls(self) -> Hulls:
        """The convex hulls of `polygons`."""
        return self.polygons.hulls()
