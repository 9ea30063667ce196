"""Which points of a contour are free, so that background lies beyond them, and which are covered: another object does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .contours import Contours, along_rings

BEYOND = (1.0, 2.0, 3.0)  # px outwards from an edge, at which another object or the end of the image is looked for
CLOSE = 3  # points: free ones so close to a covered one are rounded by the network, and no fit uses them
MOST_POINTS = 64  # of one object in a fit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rims:
    """What lies beyond the k points of contours. covered: (k,) another object. at_frame: (k,) the end of the image.
    is_sure: (k,) background, and no other point nearby where it is not."""

    covered: Bools
    at_frame: Bools
    is_sure: Bools

    @property
    def free(self) -> Bools:
        """(k,) background."""
        return ~(self.covered | self.at_frame)


def find_rims(lines: Contours, labels: NDArray[np.int32]) -> Rims:
    """The rims of the objects of labels (H, W)."""
    own, shape = lines.labels, np.array(labels.shape)[::-1]
    covered, at_frame = np.zeros((2, len(own)), np.bool_)
    edge = lines.inner + 0.5 + lines.outward / 2
    for px in BEYOND:
        place = np.floor(edge + px * lines.normals - 0.01 * lines.outward).astype(np.int64)
        is_out = ((place < 0) | (place >= shape)).any(1)
        x, y = np.clip(place, 0, shape - 1).T
        beyond = labels[y, x]
        covered |= ~is_out & (beyond > 0) & (beyond != own)
        at_frame |= is_out
    at_frame &= ~covered
    is_sure = ~(covered | at_frame)
    closed = ~is_sure
    for offset in range(-CLOSE, CLOSE + 1):
        is_sure &= ~closed[along_rings(lines.bounds, offset)]
    return Rims(covered, at_frame, is_sure)


def padded(points: Floats, group: Ints, n: int, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """At most `most` points (n, most, 2) of each group, evenly chosen, and how many each stands for, (n, most); 0 where
    a group has fewer. points: (k, 2), in the order along their line. group: (k,) from 0 on, -1 for none."""
    order = np.argsort(group, kind="stable")
    count = np.bincount(group[group >= 0], minlength=n)
    start = np.cumsum(np.r_[(group < 0).sum(), count])[:-1]
    taken = np.minimum(count, most)
    place = (np.arange(most) + 0.5) * (count / np.maximum(taken, 1))[:, None]
    has = np.arange(most) < taken[:, None]
    index = np.where(has, start[:, None] + place.astype(np.int64), 0)
    weights = np.where(has, (count / np.maximum(taken, 1))[:, None], 0.0)
    return (points[order][index] if len(points) else np.zeros((n, most, 2))), weights
