"""Scores of label images against truth, pooled over images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Labels = NDArray[np.int32]
SMALLEST = 9  # px; smaller objects are slips of a pen and count as background


class Scores(NamedTuple):
    """images, particles: counted. dice, iou: of the foreground, pooled pixels. ap50, ap75: TP / (TP + FP + FN) at
    an instance IoU of 0.5 and 0.75, pooled; f50, f75: the F1 scores at the same; count_ratio: found / true."""

    images: int
    particles: int
    dice: float
    iou: float
    ap50: float
    ap75: float
    f50: float
    f75: float
    count_ratio: float


def score(pairs: Iterable[tuple[Labels, Labels]]) -> Scores:
    """Scores of (found, truth) label images, each (H, W) int with 0 as background."""
    inter = union = images = found_total = true_total = 0
    matched = np.zeros((2, 3), int)
    for found, truth in pairs:
        images += 1
        inter += int(((found > 0) & (truth > 0)).sum())
        union += int(((found > 0) | (truth > 0)).sum())
        overlap = ious(without_specks(found), without_specks(truth))
        true_total += overlap.shape[0]
        found_total += overlap.shape[1]
        matched += [match(overlap, 0.5), match(overlap, 0.75)]
    iou = inter / max(1, union)
    hits, spurious, missed = matched.T
    ap = hits / np.maximum(1, hits + spurious + missed)
    f1 = 2 * hits / np.maximum(1, 2 * hits + spurious + missed)
    ratio = found_total / max(1, true_total)
    return Scores(images, true_total, 2 * iou / (1 + iou), iou, ap[0], ap[1], f1[0], f1[1], ratio)


def without_specks(labels: Labels, smallest: int = SMALLEST) -> Labels:
    """Labels of fewer than `smallest` px become background."""
    ids, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.where(counts >= smallest, ids, 0)[inverse].reshape(labels.shape).astype(np.int32)


def ious(found: Labels, truth: Labels) -> NDArray[np.float64]:
    """(true particles, found particles) intersection over union; background is left out."""
    true_ids, t = np.unique(truth, return_inverse=True)
    found_ids, f = np.unique(found, return_inverse=True)
    common = np.bincount(t.ravel() * len(found_ids) + f.ravel(), minlength=len(true_ids) * len(found_ids))
    common = common.reshape(len(true_ids), len(found_ids)).astype(float)
    union = common.sum(1)[:, None] + common.sum(0)[None] - common
    return (common / np.maximum(union, 1))[true_ids != 0][:, found_ids != 0]


def match(overlap: NDArray[np.float64], threshold: float) -> tuple[int, int, int]:
    """(hits, spurious, missed) of the best one-to-one assignment at an IoU of at least `threshold`."""
    true_count, found_count = overlap.shape
    if not overlap.size:
        return 0, found_count, true_count
    good = (overlap >= threshold).astype(float)
    rows, columns = linear_sum_assignment(-good - overlap / (2 * min(overlap.shape)))
    hits = int((overlap[rows, columns] >= threshold).sum())
    return hits, found_count - hits, true_count - hits
