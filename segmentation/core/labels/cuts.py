"""Possible cuts: borders within an outline that region merging gave up, though they may be real."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import dist, exp, log

import numpy as np
from numpy.typing import NDArray

from .options import INTERCEPT
from .region_graph import RegionGraph, adjacent
from .region_merging import Merges
from .segmentation import Cut
from .separate import Labels

LEAST = 0.1  # probability
MOST = 1000  # as many as one request of corrections holds; the most probable ones stay
STEP = 4  # edges of pixels between two points of a line
Corner = tuple[int, int]
Edges = list[tuple[Corner, Corner]]


def cut_probability(border: float, size: float, weights: Mapping[str, float]) -> float:
    """The probability that a border that merging gave up, of the probability `border`, is real, in an image with
    touching outlines `size` px wide (`typical_size`): borders between particles are given up the more often, the
    smaller these are. weights: `ParticleOptions.cuts`."""
    odds = log(border / (1 - border))
    return 1 / (1 + exp(-(weights[INTERCEPT] + weights["border"] * odds + weights["size"] * log(size))))


def border_probability(probability: float, size: float, weights: Mapping[str, float]) -> float:
    """The probability of the border of a cut that has this probability, the inverse of `cut_probability`."""
    odds = (log(probability / (1 - probability)) - weights[INTERCEPT] - weights["size"] * log(size)) / weights["border"]
    return 1 / (1 + exp(-odds))


def possible_cuts(
    labels: Labels,
    first_region: int,
    regions: RegionGraph,
    merges: Merges,
    limit: float,
    size: float,
    weights: Mapping[str, float],
) -> tuple[Cut, ...]:
    """The borders that vanish when regions (`oversegment`) are merged up to a limit, the most probable first.

    labels: (H, W) before merging; the first region's label is `first_region`. limit: probability of a border below
    which its regions are merged. size: `typical_size` after merging. weights: `ParticleOptions.cuts`.
    """
    joins = merges.joining(regions.pairs)
    probabilities = merges.probability[joins]  # of borders
    is_possible = (joins > 0) & (probabilities >= border_probability(LEAST, size, weights)) & (probabilities < limit)
    order = np.unique(joins[is_possible])
    order = order[np.lexsort((-merges.turn[order], -merges.probability[order]))][:MOST]
    if not len(order):
        return ()
    places = np.full(len(merges.targets), -1)
    places[order] = np.arange(len(order))
    edges: list[Edges] = [[] for _ in order]
    for index, begin, end in _edges(labels, first_region, regions, np.where(is_possible, places[joins], -1)):
        edges[index].append((begin, end))
    ways = [_way(edges_of_cut) for edges_of_cut in edges]
    passed: dict[Corner, list[int]] = {}
    for index, way in enumerate(ways):
        for corner in way:
            passed.setdefault(corner, []).append(index)
    return tuple(
        Cut(
            round(cut_probability(merges.probability[order[index]], size, weights), 3),
            _line(way),
            sorted({crossed for end in (way[0], way[-1]) for crossed in passed[end] if crossed < index}),
            _sides(way, labels.shape),
        )
        for index, way in enumerate(ways)
    )


def _edges(
    labels: Labels, first_region: int, regions: RegionGraph, places: NDArray[np.int64]
) -> Iterator[tuple[int, Corner, Corner]]:
    """Of the edges of pixels on wanted borders: the place of their cut and their two corners. places: (m,) of each
    border's cut, -1 of none."""
    base = len(regions.peaks)
    keys = regions.pairs[:, 0] * base + regions.pairs[:, 1]
    for (rows, columns), (y, x), _, sides in adjacent(labels, first_region - 1):
        cuts = places[np.searchsorted(keys, sides[0] * base + sides[1])]
        is_cut = cuts >= 0
        begins = np.stack([x + columns, y + rows], axis=1)[is_cut]
        ends = begins + np.array([rows, columns])
        for index, begin, end in zip(cuts[is_cut].tolist(), begins.tolist(), ends.tolist(), strict=True):
            yield index, (begin[0], begin[1]), (end[0], end[1])


def _way(edges: Edges) -> list[Corner]:
    """The corners along edges; where these are in pieces, as around a hole, one piece after the nearest other one."""
    neighbours: dict[Corner, list[Corner]] = {}
    for begin, end in edges:
        neighbours.setdefault(begin, []).append(end)
        neighbours.setdefault(end, []).append(begin)
    pieces = []
    for start in sorted(neighbours, key=lambda corner: len(neighbours[corner])):  # ends first; a closed line has none
        piece = [start]
        while neighbours[piece[-1]]:
            following = neighbours[piece[-1]].pop()
            neighbours[following].remove(piece[-1])
            piece.append(following)
        if len(piece) > 1:
            pieces.append(piece)
    way = pieces.pop(0)
    while pieces:
        turned = [*pieces, *(piece[::-1] for piece in pieces)]
        head, tail = min(product((way, way[::-1]), turned), key=lambda two: dist(two[0][-1], two[1][0]))
        pieces = [piece for piece in pieces if piece[0] not in (tail[0], tail[-1])]
        way = head + tail
    return way


def _line(way: Sequence[Corner]) -> list[list[float]]:
    """The ends [x, y], and between them the middle of every STEP-th edge, so that a slanted line is no staircase."""
    corners = np.array(way, float)
    middles = (corners[1:] + corners[:-1]) / 2
    points = middles[np.unique(np.linspace(0, len(middles) - 1, 2 + len(middles) // STEP).round().astype(int))]
    return [corners[0].tolist(), *points.tolist(), corners[-1].tolist()]


def _sides(way: Sequence[Corner], shape: tuple[int, ...]) -> list[int]:
    """[x, y, x, y]: the second pixel on either side of the middle edge, as a made cut may differ by one."""
    (x, y), (across, _) = sorted(way[(len(way) - 2) // 2 :][:2])
    ends = (x - 2, y, x + 1, y) if x == across else (x, y - 2, x, y + 1)
    return [int(end) for end in np.clip(ends, 0, [shape[1] - 1, shape[0] - 1] * 2)]
