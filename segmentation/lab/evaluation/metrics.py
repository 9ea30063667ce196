"""A few scores of label images against truth, pooled over images: what a training loop or a test asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .matching import Labels, ious, match, without_specks


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
