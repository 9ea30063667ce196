"""The scores that compare found objects with true ones, computed from the records of images (counts.py). metrics.toml
explains each score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....core.measure.objects.matching import Kind
from ..contract import Floats, read_definitions, table_beside
from ..evaluation.scores import finite_or_none, precision_recall_f1, share
from .counts import IOUS, TOLERANCE_PX, ImageCounts, SizeSample, Sums

IOU_50_INDEX, IOU_75_INDEX = (int(np.abs(IOUS - iou).argmin()) for iou in (0.5, 0.75))

DEFINITIONS = read_definitions(table_beside(__file__), tolerance=TOLERANCE_PX)


def metrics(images: Sequence[ImageCounts], weights: Floats) -> dict[str, Floats]:
    """The scores of outlines and counts by name, each (n,), if image i counts weights[n, i] times; NaN where
    undefined."""
    sums = Sums.stacked([image.sums for image in images])
    true, predicted = sums.particles.T
    count_off = 100 * share(weights @ np.abs(predicted - true), weights @ true)
    return scores_from(sums.weighted(weights)) | {"count_off": count_off}


def quantity_errors(images: Sequence[ImageCounts], weights: Floats, nm: bool) -> dict[str, Floats]:
    """The errors of the sizes by name, each (n,), weighted as in `metrics`. nm: whether sizes are nanometres."""
    sample = SizeSample.of([i.true_sizes for i in images], [i.found_sizes for i in images])
    errors = [sample.figures(row, nm=nm) for row in weights]
    by_image = np.abs([sample.figures(image_weights, nm=nm)["median_error"] for image_weights in np.eye(len(images))])
    is_finite = np.isfinite(by_image)
    median_off = share(weights @ np.where(is_finite, by_image, 0), weights @ is_finite)
    visible_sample = SizeSample.of([i.true_seen for i in images], [i.found_seen for i in images])
    error_seen = np.array([visible_sample.figures(row, nm=nm)["median_error"] for row in weights])
    errors_by_name = {name: np.array([values[name] for values in errors]) for name in errors[0]}
    return errors_by_name | {"median_off": median_off, "median_error_seen": error_seen}


def tally(images: Sequence[ImageCounts]) -> dict[str, object]:
    """Counts over some images: all objects, and the objects of each kind of error."""
    true, predicted = np.sum([i.sums.particles for i in images], axis=0)
    kinds = {str(kind): sum(image.kinds[kind] for image in images) for kind in Kind}
    return {"particles": int(true), "found": int(predicted), "errors": kinds}


def scores_from(sums: Sums) -> dict[str, Floats]:
    """The scores by name, each (...), from sums (...); NaN where a denominator is 0."""
    hit, spurious, missed, background = np.moveaxis(sums.pixels, -1, 0)
    pixels = precision_recall_f1(hit, spurious, missed)
    tp, fp, fn = np.moveaxis(sums.matched, -1, 0)  # (..., 10)
    tp_50, fp_50, fn_50 = (counts[..., IOU_50_INDEX] for counts in (tp, fp, fn))
    ap, f1 = share(tp, tp + fp + fn), share(2 * tp, 2 * tp + fp + fn)
    found_right, found_all, true_right, true_all = np.moveaxis(sums.boundary, -1, 0)
    precision, recall = np.nan_to_num(share(found_right, found_all)), np.nan_to_num(share(true_right, true_all))
    boundary_f1 = np.nan_to_num(share(2 * precision * recall, precision + recall))
    return {
        "iou": share(hit, hit + spurious + missed),
        "iou_mean": share(sums.image_iou[..., 0], sums.image_iou[..., 1]),
        "dice": pixels["f1"],
        "precision": pixels["precision"],
        "recall": pixels["recall"],
        "accuracy": share(hit + background, hit + background + spurious + missed),
        "youden": pixels["recall"] + share(background, background + spurious) - 1,
        "ap50": ap[..., IOU_50_INDEX],
        "ap75": ap[..., IOU_75_INDEX],
        "ap": ap.mean(-1),
        "f50": f1[..., IOU_50_INDEX],
        "f75": f1[..., IOU_75_INDEX],
        "pq": share(sums.segment_iou, tp_50 + (fp_50 + fn_50) / 2),
        # 0 if only the found or only the true objects have outlines, NaN if neither have.
        "boundary_f1": np.where(found_all + true_all > 0, boundary_f1, np.nan),
        "instance_iou_found": share(sums.best[..., 0], sums.best[..., 1]),
        "instance_iou_true": share(sums.best[..., 2], sums.best[..., 3]),
        "count_ratio": share(sums.particles[..., 1], sums.particles[..., 0]),
    }


def ap_by_iou(images: Sequence[ImageCounts]) -> list[dict[str, float | None]]:
    """TP / (TP + FP + FN) and F1 at each of IOUS, all images pooled."""
    tp, fp, fn = np.sum([i.sums.matched for i in images], axis=0).T
    ap, f1 = share(tp, tp + fp + fn), share(2 * tp, 2 * tp + fp + fn)
    return [
        {"iou": round(float(t), 2), "ap": finite_or_none(a), "f1": finite_or_none(f)}
        for t, a, f in zip(IOUS, ap, f1, strict=True)
    ]
