"""Joins pieces of one particle: those of a crystal that a dark band cuts, those of a rod on both sides of another, and
the overlap of two particles, which a network outlines as one of its own."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array

from .completion import GOOD_PX, inside_of, is_good, seen_rims
from .fits import Fits, fitted
from .seen import Bools, Floats, Ints, Labels, Seen

FEWEST_POINTS = 6  # of a piece
COMPLETE = 0.96  # share of its fitted outline that an object holds: two such are not pieces of one particle
# Times the RMS distance of two pieces: that of their common outline at most; and if each alone has a good outline.
WORSE, WORSE_THAN_GOOD = 2.0, 1.3
MOST_GROUND = 0.06  # share of the area of the common outline that lies on background
LEAST_SEEN = 0.45  # share of the common outline with a piece on one side and background on the other
# px, or share of the width, by which the free rim of pieces may lie inside of their common outline; and the share of
# the rims that may lie so far outside.
NOTCH_PX, NOTCH_SHARE, MOST_OUTSIDE = 1.5, 0.04, 0.08
FEWEST_WHOLE, USUAL, LONGER = 5, (0.7, 1.4), 1.3  # see `_are_usual`
DARKER, MOST_DENSITY = 1.1, 1.35  # optical density of an overlap: by that of either object, and by that of both
LENS_COVERED, LENS_SIDE, LENS_INSIDE, LENS_ONE = 0.8, 0.2, 0.9, 0.6  # see `without_lenses`


def joined(shown: Seen) -> tuple[Labels, Ints] | None:
    """The labels with pieces of one particle joined, two at a time, and the object that each comes from; None without
    any. Pieces touch each other or the same object, their free rims lie on one outline, and have no notch between."""
    one, two = _pairs(shown)
    if not len(one):
        return None
    points, weights = (np.concatenate([part[one], part[two]], 1) for part in (shown.points, shown.weights))
    fits, sure = fitted(points, weights, shown.squares), shown.sure
    apart = np.sqrt((shown.fits.rms**2 * sure)[one] + (shown.fits.rms**2 * sure)[two]) / np.sqrt(sure[one] + sure[two])
    limit = np.where(shown.good[one] & shown.good[two], WORSE_THAN_GOOD * apart, np.maximum(GOOD_PX, WORSE * apart))
    is_one = is_good(fits) & (fits.rms <= limit)
    is_one &= inside_of(fits, shown.labels, one + 1).ground <= MOST_GROUND
    is_one &= seen_rims(fits, shown.labels, one + 1, two + 1)[2] >= LEAST_SEEN
    is_one &= ~_are_usual(shown, one, two, 2 * fits.half[:, 0])
    target, is_joined = np.arange(len(shown)), np.zeros(len(shown), np.bool_)
    for k in np.flatnonzero(is_one)[np.argsort(fits.rms[is_one])].tolist():
        pair = [one[k], two[k]]
        if not is_joined[pair].any() and _has_no_notch(fits.chosen(np.array([k])), shown, np.isin(shown.owner, pair)):
            is_joined[pair] = True
            target[two[k]] = one[k]
    return _merged(shown.labels, target)


def _merged(labels: Labels, target: Ints) -> tuple[Labels, Ints] | None:
    """The labels with each object 0.. merged into its target (n,), and which object each comes from."""
    kept, new = np.unique(target, return_inverse=True)
    return (np.r_[0, new + 1].astype(np.int32)[labels], kept + 1) if len(kept) < len(target) else None


def _pairs(shown: Seen) -> tuple[Ints, Ints]:
    """(p,) and (p,) the objects of pairs that may be pieces of one particle: both touch each other or the same object,
    at least one is not complete, and enough is free of the rim that a disc of their area would have."""
    n, (one, two, _) = len(shown), shown.contacts()
    if not len(one):
        return one, two
    graph = coo_array((np.ones(len(one), np.int64), (one, two)), (n, n)).tocsr()
    graph = graph + graph.T
    near = (graph + graph @ graph).tocoo()
    one, two = near.row.astype(np.int64), near.col.astype(np.int64)
    is_piece, is_complete = shown.sure >= FEWEST_POINTS, shown.good & (shown.own_share >= COMPLETE)
    is_pair = (one < two) & is_piece[one] & is_piece[two] & ~(is_complete[one] & is_complete[two])
    one, two = one[is_pair], two[is_pair]
    free = (
        np.bincount(shown.owner, shown.rims.free, n) * np.pi / 4
    )  # px; a contour has a point for each side of a pixel
    is_enough = free[one] + free[two] >= LEAST_SEEN * np.sqrt(4 * np.pi * (shown.areas[one] + shown.areas[two]))
    return one[is_enough], two[is_enough]


def _are_usual(shown: Seen, one: Ints, two: Ints, length: Floats) -> Bools:
    """(p,) whether the two objects of each pair are both as large as those that are seen whole, and both together,
    with a `length` (p,), longer than these. So cubes side by side stay cubes."""
    is_whole = shown.good & (shown.covered < 0.15) & ~shown.at_frame
    if is_whole.sum() < FEWEST_WHOLE:
        return np.zeros(len(one), np.bool_)
    size = shown.areas / np.median(shown.areas[is_whole])
    is_usual = (size > USUAL[0]) & (size < USUAL[1])
    longest = float(np.quantile(2 * shown.fits.half[is_whole, 0], 0.9))
    return np.asarray(is_usual[one] & is_usual[two] & (length > LONGER * longest))


def _has_no_notch(fit: Fits, shown: Seen, is_member: Bools) -> bool:
    """Whether no free point of pieces (k,) lies inside of their common outline, and few points lie outside."""
    away = fit.distances(shown.lines.points[is_member][None])[0]
    limit = max(NOTCH_PX, NOTCH_SHARE * float(fit.widths[0]))
    is_notch = (away < -limit) & shown.rims.free[is_member]
    return not is_notch.any() and bool((away > limit).mean() <= MOST_OUTSIDE)


def without_lenses(shown: Seen, densities: Floats) -> tuple[Labels, Ints] | None:
    """The labels of a picture with dark particles in which the overlap of two belongs to one of them.

    An overlap is covered all round, has both of them at its sides, and lies inside of the outlines fitted to them. It
    is darker than either, and about as dark as their optical densities together. densities: (H, W), over the
    background.
    """
    density = np.bincount(shown.labels.ravel(), densities.ravel(), len(shown) + 1)[1:] / np.maximum(shown.areas, 1)
    lens, beside, border = shown.contacts()
    is_side = (border >= LENS_SIDE) & (shown.covered[lens] >= LENS_COVERED) & (density[lens] > DARKER * density[beside])
    lens, beside = lens[is_side], beside[is_side]
    target, is_kept = np.arange(len(shown)), np.zeros(len(shown), np.bool_)
    for number in np.unique(lens).tolist():
        sides = beside[lens == number]
        rim = shown.lines.points[shown.owner == number]
        is_in = shown.fits.chosen(sides).distances(np.repeat(rim[None], len(sides), 0)) <= NOTCH_PX
        is_in &= shown.good[sides, None]
        order = np.argsort(-is_in.mean(1))[:2]
        if len(order) < 2 or is_kept[number] or density[number] > MOST_DENSITY * density[sides[order]].sum():
            continue
        if is_in[order].any(0).mean() >= LENS_INSIDE and is_in[order[0]].mean() >= LENS_ONE:
            target[number] = sides[order[0]]
            is_kept[sides] = True
    target = target[target]
    return _merged(shown.labels, target)
