"""Pairs the objects of two segmentations of one image, and finds the outcome of the others (`results.Outcome`).

The rule for pairs is that of the scores of models (`measure.matching`). It is applied to each group of objects that
share much of their area, so memory and time grow with the number of objects, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..measure.objects.matching import (
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

BAND_ROWS = 1024  # number of rows of an image that are compared at once, to save memory
OUTCOME_OF: dict[str, Outcome] = {
    Kind.CORRECT: "matched",
    Kind.LOW_IOU: "inexact",
    Kind.SPLIT: "split",
    Kind.MERGED: "merged",
    Kind.FALSE_NEGATIVE: "missed",
    Kind.FALSE_POSITIVE: "invented",
}


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The m pairs of objects of two label images that share pixels.

    first_ids, first_area: ids of the objects of the first image, ascending, and their areas in px; second_ids,
    second_area: those of the second. first_places, second_places: (m,) index of the pair's objects in these arrays.
    pixels: (m,) number of shared pixels. same: share of all pixels that are object in both images, or background in
    both.
    """

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


def overlaps_of(first_labels: Labels, second_labels: Labels) -> Overlaps:
    """The Overlaps of two label images (H, W), in which 0 is background."""
    first_area, second_area = (np.bincount(labels.ravel(), minlength=1) for labels in (first_labels, second_labels))
    columns, parts = len(second_area), []
    for top in range(0, first_labels.shape[0], BAND_ROWS):
        one, other = first_labels[top : top + BAND_ROWS].ravel(), second_labels[top : top + BAND_ROWS].ravel()
        in_both = (one > 0) & (other > 0)
        parts.append(np.unique(one[in_both].astype(np.int64) * columns + other[in_both], return_counts=True))
    codes, index = np.unique(np.concatenate([part for part, _ in parts]), return_inverse=True)
    pixels = np.bincount(index, np.concatenate([count for _, count in parts]), len(codes)).astype(np.int64)
    first_area[0] = second_area[0] = 0
    first_ids, second_ids = np.flatnonzero(first_area), np.flatnonzero(second_area)
    in_one_only = int(first_area.sum() + second_area.sum() - 2 * pixels.sum())
    return Overlaps(
        first_ids,
        second_ids,
        first_area[first_ids],
        second_area[second_ids],
        np.searchsorted(first_ids, codes // columns),
        np.searchsorted(second_ids, codes % columns),
        pixels,
        1 - in_one_only / max(first_labels.size, 1),
    )


def group_objects(common: Overlaps) -> tuple[Indices, Indices]:
    """The group number of each object of the first image (n,) and of the second (m,).

    Two objects are in one group if they share half the area of the smaller one, or if their IoU is large enough for a
    pair. Other overlaps do not matter for the rule.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    smaller = np.minimum(common.first_area[common.first_places], common.second_area[common.second_places])
    related = (common.pixels >= MOST_OF_AREA * smaller) | (common.iou >= LEAST_PAIR_IOU)
    n, m = len(common.first_ids), len(common.second_ids)
    nodes = common.first_places[related], n + common.second_places[related]
    edges = coo_matrix((np.ones(int(related.sum())), nodes), (n + m, n + m))
    group = connected_components(edges, directed=False)[1].astype(np.int64)
    return group[:n], group[n:]


def agree(common: Overlaps, first_group: Indices, second_group: Indices) -> Agreement:
    """How far two segmentations agree; the first one is taken as the truth.

    first_group, second_group: as `group_objects` gives them.
    """
    first_kinds = np.full(len(common.first_ids), Kind.FALSE_NEGATIVE, "U14")  # the longest Kind
    second_kinds = np.full(len(common.second_ids), Kind.FALSE_POSITIVE, "U14")
    hits = dict.fromkeys((RIGHT_IOU, GOOD_OUTLINE_IOU), 0)
    ious: list[float] = []
    for one, other, overlap in _blocks(common, first_group, second_group):
        judged = error_kinds(overlap)
        first_kinds[one], second_kinds[other] = judged.of_true, judged.of_found
        iou = overlap.iou
        rows, columns = pairs(iou, RIGHT_IOU)
        ious += iou[rows, columns].tolist()
        for threshold in hits:
            hits[threshold] += len(pairs(iou, threshold)[0])
    places = {outcome: _objects_with(outcome, common, first_kinds, second_kinds) for outcome in OUTCOMES}
    scores = [_score(threshold, hits[threshold], len(first_kinds), len(second_kinds)) for threshold in hits]
    return Agreement(scores=scores, mean_iou=float(np.mean(ious)) if ious else None, places=places, pixels=common.same)


def _objects_with(
    outcome: Outcome, common: Overlaps, first_kinds: NDArray[np.str_], second_kinds: NDArray[np.str_]
) -> Objects:
    """The objects with an outcome. For "split" and "merged" also the objects of the other image that contain them.

    first_kinds, second_kinds: the Kind of each object of the first and the second image.
    """
    kinds = [kind for kind, its_outcome in OUTCOME_OF.items() if its_outcome == outcome]
    in_first, in_second = np.isin(first_kinds, kinds), np.isin(second_kinds, kinds)
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
    overlaps: Overlaps, first_group: Indices, second_group: Indices
) -> Iterator[tuple[Indices, Indices, Overlap]]:
    """For each group with objects of both images: the indices of its objects in either, and their overlaps."""
    pair_group = first_group[overlaps.first_places]
    inside = np.flatnonzero(pair_group == second_group[overlaps.second_places])
    inside = inside[np.argsort(pair_group[inside], kind="stable")]
    first_order, second_order = np.argsort(first_group, kind="stable"), np.argsort(second_group, kind="stable")
    for pairs_of_group in np.split(inside, np.flatnonzero(np.diff(pair_group[inside])) + 1):
        if not len(pairs_of_group):
            continue
        group = pair_group[pairs_of_group[0]]
        one, other = _members(first_order, first_group, group), _members(second_order, second_group, group)
        rows = np.searchsorted(one, overlaps.first_places[pairs_of_group])
        columns = np.searchsorted(other, overlaps.second_places[pairs_of_group])
        common = np.zeros((len(one), len(other)))
        common[rows, columns] = overlaps.pixels[pairs_of_group]
        areas = overlaps.first_area[one].astype(float), overlaps.second_area[other].astype(float)
        yield one, other, Overlap(overlaps.first_ids[one], overlaps.second_ids[other], common, *areas)


def _members(order: Indices, group: Indices, number: np.int64) -> Indices:
    """The indices of the objects in a group. order: the one that sorts `group`."""
    begin, end = np.searchsorted(group, [number, number + 1], sorter=order)
    return order[begin:end]


def _score(iou: float, hits: int, first_count: int, second_count: int) -> Score:
    """The Score at one IoU. Precision is the share of the second image's objects that the first has, too; recall is the
    share of the first one's that the second has."""
    return Score(
        iou=iou,
        hits=hits,
        precision=hits / second_count if second_count else None,
        recall=hits / first_count if first_count else None,
        f1=2 * hits / (first_count + second_count) if first_count + second_count else None,
    )
