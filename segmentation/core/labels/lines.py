"""Finds line defects as thin lines in a network's map, and measures their lengths. (`fibres` uses the functions for
skeletons and paths, too.)"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from skimage.morphology import skeletonize

SMALLEST_PX = 9  # px of a line
ALL_SIDES = np.ones((3, 3), bool)
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))  # rows and columns of a step along a skeleton
SMALLEST_RING = 8  # px: a skeleton whose ends touch is a ring only if it is longer
LONGEST_SPUR = 2.0  # in half widths of the line: shorter branches are spurs (the one into a corner of the line has 1.4)
THIN_PX = 1.1  # px, half the width: a thinner line ends at its outermost pixels
BLUNT_END = 1.5  # in half widths of the line: nearer to an end than this the skeleton may lead into a corner
SMOOTHING_SD_PX = 2.0  # px, sigma along the skeleton, because its pixels lie up to half a pixel beside the middle
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def find_lines(levels: NDArray[np.uint8], threshold: float = 0.5) -> NDArray[np.int32]:
    """(H, W) int32 1..n, 0 background: the connected pieces of at least SMALLEST_PX px where a map (H, W) uint8, 0..255
    for 0..1, reaches the threshold. Pixels that share a corner are connected."""
    pieces, count = ndimage.label(levels >= max(1, round(threshold * 255)), ALL_SIDES)
    keep = np.bincount(pieces.ravel(), minlength=count + 1) >= SMALLEST_PX
    keep[0] = False
    numbers = np.cumsum(keep) * keep
    labels: NDArray[np.int32] = numbers.astype(np.int32)[pieces]
    return labels


def skeleton_lengths(labels: NDArray[np.int32]) -> Floats:
    """(n,) px: the length of each line 1..n, with its branches but without spurs. A straight line is measured along its
    axis, a ring around its smoothed skeleton, any other line along its smoothed skeleton from end to end."""
    return np.array([_length(labels[box] == n) for n, box in enumerate(ndimage.find_objects(labels), start=1)], float)


def box_diagonals(labels: NDArray[np.int32]) -> Floats:
    """(n,) px: the diagonal of the box around each line 1..n, as Ochoa et al. (2025) measure dislocation loops."""
    boxes = ndimage.find_objects(labels)
    return np.array([np.hypot(*(side.stop - side.start for side in box)) for box in boxes], float)


def inner_depth(mask: NDArray[np.bool_]) -> Floats:
    """(H, W) px: the distance of each pixel of a mask to the nearest pixel outside; beyond the frame all is outside."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1])


def _length(shape: NDArray[np.bool_]) -> float:
    """The length of one line (h, w) in px, with its branches."""
    padded = np.pad(shape, 1)
    depths = ndimage.distance_transform_edt(padded)
    bone = skeletonize(padded, method="lee") > 0  # Zhang's method breaks oblique lines 2 px wide
    # Half the width at each point of the skeleton; `depths` reach to the middle of the pixel outside, half a px more.
    points, depth = np.argwhere(bone), depths[bone] - 0.5
    trunk, *branches = _chains(tree_of(bone), depth)
    gap = points[trunk[0]] - points[trunk[-1]]
    is_ring = len(trunk) > SMALLEST_RING and np.abs(gap).max() <= 1
    if is_ring:
        ring = ndimage.gaussian_filter1d(points[trunk].astype(float), SMOOTHING_SD_PX, axis=0, mode="wrap")
        length = path_length(np.concatenate([ring, ring[:1]]))
    else:
        length = _straight(padded, depth) or _along(points[trunk].astype(float), depth[trunk], padded, 2)
    return length + sum(_along(points[branch].astype(float), depth[branch], padded, 1) for branch in branches)


def tree_of(bone: NDArray[np.bool_], parts: NDArray[np.int32] | None = None) -> sparse.csr_matrix:
    """The minimum spanning tree of a skeleton's pixels, numbered row by row; this opens rings.

    bone: (H, W) the skeleton, without pixels at the frame. parts: (H, W); pixels with different numbers are not
    connected.
    """
    numbers = np.full(bone.shape, -1)
    numbers[bone] = np.arange(np.count_nonzero(bone))
    edges = []
    for down, right in STEPS:  # np.roll joins nothing across the frame, because no pixel lies there
        neighbours = np.roll(numbers, (-down, -right), (0, 1))
        is_joined = (numbers >= 0) & (neighbours >= 0)
        if parts is not None:
            is_joined &= parts == np.roll(parts, (-down, -right), (0, 1))
        edges.append(
            np.stack([numbers[is_joined], neighbours[is_joined], np.full(is_joined.sum(), np.hypot(down, right))])
        )
    start, end, weight = np.concatenate(edges, axis=1)
    size = int(numbers.max()) + 1
    graph = sparse.csr_matrix((weight, (start.astype(int), end.astype(int))), (size, size))
    return csgraph.minimum_spanning_tree(graph)


def _chains(tree: sparse.csr_matrix, depth: Floats) -> Iterator[Ints]:
    """The pixels of the longest path of a tree, then those of each branch, which begins on another path; no spurs.

    depth: (n,) half the width of the line at each pixel of the skeleton.
    """
    start = int(np.argmax(csgraph.dijkstra(tree, directed=False, indices=0)))
    order, before = csgraph.breadth_first_order(tree, start, directed=False)
    distances = csgraph.dijkstra(tree, directed=False, indices=start)
    # With `start` as the root: the length in px of the longest path from each pixel away from the root, and the next
    # pixel on that path (-1: none).
    length, following = [0.0] * len(depth), [-1] * len(depth)
    for node in order[:0:-1].tolist():  # from the ends to the root
        parent = int(before[node])
        reach = length[node] + float(distances[node] - distances[parent])
        if reach > length[parent]:
            length[parent], following[parent] = reach, node
    heads = [(start, -1)]  # the first pixel of each chain, and the pixel of another chain where it begins (-1: none)
    for node in order[1:].tolist():
        parent = int(before[node])
        reach = length[node] + float(distances[node] - distances[parent])
        if following[parent] != node and reach > LONGEST_SPUR * depth[parent] + 1:
            heads.append((node, parent))
    for node, parent in heads:
        chain = [] if parent < 0 else [parent]
        while node >= 0:
            chain.append(node)
            node = following[node]
        yield np.array(chain)


def _along(path: Floats, depth: Floats, shape: NDArray[np.bool_], ends: int) -> float:
    """The length in px of a line along its path (n, 2).

    depth: (n,) half the width along the path. shape: (h, w) the line's pixels, none at the frame. ends: 2 for a line
    with two ends; 1 for a branch, which begins on the skeleton of its line.
    """
    half = float(np.median(depth))
    cut = min(int(np.ceil(BLUNT_END * half)) + 1, max((len(path) - 3) // ends, 0))
    smooth = smoothed_path(path[cut * (ends - 1) : len(path) - cut])
    return path_length(smooth) + sum(straight_end(line, half, shape) for line in (smooth, smooth[::-1])[:ends])


def _straight(shape: NDArray[np.bool_], depth: Floats) -> float | None:
    """The length in px of a straight line (h, w) along its axis; None if it is bent or has branches.

    depth: (n,) half the width along the skeleton. The length is the weighted area of the line, divided by the weighted
    area of one px of its length; the latter comes from the inner half, where the ends have no influence.
    """
    inside = np.argwhere(shape)
    half, offsets = float(np.median(depth)), inside - inside.mean(0)
    _, vectors = np.linalg.eigh(offsets.T @ offsets)
    across, along = (offsets @ vectors).T
    if np.abs(across).max() > 1.15 * half + 1:
        return None
    if half < THIN_PX:  # its width goes up and down by whole pixels
        return float(np.ptp(along)) + 1.0
    weight, inner = _weights(across, half), np.abs(along).max() / 2
    per_px = (weight * np.clip(inner + 0.5 - np.abs(along), 0, 1)).sum() / (2 * inner) if inner else 1.0
    return float(weight.sum() / per_px)


def _weights(across: Floats, half: float) -> Floats:
    """(n,) weights of pixels by their distance `across` (n,) from the middle line: largest there, because round ends
    reach farthest in the middle; smooth, so that rows of pixels make no steps. half: half the width in px."""
    reach = max(0.8 * half, 2.0)
    return np.where(np.abs(across) < reach, np.cos(np.pi / 2 * across / reach) ** 2, 0.0)


def smoothed_path(path: Floats) -> Floats:
    """A path (n, 2), smoothed along itself (SMOOTHING_SD_PX); its ends stay where they are."""
    margin = min(len(path) - 1, round(4 * SMOOTHING_SD_PX))
    padded = np.pad(path, [(margin, margin), (0, 0)], mode="reflect", reflect_type="odd")
    smooth: Floats = ndimage.gaussian_filter1d(padded, SMOOTHING_SD_PX, axis=0, mode="nearest")
    return smooth[margin : margin + len(path)]


def path_length(points: Floats) -> float:
    """The length of a line through points (n, 2)."""
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def straight_end(path: Floats, half: float, shape: NDArray[np.bool_]) -> float:
    """How far in px a line (H, W) continues straight beyond the last point of its path (n, 2).

    half: half the width in px. Pixels in a strip along the middle of the line are counted, after the point and before
    it. The ratio of both counts is the ratio of the lengths, for any width.
    """
    last = path[-max(6, round(4 * half)) :]
    direction = np.linalg.svd(last - last.mean(0), full_matrices=False)[2][0]
    direction *= np.sign(direction @ (last[-1] - last[0])) or 1.0
    ahead, behind = 2 * (BLUNT_END * half + 2), max(8.0, 2 * half)
    reach = int(np.ceil(max(ahead, behind) + half)) + 3
    corner = np.maximum(path[-1].astype(int) - reach, 0)
    window = tuple(slice(low, low + 2 * reach + 1) for low in corner)
    offsets = np.argwhere(shape[window]) + corner - path[-1]
    along, weight = offsets @ direction, _weights(offsets @ np.array([-direction[1], direction[0]]), half)
    # Weighted numbers of pixels beyond three places along the line; a pixel is 1 px long.
    before, after, too_far = ((weight * np.clip(along - place + 0.5, 0, 1)).sum() for place in (-behind, 0.0, ahead))
    return float(behind * (after - too_far) / (before - after)) if before > after else 0.0
