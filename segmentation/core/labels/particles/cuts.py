"""Finds possible cuts: borders within an outline that may be real, although region merging removed them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import dist, exp, log

import numpy as np
from numpy.typing import NDArray

from ..segmentation import Cut
from ..separate import Labels
from .options import INTERCEPT
from .region_graph import RegionGraph, adjacent_pixels
from .region_merging import Merges

LEAST_PROBABILITY = 0.1  # of a cut; less probable ones are left out
MOST_CUTS = 1000  # of an image, the most probable ones: one request of corrections accepts so many
EDGES_PER_POINT = 4  # pixel edges between two points of a line, so that a slanted line has no steps
Corner = tuple[int, int]  # x, y of a pixel's corner
Edges = list[tuple[Corner, Corner]]  # edges of pixels


def cut_probability(border: float, size: float, weights: Mapping[str, float]) -> float:
    """The probability that a border which merging removed is real.

    border: the probability that merging gave it. size: px, the typical size of touching outlines in the image
    (`typical_size`): the smaller particles are, the more often merging removes real borders between them. weights:
    `ParticleOptions.cuts`.
    """
    odds = log(border / (1 - border))
    return 1 / (1 + exp(-(weights[INTERCEPT] + weights["border"] * odds + weights["size"] * log(size))))


def border_probability(probability: float, size: float, weights: Mapping[str, float]) -> float:
    """The inverse of `cut_probability`: the probability that merging gave to the border of a cut."""
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
    """The possible cuts of an image, the most probable first: borders of regions (`oversegment`) that merging removes.

    labels: (H, W) before merging; regions have labels from `first_region` on. merges: as merged up to a higher limit.
    limit: regions are merged if the probability of their border is lower. size: px, `typical_size` after merging.
    weights: `ParticleOptions.cuts`.
    """
    joins = merges.joining(regions.pairs)
    probabilities = merges.probability[joins]  # of borders
    is_possible = (
        (joins > 0) & (probabilities >= border_probability(LEAST_PROBABILITY, size, weights)) & (probabilities < limit)
    )
    order = np.unique(joins[is_possible])
    order = order[np.lexsort((-merges.turn[order], -merges.probability[order]))][:MOST_CUTS]
    if not len(order):
        return ()
    places = np.full(len(merges.targets), -1)  # merge -> place of its cut in the result, -1 for none
    places[order] = np.arange(len(order))
    edges: list[Edges] = [[] for _ in order]
    for index, begin, end in _edges(labels, first_region, regions, np.where(is_possible, places[joins], -1)):
        edges[index].append((begin, end))
    paths = [_path(edges_of_cut) for edges_of_cut in edges]
    cuts_at: dict[Corner, list[int]] = {}
    for index, path in enumerate(paths):
        for corner in path:
            cuts_at.setdefault(corner, []).append(index)
    return tuple(
        Cut(
            round(cut_probability(merges.probability[order[index]], size, weights), 3),
            _line(path),
            sorted({earlier for end in (path[0], path[-1]) for earlier in cuts_at[end] if earlier < index}),
            _sides(path, labels.shape),
        )
        for index, path in enumerate(paths)
    )


def _edges(
    labels: Labels, first_region: int, regions: RegionGraph, places: NDArray[np.int64]
) -> Iterator[tuple[int, Corner, Corner]]:
    """The pixel edges of all cuts: the place of the cut, and both corners. places: (m,) the place of the cut that each
    border belongs to, -1 for none."""
    base = len(regions.peaks)
    keys = regions.pairs[:, 0] * base + regions.pairs[:, 1]
    for (rows, columns), (y, x), _, sides in adjacent_pixels(labels, first_region - 1):
        cuts = places[np.searchsorted(keys, sides[0] * base + sides[1])]
        is_cut = cuts >= 0
        begins = np.stack([x + columns, y + rows], axis=1)[is_cut]
        ends = begins + np.array([rows, columns])
        for index, begin, end in zip(cuts[is_cut].tolist(), begins.tolist(), ends.tolist(), strict=True):
            yield index, (begin[0], begin[1]), (end[0], end[1])


def _path(edges: Edges) -> list[Corner]:
    """The corners of pixel edges in their order along the cut. If the edges are in several pieces, as around a hole,
    each piece is followed by the nearest one that is left."""
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
    path = pieces.pop(0)
    while pieces:
        both_ways = [*pieces, *(piece[::-1] for piece in pieces)]
        head, tail = min(product((path, path[::-1]), both_ways), key=lambda pair: dist(pair[0][-1], pair[1][0]))
        pieces = [piece for piece in pieces if piece[0] not in (tail[0], tail[-1])]
        path = head + tail
    return path


def _line(path: Sequence[Corner]) -> list[list[float]]:
    """The points [x, y] of a cut's line: both ends, and between them the middle of one in EDGES_PER_POINT edges."""
    corners = np.array(path, float)
    middles = (corners[1:] + corners[:-1]) / 2
    points = middles[
        np.unique(np.linspace(0, len(middles) - 1, 2 + len(middles) // EDGES_PER_POINT).round().astype(int))
    ]
    return [corners[0].tolist(), *points.tolist(), corners[-1].tolist()]


def _sides(path: Sequence[Corner], shape: tuple[int, ...]) -> list[int]:
    """[x, y, x, y]: the second pixel on either side of the path's middle edge. (The first may lie on the other side
    after the cut was made, because a made cut can differ by one pixel.)"""
    (x, y), (next_x, _) = sorted(path[(len(path) - 2) // 2 :][:2])
    ends = (x - 2, y, x + 1, y) if x == next_x else (x, y - 2, x, y + 1)
    return [int(end) for end in np.clip(ends, 0, [shape[1] - 1, shape[0] - 1] * 2)]
