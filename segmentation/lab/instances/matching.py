"""Which found particle is which true one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Labels = NDArray[np.int32]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SMALLEST = 9  # px; smaller objects are slips of a pen and count as background


class Overlap(NamedTuple):
    """true_ids (T,), found_ids (F,): the labels. common: (T, F) px shared. true_area (T,), found_area (F,): px."""

    true_ids: Indices
    found_ids: Indices
    common: Floats
    true_area: Floats
    found_area: Floats

    @property
    def iou(self) -> Floats:
        """(T, F) intersection over union."""
        union = self.true_area[:, None] + self.found_area[None] - self.common
        return self.common / np.maximum(union, 1)


def overlap_of(found: Labels, truth: Labels) -> Overlap:
    """What two label images (H, W) share; 0 is background, other numbers below the number of pixels."""
    true_ids, t = _numbered(truth)
    found_ids, f = _numbered(found)
    counts = np.bincount(t * len(found_ids) + f, minlength=len(true_ids) * len(found_ids))
    common = counts.reshape(len(true_ids), len(found_ids)).astype(float)
    return Overlap(true_ids[1:], found_ids[1:], common[1:, 1:], common[1:].sum(1), common[:, 1:].sum(0))


def _numbered(labels: Labels) -> tuple[Indices, Indices]:
    """The labels that occur, background first and always, and for every pixel (H * W,) the place of its label."""
    flat = labels.ravel()
    present = np.bincount(flat) > 0
    present[:1] = True
    places = np.cumsum(present) - 1
    return np.flatnonzero(present), places[flat]


def without_specks(labels: Labels, smallest: int = SMALLEST) -> Labels:
    """Labels of fewer than `smallest` px become background."""
    keep = np.bincount(labels.ravel()) >= smallest
    keep[:1] = False
    return np.where(keep, np.arange(len(keep)), 0).astype(np.int32)[labels]


def ious(found: Labels, truth: Labels) -> Floats:
    """(true particles, found particles) intersection over union; background is left out."""
    return overlap_of(found, truth).iou


def pairs(iou: Floats, threshold: float) -> tuple[Indices, Indices]:
    """Places (true, found) of the pairs with an IoU of at least `threshold` in the best one-to-one assignment."""
    if not iou.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    good = (iou >= threshold).astype(float)
    rows, columns = linear_sum_assignment(-good - iou / (2 * min(iou.shape)))
    right = iou[rows, columns] >= threshold
    return rows[right], columns[right]


def match(iou: Floats, threshold: float) -> tuple[int, int, int]:
    """(hits, spurious, missed) of the best one-to-one assignment at an IoU of at least `threshold`."""
    true_count, found_count = iou.shape
    hits = len(pairs(iou, threshold)[0])
    return hits, found_count - hits, true_count - hits
