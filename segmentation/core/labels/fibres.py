"""Fibres: the maps of a network become fibres, each followed through its crossings.

The middle of the inner distance is thinned to a skeleton, which is cut where lines meet. The pieces are joined end to
end, the best pair first: those that go on in the same direction with the same width, through foreground. A pixel
belongs to one fibre only: at a crossing to the one that the network saw on top, else to the thicker one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csgraph
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize
from skimage.segmentation import watershed

from .lines import ALL_SIDES, inner_depth, polyline, smoothed, tree_of

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]

CORE = 0.5  # inner distance from which a pixel belongs to the middle of a fibre
SURE_CORE, RIDGE = 0.6, 0.75  # highest inner distance under which the middle is this share of the highest near it
ASPECT = 3.0  # lengths over the width from which an object is a fibre, as the WHO counts
HALF = 0.5  # px, as widths are even or odd: twice the depth of the middle is the width or one more
SHORTEST = 4  # px of a piece of a skeleton
TURN, WIDTHS = 0.3, 0.35  # rad and natural logarithm that cost 1, as they do when a fibre goes on by chance
WORST = 6.0  # cost of a pair of ends that is no continuation
NETWORK = 300.0  # areas of the largest circle in it that a clear mat has
NOTHING = 0.002  # share of the picture under which it shows no fibres
BENT = 1.5  # times the width of a bar of its area and length that a straight fibre scatters across
SHARP = 0.25  # sine of the angle under which two fibres lie along each other rather than cross
BARE = 0.34  # share of a gap that may be no foreground


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a fibre between two crossings, or between crossing and end.

    path: (n, 2) rows and columns of its smoothed middle. width: px. number: of the object that it belongs to, if known.
    """

    path: Floats
    width: float
    number: int = 0

    @property
    def length(self) -> float:
        return polyline(self.path)


def _outwards(path: Floats, width: float) -> Floats:
    """The unit vector in which a path leaves its last point; its very end bends at a crossing and counts less."""
    count = len(path)
    skipped = min(round(0.3 * width), count // 4)
    last = path[max(0, count - skipped - max(8, round(2 * width))) : count - skipped]
    direction = np.linalg.svd(last - last.mean(0), full_matrices=False)[2][0]
    forward = direction @ (last[-1] - last[0])
    return np.asarray(direction if forward >= 0 else -direction, np.float64)


@dataclass(frozen=True)
class Link:
    """Two ends that are one fibre, numbered as in `Ends`, and what speaks against it."""

    one: int
    other: int
    cost: float


def ordered_paths(bone: Mask, numbers: Labels) -> Iterator[tuple[int, Floats]]:
    """The number and the (n, 2) path of each connected part of a skeleton with SHORTEST px: the longest way through it.

    bone: (H, W). numbers: (H, W), whose different values are not connected.
    """
    points, of_each = np.argwhere(bone), numbers[bone]
    if not len(points):
        return
    tree = tree_of(np.pad(bone, 1), np.pad(numbers, 1))
    count, parts = csgraph.connected_components(tree, directed=False)
    order, graph = np.argsort(parts, kind="stable"), tree + tree.T
    of_parts = np.split(order, np.cumsum(np.bincount(parts, minlength=count))[:-1])
    if not (long := [nodes for nodes in of_parts if len(nodes) >= SHORTEST]):
        return
    # One search serves all parts: each has one source, and no path leads to another part.
    away = csgraph.dijkstra(graph, indices=[nodes[0] for nodes in long], min_only=True)
    starts = [int(nodes[np.argmax(away[nodes])]) for nodes in long]
    away, before, _ = csgraph.dijkstra(graph, indices=starts, min_only=True, return_predecessors=True)
    for nodes, start in zip(long, starts, strict=True):
        path = [int(nodes[np.argmax(away[nodes])])]
        while path[-1] != start:
            path.append(int(before[path[-1]]))
        yield int(of_each[nodes[0]]), points[path].astype(float)


def find_fibres(maps: NDArray[np.uint8], threshold: float) -> tuple[Labels, NDArray[np.int32]]:
    """(H, W) int32 labels 1..n and the class (n,) of each: 0 a fibre, 1 an object that is too short for one.

    maps: (2, H, W) uint8, foreground and inner distance, 0..255 for 0..1. threshold: of the foreground.
    """
    mask = maps[0] >= max(1, round(threshold * 255))
    pieces = find_pieces(mask, maps[1])
    depth = inner_depth(mask)
    links = find_links(pieces, mask, depth)
    chains = chains_of(len(pieces), links)
    markers = np.zeros(mask.shape, np.int32)
    for number, chain in enumerate(chains, start=1):
        for piece, _ in chain:
            rows, columns = np.rint(pieces[piece].path).astype(int).T
            markers[np.clip(rows, 0, mask.shape[0] - 1), np.clip(columns, 0, mask.shape[1] - 1)] = number
    number_of = {piece: number for number, chain in enumerate(chains, start=1) for piece, _ in chain}
    for link in sorted(links, key=lambda link: -min(pieces[end // 2].width for end in (link.one, link.other))):
        start, end = (pieces[end // 2].path[-(end % 2)] for end in (link.one, link.other))
        way = np.linspace(start, end, max(2, round(2 * float(np.hypot(*(end - start)))) + 1))
        rows, columns = np.rint(way).astype(int).T
        number = number_of[link.one // 2]
        if np.isin(markers[rows, columns], [0, number]).all():  # no other fibre lies there already
            markers[rows, columns] = number
    loose, count = ndimage.label(mask, ALL_SIDES)
    touched = np.bincount(loose.ravel(), markers.ravel() > 0, count + 1) > 0
    without_piece = ~touched[loose] & mask
    blobs, _ = ndimage.label(without_piece, ALL_SIDES)
    markers[without_piece] = blobs[without_piece] + len(chains)
    labels = watershed(255 - maps[1], markers, mask=mask).astype(np.int32)
    return numbered(labels, chains, pieces)


def numbered(labels: Labels, chains: Sequence[Chain], pieces: Sequence[Piece]) -> tuple[Labels, NDArray[np.int32]]:
    """The labels without gaps in their numbers and without specks, and the class of each (see `find_fibres`)."""
    areas = np.bincount(labels.ravel(), minlength=len(chains) + 1)
    longer = np.zeros(len(areas), bool)
    for number, chain in enumerate(chains, start=1):
        length = sum(pieces[piece].length for piece, _ in chain) + min(pieces[piece].width for piece, _ in chain)
        longer[number] = length * length >= ASPECT * areas[number]  # area = length x width
    keep = areas >= 9
    keep[0] = False
    return (np.cumsum(keep) * keep).astype(np.int32)[labels], np.where(longer, 0, 1)[keep].astype(np.int32)


Chain = list[tuple[int, bool]]  # pieces in order, and whether each is turned round


def find_pieces(mask: Mask, distance: NDArray[np.uint8]) -> list[Piece]:
    """The pieces of all fibres of a mask (H, W); distance: (H, W), the inner distance, 0..255."""
    core = mask & (distance >= round(255 * CORE))
    # Where the network is unsure, in dense mats of thin fibres, only the ridges of its inner distance count.
    depth = inner_depth(mask)
    unsure = (ndimage.maximum_filter(distance, 9) < round(255 * SURE_CORE)) & (ndimage.maximum_filter(depth, 15) < 8)
    core |= mask & unsure & (distance >= RIDGE * ndimage.maximum_filter(distance, 7))
    loose, count = ndimage.label(mask, ALL_SIDES)
    bare = np.bincount(loose.ravel(), core.ravel(), count + 1) == 0
    core |= bare[loose] & mask
    bone = skeletonize(np.pad(core, 1))[1:-1, 1:-1] > 0
    around = ndimage.convolve(bone.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant") - bone
    junctions = bone & (around > 2)
    near = ndimage.binary_dilation(junctions, ALL_SIDES)
    parts, _ = ndimage.label(bone & ~near, ALL_SIDES)
    at_junction = ndimage.binary_dilation(near, ALL_SIDES, iterations=2)
    pieces = []
    for _, path in ordered_paths(bone & ~near, parts.astype(np.int32)):
        rows, columns = path.astype(int).T
        width = 2 * float(np.median(depth[rows, columns])) - HALF
        ends = at_junction[rows[[0, -1]], columns[[0, -1]]]
        length = len(path)
        spur = ends.sum() == 1 and length < 1.2 * width
        bridge = ends.all() and length < 1.5 * width and length < 24
        if not (spur or bridge):
            pieces.append(Piece(smoothed(path), max(width, 1.0)))
    return pieces


@dataclass(frozen=True, eq=False)
class Ends:
    """The ends of n pieces, two of each: 2 k is the first of piece k and 2 k + 1 its last.

    places: (2 n, 2). leaves: (2 n, 2) unit vectors outwards. widths: (2 n,) px.
    """

    places: Floats
    leaves: Floats
    widths: Floats

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Ends:
        places = [end for piece in pieces for end in (piece.path[0], piece.path[-1])]
        leaves = [_outwards(way, piece.width) for piece in pieces for way in (piece.path[::-1], piece.path)]
        return cls(np.array(places), np.array(leaves), np.repeat([piece.width for piece in pieces], 2))

    def costs(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """What speaks against ends (m,) and ends (m,) being one fibre, from 0 on: the turn, the sidestep, the change of
        width, the gap, a way back; and the gaps in px."""
        leaves, arrives = self.leaves[one], -self.leaves[other]
        across = self.places[other] - self.places[one]
        gap, width = np.hypot(*across.T), np.minimum(self.widths[one], self.widths[other])
        turn = np.arccos(np.clip((leaves * arrives).sum(1), -1, 1))
        half_way = leaves + arrives
        half_way /= np.maximum(np.hypot(*half_way.T), 1e-9)[:, None]
        sideways = np.abs(half_way[:, 0] * across[:, 1] - half_way[:, 1] * across[:, 0])
        back = (half_way * across).sum(1) < -0.7 * width
        aside = sideways / (0.35 * width + 0.15 * gap + 0.7)
        ratio = np.log(self.widths[one] / self.widths[other]) / WIDTHS
        return (turn / TURN) ** 2 + aside**2 + ratio**2 + 0.15 * gap / (width + 2) + 99 * back, gap


def find_links(pieces: Sequence[Piece], mask: Mask, depth: Floats) -> list[Link]:
    """The pairs of ends that go on in each other, each end in one pair at most.

    depth: (H, W) distance to the edge of the mask.
    """
    if not pieces:
        return []
    ends = Ends.of(pieces)
    reach = min(12 + 6 * float(depth.max(initial=0)), 200.0)
    pairs = cKDTree(ends.places).query_pairs(reach, output_type="ndarray")
    pairs = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2]
    costs, _ = ends.costs(*pairs.T)
    good = costs < WORST
    links = [
        Link(i, j, cost)
        for (i, j), cost in zip(pairs[good].tolist(), costs[good].tolist(), strict=True)
        if _through(ends.places[i], ends.places[j], mask, depth, float(ends.widths[[i, j]].min()))
    ]
    joined_ends, best = set[int](), list[Link]()
    for link in sorted(links, key=lambda link: link.cost):
        if not {link.one, link.other} & joined_ends:
            joined_ends |= {link.one, link.other}
            best.append(link)
    return best


def _through(start: Floats, end: Floats, mask: Mask, depth: Floats, width: float) -> bool:
    """Whether the way between two ends is mostly foreground or short, and at most 3 widths or so of what is over it."""
    gap = float(np.hypot(*(end - start)))
    rows, columns = np.rint(np.linspace(start, end, max(2, round(gap) + 1))).astype(int).T
    inside = mask[rows, columns]
    over = 2 * float(depth[rows, columns].max())
    return bool((~inside).mean() <= BARE or gap < width) and gap <= 10 + 3 * max(over, width)


def chains_of(count: int, links: Sequence[Link]) -> list[Chain]:
    """Of `count` pieces those of each fibre in order along it."""
    beyond = {link.one: link.other for link in links} | {link.other: link.one for link in links}
    left, chains = set(range(count)), list[Chain]()
    for start in range(count):
        if start not in left:
            continue
        at, visited = 2 * start, {start}
        while at in beyond and beyond[at] // 2 not in visited:  # to the beginning; of a ring, once around
            at = beyond[at] ^ 1
            visited.add(at // 2)
        chain: Chain = []
        while at // 2 in left:
            left.discard(at // 2)
            chain.append((at // 2, bool(at % 2)))
            at = beyond.get(at ^ 1, at)
        chains.append(chain)
    return chains


def trace(labels: Labels) -> dict[int, list[Piece]]:
    """The pieces of each object 1..n of a label image (H, W) in order along it, all turned in one direction.

    A crossing fibre that owns the pixels there leaves a gap between two. A skeleton under SHORTEST px gives no piece.
    """
    apart = np.zeros(labels.shape, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        apart[one] |= (labels[one] != labels[other]) & (labels[other] > 0)
    inside = np.pad((labels > 0) & ~apart, 1)
    bone = skeletonize(inside)[1:-1, 1:-1] > 0
    depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
    of_each: dict[int, list[Piece]] = defaultdict(list)
    for number, path in ordered_paths(bone, labels):
        rows, columns = path.astype(int).T
        width = max(2 * float(np.median(depth[rows, columns])) - HALF, 1.0)
        of_each[number].append(Piece(smoothed(path), width, number))
    return {number: in_order(pieces) for number, pieces in of_each.items()}


def in_order(pieces: list[Piece]) -> list[Piece]:
    """The pieces of one fibre from end to end, but those shorter than half its width; the best ends join first."""
    widest, longest = max(piece.width for piece in pieces), max(piece.length for piece in pieces)
    pieces = [piece for piece in pieces if piece.length >= 0.5 * widest or piece.length == longest]
    ends = Ends.of(pieces)
    one, other = np.triu_indices(2 * len(pieces), 1)
    costs, gaps = ends.costs(one, other)
    costs += 0.3 * gaps / np.minimum(ends.widths[one], ends.widths[other])
    links, joined_ends, group = list[Link](), set[int](), list(range(len(pieces)))
    for at in np.argsort(costs):
        i, j = int(one[at]), int(other[at])
        if group[i // 2] != group[j // 2] and not {i, j} & joined_ends:
            joined_ends |= {i, j}
            links.append(Link(i, j, float(costs[at])))
            group = [group[i // 2] if member == group[j // 2] else member for member in group]
    (chain,) = chains_of(len(pieces), links)
    return [Piece(pieces[n].path[::-1], pieces[n].width, pieces[n].number) if turn else pieces[n] for n, turn in chain]


def crossing(labels: Labels, classes: NDArray[np.int32]) -> Mask:
    """(n,) whether each object 1..n of labels (H, W) is a straight fibre that crosses another one, or ends at it.

    classes: (n,), see `find_fibres`. The pixels of a straight fibre scatter about their main axis as those of a bar do.
    Two cross where their axes meet within both, or up to the wider one's width beyond, and not at a sharp angle.
    """
    count = len(classes)
    rows, columns = np.nonzero(labels)
    owner = labels[rows, columns]
    areas = np.maximum(np.bincount(owner, minlength=count + 1)[1:], 1)
    y, x = (np.bincount(owner, along, count + 1)[1:] / areas for along in (rows, columns))
    dy, dx = rows - y[owner - 1], columns - x[owner - 1]
    yy, xx, xy = (np.bincount(owner, part, count + 1)[1:] / areas for part in (dy * dy, dx * dx, dx * dy))
    turn, apart, mean_square = np.arctan2(2 * xy, xx - yy) / 2, np.hypot((xx - yy) / 2, xy), (xx + yy) / 2
    lengths = np.sqrt(12 * (mean_square + apart))
    across = np.sqrt(12 * np.maximum(mean_square - apart, 1 / 12))
    widths = areas / lengths
    straight = (classes == 0) & (lengths >= ASPECT * widths) & (across <= BENT * widths + 1)
    chosen = np.flatnonzero(straight)
    if len(chosen) < 2:
        return np.zeros(count, bool)
    ways = np.stack([np.sin(turn[chosen]), np.cos(turn[chosen])], axis=1)
    off = np.stack([y[chosen], x[chosen]], axis=1)
    off = off[None] - off[:, None]  # from one to the other
    sine = ways[:, None, 0] * ways[None, :, 1] - ways[:, None, 1] * ways[None, :, 0]
    clear = np.where(abs(sine) > SHARP, sine, np.inf)
    along = (off[..., 0] * ways[None, :, 1] - off[..., 1] * ways[None, :, 0]) / clear
    reach = np.maximum(widths[chosen][:, None], widths[chosen])
    within = (abs(along) <= lengths[chosen][:, None] / 2 + reach) & np.isfinite(clear)
    crosses = np.zeros(count, bool)
    crosses[chosen] = (within & within.T).any(1)
    return crosses


def clarity(maps: NDArray[np.uint8], threshold: float) -> tuple[float, float | None, int]:
    """The clarity, typical width in px and number of cores of the fibres in maps (2, H, W), for a scale search.

    Clarity is the fourth root of a product, 0 to 1: the mean probability of the foreground, the mean inner distance of
    its middle, and factors below 1 where its pieces are compact or it is most of the image.
    """
    mask = maps[0] >= max(1, round(255 * threshold))
    middle = mask & (maps[1] >= ndimage.maximum_filter(maps[1], 3)) & (maps[1] >= round(255 * CORE))
    if mask.mean() < NOTHING or not middle.any():
        return 0.0, None, 0
    depth = inner_depth(mask)
    clear = float(maps[0][mask].mean()) * float(maps[1][middle].mean()) / 255**2
    # The pores between fibres, seen in the other polarity, are compact, and they are most of the image.
    compared = np.log(elongation(*areas_and_radii(ndimage.label(mask)[0]))) / np.log(NETWORK)
    clear *= float(np.clip(compared, 0.01, 1) * (1 - 0.3 * mask.mean()))
    clear **= 0.25  # above CLEAR of the scale search where fibres are seen
    return clear, max(2 * float(np.median(depth[middle])) - HALF, 1.0), ndimage.label(middle, ALL_SIDES)[1]


def areas_and_radii(labels: Labels) -> tuple[Floats, Floats]:
    """(n,) the area in px of each object (H, W), and the radius of the largest circle around one of its pixels that
    lies within objects."""
    numbers = np.unique(labels[labels > 0])
    depth = inner_depth(labels > 0)
    deepest = ndimage.maximum(depth, labels, numbers)
    return np.bincount(labels.ravel())[numbers].astype(float), np.asarray(deepest, np.float64)


def elongation(areas: Floats, radii: Floats) -> float:
    """The areas of objects over those of the largest circles in them, weighted by area: about 1 of discs and of the
    pores between fibres, large of fibres and their networks."""
    return float(np.average(areas / (np.pi * radii**2), weights=areas))
