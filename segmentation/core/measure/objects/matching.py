"""Pairs found particles with true ones by intersection over union (IoU), and names the kind of error
of every other particle.

Used by the scores of models, the comparison of two results and the check of a training.
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
SMALLEST_PX = 9  # area; smaller objects are slips of a pen and count as background
MOST_OF_AREA = 0.5  # a larger share of an object's area is most of it
RIGHT_IOU = 0.5  # of a particle that was found
GOOD_OUTLINE_IOU = 0.75  # of a particle whose outline is right, too
LEAST_PAIR_IOU = 0.1  # of a pair that can be called one particle with a bad outline
Kinds = NDArray[np.str_]  # values of Kind


class Overlap(NamedTuple):
    """How T true and F found objects overlap. true_ids (T,), found_ids (F,): their labels. common:
    (T, F) px that each two share. true_area (T,), found_area (F,): px."""

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
    """The overlap of two label images (H, W), `labels` with the found objects and `truth`. 0 is
    background; labels must be smaller than the number of pixels."""
    true_ids, t = _numbered_pixels(truth)
    found_ids, f = _numbered_pixels(labels)
    counts = np.bincount(t * len(found_ids) + f, minlength=len(true_ids) * len(found_ids))
    common = counts.reshape(len(true_ids), len(found_ids)).astype(float)
    return Overlap(true_ids[1:], found_ids[1:], common[1:, 1:], common[1:].sum(1), common[:, 1:].sum(0))


def _numbered_pixels(labels: Labels) -> tuple[Indices, Indices]:
    """The labels that occur, ascending and always with 0, and for every pixel (H * W,) the index of
    its label among them."""
    flat = labels.ravel()
    present = np.bincount(flat) > 0
    present[:1] = True
    places = np.cumsum(present) - 1
    return np.flatnonzero(present), places[flat]


def without_specks(labels: Labels, smallest: int = SMALLEST_PX) -> Labels:
    """The labels (H, W); those of fewer than `smallest` px become background."""
    keep = np.bincount(labels.ravel()) >= smallest
    keep[:1] = False
    return np.where(keep, np.arange(len(keep)), 0).astype(np.int32)[labels]


def pairs(iou: Floats, threshold: float) -> tuple[Indices, Indices]:
    """The indices (true, found), (p,) each, of the pairs with an IoU of at least `threshold` in the
    best one-to-one assignment. iou: (T, F)."""
    if not iou.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    # As many pairs as possible come first: all IoUs together weigh no more than half of one pair.
    is_good = (iou >= threshold).astype(float)
    rows, columns = linear_sum_assignment(-is_good - iou / (2 * min(iou.shape)))
    is_pair = iou[rows, columns] >= threshold
    return rows[is_pair], columns[is_pair]


def count_pairs(iou: Floats, threshold: float) -> tuple[int, int, int]:
    """The numbers of pairs (`pairs`), of found objects without a partner, and of true objects without a
    partner."""
    true_count, found_count = iou.shape
    hits = len(pairs(iou, threshold)[0])
    return hits, found_count - hits, true_count - hits


class Kind(StrEnum):
    """How an object was found or missed, in the order of reports; docs/use/compare.md has the exact
    criteria."""

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
    Kind.CORRECT: f"found and true particles paired one to one with an IoU of at least {GOOD_OUTLINE_IOU} (pairs)",
    Kind.LOW_IOU: (
        f"paired one to one, but with an IoU of {LEAST_PAIR_IOU} to {GOOD_OUTLINE_IOU}: the outline is off (pairs)"
    ),
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
        """How many there are of a kind. SPLIT and FALSE_POSITIVE count found particles, other kinds
        true ones."""
        side = self.of_found if kind in (Kind.SPLIT, Kind.FALSE_POSITIVE) else self.of_true
        return int((side == kind).sum())


def error_kinds(overlap: Overlap) -> ErrorKinds:
    """The kind of every object. An object without a partner is checked for three errors in turn: true
    objects merged into one outline; found objects that are pieces of one true object; any overlap
    with another remaining object. The object with most of its area decides."""
    kinds_true = np.full(len(overlap.true_ids), Kind.FALSE_NEGATIVE, "U14")
    kinds_found = np.full(len(overlap.found_ids), Kind.FALSE_POSITIVE, "U14")
    iou = overlap.iou
    t, f = pairs(iou, RIGHT_IOU)
    kinds_true[t] = kinds_found[f] = np.where(iou[t, f] >= GOOD_OUTLINE_IOU, Kind.CORRECT, Kind.LOW_IOU)
    is_unpaired_true, is_unpaired_found = (
        ~np.isin(np.arange(len(kinds_true)), t),
        ~np.isin(np.arange(len(kinds_found)), f),
    )
    covered = overlap.common >= MOST_OF_AREA * overlap.true_area[:, None]  # (T, F)
    is_merger = covered.sum(0) >= 2  # (F,) found objects that contain most of two true ones
    kinds_true[is_unpaired_true & (covered & is_merger).any(1)] = Kind.MERGED
    kinds_found[is_merger & (kinds_found == Kind.FALSE_POSITIVE)] = Kind.MERGED
    inside = overlap.common > MOST_OF_AREA * overlap.found_area  # (T, F); at most one true object each
    is_piece = inside & is_unpaired_found & (kinds_found == Kind.FALSE_POSITIVE)
    is_in_pieces = is_piece.sum(1) >= 2  # (T,) true objects
    is_paired = (kinds_true == Kind.CORRECT) | (kinds_true == Kind.LOW_IOU)
    kinds_found[(is_piece & (is_in_pieces | is_paired)[:, None]).any(0)] = Kind.SPLIT
    kinds_true[is_in_pieces & (kinds_true == Kind.FALSE_NEGATIVE)] = Kind.SPLIT
    # Two remaining objects that overlap somewhat are one particle with a bad outline.
    missed = np.flatnonzero(kinds_true == Kind.FALSE_NEGATIVE)
    extra = np.flatnonzero(kinds_found == Kind.FALSE_POSITIVE)
    t, f = pairs(iou[np.ix_(missed, extra)], LEAST_PAIR_IOU)
    kinds_true[missed[t]], kinds_found[extra[f]] = Kind.LOW_IOU, Kind.LOW_IOU
    return ErrorKinds(kinds_true, kinds_found)
