"""Compares the labels found in one image with the true ones: counts of objects that are right, false or missed, and
sizes. Scores of several images follow from the sums of these counts (metrics.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from ....core.labels.separate import renumber
from ....core.measure.objects.matching import (
    MOST_OF_AREA,
    RIGHT_IOU,
    SMALLEST_PX,
    ErrorKinds,
    Kind,
    Overlap,
    count_pairs,
    error_kinds,
    overlap_of,
    pairs,
    without_specks,
)
from ....core.measure.pixels.runs import blocks
from ....core.measure.shape.shapes import measure
from ....core.measure.sizes.bins import NANO_NM
from ....core.measure.table import Table
from ..contract import STORED, Floats, Labels, Mask
from ..evaluation.scores import count_near

IOUS = np.arange(0.5, 1.0, 0.05)
TOLERANCE_PX = 2.0  # distance between outlines within which a pixel of an outline is right
FRAME_PX = 2  # a particle this near may touch the frame (drawn masks often leave the first column empty)
SIZE_LIMITS_PX = (12, 16, 22, 30, 60)  # ECD, limits of the classes of size
# A particle is mostly hidden if more than the share CONTACT of its outline touches others, and its solidity is below
# VISIBLE_SOLIDITY or its aspect ratio below VISIBLE_ASPECT_RATIO.
CONTACT, VISIBLE_SOLIDITY, VISIBLE_ASPECT_RATIO = 0.5, 0.92, 0.6
WIDEST_GAP_PX = 4  # that people leave between the outlines of particles that touch
BARE_SHARE = 0.1  # of an outline's area that is particle; below it the outline lies on the background
FATES = {  # why a true particle was not found
    "background": "less than half of its area was outlined",
    "swallowed": "most of its area lies in a larger outline",
    "split": "outlined for the most part, but in pieces or by a smaller outline",
}
COLUMNS = ("true", "right", *FATES, "found", "false", "bare")  # of `count_by_size`; keys of the report
Counts = Annotated[NDArray[np.int64], *STORED]


class Sums(NamedTuple):
    """The sums of one image or, with leading axes (...), of many.

    pixels (..., 4): hits, spurious and missed pixels of the foreground, and all others. image_iou (..., 2): IoU of the
    foreground, and 1 (the number of images). matched (..., 10, 3): hits, spurious and missed particles at each of IOUS.
    particles (..., 2): number of true and of found particles. segment_iou (...): sum of the IoU of pairs above 0.5.
    best (..., 4): sum of the best IoU of each found particle, number of found particles, sum of the best IoU of each
    true particle, number of true particles. boundary (..., 4): right pixels of found outlines, all pixels of found
    outlines, pixels of true outlines that were found, all pixels of true outlines.
    """

    pixels: Floats
    image_iou: Floats
    matched: Floats
    particles: Floats
    segment_iou: Floats
    best: Floats
    boundary: Floats

    @classmethod
    def stacked(cls, many: Sequence[Sums]) -> Sums:
        """The sums of many images, along a new first axis."""
        return cls(*(np.stack(parts) for parts in zip(*many, strict=True)))

    def weighted(self, weights: Floats) -> Sums:
        """The sums over all images, if image i counts weights[..., i] times."""
        return Sums(*(np.tensordot(weights, part, 1) for part in self))


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """The record of one image. The names of the class and its fields occur in stored files.

    true_sizes, found_sizes: (n,) minimum Feret diameters. true_seen, found_seen: those of particles that are not
    `mostly_hidden`. kinds: number of particles of each Kind of error. right: (F,) whether each found particle (from
    SMALLEST_PX px on) is right at IoU 0.5. found_ids: (F,) their labels. by_size: see `count_by_size`.
    """

    sums: Sums
    true_sizes: Floats
    found_sizes: Floats
    true_seen: Floats
    found_seen: Floats
    kinds: dict[Kind, int]
    right: Annotated[Mask, *STORED]
    found_ids: Counts
    by_size: Counts


def count_image(predicted: Labels, truth: Labels, unit: float = 1.0) -> ImageCounts:
    """The record of an image from its found and its true labels (H, W), 0 background. unit: size of a pixel, in the
    unit of the sizes."""
    found_objects, true_objects = without_specks(predicted), without_specks(truth)
    overlap = overlap_of(found_objects, true_objects)
    iou = overlap.iou
    kinds_of_objects: ErrorKinds = error_kinds(overlap)
    right = np.zeros(len(overlap.found_ids), bool)
    right[pairs(iou, 0.5)[1]] = True
    hits, all_found, all_true = ((predicted > 0) & (truth > 0)).sum(), (predicted > 0).sum(), (truth > 0).sum()
    pixels = np.array([hits, all_found - hits, all_true - hits, predicted.size - all_found - all_true + hits], float)
    best = np.zeros(4)  # images without true or without found particles have no best partners
    if iou.size:
        best = np.array([iou.max(0).sum(), iou.shape[1], iou.max(1).sum(), iou.shape[0]], float)
    # Pixels along the frame are no outline.
    found_outlines, true_outlines = (find_boundaries(labels, mode="inner") for labels in (found_objects, true_objects))
    rims = (
        count_near(found_outlines, true_outlines, TOLERANCE_PX),
        found_outlines.sum(),
        count_near(true_outlines, found_outlines, TOLERANCE_PX),
        true_outlines.sum(),
    )
    sums = Sums(
        pixels=pixels,
        image_iou=np.array([pixels[0] / max(1, pixels[:3].sum()), 1.0]),
        matched=np.array([count_pairs(iou, threshold) for threshold in IOUS], float),
        particles=np.array(iou.shape, float),
        segment_iou=np.array(iou[iou > 0.5].sum()),
        best=best,
        boundary=np.array(rims, float),
    )
    kinds = {kind: kinds_of_objects.count(kind) for kind in Kind}
    sizes = [min_ferets(labels, unit, seen=seen) for seen in (False, True) for labels in (truth, predicted)]
    return ImageCounts(sums, *sizes, kinds, right, overlap.found_ids, count_by_size(overlap))


def usual_gap(labels: Labels) -> int:
    """The usual (median) gap in px between neighbours in a label image (H, W) that are at most WIDEST_GAP_PX apart; 0
    without neighbours. Masks that people draw have a gap; a watershed leaves none."""
    from scipy import ndimage
    from skimage.segmentation import expand_labels

    distance, expanded = ndimage.distance_transform_edt(labels == 0), expand_labels(labels, WIDEST_GAP_PX / 2)
    gaps = []
    for pixels, neighbours in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        meets = (expanded[pixels] != expanded[neighbours]) & (expanded[pixels] > 0) & (expanded[neighbours] > 0)
        gaps.append((distance[pixels] + distance[neighbours])[meets])
    all_gaps = np.concatenate(gaps)
    return round(float(np.median(all_gaps))) if len(all_gaps) else 0


def contact_shares(labels: Labels, n: int) -> Floats:
    """(n,) for each particle 1..n of `labels` (H, W) the share of its outline that other particles touch.

    The outline is measured in pixel edges, without those at the frame; without such edges the share is 0.
    """
    edges, shared = np.zeros(n + 1), np.zeros(n + 1)
    for block in blocks(labels.shape):
        rows = labels[block.start : block.stop + 1]
        block_rows = labels[block]  # `rows` has one row more, the first of the next block
        for pixels, neighbours in ((block_rows[:, :-1], block_rows[:, 1:]), (rows[:-1], rows[1:])):
            differ = pixels != neighbours
            pair = pixels[differ], neighbours[differ]
            in_both = (pair[0] > 0) & (pair[1] > 0)
            for labels_of_side in pair:
                edges += np.bincount(labels_of_side, minlength=n + 1)
                shared += np.bincount(labels_of_side[in_both], minlength=n + 1)
    return shared[1:] / np.maximum(edges[1:], 1)


def mostly_hidden(labels: Labels, table: Table) -> Mask:
    """(n,) whether each particle 1..n of labels (H, W) is hidden so much by others that its size cannot be seen.

    table: the measures of the particles. The rule is used for scores, not for results of an analysis, and for true
    and found outlines alike. Neighbours touch if only the usual gap of the label image is between them. In composites
    of real particles the rule selects 64 to 79 % of the particles of which less than half is visible, and 5 to 10 %
    of those of which 80 % is visible (docs/development/experiments.md).
    """
    from skimage.segmentation import expand_labels

    closed_labels = expand_labels(labels, (usual_gap(labels) + 1) // 2)
    is_odd = (table["solidity"] < VISIBLE_SOLIDITY) | (table["aspect_ratio"] < VISIBLE_ASPECT_RATIO)
    return np.asarray((contact_shares(closed_labels, len(table)) > CONTACT) & is_odd)


def min_ferets(labels: Labels, unit: float = 1.0, *, seen: bool = False) -> Floats:
    """(m,) minimum Feret diameters of the particles of a label image (H, W) with an area of at least SMALLEST_PX
    px2 that are FRAME_PX or more away from the frame.

    unit: size of a pixel, in the unit of the sizes. seen: only particles whose size can be seen (not `mostly_hidden`).
    """
    labels = renumber(labels.copy())
    n = int(labels.max(initial=0))
    nothing = np.broadcast_to(np.uint8(0), labels.shape)
    table = measure(labels, nothing, np.zeros(n, np.float32), nm_per_pixel=None, rows=labels.shape[0])
    height, width = labels.shape
    inside = (
        (table["bbox_left_px"] >= FRAME_PX)
        & (table["bbox_top_px"] >= FRAME_PX)
        & (table["bbox_right_px"] <= width - FRAME_PX)
        & (table["bbox_bottom_px"] <= height - FRAME_PX)
    )
    if seen:
        inside &= ~mostly_hidden(labels, table)
    return table["min_feret_px"][inside & (table["area_px2"] >= SMALLEST_PX)] * unit


@dataclass(frozen=True, eq=False)
class SizeSample:
    """The sizes of all images in rising order. value: (N,) sizes. image: (N,) the number of the image of each.
    is_found: (N,) whether each is a found size, else a true one."""

    value: Floats
    image: NDArray[np.int64]
    is_found: Mask

    @classmethod
    def of(cls, true: Sequence[Floats], predicted: Sequence[Floats]) -> SizeSample:
        """The sizes, from an array of true and an array of found sizes for each image."""
        value = np.concatenate([*true, *predicted, np.zeros(0)])
        number = [np.full(len(v), i, np.int64) for side in (true, predicted) for i, v in enumerate(side)]
        is_found = np.repeat([False, True], [sum(map(len, true)), sum(map(len, predicted))])
        order = np.argsort(value, kind="stable")
        return cls(value[order], np.concatenate([*number, np.zeros(0, np.int64)])[order], is_found[order])

    def figures(self, weights: Floats, *, nm: bool) -> dict[str, float]:
        """Errors of the found sizes by name, if image i counts weights[i] times; NaN without true or without found
        sizes.

        median_error, mean_error: percent of the true value. nano_true, nano_found: percent of sizes <= 100 nm;
        nano_error: their difference in points (all NaN unless `nm`). ks: Kolmogorov-Smirnov distance.
        wasserstein (the first distance), median_true, median_found: in the unit of the sizes.
        """
        weight = weights[self.image]
        true, predicted = np.where(self.is_found, 0.0, weight), np.where(self.is_found, weight, 0.0)
        if not true.any() or not predicted.any():
            return dict.fromkeys(SIZE_FIGURES, float("nan"))
        gap = np.abs(np.cumsum(predicted) / predicted.sum() - np.cumsum(true) / true.sum())
        last_of_equal = np.append(np.diff(self.value) > 0, True)
        medians = []  # as numpy.median with whole-number weights: of an even count the mean of the two middle values
        for side in (true, predicted):
            total = np.cumsum(side)
            lower, upper = np.searchsorted(total, total[-1] / 2), np.searchsorted(total, total[-1] / 2, side="right")
            medians.append(float(self.value[lower] + self.value[min(upper, len(total) - 1)]) / 2)
        means = [float(np.average(self.value, weights=side)) for side in (true, predicted)]
        nano = [100 * float(np.average(self.value <= NANO_NM, weights=s)) if nm else np.nan for s in (true, predicted)]
        values = (
            100 * (medians[1] / medians[0] - 1),
            100 * (means[1] / means[0] - 1),
            *nano,
            nano[1] - nano[0],
            float(gap[last_of_equal].max()),
            float((gap[:-1] * np.diff(self.value)).sum()),
            *medians,
        )
        return dict(zip(SIZE_FIGURES, values, strict=True))


SIZE_FIGURES = (
    "median_error",
    "mean_error",
    "nano_true",
    "nano_found",
    "nano_error",
    "ks",
    "wasserstein",
    "median_true",
    "median_found",
)


def count_by_size(overlap: Overlap) -> Counts:
    """(classes of size, COLUMNS): counts of true and found particles of one image, by their ECD.

    right: true particles that were found at IoU 0.5; the other true particles are counted by their fate. false: found
    particles that match no true one at IoU 0.5. bare: false particles that lie on the background.
    """
    matched = pairs(overlap.iou, RIGHT_IOU)
    true_area, found_area, common_area = overlap.true_area, overlap.found_area, overlap.common
    is_missed, is_false = np.ones(len(true_area), bool), np.ones(len(found_area), bool)
    is_missed[matched[0]] = is_false[matched[1]] = False
    is_swallowed = ((common_area >= MOST_OF_AREA * true_area[:, None]) & (found_area > true_area[:, None])).any(1)
    is_uncovered = common_area.sum(1) < MOST_OF_AREA * true_area
    fates = (
        is_missed & is_uncovered,
        is_missed & ~is_uncovered & is_swallowed,
        is_missed & ~is_uncovered & ~is_swallowed,
    )
    on_background = is_false & (common_area.sum(0) < BARE_SHARE * found_area)
    true_class, found_class = (
        np.digitize(np.sqrt(4 * area / np.pi), SIZE_LIMITS_PX) for area in (true_area, found_area)
    )
    columns = [(true_class, fate) for fate in (np.ones(len(is_missed), bool), ~is_missed, *fates)]
    columns += [(found_class, fate) for fate in (np.ones(len(is_false), bool), is_false, on_background)]
    counts = [
        np.bincount(size_class[is_member], minlength=len(SIZE_LIMITS_PX) + 1) for size_class, is_member in columns
    ]
    return np.stack(counts, axis=1)


def by_size(counts: Sequence[Counts]) -> dict[str, Any]:
    """The entry of a report about sizes, for some images together: a row for each class of size, and one for all.

    counts: of each image, see `count_by_size`. The recall is None without true particles.
    """
    total_counts = np.sum(counts, axis=0)
    middle_names = (f"{low} to {high}" for low, high in pairwise(SIZE_LIMITS_PX))
    names = [f"under {SIZE_LIMITS_PX[0]}", *middle_names, f"from {SIZE_LIMITS_PX[-1]}", "all"]
    rows = []
    for name, row in zip(names, [*total_counts, total_counts.sum(0)], strict=True):
        counts_by_name = dict(zip(COLUMNS, row.tolist(), strict=True))
        rows.append(
            {
                "diameter": name,
                **counts_by_name,
                "recall": counts_by_name["right"] / counts_by_name["true"] if counts_by_name["true"] else None,
            }
        )
    return {"fates": FATES, "rows": rows}
