"""Separates the particles in a network's maps of foreground and inner distance by a watershed. Every connected
component of the foreground gives at least one particle, and every pixel of it belongs to one.

Other modules use its functions on label images, too.
"""

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

from .bands import PIXELS_AT_ONCE, labelled_pixels, rows_at_once, sums_over_labels

Labels = NDArray[np.int32]
Box = tuple[slice, ...]
THREADS = 2  # that work on one label image
# The watershed of a component whose box has more than LARGE_PX px runs in parts of PART_PX x PART_PX, with a margin of
# OVERLAP_PX around each.
LARGE_PX, PART_PX, OVERLAP_PX = 2**22, 1024, 256
SMALLEST_CORE = 4  # px; a smaller core is noise of the map if its component has a larger one


def separate(
    foreground: NDArray[np.uint8], distance: NDArray[np.uint8], *, threshold: float, seed_threshold: float
) -> Labels:
    """(H, W) int32 labels 1..n of the particles in two maps, 0 background.

    foreground, distance: (H, W) uint8, 0..255 for 0..1; distance is the inner distance. threshold: least foreground of
    a particle's pixel. seed_threshold: connected pixels with at least this inner distance are a core. A component of
    the foreground is divided into one particle for each of its cores, or is one particle if it has none. No lines of
    background are left between particles; holes within a particle are filled.
    """
    mask = foreground >= max(1, round(threshold * 255))
    components, count = ndimage.label(mask)
    components = components.astype(np.int32, copy=False)
    markers, owners = _markers(distance >= round(seed_threshold * 255), components)
    return renumber(fill_holes(grow(components, count, markers, owners, distance)))


def _markers(cores: NDArray[np.bool_], components: Labels) -> tuple[Labels, NDArray[np.int64]]:
    """The cores numbered 1..m (H, W), and the component of each (m + 1,); entry 0 is 0.

    A core of fewer than SMALLEST_CORE px is left out if its component has a larger one.
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
    """Labels (H, W) int32: components 1..count with at most one marker keep their number; the others are divided by a
    watershed, and the particle around a marker has the marker's number + count.

    components: (H, W), numbered 1..count. markers: (H, W), numbered 1..m. owners: (m + 1,) the component of each
    marker. distance: (H, W) uint8, the inner distance. Very large components (LARGE_PX) are divided part by part, to
    limit the memory.
    """
    per_component = np.bincount(owners[1:], minlength=count + 1)
    crowded = per_component > 1
    labels = relabel(components.copy(), np.where(crowded, 0, np.arange(count + 1)))
    if not crowded.any():
        return labels

    def divide(number: int, window: Box, inner: Box) -> None:
        """Divide the part `inner` of the component `number`; the watershed runs in the larger `window`."""
        inside = components[window] == number
        seeds = np.where(inside, markers[window], 0)
        grown = watershed(255 - distance[window], seeds, mask=inside)
        # Marker numbers continue behind the component numbers, so the two never collide.
        part = tuple(slice(k.start - w.start, k.stop - w.start) for k, w in zip(inner, window, strict=True))
        labels[inner][inside[part]] = np.where(grown[part] > 0, grown[part] + count, 0)[inside[part]]

    boxes = ndimage.find_objects(components)
    parts = [(number, *part) for number in np.flatnonzero(crowded).tolist() for part in _parts(boxes[number - 1])]
    with ThreadPoolExecutor(THREADS) as pool:  # watershed runs without Python's lock
        list(pool.map(divide, *zip(*parts, strict=True)))
    for number in {number for number, window, inner in parts if window != inner}:
        _label_rest(labels, components, number, boxes[number - 1], distance)
    return labels


def _parts(box: Box) -> Iterator[tuple[Box, Box]]:
    """The parts of a component's box, each as the window in which the watershed runs and the part itself."""
    if math.prod(side.stop - side.start for side in box) <= LARGE_PX:
        yield box, box
        return
    sides = [
        [slice(start, min(start + PART_PX, side.stop)) for start in range(side.start, side.stop, PART_PX)]
        for side in box
    ]
    for inner in itertools.product(*sides):
        around = (
            slice(max(k.start - OVERLAP_PX, side.start), min(k.stop + OVERLAP_PX, side.stop))
            for k, side in zip(inner, box, strict=True)
        )
        yield tuple(around), inner


def _label_rest(labels: Labels, components: Labels, number: int, box: Box, distance: NDArray[np.uint8]) -> None:
    """Give the pixels of a component that no marker in their part has reached to neighbouring particles, in place."""
    is_unlabelled = (components[box] == number) & (labels[box] == 0)
    pieces, _ = ndimage.label(is_unlabelled)
    for piece in ndimage.find_objects(pieces):
        window = tuple(
            slice(max(p.start - 1, 0) + b.start, p.stop + 1 + b.start) for p, b in zip(piece, box, strict=True)
        )
        inside = components[window] == number
        grown = watershed(255 - distance[window], np.where(inside, labels[window], 0), mask=inside)
        labels[window][inside] = grown[inside]


def interior(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(H, W) bool: the pixels whose four neighbours have the same label as they; never pixels at the frame."""
    inner, middle = np.zeros(labels.shape, bool), labels[1:-1, 1:-1]
    sides = (labels[:-2, 1:-1], labels[2:, 1:-1], labels[1:-1, :-2], labels[1:-1, 2:])
    inside = inner[1:-1, 1:-1]
    inside[:] = True
    for side in sides:
        inside &= middle == side
    return inner


def fill_holes(labels: Labels) -> Labels:
    """Give every background region that a single particle encloses to this particle. Regions between several particles
    stay background. labels: (H, W) int32, changed in place and returned."""
    holes, count = ndimage.label(labels == 0)
    if count < 2:
        return labels
    lowest = np.full(count + 1, np.iinfo(np.int32).max, np.int32)
    highest = np.zeros(count + 1, np.int32)
    closed = np.ones(count + 1, bool)
    closed[np.concatenate([[0], holes[0], holes[-1], holes[:, 0], holes[:, -1]])] = False
    pixels = np.flatnonzero(closed.take(holes))
    region, flat = holes.ravel()[pixels], labels.ravel()
    for step in (-labels.shape[1], labels.shape[1], -1, 1):
        neighbours = flat[pixels + step]
        is_particle = neighbours > 0
        np.minimum.at(lowest, region[is_particle], neighbours[is_particle])
        np.maximum.at(highest, region[is_particle], neighbours[is_particle])
    labels[np.unravel_index(pixels, labels.shape)] = np.where(lowest == highest, highest, 0)[region]
    return labels


def renumber(labels: Labels) -> Labels:
    """The labels (H, W) numbered 1..n in the order of their first pixels, row by row; changed in place and returned."""
    flat = labels.ravel()
    highest = int(flat.max(initial=0))
    first_place = np.full(highest + 1, flat.size, np.int64)
    # From the end to the beginning, so that the first position of every label is written last. In parts, to save
    # memory.
    for start in reversed(range(0, flat.size, PIXELS_AT_ONCE)):
        part = flat[start : start + PIXELS_AT_ONCE]
        begins = part != 0
        begins[1:] &= part[1:] != part[:-1]  # only the first pixel of a run can be the first one of its label
        positions = start + np.flatnonzero(begins)[::-1]
        first_place[flat[positions]] = positions
    present = np.flatnonzero(first_place < flat.size)
    order = present[np.argsort(first_place[present], kind="stable")]
    numbers = np.zeros(highest + 1, np.int32)
    numbers[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    return relabel(labels, numbers)


def relabel(labels: Labels, numbers: NDArray[Any]) -> Labels:
    """The labels (H, W), each replaced by its entry in `numbers` (n + 1,); changed in place and returned, which saves
    two thirds of the memory. The numbers must fit into the labels' dtype."""
    numbers = numbers.astype(labels.dtype)
    step = rows_at_once(labels)
    for top in range(0, len(labels), step):
        labels[top : top + step] = numbers[labels[top : top + step]]
    return labels


def areas_of(labels: Labels, count: int) -> NDArray[np.int64]:
    """(count + 1,): the area in px of each label 0..count. It is counted some rows at a time, to save memory."""
    areas, step = np.zeros(count + 1, np.int64), rows_at_once(labels)
    for top in range(0, len(labels), step):
        areas += np.bincount(labels[top : top + step].ravel(), minlength=count + 1)
    return areas


def mean_over_labels(values: NDArray[np.uint8], labels: Labels) -> NDArray[np.float32]:
    """(n,) float32: the mean of `values` (H, W) / 255 over each label 1..n."""
    areas, sums = sums_over_labels(labels, values)
    return (sums / np.maximum(areas, 1) / 255).astype(np.float32)


def max_over_labels(values: NDArray[np.uint8], labels: Labels) -> NDArray[np.uint8]:
    """(n,) uint8: the highest value of `values` (H, W) over each label 1..n."""
    highest = np.zeros(int(labels.max(initial=0)) + 1, np.uint8)
    for part, part_values in labelled_pixels(labels, values):
        np.maximum.at(highest, part, part_values)
    return highest[1:]
