"""Outlines of the objects of a label image, traced along the edges of their pixels.

Figures and pages draw smooth rings: lines through the middles of the pixel edges, without steps.
Exported files contain polygons: their corners are pixel corners, so the area of a polygon is its
number of pixels. Sizes come from outlines between the pixels (`measure.outlines`).
Coordinates are x and y in px from the top left corner of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..labels.bands import Ids
from ..labels.segmentation import Segmentation
from ..measure.objects.by_object import each_object, shifts_of
from ..measure.outlines.borders import STEPS, PixelBorders, find_pixel_borders
from ..measure.outlines.completion import completion_of
from ..measure.outlines.polygons import ObjectOutlines, Shifts
from ..measure.pixels.hulls import cross
from ..measure.pixels.runs import Runs
from ..measure.table import Table
from ..remembered import current_memory

# Outlines of an unfinished analysis (`unfinished_outlines`): the page shows them in groups, one after the other.
UNFINISHED_GROUPS, MOST_UNFINISHED = 6, 2000  # number of groups, and greatest number of outlines in all
COARSE_TOLERANCE_PX = 1.0  # by which they may differ from the smooth outlines

Ints = NDArray[np.int64]
Points = NDArray[np.float64]
NO_WHOLES: Mapping[int, Points] = {}  # outlines of completed objects by their index


@dataclass(frozen=True, eq=False)
class Polygon:
    """An object, or a piece of one.

    outer, and each of holes: (k, 2) int64 corners; the first is not repeated at the end. No ring
    touches itself. On the screen `outer` runs clockwise, holes run anticlockwise.
    """

    outer: Ints
    holes: list[Ints]


def smooth_outlines(borders: PixelBorders, n: int) -> list[Points]:
    """The smooth outline of the largest piece of each of the objects 1..n, (k, 2) points each.

    Points on the straight line between their neighbours are left out, and the first is not
    repeated. An object without pixels has (0, 2) points.
    """
    return [rings[0] if rings else np.zeros((0, 2)) for rings in smooth_rings(borders, n)]


def outlines_of(labels: NDArray[np.int32], ids: Ids, borders: Callable[[], PixelBorders]) -> list[Points]:
    """The smooth outlines of the objects of `labels` (H, W) with these ids (n,).

    borders: a function that returns the pixel borders of the labels numbered 1..n. It is called
    only if no earlier outlines are kept in memory (`remembered`).
    """
    if current_memory() is None:
        return smooth_outlines(borders(), len(ids))

    def outlines_in(labels: NDArray[np.int32], runs: Runs) -> list[Points]:
        shifts = shifts_of(labels, runs)
        lines = smooth_outlines(find_pixel_borders(labels), len(shifts))
        return [line + shift for line, shift in zip(lines, shifts, strict=True)]

    return each_object("outline", labels, ids, outlines_in)


def smooth_rings(borders: PixelBorders, n: int) -> list[list[Points]]:
    """For each of the objects 1..n the smooth rings around its pieces and its holes, the largest
    first; (k, 2) each."""
    middles = borders.start + STEPS[borders.direction] / 2
    bends = np.abs(cross(middles - middles[borders.before], middles[borders.after] - middles)) > 1e-9
    owners, lines = borders.owners, borders.rings(middles, bends)
    rings: list[list[Points]] = [[] for _ in range(n)]
    for ring in np.argsort(-np.abs(borders.areas()), kind="stable").tolist():
        rings[owners[ring] - 1].append(lines[ring])
    return rings


def whole_outlines(segmentation: Segmentation, table: Table) -> dict[int, Points]:
    """The outlines (k, 2) of the whole of those objects whose sizes are completed in the table, by their index."""
    if "completed" not in table.columns or not (table["completed"] == 1).any():
        return {}
    labels = segmentation.dense[: segmentation.rows]
    shifts = Shifts.of({name: values[: segmentation.rows] for name, values in segmentation.maps.items()})
    return completion_of(ObjectOutlines(labels, shifts), len(segmentation)).polygons


def thin_outline(outline: Points, tolerance: float) -> Points:
    """The outline (k, 2) with fewer points, at least 8.

    Each of three passes removes points within `tolerance` px of the line between their neighbours,
    but never two neighbours.
    """
    for _ in range(3):
        if len(outline) < 16:  # a pass removes up to half of the points
            break
        before, after = np.concatenate([outline[-1:], outline[:-1]]), np.concatenate([outline[1:], outline[:1]])
        along = after - before
        distance = np.abs(cross(outline - before, along)) / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
        is_removed = distance < tolerance
        is_removed[:-1:2] = False
        is_removed[-1] = False
        outline = outline[~is_removed]
    return outline


def unfinished_outlines(
    labels: NDArray[np.int32], confidence: NDArray[np.float32], shape: tuple[int, int]
) -> dict[str, Any]:
    """The outlines of an unfinished analysis for its page: {"width", "height", "count", "paths"}.

    "paths" has up to GROUPS texts, path data of SVG in px of the image; the outlines with the
    highest confidence come first. labels: (h, w) 1..n, of the image or of a smaller copy, without a
    data bar at the bottom. confidence: (n,). shape: of the image (H, W).
    """
    zoom = shape[1] / labels.shape[1]
    lines = smooth_outlines(find_pixel_borders(labels), len(confidence))
    surest = np.argsort(-confidence, kind="stable")[:MOST_UNFINISHED]
    outlines = [thin_outline(lines[index] * zoom, COARSE_TOLERANCE_PX).round().astype(int) for index in surest]
    texts = ["M" + " ".join(map(str, line.ravel().tolist())) + "Z" for line in outlines if len(line)]
    groups = [
        texts[len(texts) * i // UNFINISHED_GROUPS : len(texts) * (i + 1) // UNFINISHED_GROUPS]
        for i in range(UNFINISHED_GROUPS)
    ]
    paths = ["".join(group) for group in groups if group]
    return {"width": shape[1], "height": shape[0], "count": len(confidence), "paths": paths}


def polygons(labels: NDArray[np.int32], n: int, borders: PixelBorders | None = None) -> list[list[Polygon]]:
    """The polygons of each of the objects 1..n of `labels` (H, W), the largest first.

    An object has several if it is in pieces or if some of its pixels touch at a corner only.
    borders: those of `find_pixel_borders`, if they are known already.
    """
    if borders is None or borders.has_corner_contacts:
        borders = find_pixel_borders(labels, joined=False)
    corner_rings = borders.rings(borders.start, borders.direction != borders.direction[borders.before])
    rings: list[list[tuple[float, Ints]]] = [[] for _ in range(n)]
    for ring, owner, size in zip(corner_rings, borders.owners, borders.areas().tolist(), strict=True):
        rings[owner - 1] += (
            [(signed_area(part), part) for part in _rings_without_repeats(ring)]
            if borders.has_corner_contacts
            else [(size, ring)]
        )
    return [_polygons_of(owner_rings) for owner_rings in rings]


def signed_area(ring: Ints) -> float:
    """The signed area of a ring (k, 2), positive where it runs clockwise on the screen."""
    return float(cross(ring, np.roll(ring, -1, axis=0)).sum()) / 2


def _rings_without_repeats(ring: Ints) -> list[Ints]:
    """The ring (k, 2), split into rings that pass no corner twice."""
    corners = list(map(tuple, ring.tolist()))
    if len(set(corners)) == len(corners):
        return [ring]
    path: dict[tuple[int, ...], None] = {}
    rings = []
    for corner in corners:
        loop = []
        while corner in path:
            loop.append(path.popitem()[0])
        if loop:
            rings.append(np.array(loop[::-1]))
        path[corner] = None
    return [*rings, np.array([*path])]


def _polygons_of(rings: list[tuple[float, Ints]]) -> list[Polygon]:
    """The rings of one object, each with its signed area, as polygons."""
    outer = sorted(((size, i) for i, (size, _) in enumerate(rings) if size > 0), reverse=True)
    polygons = [Polygon(rings[i][1], []) for _, i in outer]
    for hole in (ring for size, ring in rings if size < 0):
        # The smallest polygon around it has the hole: an island may lie in a hole of a larger one.
        polygons_around = [polygon for polygon in polygons if _contains(polygon.outer, hole)]
        (polygons_around or polygons)[-1].holes.append(hole)
    return polygons


def _contains(outer: Ints, hole: Ints) -> bool:
    """Whether a point just inside the hole's first edge lies within the outer ring."""
    # The object is on the right-hand side of an edge, so a point half a pixel to the left is in the hole.
    dx, dy = np.sign(hole[1] - hole[0])
    x, y = hole[0] + np.array([dx + dy, dy - dx]) / 2
    (ax, ay), by = outer.T, np.roll(outer[:, 1], -1)
    # A ray to the right from (x, y) crosses vertical edges alone; an odd number of crossings means inside.
    return bool(np.count_nonzero(((ay > y) != (by > y)) & (ax > x)) % 2)
