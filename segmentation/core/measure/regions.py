"""Regions of a picture whose objects do not count: drawn by a person, or found as writing and drawing on the picture.

A region is a polygon of (x, y) corners in px of the uploaded image, as in `labels.edits`; two corners are the opposite
ones of a rectangle. One mechanism serves both sources; only the reason differs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .table import REASON_TYPE, Table

INSIDE = 0.5  # share of an outline's pixels in regions, from which on it does not count
Region = Sequence[Sequence[float]]


def mask_of(regions: Sequence[Region], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) the pixels in any of the regions. Raises ValueError for a region of fewer than two corners."""
    from skimage.draw import polygon

    mask = np.zeros(shape, np.bool_)
    for region in regions:
        corners = np.asarray(region, float).reshape(-1, 2)
        if len(corners) < 2:
            raise ValueError("A region has two corners at least.")
        if len(corners) == 2:
            (left, top), (right, bottom) = corners.min(0), corners.max(0)
            corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        # Corners lie between pixels: the centre of the first pixel is at (0.5, 0.5).
        rows, columns = polygon(corners[:, 1] - 0.5, corners[:, 0] - 0.5, shape)
        mask[rows, columns] = True
    return mask


def shares_inside(labels: NDArray[np.int32], mask: NDArray[np.bool_], count: int) -> NDArray[np.float64]:
    """(n,) the share of each outline 1..count of labels (H, W) that lies in mask (H, W); 0 of one without pixels."""
    areas, inside = (np.bincount(of.ravel(), minlength=count + 1)[1 : count + 1] for of in (labels, labels[mask]))
    return np.asarray(inside / np.maximum(areas, 1))


def set_regions_aside(
    table: Table, labels: NDArray[np.int32], regions: Sequence[Region], reason: str, shape: tuple[int, int]
) -> Table:
    """The table without the objects of which INSIDE or more lies in the regions: these get the reason, whatever they
    had. labels: (H, W) 1..n in the order of the rows. shape: of the uploaded image."""
    if not len(regions) or not len(table):
        return table
    return set_mask_aside(table, labels, mask_of(regions, shape), reason)


def set_mask_aside(table: Table, labels: NDArray[np.int32], mask: NDArray[np.bool_], reason: str) -> Table:
    """As `set_regions_aside`, with the regions as a mask (H, W)."""
    is_inside = shares_inside(labels, mask[: len(labels), : labels.shape[1]], len(table)) >= INSIDE
    return table.judged(np.where(is_inside, reason, table.reasons).astype(REASON_TYPE))
