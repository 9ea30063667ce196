"""The figures that compare found objects with true ones: their definitions, and how they follow from sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....core.measure.matching import Kind
from ..contract import COUNT_OFF, Definition, Floats
from ..evaluation.scores import finite_or_none, precision_recall_f1, share
from .counts import IOUS, TOLERANCE, ImageCounts, SizeSample, Sums

DEFINITIONS = {
    "iou": Definition("IoU", "Pixels of the foreground: intersection over union, all images pooled.", short=True),
    "iou_mean": Definition("IoU, mean of images", "The same, computed image by image and averaged."),
    "dice": Definition("Dice", "Pixels of the foreground: 2 TP / (2 TP + FP + FN), pooled.", short=True),
    "precision": Definition("Pixel precision", "Pixels: share of the found foreground that is true."),
    "recall": Definition("Pixel recall", "Pixels: share of the true foreground that was found."),
    "accuracy": Definition("Pixel accuracy", "Pixels: share that is right, background included."),
    "youden": Definition("Youden", "Pixels: sensitivity + specificity - 1."),
    "ap50": Definition(
        "AP50 (pooled)",
        "Particles: TP / (TP + FP + FN) at an IoU of at least 0.5, TP, FP and FN pooled over all images. This "
        "is the form that StarDist and Cellpose report, not the area under a precision-recall curve (COCO).",
        short=True,
    ),
    "ap75": Definition("AP75 (pooled)", "The same at an IoU of at least 0.75."),
    "ap": Definition("AP[.5:.95] (pooled)", "The mean of the same over the IoUs 0.50, 0.55, ..., 0.95."),
    "f50": Definition("F1 at 0.5", "Particles: 2 TP / (2 TP + FP + FN) at an IoU of at least 0.5, pooled.", short=True),
    "f75": Definition("F1 at 0.75", "The same at an IoU of at least 0.75.", short=True),
    "pq": Definition(
        "PQ", "Panoptic quality: IoU summed over the pairs above 0.5, by TP + (FP + FN) / 2, pooled.", short=True
    ),
    "boundary_f1": Definition(
        "Boundary F1",
        "Outline pixels of all particles, contacts between particles included, that have one of the other "
        f"side within {TOLERANCE:g} px: harmonic mean of both shares.",
        short=True,
    ),
    "instance_iou_found": Definition(
        "Instance IoU, found to true",
        "Mean over found particles of the best IoU with a true one: false negatives cost nothing.",
    ),
    "instance_iou_true": Definition(
        "Instance IoU, true to found",
        "Mean over true particles of the best IoU with a found one: false positives cost nothing. Both leave out "
        "images in which one side has no particles.",
    ),
    "count_ratio": Definition("Count ratio", "Found particles by true ones.", short=True),
    "count_off": COUNT_OFF,
    "median_error": Definition(
        "Error of the pooled median size, %",
        "Median minimum Feret diameter of the found particles against the true ones, percent.",
        decimals=1,
        short=True,
    ),
    "median_off": Definition(
        "Error of an image's median size, %",
        "Mean over the images of |found - true| median, in percent of the true: images do not make up for each other.",
        decimals=1,
    ),
    "mean_error": Definition("Mean size error, %", "The same of the mean.", decimals=1),
    "nano_true": Definition(
        "True sizes up to 100 nm, %",
        "Percent by number of true particles with a minimum Feret diameter of at most 100 nm.",
        decimals=1,
    ),
    "nano_found": Definition("Found sizes up to 100 nm, %", "The same of the found ones.", decimals=1),
    "nano_error": Definition("Their difference, points", "Their difference in percentage points.", decimals=1),
    "ks": Definition(
        "KS distance of sizes", "Kolmogorov-Smirnov distance of the two size distributions by number, 0 to 1."
    ),
    "wasserstein": Definition(
        "Wasserstein distance of sizes", "First Wasserstein distance of the two, in the unit of the sizes.", decimals=1
    ),
    "median_true": Definition(
        "True median size", "Median minimum Feret diameter of the true particles, in the unit of the sizes.", decimals=1
    ),
    "median_found": Definition("Found median size", "The same of the found ones.", decimals=1),
}


def metrics(images: Sequence[ImageCounts], weights: Floats) -> dict[str, Floats]:
    """The figures of outlines and counts, each (n,), when image i counts weights[n, i] times; NaN where undefined."""
    sums = Sums.stacked([image.sums for image in images])
    true, predicted = sums.particles.T
    off = 100 * share(weights @ np.abs(predicted - true), weights @ true)
    return of_sums(sums.weighted(weights)) | {"count_off": off}


def quantity_errors(images: Sequence[ImageCounts], weights: Floats, nm: bool) -> dict[str, Floats]:
    """The errors of the sizes, each (n,), weighted as in `metrics`. nm: whether sizes are nanometres."""
    sample = SizeSample.of([i.true_sizes for i in images], [i.found_sizes for i in images])
    figures = [sample.figures(some, nm=nm) for some in weights]
    alone = np.abs([sample.figures(one, nm=nm)["median_error"] for one in np.eye(len(images))])
    is_finite = np.isfinite(alone)
    off = share(weights @ np.where(is_finite, alone, 0), weights @ is_finite)
    return {name: np.array([values[name] for values in figures]) for name in figures[0]} | {"median_off": off}


def tally(images: Sequence[ImageCounts]) -> dict[str, object]:
    """Counts over some images: all objects, and the objects of each kind of error."""
    true, predicted = np.sum([i.sums.particles for i in images], axis=0)
    kinds = {str(kind): sum(image.kinds[kind] for image in images) for kind in Kind}
    return {"particles": int(true), "found": int(predicted), "errors": kinds}


def of_sums(sums: Sums) -> dict[str, Floats]:
    """The figures that follow from sums (...), each (...); NaN where a denominator is 0."""
    hit, spurious, missed, rest = np.moveaxis(sums.pixels, -1, 0)
    pixels = precision_recall_f1(hit, spurious, missed)
    tp, fp, fn = np.moveaxis(sums.matched, -1, 0)  # (..., 10)
    ap, f1 = share(tp, tp + fp + fn), share(2 * tp, 2 * tp + fp + fn)
    return {
        "iou": share(hit, hit + spurious + missed),
        "iou_mean": share(sums.image_iou[..., 0], sums.image_iou[..., 1]),
        "dice": pixels["f1"],
        "precision": pixels["precision"],
        "recall": pixels["recall"],
        "accuracy": share(hit + rest, hit + rest + spurious + missed),
        "youden": pixels["recall"] + share(rest, rest + spurious) - 1,
        "ap50": ap[..., 0],
        "ap75": ap[..., 5],
        "ap": ap.mean(-1),
        "f50": f1[..., 0],
        "f75": f1[..., 5],
        "pq": share(sums.segment_iou, tp[..., 0] + (fp[..., 0] + fn[..., 0]) / 2),
        "boundary_f1": _boundary_f1(sums.boundary),
        "instance_iou_found": share(sums.best[..., 0], sums.best[..., 1]),
        "instance_iou_true": share(sums.best[..., 2], sums.best[..., 3]),
        "count_ratio": share(sums.particles[..., 1], sums.particles[..., 0]),
    }


def _boundary_f1(boundary: Floats) -> Floats:
    """0 where only one side has outlines, NaN where neither has."""
    found_right, found_all, true_right, true_all = np.moveaxis(boundary, -1, 0)
    precision, recall = np.nan_to_num(share(found_right, found_all)), np.nan_to_num(share(true_right, true_all))
    mean = np.nan_to_num(share(2 * precision * recall, precision + recall))
    return np.where(found_all + true_all > 0, mean, np.nan)


def ap_by_iou(images: Sequence[ImageCounts]) -> list[dict[str, float | None]]:
    """TP / (TP + FP + FN) and F1 at each of IOUS, pooled."""
    tp, fp, fn = np.sum([i.sums.matched for i in images], axis=0).T
    ap, f1 = share(tp, tp + fp + fn), share(2 * tp, 2 * tp + fp + fn)
    return [
        {"iou": round(float(t), 2), "ap": finite_or_none(a), "f1": finite_or_none(f)}
        for t, a, f in zip(IOUS, ap, f1, strict=True)
    ]
