"""Which objects of two outlinings of one image are the same.

The rule is that of the scores of models (`measure.matching`). It is applied to each group of objects that share much
of their area, so memory and time grow with the number of objects, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..measure.matching import (
    GOOD_OUTLINE_IOU,
    LEAST_PAIR_IOU,
    MOST_OF_AREA,
    RIGHT_IOU,
    Indices,
    Kind,
    Labels,
    Overlap,
    error_kinds,
    pairs,
)
from .results import OUTCOMES, Agreement, Objects, Outcome, Score

ROWS = 1024  # of an image that are looked at at once
OUTCOME_OF: dict[str, Outcome] = {
    Kind.CORRECT: "matched",
    Kind.LOW_IOU: "inexact",
    Kind.SPLIT: "split",
    Kind.MERGED: "merged",
    Kind.FALSE_NEGATIVE: "missed",
    Kind.FALSE_POSITIVE: "invented",
}


@dataclass(frozen=True, eq=False)
class Shared:
    """What the objects of two label images share. first_places, second_places (m,): places of an
    object of each in its ids, and pixels (m,) in common; first_ids, second_ids: ascending; first_area, second_area: px.
    same: share of the pixels that are object in both or background in both."""

    first_ids: Indices
    second_ids: Indices
    first_area: Indices
    second_area: Indices
    first_places: Indices
    second_places: Indices
    pixels: Indices
    same: float

    @property
    def iou(self) -> NDArray[np.float64]:
        """(m,) intersection over union of each pair."""
        union = self.first_area[self.first_places] + self.second_area[self.second_places] - self.pixels
        return np.asarray(self.pixels / union, np.float64)


def shared(first_labels: Labels, second_labels: Labels) -> Shared:
    """Of two label images (H, W), 0 background."""
    first_area, second_area = (np.bincount(labels.ravel(), minlength=1) for labels in (first_labels, second_labels))
    columns, parts = len(second_area), []
    for top in range(0, first_labels.shape[0], ROWS):
        one, other = first_labels[top : top + ROWS].ravel(), second_labels[top : top + ROWS].ravel()
        in_both = (one > 0) & (other > 0)
        parts.append(np.unique(one[in_both].astype(np.int64) * columns + other[in_both], return_counts=True))
    codes, index = np.unique(np.concatenate([part for part, _ in parts]), return_inverse=True)
    pixels = np.bincount(index, np.concatenate([count for _, count in parts]), len(codes)).astype(np.int64)
    first_area[0] = second_area[0] = 0
    first_ids, second_ids = np.flatnonzero(first_area), np.flatnonzero(second_area)
    one_only = int(first_area.sum() + second_area.sum() - 2 * pixels.sum())
    return Shared(
        first_ids,
        second_ids,
        first_area[first_ids],
        second_area[second_ids],
        np.searchsorted(first_ids, codes // columns),
        np.searchsorted(second_ids, codes % columns),
        pixels,
        1 - one_only / max(first_labels.size, 1),
    )


def groups(common: Shared) -> tuple[Indices, Indices]:
    """(n first,), (n second,): the group of each object. Objects are of one group where they share half the area of the
    smaller one, or could be one object badly outlined; all other contacts change nothing in the rule."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    smaller = np.minimum(common.first_area[common.first_places], common.second_area[common.second_places])
    much = (common.pixels >= MOST_OF_AREA * smaller) | (common.iou >= LEAST_PAIR_IOU)
    n, m = len(common.first_ids), len(common.second_ids)
    edges = coo_matrix(
        (np.ones(int(much.sum())), (common.first_places[much], n + common.second_places[much])), (n + m, n + m)
    )
    group = connected_components(edges, directed=False)[1].astype(np.int64)
    return group[:n], group[n:]


def agree(common: Shared, first_group: Indices, second_group: Indices) -> Agreement:
    """The objects by place, and the scores; the first outlining stands for the truth."""
    firsts = np.full(len(common.first_ids), Kind.FALSE_NEGATIVE, "U14")  # the longest Kind
    seconds = np.full(len(common.second_ids), Kind.FALSE_POSITIVE, "U14")
    hits = dict.fromkeys((RIGHT_IOU, GOOD_OUTLINE_IOU), 0)
    ious: list[float] = []
    for one, other, overlap in _blocks(common, first_group, second_group):
        judged = error_kinds(overlap)
        firsts[one], seconds[other] = judged.of_true, judged.of_found
        iou = overlap.iou
        rows, columns = pairs(iou, RIGHT_IOU)
        ious += iou[rows, columns].tolist()
        for threshold in hits:
            hits[threshold] += len(pairs(iou, threshold)[0])
    places = {outcome: _objects(common, firsts, seconds, outcome) for outcome in OUTCOMES}
    scores = [_score(threshold, hits[threshold], len(firsts), len(seconds)) for threshold in hits]
    return Agreement(scores=scores, mean_iou=float(np.mean(ious)) if ious else None, places=places, pixels=common.same)


def _objects(common: Shared, firsts: NDArray[np.str_], seconds: NDArray[np.str_], outcome: Outcome) -> Objects:
    """The objects with an outcome; with split and merged ones those of the other side that they lie in."""
    kinds = [kind for kind, its_outcome in OUTCOME_OF.items() if its_outcome == outcome]
    in_first, in_second = np.isin(firsts, kinds), np.isin(seconds, kinds)
    if outcome == "merged":
        in_second[
            common.second_places[
                in_first[common.first_places] & (common.pixels >= MOST_OF_AREA * common.first_area[common.first_places])
            ]
        ] = True
    if outcome == "split":
        in_first[
            common.first_places[
                in_second[common.second_places]
                & (common.pixels >= MOST_OF_AREA * common.second_area[common.second_places])
            ]
        ] = True
    return Objects(first=common.first_ids[in_first].tolist(), second=common.second_ids[in_second].tolist())


def _blocks(
    overlaps: Shared, first_group: Indices, second_group: Indices
) -> Iterator[tuple[Indices, Indices, Overlap]]:
    """The groups with objects of both: places of their objects, and what they share."""
    edge_group = first_group[overlaps.first_places]
    inside = np.flatnonzero(edge_group == second_group[overlaps.second_places])
    inside = inside[np.argsort(edge_group[inside], kind="stable")]
    by_first, by_second = np.argsort(first_group, kind="stable"), np.argsort(second_group, kind="stable")
    for edges in np.split(inside, np.flatnonzero(np.diff(edge_group[inside])) + 1):
        if not len(edges):
            continue
        group = edge_group[edges[0]]
        one, other = _members(by_first, first_group, group), _members(by_second, second_group, group)
        common = np.zeros((len(one), len(other)))
        common[
            np.searchsorted(one, overlaps.first_places[edges]), np.searchsorted(other, overlaps.second_places[edges])
        ] = overlaps.pixels[edges]
        areas = overlaps.first_area[one].astype(float), overlaps.second_area[other].astype(float)
        yield one, other, Overlap(overlaps.first_ids[one], overlaps.second_ids[other], common, *areas)


def _members(order: Indices, group: Indices, number: np.int64) -> Indices:
    begin, end = np.searchsorted(group, [number, number + 1], sorter=order)
    return order[begin:end]


def _score(iou: float, hits: int, first_count: int, second_count: int) -> Score:
    """Precision is the share of the second outlining that the first has, too; recall the other way round."""
    return Score(
        iou=iou,
        hits=hits,
        precision=hits / second_count if second_count else None,
        recall=hits / first_count if first_count else None,
        f1=2 * hits / (first_count + second_count) if first_count + second_count else None,
    )
