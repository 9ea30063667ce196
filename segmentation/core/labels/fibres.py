"""Finds fibres in the maps of a network, and follows each fibre through its crossings.

The middle of the foreground is thinned to a skeleton, which is cut where its lines meet. The pieces are then joined end
to end, the best pair first: two ends fit if they continue in the same direction, with the same width, and through
foreground. A pixel belongs to one fibre only: at a crossing to the fibre that the network saw on top, otherwise to the
thicker fibre. In this file a "piece" is a part of a fibre.
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

from .lines import ALL_SIDES, inner_depth, path_length, smoothed_path, tree_of

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]

CORE = 0.5  # inner distance from which on a pixel belongs to the middle of a fibre
# Where all inner distances near a pixel are below SURE_CORE, the middle is all pixels with at least RIDGE times the
# highest inner distance nearby.
SURE_CORE, RIDGE = 0.6, 0.75
ASPECT = 3.0  # length over width, from which on an object is a fibre, as the WHO counts
WIDTH_EXCESS_PX = 0.5  # px: twice the depth of the middle is the width, or 1 px more; on average half a pixel too much
SHORTEST_PX = 4  # px of a piece of a skeleton
# Costs of joining two ends: a turn by TURN_RAD costs 1, a change of the width by the factor exp(WIDTH_LOG_RATIO)
# also costs 1.
TURN_RAD, WIDTH_LOG_RATIO = 0.3, 0.35
HIGHEST_COST = 6.0  # ends whose cost is higher are not joined
CLEAR_ELONGATION = 300.0  # `elongation` of a fully clear mat of fibres
LEAST_FOREGROUND = 0.002  # share of the picture; with less it shows no fibres
LEAST_BEND = 1.5  # a fibre is bent if its pixels spread across its axis more than this times as far as a bar's
LEAST_SINE = 0.25  # sine of an angle; under a smaller one two fibres lie along each other and do not cross
MOST_BARE = 0.34  # largest share of background in a gap between two ends of one fibre


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a fibre between two crossings, or between a crossing and the fibre's end.

    path: (n, 2) rows and columns of its smoothed middle line. width: px. number: the label of its object, 0 if not
    known.
    """

    path: Floats
    width: float
    number: int = 0

    @property
    def length(self) -> float:
        """The length of the path in px."""
        return path_length(self.path)


def _outwards(path: Floats, width: float) -> Floats:
    """The unit vector (row, column) in which a path (n, 2) continues beyond its last point. The last few points are not
    used, because a path bends at a crossing."""
    count = len(path)
    skipped = min(round(0.3 * width), count // 4)
    last = path[max(0, count - skipped - max(8, round(2 * width))) : count - skipped]
    direction = np.linalg.svd(last - last.mean(0), full_matrices=False)[2][0]
    forward = direction @ (last[-1] - last[0])
    return np.asarray(direction if forward >= 0 else -direction, np.float64)


@dataclass(frozen=True)
class Link:
    """Two ends of pieces, numbered as in `Ends`, that are joined, and the cost of joining them."""

    one: int
    other: int
    cost: float


def ordered_paths(bone: Mask, numbers: Labels) -> Iterator[tuple[int, Floats]]:
    """The number and the path (n, 2) of each connected part of a skeleton that has at least SHORTEST_PX px. The path is
    the longest one through the part, without branches.

    bone: (H, W) the skeleton. numbers: (H, W); pixels with different numbers are not connected.
    """
    points, point_numbers = np.argwhere(bone), numbers[bone]
    if not len(points):
        return
    tree = tree_of(np.pad(bone, 1), np.pad(numbers, 1))
    count, parts = csgraph.connected_components(tree, directed=False)
    order, graph = np.argsort(parts, kind="stable"), tree + tree.T
    nodes_of_parts = np.split(order, np.cumsum(np.bincount(parts, minlength=count))[:-1])
    if not (long_parts := [nodes for nodes in nodes_of_parts if len(nodes) >= SHORTEST_PX]):
        return
    # One search serves all parts: each has one source, and no path leads to another part.
    distances = csgraph.dijkstra(graph, indices=[nodes[0] for nodes in long_parts], min_only=True)
    starts = [int(nodes[np.argmax(distances[nodes])]) for nodes in long_parts]
    distances, before, _ = csgraph.dijkstra(graph, indices=starts, min_only=True, return_predecessors=True)
    for nodes, start in zip(long_parts, starts, strict=True):
        path = [int(nodes[np.argmax(distances[nodes])])]
        while path[-1] != start:
            path.append(int(before[path[-1]]))
        yield int(point_numbers[nodes[0]]), points[path].astype(float)


def find_fibres(maps: NDArray[np.uint8], threshold: float) -> tuple[Labels, NDArray[np.int32]]:
    """(H, W) int32 labels 1..n, and the class (n,) of each object: 0 for a fibre, 1 for an object too short for a
    fibre.

    maps: (2, H, W) uint8, foreground and inner distance, 0..255 for 0..1. threshold: least foreground of an object.
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
        line = np.linspace(start, end, max(2, round(2 * float(np.hypot(*(end - start)))) + 1))
        rows, columns = np.rint(line).astype(int).T
        number = number_of[link.one // 2]
        if np.isin(markers[rows, columns], [0, number]).all():  # no other fibre lies there already
            markers[rows, columns] = number
    connected, count = ndimage.label(mask, ALL_SIDES)
    has_marker = np.bincount(connected.ravel(), markers.ravel() > 0, count + 1) > 0
    without_piece = ~has_marker[connected] & mask
    blobs, _ = ndimage.label(without_piece, ALL_SIDES)
    markers[without_piece] = blobs[without_piece] + len(chains)
    labels = watershed(255 - maps[1], markers, mask=mask).astype(np.int32)
    return numbered_fibres(labels, chains, pieces)


def numbered_fibres(
    labels: Labels, chains: Sequence[Chain], pieces: Sequence[Piece]
) -> tuple[Labels, NDArray[np.int32]]:
    """The labels (H, W) numbered 1..n, without objects of fewer than 9 px, and the class of each (see `find_fibres`).

    chains: the pieces of the fibres with labels 1, 2, ...; higher labels are objects without pieces.
    """
    areas = np.bincount(labels.ravel(), minlength=len(chains) + 1)
    is_fibre = np.zeros(len(areas), bool)
    for number, chain in enumerate(chains, start=1):
        length = sum(pieces[piece].length for piece, _ in chain) + min(pieces[piece].width for piece, _ in chain)
        is_fibre[number] = length * length >= ASPECT * areas[number]  # because area = length x width
    keep = areas >= 9
    keep[0] = False
    return (np.cumsum(keep) * keep).astype(np.int32)[labels], np.where(is_fibre, 0, 1)[keep].astype(np.int32)


Chain = list[tuple[int, bool]]  # the pieces of a fibre in order, and whether each runs backwards


def find_pieces(mask: Mask, distance: NDArray[np.uint8]) -> list[Piece]:
    """The pieces of all fibres. mask: (H, W) the foreground. distance: (H, W) the inner distance, 0..255."""
    core = mask & (distance >= round(255 * CORE))
    # Where the network is unsure, in dense mats of thin fibres, only the ridges of its inner distance count.
    depth = inner_depth(mask)
    unsure = (ndimage.maximum_filter(distance, 9) < round(255 * SURE_CORE)) & (ndimage.maximum_filter(depth, 15) < 8)
    core |= mask & unsure & (distance >= RIDGE * ndimage.maximum_filter(distance, 7))
    connected, count = ndimage.label(mask, ALL_SIDES)
    has_no_core = np.bincount(connected.ravel(), core.ravel(), count + 1) == 0
    core |= has_no_core[connected] & mask
    bone = skeletonize(np.pad(core, 1))[1:-1, 1:-1] > 0
    neighbours = ndimage.convolve(bone.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant") - bone
    junctions = bone & (neighbours > 2)
    near = ndimage.binary_dilation(junctions, ALL_SIDES)
    parts, _ = ndimage.label(bone & ~near, ALL_SIDES)
    at_junction = ndimage.binary_dilation(near, ALL_SIDES, iterations=2)
    pieces = []
    for _, path in ordered_paths(bone & ~near, parts.astype(np.int32)):
        rows, columns = path.astype(int).T
        width = 2 * float(np.median(depth[rows, columns])) - WIDTH_EXCESS_PX
        ends = at_junction[rows[[0, -1]], columns[[0, -1]]]
        length = len(path)
        is_spur = ends.sum() == 1 and length < 1.2 * width
        is_bridge = ends.all() and length < 1.5 * width and length < 24
        if not (is_spur or is_bridge):
            pieces.append(Piece(smoothed_path(path), max(width, 1.0)))
    return pieces


@dataclass(frozen=True, eq=False)
class Ends:
    """The two ends of each of n pieces: end 2 k is the first point of piece k, and end 2 k + 1 its last point.

    places: (2 n, 2) rows and columns. directions: (2 n, 2) unit vectors out of the piece. widths: (2 n,) px.
    """

    places: Floats
    directions: Floats
    widths: Floats

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Ends:
        places = [end for piece in pieces for end in (piece.path[0], piece.path[-1])]
        directions = [_outwards(path, piece.width) for piece in pieces for path in (piece.path[::-1], piece.path)]
        return cls(np.array(places), np.array(directions), np.repeat([piece.width for piece in pieces], 2))

    def costs(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """(m,) each: the costs of joining m pairs of ends, from 0 on, and the gaps between the ends in px.

        one, other: (m,) the numbers of the ends. A cost is the sum of costs of the turn, the offset sideways, the
        change of width, the gap, and of going backwards, which no other advantage outweighs.
        """
        leaving, arriving = self.directions[one], -self.directions[other]
        gap_vector = self.places[other] - self.places[one]
        gap, width = np.hypot(*gap_vector.T), np.minimum(self.widths[one], self.widths[other])
        turn = np.arccos(np.clip((leaving * arriving).sum(1), -1, 1))
        mean_direction = leaving + arriving
        mean_direction /= np.maximum(np.hypot(*mean_direction.T), 1e-9)[:, None]
        sideways = np.abs(mean_direction[:, 0] * gap_vector[:, 1] - mean_direction[:, 1] * gap_vector[:, 0])
        is_backwards = (mean_direction * gap_vector).sum(1) < -0.7 * width
        offset = sideways / (0.35 * width + 0.15 * gap + 0.7)
        ratio = np.log(self.widths[one] / self.widths[other]) / WIDTH_LOG_RATIO
        return (turn / TURN_RAD) ** 2 + offset**2 + ratio**2 + 0.15 * gap / (width + 2) + 99 * is_backwards, gap


def find_links(pieces: Sequence[Piece], mask: Mask, depth: Floats) -> list[Link]:
    """The pairs of ends to join, each end in one pair at most; the pairs with the lowest cost come first.

    mask: (H, W) the foreground. depth: (H, W) px, the distance to the edge of the mask.
    """
    if not pieces:
        return []
    ends = Ends.of(pieces)
    reach = min(12 + 6 * float(depth.max(initial=0)), 200.0)
    pairs = cKDTree(ends.places).query_pairs(reach, output_type="ndarray")
    pairs = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2]
    costs, _ = ends.costs(*pairs.T)
    is_good = costs < HIGHEST_COST
    links = [
        Link(i, j, cost)
        for (i, j), cost in zip(pairs[is_good].tolist(), costs[is_good].tolist(), strict=True)
        if _may_join(ends.places[i], ends.places[j], mask, depth, float(ends.widths[[i, j]].min()))
    ]
    joined_ends, best_links = set[int](), list[Link]()
    for link in sorted(links, key=lambda link: link.cost):
        if not {link.one, link.other} & joined_ends:
            joined_ends |= {link.one, link.other}
            best_links.append(link)
    return best_links


def _may_join(start: Floats, end: Floats, mask: Mask, depth: Floats, width: float) -> bool:
    """Whether the gap between two ends (row, column) can be inside one fibre: it is mostly foreground, or shorter than
    the fibre is wide; and it is at most about 3 times as long as the fibre that lies over it is wide."""
    gap = float(np.hypot(*(end - start)))
    rows, columns = np.rint(np.linspace(start, end, max(2, round(gap) + 1))).astype(int).T
    inside = mask[rows, columns]
    width_above = 2 * float(depth[rows, columns].max())
    return bool((~inside).mean() <= MOST_BARE or gap < width) and gap <= 10 + 3 * max(width_above, width)


def chains_of(count: int, links: Sequence[Link]) -> list[Chain]:
    """The pieces 0..count - 1 as chains: the pieces of each fibre, in order along it. links: the joined ends."""
    joined_to = {link.one: link.other for link in links} | {link.other: link.one for link in links}
    remaining, chains = set(range(count)), list[Chain]()
    for start in range(count):
        if start not in remaining:
            continue
        # end: the number of the end at which a piece is entered; end ^ 1 is the other end of the piece.
        end, visited = 2 * start, {start}
        while end in joined_to and joined_to[end] // 2 not in visited:  # back to the beginning, or once around a ring
            end = joined_to[end] ^ 1
            visited.add(end // 2)
        chain: Chain = []
        while end // 2 in remaining:
            remaining.discard(end // 2)
            chain.append((end // 2, bool(end % 2)))
            end = joined_to.get(end ^ 1, end)
        chains.append(chain)
    return chains


def traced_pieces(labels: Labels) -> dict[int, list[Piece]]:
    """The pieces of each object of a label image (H, W), by its number: in order along the object, all in one
    direction.

    Where another fibre crosses and has the pixels, there is a gap between two pieces. An object whose skeletons have
    fewer than SHORTEST_PX px is left out.
    """
    is_border = np.zeros(labels.shape, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        is_border[one] |= (labels[one] != labels[other]) & (labels[other] > 0)
    inside = np.pad((labels > 0) & ~is_border, 1)
    bone = skeletonize(inside)[1:-1, 1:-1] > 0
    depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
    pieces_of: dict[int, list[Piece]] = defaultdict(list)
    for number, path in ordered_paths(bone, labels):
        rows, columns = path.astype(int).T
        width = max(2 * float(np.median(depth[rows, columns])) - WIDTH_EXCESS_PX, 1.0)
        pieces_of[number].append(Piece(smoothed_path(path), width, number))
    return {number: ordered_pieces(pieces) for number, pieces in pieces_of.items()}


def ordered_pieces(pieces: list[Piece]) -> list[Piece]:
    """The pieces of one fibre in order from end to end, without those shorter than half its width. All are joined, the
    ends with the lowest cost first."""
    widest, longest = max(piece.width for piece in pieces), max(piece.length for piece in pieces)
    pieces = [piece for piece in pieces if piece.length >= 0.5 * widest or piece.length == longest]
    ends = Ends.of(pieces)
    one, other = np.triu_indices(2 * len(pieces), 1)
    costs, gaps = ends.costs(one, other)
    costs += 0.3 * gaps / np.minimum(ends.widths[one], ends.widths[other])
    links, joined_ends, group = list[Link](), set[int](), list(range(len(pieces)))
    for pair in np.argsort(costs):
        i, j = int(one[pair]), int(other[pair])
        if group[i // 2] != group[j // 2] and not {i, j} & joined_ends:
            joined_ends |= {i, j}
            links.append(Link(i, j, float(costs[pair])))
            group = [group[i // 2] if member == group[j // 2] else member for member in group]
    (chain,) = chains_of(len(pieces), links)
    return [
        Piece(pieces[n].path[::-1], pieces[n].width, pieces[n].number) if is_backwards else pieces[n]
        for n, is_backwards in chain
    ]


def are_crossing(labels: Labels, classes: NDArray[np.int32]) -> Mask:
    """(n,) whether each object 1..n of labels (H, W) is a straight fibre that crosses another one, or ends at it.

    classes: (n,), see `find_fibres`. A fibre is straight if its pixels spread across its main axis as in a bar.
    Two fibres cross if their axes meet within both, or beyond them by at most the width of the wider one, and not at a
    sharp angle.
    """
    count = len(classes)
    rows, columns = np.nonzero(labels)
    owner = labels[rows, columns]
    areas = np.maximum(np.bincount(owner, minlength=count + 1)[1:], 1)
    y, x = (np.bincount(owner, places, count + 1)[1:] / areas for places in (rows, columns))
    dy, dx = rows - y[owner - 1], columns - x[owner - 1]
    yy, xx, xy = (np.bincount(owner, part, count + 1)[1:] / areas for part in (dy * dy, dx * dx, dx * dy))
    # The main axes of the second moments: angle, and the length and thickness of a bar with these moments.
    angles, difference, mean = np.arctan2(2 * xy, xx - yy) / 2, np.hypot((xx - yy) / 2, xy), (xx + yy) / 2
    lengths = np.sqrt(12 * (mean + difference))
    thickness = np.sqrt(12 * np.maximum(mean - difference, 1 / 12))
    widths = areas / lengths
    straight = np.flatnonzero((classes == 0) & (lengths >= ASPECT * widths) & (thickness <= LEAST_BEND * widths + 1))
    if len(straight) < 2:
        return np.zeros(count, bool)
    directions = np.stack([np.sin(angles[straight]), np.cos(angles[straight])], axis=1)
    centres = np.stack([y[straight], x[straight]], axis=1)
    offsets = centres[None] - centres[:, None]  # from one fibre to another
    sine = directions[:, None, 0] * directions[None, :, 1] - directions[:, None, 1] * directions[None, :, 0]
    sine = np.where(abs(sine) > LEAST_SINE, sine, np.inf)
    # How far along its axis, from its centre, each fibre is met by the axis of each other one.
    meeting = (offsets[..., 0] * directions[None, :, 1] - offsets[..., 1] * directions[None, :, 0]) / sine
    reach = np.maximum(widths[straight][:, None], widths[straight])
    is_within = (abs(meeting) <= lengths[straight][:, None] / 2 + reach) & np.isfinite(sine)
    crosses = np.zeros(count, bool)
    crosses[straight] = (is_within & is_within.T).any(1)
    return crosses


def clarity(maps: NDArray[np.uint8], threshold: float) -> tuple[float, float | None, int]:
    """The clarity of fibres in maps (2, H, W), their typical width in px, and the number of their cores. The scale
    search chooses the working scale by these.

    Clarity, 0 to 1, is the fourth root of a product: the mean probability of the foreground, the mean inner distance of
    its middle, and two factors below 1 if its objects are compact or if it covers most of the image.
    """
    mask = maps[0] >= max(1, round(255 * threshold))
    middle = mask & (maps[1] >= ndimage.maximum_filter(maps[1], 3)) & (maps[1] >= round(255 * CORE))
    if mask.mean() < LEAST_FOREGROUND or not middle.any():
        return 0.0, None, 0
    depth = inner_depth(mask)
    product = float(maps[0][mask].mean()) * float(maps[1][middle].mean()) / 255**2
    # The pores between fibres, seen in the other polarity, are compact, and they are most of the image.
    relative = np.log(elongation(*areas_and_radii(ndimage.label(mask)[0]))) / np.log(CLEAR_ELONGATION)
    product *= float(np.clip(relative, 0.01, 1) * (1 - 0.3 * mask.mean()))
    clear = product**0.25  # the root is above CLEAR of the scale search if fibres are seen
    return clear, max(2 * float(np.median(depth[middle])) - WIDTH_EXCESS_PX, 1.0), ndimage.label(middle, ALL_SIDES)[1]


def areas_and_radii(labels: Labels) -> tuple[Floats, Floats]:
    """(n,) each: the area in px of every object in labels (H, W), and the radius in px of the largest circle around one
    of its pixels that contains no background."""
    numbers = np.unique(labels[labels > 0])
    depth = inner_depth(labels > 0)
    deepest = ndimage.maximum(depth, labels, numbers)
    return np.bincount(labels.ravel())[numbers].astype(float), np.asarray(deepest, np.float64)


def elongation(areas: Floats, radii: Floats) -> float:
    """The mean ratio, weighted by area, of an object's area to that of the largest circle in it: about 1 for discs and
    for pores between fibres, large for fibres and networks of fibres. areas, radii: (n,), from `areas_and_radii`."""
    return float(np.average(areas / (np.pi * radii**2), weights=areas))
