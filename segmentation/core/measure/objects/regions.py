"""Regions of a picture whose objects do not count: regions that a person drew, or in which letters and
arrows were found. Their objects are left out for different reasons.

A region is a polygon of (x, y) corners in px of the uploaded image, as in `labels.edits`; a region
of two corners is the rectangle between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ...labels.bands import Ids, sums_of_objects
from ...labels.corrections.shape_pixels import polygon_spans
from ...micrograph.drawn.borders import BORDER, cut_by_border
from ...micrograph.vendors.facts import MARKS
from ...settings import Regions
from ..table import Table
from .filters import Reason

if TYPE_CHECKING:
    from ...labels.segmentation import Segmentation
    from .cutouts import CutOut

INSIDE = 0.5  # an outline with this share of its pixels or more in regions does not count
MOST_CELLS = 512  # along the longer side, when the largest free rectangle is searched
PIXELS_AT_ONCE = 2**22  # of a picture when polygons are filled, to bound the memory
Region = Sequence[Sequence[float]]


@dataclass(frozen=True, eq=False)
class CountedArea:
    """The part of a picture that counts: the analysed rows without regions to ignore and border.

    shape: the analysed rows and columns. ignored: (H, W) of these, True in a region to ignore or in
    the border; None without any.
    """

    shape: tuple[int, int]
    ignored: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, segmentation: Segmentation, ignore: Regions) -> Self:
        """The area of the analysed rows without the regions to ignore and the border."""
        shape, regions = (segmentation.rows, segmentation.labels.shape[1]), uncounted(segmentation.used, ignore)
        return cls(shape, mask_of(regions, shape) if regions else None)

    def without(self, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The mask (H, W) without the pixels to ignore."""
        return inside if self.ignored is None else inside & ~self.ignored

    def counted(self, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """The amounts (H, W), 0 in regions to ignore."""
        return amounts if self.ignored is None else np.where(self.ignored, 0.0, amounts)


def uncounted(used: Mapping[str, Any], ignore: Regions) -> Regions:
    """The regions to ignore and the border of a picture. used: of its segmentation."""
    return (*ignore, *(tuple((x, y) for x, y in rectangle) for rectangle in used.get(BORDER, ())))


def framed_by_border(table: Table, used: Mapping[str, Any], labels: NDArray[np.int32], ids: Ids | None = None) -> Table:
    """The table in which the objects that reach the border of the picture touch the frame. labels: (H, W) with the ids
    (n,), or 1..n. used: of the segmentation."""
    if BORDER not in used:
        return table
    return framed(
        table, np.isin(np.arange(1, len(table) + 1) if ids is None else ids, cut_by_border(labels, used[BORDER]))
    )


def reaches_border(part: CutOut, used: Mapping[str, Any]) -> bool:
    """Whether an object that was cut out of a picture reaches its border. used: of the segmentation."""
    corner = np.array([part.left, part.top])
    return bool(cut_by_border(part.mask, [np.array(rectangle) - corner for rectangle in used.get(BORDER, ())]).any())


def framed(table: Table, is_cut: NDArray[np.bool_]) -> Table:
    """The table in which these objects (n,) touch the frame, too, and so have no weight of the border correction."""
    return table.with_measures(
        touches_frame=table["touches_frame"].astype(bool) | is_cut,
        edge_weight=np.where(is_cut, np.nan, table["edge_weight"]),
    )


def mask_of(regions: Sequence[Region], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) whether the centre of each pixel lies in any of the regions. If a polygon crosses
    itself, the parts that it runs around an odd number of times are inside. Raises ValueError for a
    region of fewer than two corners."""
    mask = np.zeros(shape, np.bool_)
    for region in regions:
        corners = corners_of(region)
        if len(region) == 2:
            (left, top), (right, bottom) = np.ceil([corners.min(0) - 0.5, corners.max(0) - 0.5]).clip(0).astype(int)
            mask[top:bottom, left:right] = True
            continue
        top, bottom = np.clip([np.floor(corners[:, 1].min()), np.ceil(corners[:, 1].max())], 0, shape[0]).astype(int)
        rows_at_once = max(1, PIXELS_AT_ONCE // max(1, shape[1]))
        for row in range(top, bottom, rows_at_once):
            part = mask[row : min(row + rows_at_once, bottom)]
            (starts, stops), _ = polygon_spans(corners - (0, row), *part.shape)
            steps = np.zeros(part.size + 1, np.int8)  # +1 where a run of pixels inside begins, -1 after its end
            steps[starts] += 1
            steps[stops] -= 1
            part |= np.cumsum(steps[:-1], dtype=np.int8).reshape(part.shape) > 0
    return mask


def corners_of(region: Region) -> NDArray[np.float64]:
    """(n, 2) all corners x, y of a region; a rectangle has four. Raises ValueError for fewer than
    two."""
    corners = np.asarray(region, float).reshape(-1, 2)
    if len(corners) < 2:
        raise ValueError("A region has two corners at least.")
    if len(corners) > 2:
        return corners
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


@lru_cache(maxsize=64)
def share_of(regions: Regions, shape: tuple[int, int]) -> float:
    """The share of a picture (H, W) that lies in the regions, 0 to 1."""
    return float(mask_of(regions, shape).mean()) if regions and all(shape) else 0.0


def area_words(share: float) -> str:
    """A share of a picture in words: "4 %", "0.3 %", "less than 0.1 %"."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    return f"{100 * share:.{1 if 0 < share < 0.01 else 0}f} %"


def shares_inside(
    labels: NDArray[np.int32], mask: NDArray[np.bool_], count: int, ids: Ids | None = None
) -> NDArray[np.float64]:
    """(n,) the share of each outline's pixels that lies in the mask (H, W); 0 for an outline
    without pixels.

    labels: (H, W) with the ids (n,), or 1..count.
    """
    areas, inside = sums_of_objects(labels, np.arange(1, count + 1) if ids is None else ids, mask)
    return np.asarray(inside / np.maximum(areas, 1))


def largest_part(occupied: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Top, left, bottom, right (the last two exclusive) of the largest rectangle in a picture (H,
    W) without an occupied pixel; None if there is none. In a large picture the sides lie on a grid
    of at most MOST_CELLS cells along the longer side."""
    step = -(-max(occupied.shape) // MOST_CELLS)
    padded = np.pad(occupied, [(0, -side % step) for side in occupied.shape], constant_values=True)
    is_free = np.asarray(~padded.reshape(len(padded) // step, step, -1, step).any((1, 3)))
    best, area = None, 0
    heights = np.zeros(is_free.shape[1] + 1, int)  # free cells above the row in each column
    for row, free in enumerate(is_free):
        heights[:-1] = np.where(free, heights[:-1] + 1, 0)
        rising: list[tuple[int, int]] = []  # first column and height of each open rectangle
        for column, height in enumerate(heights.tolist()):
            start = column
            while rising and rising[-1][1] >= height:
                start, open_height = rising.pop()
                if open_height * (column - start) > area:
                    area = open_height * (column - start)
                    best = (row + 1 - open_height, start, row + 1, column)
            rising.append((start, height))
    return best and (step * best[0], step * best[1], step * best[2], step * best[3])


def are_inside(
    labels: NDArray[np.int32], mask: NDArray[np.bool_], count: int, ids: Ids | None = None
) -> NDArray[np.bool_]:
    """(n,) whether INSIDE or more of each outline lies in the mask (H or more rows, W). The other
    arguments are those of `shares_inside`."""
    return shares_inside(labels, mask[: len(labels)], count, ids) >= INSIDE


def regions_by_reason(used: Mapping[str, Any], ignore: Regions) -> dict[Reason, Sequence[Region]]:
    """The regions in which no object counts: those to ignore, and writing or drawing. used: of the segmentation."""
    regions: dict[Reason, Sequence[Region]] = {Reason.IGNORED: ignore, Reason.MARKED: used.get(MARKS, ())}
    return {reason: its_regions for reason, its_regions in regions.items() if its_regions}


def masks_by_reason(segmentation: Segmentation, ignore: Regions) -> dict[Reason, NDArray[np.bool_]]:
    """(H, W) of each reason of `regions_by_reason`, in the shape of the labels."""
    regions = regions_by_reason(segmentation.used, ignore)
    return {reason: mask_of(its_regions, segmentation.labels.shape) for reason, its_regions in regions.items()}
