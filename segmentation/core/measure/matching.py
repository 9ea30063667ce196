"""Which found particle is which true one, by intersection over union (IoU), and the kinds of error that are left.

For scores of models, for the comparison of two results, and for the check of a training.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Labels = NDArray[np.int32]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SMALLEST = 9  # px; smaller objects are slips of a pen and count as background
MOSTLY = 0.5  # share of an area
RIGHT, OUTLINED = 0.5, 0.75  # IoU from which a particle is right, and from which its outline is, too
LEAST_PAIR = 0.1  # IoU of a pair that can be called one particle, badly outlined
Kinds = NDArray[np.str_]


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


def overlap_of(labels: Labels, truth: Labels) -> Overlap:
    """What two label images (H, W) share; 0 is background, other numbers below the number of pixels."""
    true_ids, t = _numbered_pixels(truth)
    found_ids, f = _numbered_pixels(labels)
    counts = np.bincount(t * len(found_ids) + f, minlength=len(true_ids) * len(found_ids))
    common = counts.reshape(len(true_ids), len(found_ids)).astype(float)
    return Overlap(true_ids[1:], found_ids[1:], common[1:, 1:], common[1:].sum(1), common[:, 1:].sum(0))


def _numbered_pixels(labels: Labels) -> tuple[Indices, Indices]:
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


def pairs(iou: Floats, threshold: float) -> tuple[Indices, Indices]:
    """Places (true, found) of the pairs with an IoU of at least `threshold` in the best one-to-one assignment."""
    if not iou.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    good = (iou >= threshold).astype(float)  # as many pairs as possible: all IoUs together weigh half of one
    rows, columns = linear_sum_assignment(-good - iou / (2 * min(iou.shape)))
    right = iou[rows, columns] >= threshold
    return rows[right], columns[right]


def match(iou: Floats, threshold: float) -> tuple[int, int, int]:
    """(hits, spurious, missed) of the best one-to-one assignment at an IoU of at least `threshold`."""
    true_count, found_count = iou.shape
    hits = len(pairs(iou, threshold)[0])
    return hits, found_count - hits, true_count - hits


class Kind(StrEnum):
    """In the order in which reports list them; docs/use/compare.md has the exact criteria."""

    CORRECT = "correct"
    LOW_IOU = "low IoU"
    MERGED = "merged"
    SPLIT = "split"
    FALSE_POSITIVE = "false positive"
    FALSE_NEGATIVE = "false negative"

    @property
    def definition(self) -> str:
        return _DEFINITIONS[self]


_DEFINITIONS = {
    Kind.CORRECT: f"found and true particles paired one to one with an IoU of at least {OUTLINED} (pairs)",
    Kind.LOW_IOU: f"paired one to one, but with an IoU of {LEAST_PAIR} to {OUTLINED}: the outline is off (pairs)",
    Kind.MERGED: "true particles that share one outline with another (true particles)",
    Kind.SPLIT: "extra pieces of a true particle (found particles)",
    Kind.FALSE_POSITIVE: "outlines of no true particle (found particles)",
    Kind.FALSE_NEGATIVE: "true particles without an outline (true particles)",
}


@dataclass(frozen=True, eq=False)
class ErrorKinds:
    """The Kind of every particle in an Overlap: true (T,) and found (F,)."""

    of_true: Kinds
    of_found: Kinds

    def count(self, kind: Kind) -> int:
        """As the kind's definition counts: pairs and true particles on the true side, pieces on the found one."""
        side = self.of_found if kind in (Kind.SPLIT, Kind.FALSE_POSITIVE) else self.of_true
        return int((side == kind).sum())


def error_kinds(overlap: Overlap) -> ErrorKinds:
    """The kind of every object; for an object without a partner the place of most of its area decides: first whether
    true ones were merged, then whether found ones are pieces, then whether what is left overlaps at all."""
    kinds_true = np.full(len(overlap.true_ids), Kind.FALSE_NEGATIVE, "U14")
    kinds_found = np.full(len(overlap.found_ids), Kind.FALSE_POSITIVE, "U14")
    iou = overlap.iou
    t, f = pairs(iou, RIGHT)
    kinds_true[t] = kinds_found[f] = np.where(iou[t, f] >= OUTLINED, Kind.CORRECT, Kind.LOW_IOU)
    lost, extra = ~np.isin(np.arange(len(kinds_true)), t), ~np.isin(np.arange(len(kinds_found)), f)
    covered = overlap.common >= MOSTLY * overlap.true_area[:, None]  # (T, F)
    greedy = covered.sum(0) >= 2  # (F,) found objects that hold most of two true ones
    kinds_true[lost & (covered & greedy).any(1)] = Kind.MERGED
    kinds_found[greedy & (kinds_found == Kind.FALSE_POSITIVE)] = Kind.MERGED
    inside = overlap.common > MOSTLY * overlap.found_area  # (T, F); at most one true object each
    pieces = inside & extra & (kinds_found == Kind.FALSE_POSITIVE)
    several = pieces.sum(1) >= 2  # (T,) true objects that lie in pieces
    matched = (kinds_true == Kind.CORRECT) | (kinds_true == Kind.LOW_IOU)
    kinds_found[(pieces & (several | matched)[:, None]).any(0)] = Kind.SPLIT
    kinds_true[several & (kinds_true == Kind.FALSE_NEGATIVE)] = Kind.SPLIT
    # What is left on either side and overlaps somewhat is one object, badly outlined.
    left, over = np.flatnonzero(kinds_true == Kind.FALSE_NEGATIVE), np.flatnonzero(kinds_found == Kind.FALSE_POSITIVE)
    t, f = pairs(iou[np.ix_(left, over)], LEAST_PAIR)
    kinds_true[left[t]], kinds_found[over[f]] = Kind.LOW_IOU, Kind.LOW_IOU
    return ErrorKinds(kinds_true, kinds_found)
