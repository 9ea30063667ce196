"""The pieces into which possible cuts would divide outlines, and the probability that each outline
or piece is one particle. These probabilities weight the sizes in the distribution.

An outline of several particles makes sizes too large, so sizes of outlines alone are biased. The
possible cuts of an outline are applied one after the other, the likeliest first. A cut divides the
outline, or the piece that an earlier cut made, into pieces. A piece is one particle with the
probability that the cuts that made it are right and the next cut through it is wrong. An outline
without possible cuts has the probability 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from ...labels.bands import Ids, boxes, ids_in
from ...labels.corrections.geometry import SMALLEST, Box, Mask, line_pixels, to_edge
from ...labels.segmentation import Cut
from ...remembered import calculated_once
from ..objects.cutouts import CutOut
from ..objects.regions import INSIDE
from ..outlines.polygons import NO_SHIFTS, Shifts
from ..shape.cut_out_tables import cut_out_table
from ..sizes.distribution import nano_share, quantile
from ..table import Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


DRAWS = 100  # random draws; each decides which outlines and pieces are particles


class Piece(NamedTuple):
    """A piece of an outline. box: in the image. mask: (h, w) its pixels in the box. parent: index
    of the outline or piece that was divided, outlines first. level: how many cuts made it."""

    box: Box
    mask: Mask
    parent: int
    level: int


@dataclass(frozen=True, eq=False)
class PossiblePieces:
    """n outlines and their k possible pieces; in arrays (n + k,) the outlines come first.

    count: n. odds: (n + k,) the log-odds that the cut which divides each is right, -inf without a
    cut."""

    count: int
    pieces: Sequence[Piece]
    odds: Floats

    @property
    def owners(self) -> Ints:
        """(n + k,) index of the outline that each outline or piece belongs to."""
        owners = list(range(self.count))
        for piece in self.pieces:
            owners.append(owners[piece.parent])
        return np.array(owners, np.int64)

    def probabilities(self) -> Floats:
        """(n + k,) the probability that each outline or piece is one particle."""
        divided = special.expit(self.odds)
        exists = np.ones(len(self.odds))
        for index, piece in enumerate(self.pieces, self.count):
            exists[index] = exists[piece.parent] * divided[piece.parent]
        return np.asarray(exists * (1 - divided), np.float64)

    def pieces_inside(self, mask: Mask) -> Mask:
        """(k,) whether the share INSIDE or more of each piece lies in the mask (H, W)."""
        crops = ((piece.mask, mask[piece.box[0] : piece.box[2], piece.box[1] : piece.box[3]]) for piece in self.pieces)
        return np.array([crop[pixels].mean() >= INSIDE for pixels, crop in crops], np.bool_)

    def sampled(self, rng: np.random.Generator, spread: float) -> NDArray[np.bool_]:
        """(n + k, DRAWS) whether each outline or piece is a particle in each random draw, which decides
        what cuts are right. spread: SD of an error that all log-odds of an image share."""
        shifts = spread * rng.standard_normal(DRAWS)
        divided = rng.random((len(self.odds), DRAWS)) < special.expit(self.odds[:, None] + shifts)
        exists = np.ones(divided.shape, bool)
        for index, piece in enumerate(self.pieces, self.count):
            exists[index] = exists[piece.parent] & divided[piece.parent]
        return np.asarray(exists & ~divided)


def possible_pieces(
    labels: NDArray[np.int32], cuts: Sequence[Cut], decided: Collection[int] = (), ids: Ids | None = None
) -> PossiblePieces:
    """The outlines of `labels` (H, W) with the ids (n,), or 1..n, and the pieces into which `cuts`
    would divide them. decided: ids of outlines that a person has decided on; these are not
    divided."""
    ids = ids_in(labels, ids)
    count = len(ids)
    odds = [-np.inf] * count
    if not cuts:
        return PossiblePieces(count, [], np.array(odds))
    current, pieces, highest = labels.copy(), list[Piece](), int(ids.max(initial=0))
    box_of: list[Box] = [(top, left, bottom, right) for top, left, bottom, right in boxes(labels, ids).tolist()]
    for cut in cuts:
        number = cut.divides(lambda box: current[box[0] :, box[1] :])
        if not number or number in decided:
            continue
        index = int(np.searchsorted(ids, number)) if number <= highest else count + number - highest - 1
        top, left, bottom, right = box = box_of[index]
        inside = current[top:bottom, left:right] == number
        parts = divided_by(inside, np.array(cut.line, float), box)
        if parts is None:
            continue
        odds[index] = float(special.logit(cut.probability))
        level = pieces[index - count].level + 1 if index >= count else 1
        for part, place in enumerate(ndimage.find_objects(parts), 1):
            mask = parts[place] == part
            y, x = top + place[0].start, left + place[1].start
            box_of.append((y, x, y + mask.shape[0], x + mask.shape[1]))
            pieces.append(Piece(box_of[-1], mask, index, level))
            odds.append(-np.inf)
            current[y : box_of[-1][2], x : box_of[-1][3]][mask] = highest + len(pieces)
    return PossiblePieces(count, pieces, np.array(odds))


def pieces_of(
    dense: NDArray[np.int32], cuts: Sequence[Cut], places: Sequence[int], shifts: Shifts = NO_SHIFTS
) -> dict[int, list[CutOut]]:
    """The pieces that cuts make, by the place of the cut in `cuts`: the pieces into which the cut, and the
    cuts at whose lines it ends, divide their outline. Cuts that divide nothing have no entry.

    dense: (H, W), the outlines 1..n. places: of the wanted cuts in `cuts`. shifts: where the picture shows the edges.
    """
    boxes, pieces = ndimage.find_objects(dense), dict[int, list[CutOut]]()
    divided = {at: cuts[at].divides(lambda box: dense[box[0] :, box[1] :]) for at in range(len(cuts))}
    for place in places:
        number = divided[place]
        if not number:
            continue
        rows, columns = boxes[number - 1]
        alone = (dense[rows, columns] == number).astype(np.int32)
        its_cuts = [cuts[at] for at in _chain(cuts, place) if divided[at] == number]
        chain = [cut.shifted(-columns.start, -rows.start) for cut in its_cuts]
        tree = possible_pieces(alone, chain)
        parents = {piece.parent for piece in tree.pieces}
        leaves = [piece for at, piece in enumerate(tree.pieces, tree.count) if at not in parents]
        if leaves:
            pieces[place] = [
                CutOut.within(leaf.mask, rows.start + leaf.box[0], columns.start + leaf.box[1], shifts.map)
                for leaf in leaves
            ]
    return pieces


def _chain(cuts: Sequence[Cut], place: int) -> list[int]:
    """The places in `cuts`, ascending, of one cut and of all cuts at whose lines it ends."""
    return sorted({place, *(at for before in cuts[place].after for at in _chain(cuts, before))})


def divided_by(inside: Mask, line: Floats, box: Box) -> NDArray[np.int32] | None:
    """(h, w) the parts 1, 2, ... into which a line divides an object; None if it does not divide it
    into two or more parts of SMALLEST px. inside: (h, w) the object's pixels in a box. line: (n, 2)
    points.

    The result is kept in the cache (`core.remembered`).
    """

    def key() -> tuple[object, ...]:
        pixels = blake2b(np.packbits(inside).tobytes(), digest_size=16).digest()
        return "parts", tuple(map(int, box)), pixels, line.tobytes()

    return calculated_once(key, lambda: _divided_by(inside, line, box))


def _divided_by(inside: Mask, line: Floats, box: Box) -> NDArray[np.int32] | None:
    """As `divided_by`, without the cache. A line that ends inside the object is tried again with its
    ends at the edge."""
    for points in (line, to_edge(line, inside, box)):
        parts, count = ndimage.label(inside & ~line_pixels(points, box))
        areas = np.bincount(parts.ravel())
        large = [part for part in range(1, count + 1) if areas[part] >= SMALLEST]
        if len(large) > 1:
            numbers = np.zeros(count + 1, np.int32)
            numbers[large] = range(1, len(large) + 1)
            parts = numbers[parts]
            nearest = ndimage.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
            return np.where(inside, parts[tuple(nearest)], 0).astype(np.int32)
    return None


def sizes_of_pieces(
    tree: PossiblePieces, nm_per_pixel: float | None, frame: tuple[int, int], shifts: Shifts = NO_SHIFTS
) -> Table | None:
    """The table of the pieces with their sizes, all counted; None without pieces. frame: analysed
    rows, and columns. shifts: where the picture shows the edges."""
    if not tree.pieces:
        return None
    pieces = [CutOut.within(piece.mask, *piece.box[:2], shifts.map) for piece in tree.pieces]
    return cut_out_table(pieces, nm_per_pixel, frame, only_sizes=True)


def sampled_answers(
    tree: PossiblePieces, table: Table, pieces: Table | None, spread: float, seed: int
) -> list[tuple[float, float]]:
    """Median and fraction from 1 to 100 nm in each of DRAWS random draws, which decide what cuts are
    right; [] if no outline has possible cuts.

    table, pieces: the judged tables of outlines and of pieces. spread: see
    `PossiblePieces.sampled`.
    """
    if pieces is None:
        return []
    kept = np.concatenate([table.kept, pieces.kept])
    size = np.concatenate([table.length("min_feret"), pieces.length("min_feret")])[kept]
    rising = np.argsort(size)
    size, sampled = size[rising], tree.sampled(np.random.default_rng(seed), spread)[kept][rising].T
    answers = ((size[is_object], np.ones(int(is_object.sum()))) for is_object in sampled if is_object.any())
    return [(quantile(sizes, weights, 0.5), nano_share(sizes, weights)) for sizes, weights in answers]
