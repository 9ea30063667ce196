"""Which points of a contour are free, with background beyond, and which are covered, with another object beyond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .contours import Contours, along_rings

BEYOND = (0.9, 1.9, 2.9)  # px outwards from an edge, at which another object or the end of the image is looked for
CLOSE = 3  # points: free ones so close to a covered one are rounded by the network, and no fit uses them
MOST_POINTS = 64  # of one object in a fit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rims:
    """What lies beyond the k points of contours.

    other: (k,) the label of the other object there, 0 for background, -1 for the end of the image. is_sure: (k,)
    background, and no other point nearby where it is not."""

    other: Ints
    is_sure: Bools

    @property
    def covered(self) -> Bools:
        """(k,) another object."""
        return np.asarray(self.other > 0)

    @property
    def free(self) -> Bools:
        """(k,) background."""
        return np.asarray(self.other == 0)


def find_rims(lines: Contours, labels: NDArray[np.int32]) -> Rims:
    """The rims of the objects of labels (H, W)."""
    labels_of_points, other = lines.labels, np.zeros(len(lines.points), np.int64)
    edge = lines.inner + 0.5 + lines.outward / 2
    for px in BEYOND:
        beyond = at(labels, edge + px * lines.normals)
        other = np.where(
            (other <= 0) & (beyond != 0) & (beyond != labels_of_points) & ((other == 0) | (beyond > 0)), beyond, other
        )
    is_sure = other == 0
    for offset in range(-CLOSE, CLOSE + 1):
        is_sure = is_sure & (other[along_rings(lines.bounds, offset)] == 0)
    return Rims(other, is_sure)


def at(labels: NDArray[np.int32], points: Floats) -> Ints:
    """The labels (...) at points (..., 2), -1 outside of the image."""
    place = np.floor(points).astype(np.int64)
    shape = np.array(labels.shape)[::-1]
    is_out = ((place < 0) | (place >= shape)).any(-1)
    x, y = np.moveaxis(np.clip(place, 0, shape - 1), -1, 0)
    return np.where(is_out, -1, labels[y, x]).astype(np.int64)


def padded(points: Floats, group: Ints, n: int, limit: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """At most `most` points (n, most, 2) of each group, evenly chosen, and how many each stands for, (n, most); 0 where
    a group has fewer. points: (k, 2), in the order along their line. group: (k,) from 0 on, -1 for none."""
    order = np.argsort(group, kind="stable")
    count = np.bincount(group[group >= 0], minlength=n)
    start = np.cumsum(np.r_[(group < 0).sum(), count])[:-1]
    used_count = np.minimum(count, limit)
    place = (np.arange(limit) + 0.5) * (count / np.maximum(used_count, 1))[:, None]
    has = np.arange(limit) < used_count[:, None]
    index = np.where(has, start[:, None] + place.astype(np.int64), 0)
    weights = np.where(has, (count / np.maximum(used_count, 1))[:, None], 0.0)
    return (points[order][index] if len(points) else np.zeros((n, limit, 2))), weights
