"""Line defects, such as dislocations seen edge on: pieces of a map, and how long they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

SMALLEST = 9  # px
ALL_SIDES = np.ones((3, 3), bool)
STRAIGHT, OBLIQUE = 0.948, 1.340  # px of a step; of the least error over all directions (Dorst and Smeulders 1987)


def find_lines(shown: NDArray[np.uint8], threshold: float = 0.5) -> NDArray[np.int32]:
    """(H, W) int32 1..n: the pieces, joined over corners too, in which a map (H, W) uint8 reaches the threshold."""
    pieces, count = ndimage.label(shown >= max(1, round(threshold * 255)), ALL_SIDES)
    keep = np.bincount(pieces.ravel(), minlength=count + 1) >= SMALLEST
    keep[0] = False
    numbers = np.cumsum(keep) * keep
    labels: NDArray[np.int32] = numbers.astype(np.int32)[pieces]
    return labels


def skeleton_lengths(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """(n,) px: the length of the skeleton of each line 1..n, with what thinning took from its ends."""
    return np.array([_length(labels[box] == n) for n, box in enumerate(ndimage.find_objects(labels), start=1)], float)


def box_diagonals(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """(n,) px: the diagonal of the box around each line 1..n, as Ochoa et al. (2025) measure dislocation loops."""
    boxes = ndimage.find_objects(labels)
    return np.array([np.hypot(*(side.stop - side.start for side in box)) for box in boxes], float)


def _length(shape: NDArray[np.bool_]) -> float:
    padded = np.pad(shape, 1)
    bone, depth = skeletonize(padded), ndimage.distance_transform_edt(padded)
    turns = (0, 1), (1, 0), (1, 1), (1, -1)
    beside = {(down, right): bone & np.roll(bone, (-down, -right), (0, 1)) for down, right in turns}
    corners = np.roll(bone, -1, 0) | np.roll(bone, -1, 1), np.roll(bone, -1, 0) | np.roll(bone, 1, 1)
    straight = beside[0, 1].sum() + beside[1, 0].sum()
    # A step across a corner counts only where there is no way round it.
    oblique = (beside[1, 1] & ~corners[0]).sum() + (beside[1, -1] & ~corners[1]).sum()
    neighbours = ndimage.convolve(bone.astype(np.int32), ALL_SIDES.astype(np.int32), mode="constant") - 1
    ends = bone & (neighbours <= 1)
    # A lone pixel is both ends of its line.
    cut = depth[ends].sum() * (2 if neighbours[bone].max(initial=0) == 0 else 1)
    return float(STRAIGHT * straight + OBLIQUE * oblique + cut)
