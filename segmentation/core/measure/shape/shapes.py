"""Measures the objects of a label image: a table with one row per object.

All sizes come from the contours of the objects (`outlines`): closed lines between the pixels, which lie where the
picture shows the edge. Area, ECD and Feret diameters are defined as in ISO 9276-6. The area is the number of pixels and
what the contour adds to it by its shifts, so without shifts it is the number of pixels. The descriptors of shape follow
from these sizes (`descriptors`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ...labels.bands import Ids, ids_in, sums_of_objects
from ...micrograph.types import GreyImage
from ..objects.by_object import by_object, labels_and_runs, shifts_of
from ..objects.cutouts import CutOut, shifts_side_by_side
from ..outlines.completion import Completion
from ..outlines.polygons import ObjectOutlines, Polygons, Shifts
from ..pixels.contacts import borders
from ..pixels.hulls import Hulls, feret_diameters, hull_areas, hull_perimeters
from ..pixels.runs import Runs, boxes_of, find_runs
from ..table import REASON_TYPE, Table
from .descriptors import DESCRIPTORS, SIZES, Outlines, axes_of

LEAST_AREA_PX = 0.25  # of an outline

Measures = dict[str, NDArray[Any]]
Ints = NDArray[np.int64]


def measure(
    labels: NDArray[np.int32],
    pixels: GreyImage,
    confidence: NDArray[np.float32],
    nm_per_pixel: float | None,
    rows: int,
    *,
    only_sizes: bool = False,
    ids: Ids | None = None,
    outlines: ObjectOutlines | None = None,
) -> Table:
    """The table of the objects in `labels` (H, W), all of them counted.

    pixels: (H, W) grey, for the mean grey value.
    confidence: (n,) of the objects.
    nm_per_pixel: None measures in pixels.
    rows: how many rows were analysed; an object in the first or last of them, or in the first or last column, touches
        the frame.
    only_sizes: without the columns that neither sizes nor the reasons for leaving out need.
    ids: (n,) the labels of the objects, ascending; None if they are 1..n.
    outlines: of the objects, where the picture shows their edges; None if that is not known.
    Raises ValueError if the shapes differ, or if an object has no pixel.
    """
    n = len(confidence)
    if labels.shape != pixels.shape:
        raise ValueError(f"labels are {labels.shape}, pixels {pixels.shape}")
    ids = np.arange(1, n + 1) if ids is None else ids
    runs = find_runs(labels, ids)
    measures = {
        "label": np.arange(1, n + 1),
        "kept": np.ones(n, bool),
        "reason": np.zeros(n, REASON_TYPE),
        **_shape(labels, ids, only_sizes, outlines or ObjectOutlines(labels)),
        **_position(runs, n),
        **({} if only_sizes else {"mean_grey": np.divide(*sums_of_objects(labels, ids, pixels)[::-1])}),
        "confidence": confidence.astype(np.float64),
    }
    measures["touches_frame"] = _touches(measures, (rows, labels.shape[1]))
    if not only_sizes:
        measures["group"] = touching_groups(labels, ids)
    measures["edge_weight"] = _edge_weight(measures, (rows, labels.shape[1]))
    return Table.of_pixels(measures, nm_per_pixel)


def measure_cut_outs(
    objects: Sequence[CutOut], nm_per_pixel: float | None, frame: tuple[int, int], *, only_sizes: bool = False
) -> Table:
    """The table of objects that were cut out of an image, without the columns that need the image
    or other objects: mean grey value, confidence and group. frame: the analysed rows and columns of
    the image. See `measure`."""
    n, (labels, runs) = len(objects), labels_and_runs(objects)
    moved_by = shifts_of(labels, runs)[:, ::-1]
    shifts = Shifts(shifts_side_by_side(objects, moved_by, (labels.shape[0], labels.shape[1])))
    measures = {
        "label": np.arange(1, n + 1),
        "kept": np.ones(n, bool),
        "reason": np.zeros(n, REASON_TYPE),
        **_measured_shape(ObjectOutlines(labels, shifts), runs, only_sizes),
        **_position(runs, n),
    }
    measures["touches_frame"] = _touches(measures, frame)
    measures["edge_weight"] = _edge_weight(measures, frame)
    return Table.of_pixels(measures, nm_per_pixel)


def _touches(measures: Measures, frame: tuple[int, int]) -> NDArray[np.bool_]:
    """(n,) whether each object reaches the first or last row or column of a frame (rows,
    columns)."""
    return np.asarray(
        (measures["bbox_left_px"] <= 0)
        | (measures["bbox_top_px"] <= 0)
        | (measures["bbox_right_px"] >= frame[1])
        | (measures["bbox_bottom_px"] >= frame[0])
    )


def _edge_weight(measures: Measures, frame: tuple[int, int]) -> NDArray[np.float64]:
    """(n,) the border correction: the inverse of the probability that an object of h x w px,
    somewhere in a frame of H x W px, touches no side of it (Miles 1974, Lantuejoul 1978); NaN for
    objects that touch it.

    It is H W / ((H - 1 - h) (W - 1 - w)): there are W - 1 - w places in which both outer columns
    stay free.
    """
    height = measures["bbox_bottom_px"] - measures["bbox_top_px"]
    width = measures["bbox_right_px"] - measures["bbox_left_px"]
    free = ~measures["touches_frame"]
    weight = np.full(len(height), np.nan)
    weight[free] = frame[0] * frame[1] / ((frame[0] - 1 - height[free]) * (frame[1] - 1 - width[free]))
    return weight


def _shape(labels: NDArray[np.int32], ids: Ids | None, only_sizes: bool, outlines: ObjectOutlines) -> Measures:
    """Columns of sizes and descriptors, kept in the cache by object. only_sizes: only those that sizes and the reasons
    for leaving out need."""

    def measured(labels: NDArray[np.int32], runs: Runs) -> Measures:
        return _measured_shape(outlines.in_image(labels, shifts_of(labels, runs)), runs, only_sizes)

    return by_object(f"{'sizes' if only_sizes else 'shape'} {outlines.shifts.checksum}", labels, ids, measured)


def _measured_shape(outlines: ObjectOutlines, runs: Runs, only_sizes: bool) -> Measures:
    """The columns of `_shape` for n objects. runs: of the same objects."""
    n = int(runs.particle.max(initial=-1)) + 1
    area = np.bincount(runs.particle, runs.length, n).astype(np.float64)
    if outlines.polygons is not outlines.along_pixels:
        area += outlines.polygons.areas(n) - outlines.along_pixels.areas(n)
    return shape_of(outlines.polygons, outlines.hulls, np.maximum(area, LEAST_AREA_PX), only_sizes)


def shape_of(outline: Polygons, hulls: Hulls, area: NDArray[np.float64], only_sizes: bool = False) -> Measures:
    """The columns of sizes and descriptors of n objects with these outlines, their convex hulls, and areas (n,)."""
    n = len(area)
    perimeter = np.maximum(outline.perimeters(n), np.sqrt(4 * np.pi * area))  # no line around this area is shorter
    ecd, hull_perimeter = np.sqrt(4 * area / np.pi), hull_perimeters(hulls)
    hull_area = np.maximum(hull_areas(hulls), area)  # pixels of thin objects reach beyond the contour
    shape = Outlines(area, ecd, *feret_diameters(hulls), perimeter, hull_area, hull_perimeter, outline.moments(n))
    sizes = {name: getattr(shape, name) for name in SIZES}
    if only_sizes:
        return sizes | {name: DESCRIPTORS[name](shape) for name in ("aspect_ratio", "solidity")}
    described = {name: descriptor(shape) for name, descriptor in DESCRIPTORS.items()}
    return sizes | {"perimeter": perimeter, **described, "orientation": axes_of(shape)[2]}


def with_completed(table: Table, completion: Completion) -> Table:
    """The table with the columns completed and seen_share, and with the sizes of the whole for each object that others
    cover in part, where what is seen says how large it is."""
    table = table.with_measures(completed=completion.completed, seen_share=completion.seen_share)
    done = np.flatnonzero(completion.completed)
    if not len(done):
        return table
    whole = Polygons.around([completion.polygons[index] for index in done.tolist()])
    px = table.rescaled(None)
    measures = dict[str, NDArray[Any]]()
    for name, values in shape_of(whole, whole.hulls(), whole.areas(len(done))).items():
        measures[name] = px.length(name).copy()
        measures[name][done] = values
    return table.with_measures(**measures)


def _position(runs: Runs, n: int) -> Measures:
    """Centroids and bounding boxes of n objects in px."""
    area = np.bincount(runs.particle, runs.length, n)
    middle = (runs.start + runs.stop - 1) / 2
    sides = ("bbox_left_px", "bbox_top_px", "bbox_right_px", "bbox_bottom_px")
    return {
        "centroid_x_px": np.bincount(runs.particle, runs.length * middle, n) / area,
        "centroid_y_px": np.bincount(runs.particle, runs.length * runs.row, n) / area,
        **dict(zip(sides, boxes_of(runs), strict=True)),
    }


def touching_groups(labels: NDArray[np.int32], ids: Ids | None = None) -> Ints:
    """(n,) the number of the group, from 1 on, that each object of `labels` (H, W) is in. ids:
    (n,), or None for 1..n.

    Two objects touch if a pixel of one shares a side with a pixel of the other. A group is a
    connected set of touching objects; an object that touches no other is a group of one. Groups are
    numbered in the order of their first object.
    """
    ids = ids_in(labels, ids)
    n, (one, other, _) = len(ids), borders(labels, ids).shared
    graph = coo_array((np.ones(len(one), bool), (one, other)), (n, n))
    components = connected_components(graph, directed=False)[1]
    _, index, group = np.unique(components, return_index=True, return_inverse=True)
    return np.unique(index[group], return_inverse=True)[1].astype(np.int64) + 1


def means_of_overlapping(
    labels: NDArray[np.int32], others: NDArray[np.int32], *values: NDArray[Any]
) -> list[NDArray[np.float32]]:
    """For each array of values (m,) of the objects 1..m of `others` (H, W): (n,) its mean over the
    pixels of each object 1..n of `labels` (H, W) that other objects cover; NaN without such
    pixels."""
    n = int(labels.max(initial=0))
    in_both = (others > 0) & (labels > 0)
    particles, other = labels[in_both], others[in_both] - 1
    counts = np.bincount(particles, minlength=n + 1)[1:]
    with np.errstate(invalid="ignore"):
        return [(np.bincount(particles, array[other], n + 1)[1:] / counts).astype(np.float32) for array in values]
