"""Completes the outlines of objects that others cover in part, by a simple outline fitted to what is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .contours import Contours
from .fits import Fits, fitted
from .polygons import ObjectOutlines
from .rims import at, find_rims, padded

LEAST_COVERED = 0.05  # share of the rim; with less an outline is hardly changed
LEAST_SEEN = 0.3  # share of the completed rim
LEAST_POINTS = 10
LEAST_KNOWN = 0.9  # share of the free points at which the picture shows the edge
ACROSS_PX = 2.5  # inwards and outwards from a fitted outline, where it is seen what lies on both sides
RINGS = 8  # at which the inside of a fitted outline is looked at
GOOD_PX, GOOD_SHARE = 0.2, 0.015  # px, and share of the width: RMS distance of the points of a good fit at most
MOST_GROUND = 0.1  # share of the fitted area that may lie on background or beyond the frame
LEAST_OWN = 0.4  # share of the fitted area that must be the object's own
# An object is on top of the others, and its outline stays, if less than the share LEAST_CHANGE of the fitted area is
# theirs, and less than MOST_OFF of its covered rim lies more than OFF_PX off the fit.
LEAST_CHANGE, OFF_PX, MOST_OFF = 0.02, 1.0, 0.1

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Completion:
    """What was completed of n objects.

    completed: (n,) whether the outline was completed. seen_share: (n,) share of the (completed) rim with background
    beyond. polygons: the completed outlines (k, 2), clockwise on the screen, by the index of their object. error: (n,)
    standard error of the completed minimum Feret diameter in px, NaN for those that stay.
    """

    completed: Bools
    seen_share: Floats
    polygons: dict[int, Floats]
    error: Floats


def completion_of(outlines: ObjectOutlines, n: int) -> Completion:
    """What others cover of the objects 1..n with these outlines, completed. An object with a rim of which the map of
    shifts says nothing was drawn by a person or another tool, and stays as it was drawn."""
    lines, shifts, known = outlines.lines, outlines.shifts, np.zeros(len(outlines.lines.points), np.bool_)
    if shifts.map is not None:
        x, y = lines.inner.T
        known = (shifts.map[y, x] > 0) | bool(shifts.otherwise)
    return complete(lines, outlines.labels, n, known)


def complete(lines: Contours, labels: NDArray[np.int32], n: int, known: Bools | bool = True) -> Completion:
    """The outlines of the objects 1..n of labels (H, W), completed where others cover them and what is seen says how
    large they are. lines: the contours of the labels. known: (k,) at which points the picture shows the edge."""
    rims, owner = find_rims(lines, labels), lines.labels - 1
    count = np.maximum(np.bincount(owner, minlength=n), 1)
    seen_share = np.bincount(owner, rims.free, n) / count
    nothing = Completion(np.zeros(n, np.bool_), seen_share, {}, np.full(n, np.nan))
    is_partly = np.bincount(owner, rims.covered, n) / count >= LEAST_COVERED
    is_partly &= np.bincount(owner, rims.is_sure, n) >= LEAST_POINTS
    is_partly &= np.bincount(owner, rims.is_sure & known, n) >= LEAST_KNOWN * np.bincount(owner, rims.is_sure, n)
    index = np.flatnonzero(is_partly)
    if not len(index):
        return nothing
    place = np.full(n, -1)
    place[index] = np.arange(len(index))
    group = np.where(rims.is_sure, place[owner], -1)
    fits = fitted(*padded(lines.points, group, len(index)))
    inside = inside_of(fits, labels, index + 1)
    outline, is_seen, share = seen_rims(fits, labels, index + 1)
    polygons = _closed(fits, outline, is_seen, lines.points, group)
    is_done = is_good(fits) & (inside.ground <= MOST_GROUND) & (inside.own_share >= LEAST_OWN) & (share >= LEAST_SEEN)
    covered = padded(lines.points, np.where(rims.covered, place[owner], -1), len(index))
    is_off = covered[1] * (abs(fits.distances(covered[0])) > OFF_PX)
    is_done &= (inside.others >= LEAST_CHANGE) | (is_off.sum(1) >= MOST_OFF * covered[1].sum(1))
    for k in np.flatnonzero(is_done).tolist():
        nothing.polygons[int(index[k])] = polygons[k]
    done = index[is_done]
    nothing.completed[done], nothing.error[done] = True, fits.width_error[is_done]
    seen_share[done] = share[is_done]
    return nothing


def seen_rims(fits: Fits, labels: NDArray[np.int32], *owners: Ints) -> tuple[Floats, Bools, Floats]:
    """Points along the fitted outlines (n, m, 2), whether each is seen, (n, m), so that it lies between one of the
    object's `owners` (n,) and background, and the share (n,) of each outline that is."""
    outline = fits.polygons()
    arm = outline - fits.centre[:, None]
    away = arm / np.maximum(np.hypot(arm[..., 0], arm[..., 1]), 1e-9)[..., None]
    within = at(labels, outline - ACROSS_PX * away)
    is_own = np.any([within == numbers[:, None] for numbers in owners], axis=0)
    is_seen = is_own & (at(labels, outline + ACROSS_PX * away) == 0)
    length = np.hypot(*np.moveaxis(np.roll(outline, -1, axis=1) - outline, -1, 0))
    return outline, is_seen, (length * is_seen).sum(1) / length.sum(1)


def _closed(fits: Fits, outline: Floats, is_seen: Bools, points: Floats, group: Ints) -> list[Floats]:
    """The free points of each object, with the fitted outline where it is not seen, (k, 2) each. points: (k, 2). group:
    (k,) the index of the object of each free point, -1 for others."""
    n = len(fits)
    every = np.concatenate([points[group >= 0], outline[~is_seen]])
    owners = np.r_[group[group >= 0], np.repeat(np.arange(n), (~is_seen).sum(1))]
    angle = np.arctan2(*(every - fits.centre[owners]).T[::-1])
    order = np.lexsort((angle, owners))
    return np.split(every[order], np.cumsum(np.bincount(owners, minlength=n))[:-1])


@dataclass(frozen=True, eq=False)
class Inside:
    """What lies under n fitted outlines: shares of their areas, (n,) each. own_share: pixels of the object itself.
    others: of other objects. ground: background, or beyond the frame."""

    own_share: Floats
    others: Floats
    ground: Floats


def is_good(fits: Fits) -> Bools:
    """(n,) whether the fits lie along their points and say how large the object is."""
    return np.asarray((fits.rms <= GOOD_PX + GOOD_SHARE * fits.widths) & fits.determined)


def sampled(fits: Fits, labels: NDArray[np.int32]) -> tuple[Ints, Floats]:
    """Labels (n, m) at points inside of the fitted outlines, -1 beyond the frame, and which share of the area each
    point stands for, (n, m)."""
    outline = fits.polygons()
    arm = outline - fits.centre[:, None]
    after = np.roll(arm, -1, axis=1)
    sector = np.abs(arm[..., 0] * after[..., 1] - arm[..., 1] * after[..., 0])
    sector /= np.maximum(sector.sum(1, keepdims=True), 1e-9) * RINGS
    reach = np.sqrt((np.arange(RINGS) + 0.5) / RINGS)
    points = fits.centre[:, None, None] + reach[:, None, None] * arm[:, None]
    return at(labels, points.reshape(len(arm), -1, 2)), np.tile(sector, (1, RINGS))


def inside_of(fits: Fits, labels: NDArray[np.int32], numbers: Ints) -> Inside:
    """What lies under the fitted outlines of the objects with these `numbers` (n,)."""
    under, share = sampled(fits, labels)
    is_own = under == numbers[:, None]
    sums = [(share * mask).sum(1) for mask in (is_own, (under > 0) & ~is_own, under <= 0)]
    return Inside(*sums)
