"""Thin lines of a map and their lengths: dislocations seen edge on; fibres are followed along the same skeletons."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from skimage.morphology import skeletonize

SMALLEST = 9  # px of a line
ALL_SIDES = np.ones((3, 3), bool)
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))  # rows and columns of a step along a skeleton
SMALLEST_RING = 8  # px that a skeleton must exceed, so that two ends beside each other make a ring
SPUR = 2.0  # half widths of the line that a branch must exceed; the branch into a corner is 1.4 long
THIN = 1.1  # px, half the width up to which the ends are the outermost pixels
BLUNT = 1.5  # half widths before an end within which a skeleton may lead into a corner
SMOOTH = 2.0  # px, sigma along the skeleton, whose pixels lie up to half a pixel beside the middle
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def find_lines(levels: NDArray[np.uint8], threshold: float = 0.5) -> NDArray[np.int32]:
    """(H, W) int32 1..n: the pieces of a map (H, W) uint8 at or above the threshold, of at least SMALLEST px; corners
    connect pixels."""
    pieces, count = ndimage.label(levels >= max(1, round(threshold * 255)), ALL_SIDES)
    keep = np.bincount(pieces.ravel(), minlength=count + 1) >= SMALLEST
    keep[0] = False
    numbers = np.cumsum(keep) * keep
    labels: NDArray[np.int32] = numbers.astype(np.int32)[pieces]
    return labels


def skeleton_lengths(labels: NDArray[np.int32]) -> Floats:
    """(n,) px: the length of each line 1..n with its branches: of a straight piece along its axis, of a ring around its
    smoothed skeleton, of any other piece along its smoothed skeleton from end to end. Spurs do not count."""
    return np.array([_length(labels[box] == n) for n, box in enumerate(ndimage.find_objects(labels), start=1)], float)


def box_diagonals(labels: NDArray[np.int32]) -> Floats:
    """(n,) px: the diagonal of the box around each line 1..n, as Ochoa et al. (2025) measure dislocation loops."""
    boxes = ndimage.find_objects(labels)
    return np.array([np.hypot(*(side.stop - side.start for side in box)) for box in boxes], float)


def inner_depth(mask: NDArray[np.bool_]) -> Floats:
    """(H, W) px: how far each pixel of a mask lies from the outside, which begins at the frame too."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1])


def _length(shape: NDArray[np.bool_]) -> float:
    """px: the length of one piece (H, W) with its branches."""
    padded = np.pad(shape, 1)
    depths = ndimage.distance_transform_edt(padded)
    bone = skeletonize(padded, method="lee") > 0  # Zhang's method breaks oblique lines 2 px wide
    points, depth = (
        np.argwhere(bone),
        depths[bone] - 0.5,
    )  # half the width: the distance is to the middle of the pixel outside
    trunk, *branches = _chains(tree_of(bone), depth)
    gap = points[trunk[0]] - points[trunk[-1]]
    is_ring = len(trunk) > SMALLEST_RING and np.abs(gap).max() <= 1
    if is_ring:
        ring = ndimage.gaussian_filter1d(points[trunk].astype(float), SMOOTH, axis=0, mode="wrap")
        length = polyline(np.concatenate([ring, ring[:1]]))
    else:
        length = _straight(padded, depth) or _along(points[trunk].astype(float), depth[trunk], padded, 2)
    return length + sum(_along(points[branch].astype(float), depth[branch], padded, 1) for branch in branches)


def tree_of(bone: NDArray[np.bool_], parts: NDArray[np.int32] | None = None) -> sparse.csr_matrix:
    """The minimum spanning tree of the pixels of a skeleton (H, W), numbered in reading order; rings are cut open.

    bone: without pixels at the frame. parts: (H, W); pixels with different numbers are not connected.
    """
    numbers = np.full(bone.shape, -1)
    numbers[bone] = np.arange(np.count_nonzero(bone))
    edges = []
    for down, right in STEPS:  # the frame is empty, so rolling joins nothing
        beside = np.roll(numbers, (-down, -right), (0, 1))
        is_joined = (numbers >= 0) & (beside >= 0)
        if parts is not None:
            is_joined &= parts == np.roll(parts, (-down, -right), (0, 1))
        edges.append(np.stack([numbers[is_joined], beside[is_joined], np.full(is_joined.sum(), np.hypot(down, right))]))
    start, end, weight = np.concatenate(edges, axis=1)
    size = int(numbers.max()) + 1
    graph = sparse.csr_matrix((weight, (start.astype(int), end.astype(int))), (size, size))
    return csgraph.minimum_spanning_tree(graph)


def _chains(tree: sparse.csr_matrix, depth: Floats) -> Iterator[Ints]:
    """The longest path of a tree, then its branches, each from the pixel where it begins; without spurs."""
    start = int(np.argmax(csgraph.dijkstra(tree, directed=False, indices=0)))
    order, before = csgraph.breadth_first_order(tree, start, directed=False)
    away = csgraph.dijkstra(tree, directed=False, indices=start)
    # Of each pixel, with `start` as the root: px of the longest way on from it, and the next pixel of that (-1: none).
    height, tallest = [0.0] * len(depth), [-1] * len(depth)
    for node in order[:0:-1].tolist():  # from the ends to the root
        parent = int(before[node])
        reach = height[node] + float(away[node] - away[parent])
        if reach > height[parent]:
            height[parent], tallest[parent] = reach, node
    heads = [(start, -1)]  # where each chain begins, and the pixel that it leaves
    for node in order[1:].tolist():
        parent = int(before[node])
        reach = height[node] + float(away[node] - away[parent])
        if tallest[parent] != node and reach > SPUR * depth[parent] + 1:
            heads.append((node, parent))
    for node, parent in heads:
        chain = [] if parent < 0 else [parent]
        while node >= 0:
            chain.append(node)
            node = tallest[node]
        yield np.array(chain)


def _along(path: Floats, depth: Floats, shape: NDArray[np.bool_], ends: int) -> float:
    """The length of a line along its path (n, 2) from one of its 2 ends to the other, or of a branch from the skeleton
    of its line to its only end. depth: (n,) half the width; shape: (H, W) all of its pixels, none at the frame."""
    half = float(np.median(depth))
    cut = min(int(np.ceil(BLUNT * half)) + 1, max((len(path) - 3) // ends, 0))
    smooth = smoothed(path[cut * (ends - 1) : len(path) - cut])
    return polyline(smooth) + sum(straight_end(way, half, shape) for way in (smooth, smooth[::-1])[:ends])


def _straight(shape: NDArray[np.bool_], depth: Floats) -> float | None:
    """The length of a straight line (H, W) along its axis; None where it is bent or branches.

    depth: (n,) half the width along its skeleton. The length is the weighted area by that of one px of length, which
    is taken from the inner half, where the ends do not reach.
    """
    inside = np.argwhere(shape)
    half, off = float(np.median(depth)), inside - inside.mean(0)
    _, vectors = np.linalg.eigh(off.T @ off)
    across, along = (off @ vectors).T
    if np.abs(across).max() > 1.15 * half + 1:
        return None
    if half < THIN:  # its width goes up and down by whole pixels
        return float(np.ptp(along)) + 1.0
    weight, inner = _middle(across, half), np.abs(along).max() / 2
    per_px = (weight * np.clip(inner + 0.5 - np.abs(along), 0, 1)).sum() / (2 * inner) if inner else 1.0
    return float(weight.sum() / per_px)


def _middle(across: Floats, half: float) -> Floats:
    """Weights of pixels by their distance from the middle line. Round ends reach farthest in the middle, and smooth
    weights avoid steps between rows of pixels."""
    reach = max(0.8 * half, 2.0)
    return np.where(np.abs(across) < reach, np.cos(np.pi / 2 * across / reach) ** 2, 0.0)


def smoothed(path: Floats) -> Floats:
    """A path (n, 2), smoothed along itself (SMOOTH); its ends stay where they are."""
    margin = min(len(path) - 1, round(4 * SMOOTH))
    padded = np.pad(path, [(margin, margin), (0, 0)], mode="reflect", reflect_type="odd")
    smooth: Floats = ndimage.gaussian_filter1d(padded, SMOOTH, axis=0, mode="nearest")
    return smooth[margin : margin + len(path)]


def polyline(points: Floats) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def straight_end(path: Floats, half: float, shape: NDArray[np.bool_]) -> float:
    """How far a line (H, W) goes on straight beyond the last point of its path (n, 2).

    Pixels of a strip in the middle of the line are counted, beyond the point and equally far behind it. Their ratio is
    the ratio of the lengths, for any width.
    """
    last = path[-max(6, round(4 * half)) :]
    direction = np.linalg.svd(last - last.mean(0), full_matrices=False)[2][0]
    direction *= np.sign(direction @ (last[-1] - last[0])) or 1.0
    ahead, behind = 2 * (BLUNT * half + 2), max(8.0, 2 * half)
    reach = int(np.ceil(max(ahead, behind) + half)) + 3
    corner = np.maximum(path[-1].astype(int) - reach, 0)
    window = tuple(slice(low, low + 2 * reach + 1) for low in corner)
    off = np.argwhere(shape[window]) + corner - path[-1]
    along, weight = off @ direction, _middle(off @ np.array([-direction[1], direction[0]]), half)
    before, after, too_far = (
        (weight * np.clip(along - at + 0.5, 0, 1)).sum()
        for at in (-behind, 0.0, ahead)  # a pixel is 1 px long
    )
    return float(behind * (after - too_far) / (before - after)) if before > after else 0.0
