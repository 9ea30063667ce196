"""What is seen of each object of a label image: its contour, what lies beyond, and a simple outline fitted to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .arcs import concave_points
from .borders import find_pixel_borders
from .completion import LEAST_POINTS, inside_of, is_good
from .contours import Contours, contours
from .fits import Fits, are_squares, fitted, no_fits
from .rims import Rims, find_rims, padded

POINTS = 32  # of an object in its fit
MOST_ALONE = 300  # objects fitted that nothing covers and that have no concave points: they show what is usual
Labels = NDArray[np.int32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Seen:
    """The n objects of a label image. lines, rims: of k points. points, weights: (n, m, 2) and (n, m), of the fits.
    fits: of all that touch others or have concave points, and of some more. sure: (n,) how many points can be used."""

    labels: Labels
    lines: Contours
    rims: Rims
    points: Floats
    weights: Floats
    fits: Fits
    sure: Ints

    def __len__(self) -> int:
        return len(self.sure)

    @cached_property
    def owner(self) -> Ints:
        """(k,) the object of each point, from 0 on."""
        return self.lines.labels - 1

    @cached_property
    def good(self) -> Bools:
        """(n,) whether the fit says where the object ends."""
        return is_good(self.fits) & (self.sure >= LEAST_POINTS)

    @cached_property
    def squares(self) -> bool:
        """Whether most objects are squares."""
        return are_squares(self.fits)

    @cached_property
    def covered(self) -> Floats:
        """(n,) share of the rim with other objects beyond."""
        length = np.maximum(np.bincount(self.owner, minlength=len(self)), 1)
        return np.asarray(np.bincount(self.owner, self.rims.covered, len(self)) / length)

    @cached_property
    def at_frame(self) -> Bools:
        """(n,) whether the image ends there."""
        return np.asarray(np.bincount(self.owner, self.rims.other < 0, len(self)) > 0)

    @cached_property
    def areas(self) -> Ints:
        """(n,) px."""
        return np.bincount(self.labels.ravel(), minlength=len(self) + 1)[1:].astype(np.int64)

    @cached_property
    def own_share(self) -> Floats:
        """(n,) share of the fitted outline that is the object's own."""
        return inside_of(self.fits, self.labels, np.arange(1, len(self) + 1)).own_share

    def contacts(self) -> tuple[Ints, Ints, Floats]:
        """(p,) pairs of objects, from 0 on, that touch, each in both orders, and the share of the first one's rim that
        borders on the second."""
        n, other = len(self), self.rims.other - 1
        keys, count = np.unique(self.owner[other >= 0] * n + other[other >= 0], return_counts=True)
        one, two = np.divmod(keys, max(n, 1))
        return one, two, count / np.bincount(self.owner, minlength=n)[one]


def seen(labels: Labels) -> Seen:
    """What is seen of the objects 1..n of labels (H, W)."""
    n = int(labels.max(initial=0))
    lines = contours(find_pixel_borders(labels))
    rims = find_rims(lines, labels)
    group = np.where(rims.is_sure, lines.labels - 1, -1)
    points, weights = padded(lines.points, group, n, POINTS)
    sure = np.bincount(group[group >= 0], minlength=n).astype(np.int64)
    is_fitted = np.zeros(n, np.bool_)
    is_fitted[lines.labels[rims.covered | concave_points(lines)] - 1] = True
    alone = np.flatnonzero(~is_fitted)
    is_fitted[alone[:: max(1, len(alone) // MOST_ALONE)]] = True
    index = np.flatnonzero(is_fitted)
    fits = no_fits(n).replaced(index, fitted(points[index], weights[index]))
    return Seen(labels, lines, rims, points, weights, fits, sure)
