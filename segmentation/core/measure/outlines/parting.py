"""Parts outlines that hold several particles which lie on each other.

The free rim of such an outline is cut at its concave points into arcs. Each arc, and each pair of arcs, may be the rim
of one particle. If few of these together lie along the rim much better than one outline does, and it is darker where
they overlap, the object is parted.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..pixels.hulls import hull_areas
from .arcs import arcs_of
from .completion import GOOD_PX, GOOD_SHARE, LEAST_COVERED, LEAST_POINTS, MOST_GROUND, inside_of, is_good
from .fits import Fits, fitted
from .polygons import Polygons
from .rims import padded
from .seen import Bools, Floats, Ints, Labels, Seen

# An outline may hold several particles if the RMS distance to its fit is over DOUBTFUL_PX + DOUBTFUL_SHARE times its
# width. It does if theirs is at most the share MOST_LEFT of that.
DOUBTFUL_PX, DOUBTFUL_SHARE, MOST_LEFT = 0.2, 0.004, 0.7
FAR_PX, MOST_FAR = 1.5, 0.15  # points farther off are not explained; this share of a rim may not be
MOST_BARE = 0.06  # share of an object's pixels that no part needs to hold
LEAST_OWN = 0.4  # share of a part's area that is the object's own
POINTS = 32  # of an arc in a fit
# Overlaps with more than the share MOST_OVERLAP of the smaller part are two readings of one rim. Those with more than
# LEAST_OVERLAP must be darker, by DARKER times the mean optical density of either part. On drawn pictures this ratio is
# 1.4 to 2.1 for 38 right cuts, 0.6 to 1.3 for most wrong ones of real pictures.
MOST_OVERLAP, LEAST_OVERLAP, DARKER = 0.65, 0.1, 1.35
# One particle that is seen whole lies on others: share of its area that is the object's; of the rim that it explains;
# of the object's pixels that are left; and of its pixels that are darker, all and those along its edge. On drawn
# pictures 26 of 26 such cuts are right; on 30 micrographs of EMPS one is made, a wrong one.
FRONT_OWN, FRONT_RIM, FRONT_LEFT, FRONT_DARK = 0.9, 0.25, (0.2, 0.75), 0.06
SEVERAL = 0.04  # RMS distance by the width, from which an outline with concave points seems to hold several
# Solidity below which a covered outline without a good fit does, too. Of drawn rods (8 to 15 too wide outlines) 11, 10
# and 15 are; of discs, ellipses, bands and squares 0 to 6, where up to 5 particles lack.
MOST_SOLID = 0.93


def parted(shown: Seen, density: Floats) -> tuple[Labels, Ints] | None:
    """The labels with each object parted that holds several particles, and the object 1..n that each comes from; None
    if there is none. density: (H, W) optical density over the background."""
    arc, arc_owner = _arcs(shown, shown.fits.rms > DOUBTFUL_PX + DOUBTFUL_SHARE * shown.fits.widths)
    one, two = _pairs(arc_owner)
    if len(one) == len(arc_owner):  # no object has two arcs
        return None
    points, weights = padded(shown.lines.points, arc, len(arc_owner), POINTS)
    second = np.where((one == two)[:, None], 0.0, weights[two])
    joint = np.concatenate([points[one], points[two]], 1), np.concatenate([weights[one], second], 1)
    fits = fitted(*joint, shown.squares)
    inside = inside_of(fits, shown.labels, arc_owner[one] + 1)
    is_possible = is_good(fits) & (inside.ground <= MOST_GROUND) & (inside.own_share >= LEAST_OWN)
    labels, source, boxes = shown.labels.copy(), [*range(1, len(shown) + 1)], ndimage.find_objects(shown.labels)
    for number in np.unique(arc_owner[one[one != two]]).tolist():
        index = np.flatnonzero(is_possible & (arc_owner[one] == number))
        possible, rim = fits.chosen(index), shown.lines.points[(shown.owner == number) & (arc >= 0)]
        parts = possible.chosen(explaining(possible, rim, shown.fits.chosen(np.array([number]))))
        y, x = np.nonzero(shown.labels[boxes[number]] == number + 1)
        y, x = y + boxes[number][0].start, x + boxes[number][1].start
        part = _part_of(parts, np.c_[x, y] + 0.5, density[y, x])
        if part is None:
            part = _front_of(
                possible.chosen(inside.own_share[index] >= FRONT_OWN), rim, np.c_[x, y] + 0.5, density[y, x]
            )
        if part is not None:
            labels[y, x] = np.r_[number + 1, len(source) + np.arange(1, part.max() + 1)][part]
            source += [number + 1] * int(part.max())
    return (labels, np.array(source, np.int64)) if len(source) > len(shown) else None


def _pairs(arc_owner: Ints) -> tuple[Ints, Ints]:
    """(p,) each: the arcs of all pairs within one object, each arc with itself, too."""
    order = np.argsort(arc_owner, kind="stable")
    owner, pairs = arc_owner[order], [(order, order)]
    for apart in range(1, len(order)):
        is_same = owner[apart:] == owner[:-apart]
        if not is_same.any():
            break
        pairs.append((order[:-apart][is_same], order[apart:][is_same]))
    one, two = (np.concatenate(part).astype(np.int64) for part in zip(*pairs, strict=True))
    rows = np.lexsort((two, one))
    return one[rows], two[rows]


def _arcs(shown: Seen, is_doubtful: Bools) -> tuple[Ints, Ints]:
    """(k,) the arc of each point, -1 for none, and (a,) the object of each arc: those of doubtful objects with enough
    points."""
    if not is_doubtful.any():
        return np.full(len(shown.owner), -1), np.zeros(0, np.int64)
    arc = np.where(is_doubtful[shown.owner], arcs_of(shown.lines, shown.rims), -1)
    used, index, count = np.unique(arc, return_inverse=True, return_counts=True)
    is_long = (used >= 0) & (count >= LEAST_POINTS)
    arc = np.where(is_long, np.cumsum(is_long) - 1, -1)[index]
    owner = np.zeros(int(is_long.sum()), np.int64)
    owner[arc[arc >= 0]] = shown.owner[arc >= 0]
    return arc, owner


def explaining(fits: Fits, rim: Floats, whole: Fits) -> Ints:
    """Which fits explain the points (k, 2) of a rim together, and much better than one outline `whole`; those that
    explain more come first. Empty if none do."""
    nothing = np.zeros(0, np.int64)
    if len(fits) < 2 or not len(rim):
        return nothing
    away, alone = (np.minimum(abs(f.distances(np.repeat(rim[None], len(f), 0))), FAR_PX) ** 2 for f in (fits, whole))
    together = np.minimum(away[:, None], away).sum(2)
    parts = [int(index) for index in np.unravel_index(int(together.argmin()), together.shape)]
    while (unexplained := np.minimum(away, away[parts].min(0)).sum(1)).min() < MOST_LEFT**2 * away[parts].min(0).sum():
        parts.append(int(unexplained.argmin()))
    best, nearest = away[parts].min(0), away[parts].argmin(0)
    explained = np.bincount(nearest[best < FAR_PX**2], minlength=len(parts))
    is_much_better = best.sum() <= MOST_LEFT**2 * alone.sum() and (best >= FAR_PX**2).mean() <= MOST_FAR
    if explained.min() < LEAST_POINTS or not is_much_better:
        return nothing
    return np.array(parts, np.int64)[np.argsort(-explained)]


def _part_of(parts: Fits, pixels: Floats, density: Floats) -> Ints | None:
    """(k,) the part of each pixel (k, 2): the first that holds it, else the nearest. None if many lie in no part, or
    the optical densities (k,) say that the parts do not lie on each other."""
    if len(parts) < 2:
        return None
    away = parts.distances(np.repeat(pixels[None], len(parts), 0))
    is_inside = away <= 0
    is_double, is_single = is_inside.sum(0) > 1, is_inside & (is_inside.sum(0) == 1)
    if (away.min(0) > FAR_PX).mean() > MOST_BARE or not is_single.any(1).all():
        return None
    overlap = is_double.sum() / parts.areas.min()
    densest = max(float(density[single].mean()) for single in is_single)
    if overlap > MOST_OVERLAP or (overlap > LEAST_OVERLAP and density[is_double].mean() < DARKER * densest):
        return None
    part: Ints = np.where(is_inside.any(0), is_inside.argmax(0), away.argmin(0))
    return part


def _front_of(fits: Fits, rim: Floats, pixels: Floats, density: Floats) -> Ints | None:
    """(k,) 0 for pixels (k, 2) of one particle that lies on others, 1 for those of the others, which are not known one
    by one; None without such a particle. It is darker at its edge, where the others lie under it."""
    if not len(fits):
        return None
    near = (abs(fits.distances(np.repeat(rim[None], len(fits), 0))) < FAR_PX).mean(1)
    best = int(near.argmax())
    away = fits.chosen(np.array([best])).distances(pixels[None])[0]
    is_inside, is_rest = away <= 0, away > FAR_PX
    if near[best] < FRONT_RIM or not FRONT_LEFT[0] <= is_rest.mean() <= FRONT_LEFT[1]:
        return None
    is_dark = density > DARKER * max(float(np.median(density[is_inside])), float(np.median(density[is_rest])))
    is_edge = is_inside & (away > -3 * FAR_PX)
    is_covering = min(is_dark[is_inside].mean(), is_dark[is_edge].mean()) >= FRONT_DARK
    return np.where(is_inside, 0, 1) if is_covering else None


def holds_several(shown: Seen) -> Bools:
    """(n,) whether an outline still seems to hold several particles: no simple outline lies along its rim, which has at
    least two concave points between arcs; or others cover a part of it, and it is hollow."""
    is_hollow = ~shown.good & ~shown.at_frame & (shown.covered >= LEAST_COVERED)
    is_hollow &= shown.areas < MOST_SOLID * hull_areas(Polygons.of(shown.lines).hulls())
    is_odd = shown.fits.rms > np.maximum(GOOD_PX + GOOD_SHARE * shown.fits.widths, SEVERAL * shown.fits.widths)
    _, owner = _arcs(shown, is_odd)
    return np.asarray(is_hollow | (np.bincount(owner, minlength=len(shown)) >= 2))
