"""Foreground and inner-distance maps -> particles: every component gives at least one, and no pixel is lost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from .bands import BAND, labelled_pixels, rows_at_once, sums_over_labels

Labels = NDArray[np.int32]
Box = tuple[slice, ...]
THREADS = 2  # at a time in one label image
LARGE, PART, OVERLAP = 2**22, 1024, 256  # px
SMALLEST_CORE = 4  # px; a smaller core beside others in its component is noise of the map


def separate(
    foreground: NDArray[np.uint8], distance: NDArray[np.uint8], *, threshold: float, seed_threshold: float
) -> Labels:
    """Label the particles of two probability maps.

    foreground, distance: (H, W) uint8, 0..255 for 0..1. threshold: a pixel at or above it is particle.
    seed_threshold: pixels with at least this inner distance form cores, the markers of their component; a
    component without a core is one particle. No lines are left between particles; holes of a particle are filled.
    Returns (H, W) int32 labels 1..n, 0 background.
    """
    mask = foreground >= max(1, round(threshold * 255))
    components, count = ndimage.label(mask)
    components = components.astype(np.int32, copy=False)
    markers, owners = _markers(distance >= round(seed_threshold * 255), components)
    return renumber(fill_holes(grow(components, count, markers, owners, distance)))


def _markers(cores: NDArray[np.bool_], components: Labels) -> tuple[Labels, NDArray[np.int64]]:
    """Cores numbered 1..m (H, W), and the component of each (m + 1,): owners[0] is 0.

    A core under SMALLEST_CORE px counts only where its component has no larger one.
    """
    markers, count = ndimage.label(cores & (components > 0))
    markers = markers.astype(np.int32, copy=False)
    sizes = areas_of(markers, count)
    owners = np.zeros(count + 1, np.int64)
    marked = markers > 0
    owners[markers[marked]] = components[marked]
    largest = np.zeros(int(owners.max(initial=0)) + 1, np.int64)
    np.maximum.at(largest, owners[1:], sizes[1:])
    keep = (sizes >= SMALLEST_CORE) | (sizes == largest[owners])
    keep[0] = False
    return relabel(markers, np.cumsum(keep) * keep), np.concatenate([[0], owners[keep]])


def grow(
    components: Labels, count: int, markers: Labels, owners: NDArray[np.int64], distance: NDArray[np.uint8]
) -> Labels:
    """Components 1..count with at most one marker stay as they are; the others are divided by watershed.

    markers: (H, W), numbered 1..m. owners: (m + 1,) the component of each. A marker's particle is labelled with its
    number + count. Components with a box of more than LARGE px are divided part by part, with OVERLAP px around each
    part, because of limited memory and processor cache.
    """
    per_component = np.bincount(owners[1:], minlength=count + 1)
    crowded = per_component > 1
    labels = relabel(components.copy(), np.where(crowded, 0, np.arange(count + 1)))
    if not crowded.any():
        return labels

    def share_out(number: int, window: Box, inner: Box) -> None:
        inside = components[window] == number
        seeds = np.where(inside, markers[window], 0)
        grown = watershed(255 - distance[window], seeds, mask=inside)
        # Marker numbers continue behind the component numbers, so the two never collide.
        part = tuple(slice(k.start - w.start, k.stop - w.start) for k, w in zip(inner, window, strict=True))
        labels[inner][inside[part]] = np.where(grown[part] > 0, grown[part] + count, 0)[inside[part]]

    boxes = ndimage.find_objects(components)
    parts = [(number, *part) for number in np.flatnonzero(crowded).tolist() for part in _parts(boxes[number - 1])]
    with ThreadPoolExecutor(THREADS) as pool:  # watershed runs without Python's lock
        list(pool.map(share_out, *zip(*parts, strict=True)))
    for number in {number for number, window, inner in parts if window != inner}:
        _close(labels, components, number, boxes[number - 1], distance)
    return labels


def _parts(box: Box) -> Iterator[tuple[Box, Box]]:
    """The parts to divide one by one: for each the window to process and the part of it to keep."""
    if math.prod(side.stop - side.start for side in box) <= LARGE:
        yield box, box
        return
    sides = [[slice(at, min(at + PART, side.stop)) for at in range(side.start, side.stop, PART)] for side in box]
    for inner in itertools.product(*sides):
        around = (
            slice(max(k.start - OVERLAP, side.start), min(k.stop + OVERLAP, side.stop))
            for k, side in zip(inner, box, strict=True)
        )
        yield tuple(around), inner


def _close(labels: Labels, components: Labels, number: int, box: Box, distance: NDArray[np.uint8]) -> None:
    """Give pixels that no marker of their part has reached to the neighbours, in place."""
    left = (components[box] == number) & (labels[box] == 0)
    pieces, _ = ndimage.label(left)
    for piece in ndimage.find_objects(pieces):
        wider = tuple(
            slice(max(p.start - 1, 0) + b.start, p.stop + 1 + b.start) for p, b in zip(piece, box, strict=True)
        )
        inside = components[wider] == number
        labels[wider][inside] = watershed(255 - distance[wider], np.where(inside, labels[wider], 0), mask=inside)[
            inside
        ]


def interior(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(H, W): the pixels whose four neighbours have the same label; none at the frame."""
    inner, middle = np.zeros(labels.shape, bool), labels[1:-1, 1:-1]
    sides = (labels[:-2, 1:-1], labels[2:, 1:-1], labels[1:-1, :-2], labels[1:-1, 2:])
    inside = inner[1:-1, 1:-1]
    inside[:] = True
    for side in sides:
        inside &= middle == side
    return inner


def fill_holes(labels: Labels) -> Labels:
    """Give every background region enclosed by one single particle to that particle.

    labels: (H, W) int32, changed in place and returned. A gap between several particles stays a gap.
    """
    holes, count = ndimage.label(labels == 0)
    if count < 2:
        return labels
    lowest = np.full(count + 1, np.iinfo(np.int32).max, np.int32)
    highest = np.zeros(count + 1, np.int32)
    closed = np.ones(count + 1, bool)
    closed[np.concatenate([[0], holes[0], holes[-1], holes[:, 0], holes[:, -1]])] = False
    at = np.flatnonzero(closed.take(holes))
    region, flat = holes.ravel()[at], labels.ravel()
    for step in (-labels.shape[1], labels.shape[1], -1, 1):
        beside = flat[at + step]
        particles = beside > 0
        np.minimum.at(lowest, region[particles], beside[particles])
        np.maximum.at(highest, region[particles], beside[particles])
    labels[np.unravel_index(at, labels.shape)] = np.where(lowest == highest, highest, 0)[region]
    return labels


def renumber(labels: Labels) -> Labels:
    """The same regions numbered 1..n in reading order, row by row; in place."""
    flat = labels.ravel()
    highest = int(flat.max(initial=0))
    first_place = np.full(highest + 1, flat.size, np.int64)
    # Writing backwards leaves the first position of every label; a part at a time, as positions take much memory.
    for start in reversed(range(0, flat.size, BAND)):
        part = flat[start : start + BAND]
        begins = part != 0
        begins[1:] &= part[1:] != part[:-1]  # of a run of one label only the first pixel can be the first of all
        positions = start + np.flatnonzero(begins)[::-1]
        first_place[flat[positions]] = positions
    present = np.flatnonzero(first_place < flat.size)
    order = present[np.argsort(first_place[present], kind="stable")]
    numbers = np.zeros(highest + 1, np.int32)
    numbers[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    return relabel(labels, numbers)


def relabel(labels: Labels, numbers: NDArray[Any]) -> Labels:
    """Replace each of labels (H, W) by its entry in numbers (n + 1,), in place, to save two thirds of the memory.

    The numbers must fit into the labels' dtype.
    """
    numbers = numbers.astype(labels.dtype)
    step = rows_at_once(labels)
    for top in range(0, len(labels), step):
        labels[top : top + step] = numbers[labels[top : top + step]]
    return labels


def areas_of(labels: Labels, count: int) -> NDArray[np.int64]:
    """(count + 1,) px of each label 0..count; some rows at a time, as counting takes eight bytes a pixel."""
    areas, step = np.zeros(count + 1, np.int64), rows_at_once(labels)
    for top in range(0, len(labels), step):
        areas += np.bincount(labels[top : top + step].ravel(), minlength=count + 1)
    return areas


def mean_over_labels(values: NDArray[np.uint8], labels: Labels) -> NDArray[np.float32]:
    """(n,) float32: mean of `values` / 255 over each label 1..n."""
    areas, sums = sums_over_labels(labels, values)
    return (sums / np.maximum(areas, 1) / 255).astype(np.float32)


def max_over_labels(values: NDArray[np.uint8], labels: Labels) -> NDArray[np.uint8]:
    """(n,) uint8: highest of `values` over each label 1..n."""
    highest = np.zeros(int(labels.max(initial=0)) + 1, np.uint8)
    for part, beside in labelled_pixels(labels, values):
        np.maximum.at(highest, part, beside)
    return highest[1:]
