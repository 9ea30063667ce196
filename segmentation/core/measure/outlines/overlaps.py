"""Rearranges the objects of a label image where particles lie on each other.

An outline that holds several particles is parted, pieces of one particle are joined, and the overlap of two particles,
darker than both, is no particle of its own. Whether several, or pieces, is judged by simple outlines fitted to those
parts of the rims that border on background. Labels stay one id a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arcs import arcs_of
from .borders import find_pixel_borders
from .completion import GOOD_PX, LEAST_POINTS, MOST_GROUND, Bools, Floats, Ints, inside_of, is_good
from .contours import Contours, contours
from .fits import Fits, fitted
from .rims import Rims, find_rims, padded

Labels = NDArray[np.int32]
# An outline with a larger RMS distance, px and share of its width, may hold several particles. It does if the outlines
# of these lie along its rim with at most the share MOST_LEFT of that distance.
DOUBTFUL_PX, DOUBTFUL_SHARE, MOST_LEFT = 0.2, 0.004, 0.7
FAR_PX, MOST_FAR = 1.5, 0.15  # points farther off are not explained; this share of a rim may not be


@dataclass(frozen=True, eq=False)
class Seen:
    """The n objects of a label image with their contours, rims, and the outline fitted to what is seen of each.

    sure: (n,) how many points of each are used. good: (n,) whether the fit is. covered: (n,) share of the rim."""

    labels: Labels
    lines: Contours
    rims: Rims
    fits: Fits
    sure: Ints
    good: Bools
    covered: Floats
    at_frame: Bools

    def __len__(self) -> int:
        return len(self.sure)


def seen(labels: Labels) -> Seen:
    """The objects 1..n of labels (H, W)."""
    n = int(labels.max(initial=0))
    lines = contours(find_pixel_borders(labels))
    rims, owner = find_rims(lines, labels), lines.labels - 1
    group = np.where(rims.is_sure, owner, -1)
    fits = fitted(*padded(lines.points, group, n))
    sure = np.bincount(owner, rims.is_sure, n).astype(np.int64)
    at_frame = np.bincount(owner, rims.other < 0, n) > 0
    covered = np.bincount(owner, rims.covered, n) / np.maximum(np.bincount(owner, minlength=n), 1)
    return Seen(labels, lines, rims, fits, sure, is_good(fits) & (sure >= LEAST_POINTS), covered, at_frame)


def parted(shown: Seen) -> tuple[Labels, Ints]:
    """The labels with objects parted that hold several particles, and (n2,) the object 1..n that each comes from."""
    n, labels = len(shown), shown.labels.copy()
    source = np.arange(1, n + 1)
    is_doubtful = (shown.fits.rms > DOUBTFUL_PX + DOUBTFUL_SHARE * shown.fits.widths) & (shown.sure >= 2 * LEAST_POINTS)
    owner = shown.lines.labels - 1
    arc = np.where(is_doubtful[owner], arcs_of(shown.lines, shown.rims), -1)
    used, arc_index = np.unique(arc, return_inverse=True)
    if used[0] < 0:
        used, arc_index = used[1:], arc_index - 1
    count = np.bincount(arc_index[arc_index >= 0], minlength=len(used))
    is_long = count >= LEAST_POINTS
    arc_index = np.where(
        arc_index >= 0, (np.cumsum(is_long) - 1)[arc_index] * is_long[arc_index] - (~is_long)[arc_index], -1
    )
    arcs = int(is_long.sum())
    if arcs < 2:
        return labels, source
    arc_owner = np.zeros(arcs, np.int64)
    arc_owner[arc_index[arc_index >= 0]] = owner[arc_index >= 0]
    one, two = np.nonzero(np.triu(arc_owner[:, None] == arc_owner))
    points, weights = padded(shown.lines.points, arc_index, arcs, 32)
    both = np.concatenate([points[one], points[two]], axis=1)
    both_weights = np.concatenate([weights[one], np.where((one == two)[:, None], 0, weights[two])], axis=1)
    fits = fitted(both, both_weights)
    inside = inside_of(fits, labels, arc_owner[one] + 1)
    is_valid = is_good(fits) & (inside.ground <= MOST_GROUND) & (inside.own >= 0.4)
    for number in np.unique(arc_owner).tolist():
        chosen = np.flatnonzero(is_valid & (arc_owner[one] == number))
        rim = shown.lines.points[(owner == number) & (arc >= 0)]
        parts = _explaining(fits.of(chosen), rim, shown.fits.of(np.array([number])))
        if len(parts) < 2:
            continue
        y, x = np.nonzero(labels == number + 1)
        away = fits.of(chosen[parts]).distances(np.repeat(np.c_[x, y][None] + 0.5, len(parts), 0))
        if (away.min(0) > 1.5).mean() > 0.06:
            continue
        part = np.where((away <= 0).any(0), (away <= 0).argmax(0), away.argmin(0))
        numbers = np.r_[number + 1, len(source) + 1 + np.arange(len(parts) - 1)]
        labels[y, x] = numbers[part]
        source = np.r_[source, np.full(len(parts) - 1, number + 1)]
    return labels, source


def _explaining(fits: Fits, rim: Floats, whole: Fits) -> list[int]:
    """Which fits explain the points (k, 2) of a rim together, and much better than one outline `whole`; those that
    explain more come first. Empty if none do."""
    if len(fits) < 2:
        return []
    away, alone = (np.minimum(abs(f.distances(np.repeat(rim[None], len(f), 0))), FAR_PX) ** 2 for f in (fits, whole))
    together = np.minimum(away[:, None], away).sum(2)
    parts = list(np.unravel_index(int(together.argmin()), together.shape))
    while (rest := np.minimum(away, away[parts].min(0)).sum(1)).min() < MOST_LEFT**2 * away[parts].min(0).sum():
        parts.append(int(rest.argmin()))
    best = away[parts].min(0)
    nearest = np.bincount(away[parts].argmin(0)[best < FAR_PX**2], minlength=len(parts))
    is_clear = nearest.min() >= LEAST_POINTS and (best >= FAR_PX**2).mean() <= MOST_FAR
    if not is_clear or best.sum() > MOST_LEFT**2 * alone.sum():
        return []
    return [int(parts[k]) for k in np.argsort(-nearest)]


def joined(shown: Seen) -> tuple[Labels, Ints]:
    """The labels with pieces of one particle joined, and (n2,) an object 1..n that each comes from: pieces side by side
    whose rims continue each other without a notch, and pieces on both sides of an object that lies across."""
    n, labels, lines = len(shown), shown.labels, shown.lines
    owner = lines.labels - 1
    one, two = candidate_pairs(beyond_pairs(shown)[0], n)
    has = shown.sure >= 6
    can = has[one] & has[two]
    one, two = one[can], two[can]
    numbers = np.arange(1, n + 1)
    if not len(one):
        return labels, numbers
    points, weights = padded(lines.points, np.where(shown.rims.is_sure, owner, -1), n, 32)
    fits = fitted(np.concatenate([points[one], points[two]], 1), np.concatenate([weights[one], weights[two]], 1))
    inside = inside_of(fits, labels, one + 1)
    total = shown.sure[one] + shown.sure[two]
    apart = np.sqrt((shown.fits.rms[one] ** 2 * shown.sure[one] + shown.fits.rms[two] ** 2 * shown.sure[two]) / total)
    valid = is_good(fits) & (fits.rms <= np.maximum(GOOD_PX, 2 * apart)) & (inside.ground <= 0.06)
    valid &= ~_are_usual(shown, one, two, 2 * fits.half[:, 0])
    for k in np.flatnonzero(valid).tolist():
        valid[k] = _has_no_notch(fits.of(np.array([k])), shown, np.isin(owner, (one[k], two[k])))
    taken, target = np.zeros(n, np.bool_), np.arange(n)
    for k in np.flatnonzero(valid)[np.argsort(fits.rms[valid])].tolist():
        if not (taken[one[k]] or taken[two[k]]):
            taken[[one[k], two[k]]] = True
            target[two[k]] = one[k]
    kept, new = np.unique(target, return_inverse=True)
    return np.r_[0, new + 1].astype(np.int32)[labels], kept + 1


def _are_usual(shown: Seen, one: Ints, two: Ints, length: Floats) -> Bools:
    """(p,) whether the two objects of each pair are both as large as those that are seen whole, and both together,
    with a `length` (p,), longer than these. So cubes side by side stay cubes."""
    is_whole = shown.good & (shown.covered < 0.15) & ~shown.at_frame
    if is_whole.sum() < 5:
        return np.zeros(len(one), np.bool_)
    area = np.bincount(shown.labels.ravel(), minlength=len(shown) + 1)[1:] / np.median(shown.fits.areas[is_whole])
    is_usual = (area > 0.7) & (area < 1.4)
    return is_usual[one] & is_usual[two] & (length > 1.3 * np.quantile(2 * shown.fits.half[is_whole, 0], 0.9))


def beyond_pairs(shown: Seen) -> tuple[Ints, Floats]:
    """(p, 2) pairs of objects 0.. that touch, each in both orders, and the share (p,) of the first one's rim that
    borders on the second."""
    n, own, other = len(shown), shown.lines.labels - 1, shown.rims.other - 1
    is_covered = other >= 0
    keys, count = np.unique(own[is_covered] * n + other[is_covered], return_counts=True)
    length = np.bincount(own, minlength=n)
    pairs = np.stack(np.divmod(keys, n), axis=1)
    return pairs, count / length[pairs[:, 0]]


def candidate_pairs(touching: Ints, n: int) -> tuple[Ints, Ints]:
    """Pairs of objects that touch, or that touch the same third one; each once."""
    from scipy.sparse import coo_array

    graph = coo_array((np.ones(len(touching), np.int64), touching.T), (n, n)).tocsr()
    graph = graph + graph.T
    near = (graph + graph @ graph).tocoo()
    first = near.row < near.col
    return near.row[first].astype(np.int64), near.col[first].astype(np.int64)


def _has_no_notch(fit: Fits, shown: Seen, is_member: Bools) -> bool:
    """Whether the rims of members (k,) stay on one outline: no free point lies inside, few covered ones outside."""
    away = fit.distances(shown.lines.points[is_member][None])[0]
    limit = max(1.5, 0.04 * float(fit.widths[0]))
    is_notch = (away < -limit) & shown.rims.free[is_member]
    return not is_notch.any() and bool((away > limit).mean() <= 0.08)


def without_lenses(shown: Seen, grey: NDArray[np.uint8]) -> tuple[Labels, Ints]:
    """The labels of a picture with dark objects without those that are only the overlap of two others: they lie inside
    the fitted outlines of both, and are darker than both."""
    n, labels = len(shown), shown.labels
    target = np.arange(n)
    ground = float(np.median(grey[labels == 0])) if (labels == 0).any() else 255.0
    density = -np.log(np.maximum(np.arange(256), 1) / max(ground, 1.0))
    flat = labels.ravel()
    count = np.maximum(np.bincount(flat, minlength=n + 1)[1:], 1)
    mean = np.bincount(flat, density[grey.ravel()], n + 1)[1:] / count
    touching, border = beyond_pairs(shown)
    is_side = (border >= 0.2) & (shown.covered[touching[:, 0]] > 0.8)
    is_side &= mean[touching[:, 0]] > 1.1 * mean[touching[:, 1]]
    touching, border = touching[is_side], border[is_side]
    lens, beside = touching.T
    every, is_there = padded(shown.lines.points, shown.lines.labels - 1, n, 48)
    away = shown.fits.of(beside).distances(every[lens])
    is_in = (away <= 1.5) & shown.good[beside, None]
    share = (is_there[lens] * is_in).sum(1) / np.maximum(is_there[lens].sum(1), 1)
    taken = np.zeros(n, np.bool_)
    for index in np.unique(lens).tolist():
        of = np.flatnonzero(lens == index)
        of = of[np.argsort(-share[of])][:2]
        if len(of) < 2 or taken[index] or mean[index] > 1.35 * mean[beside[of]].sum():
            continue
        if is_in[of].any(0)[is_there[index] > 0].mean() >= 0.9 and share[of[0]] >= 0.6:
            target[index] = beside[of[0]]
            taken[beside[of]] = True
    kept, new = np.unique(target, return_inverse=True)
    return np.r_[0, new + 1].astype(np.int32)[labels], kept + 1
