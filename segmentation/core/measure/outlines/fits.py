"""Simple outlines fitted to points of n objects at once: circle, ellipse and rounded box.

A rounded box stands for rods (corners as round as its half width), squares and rectangles. All fits are least squares
of the distances between points and outline, by Levenberg and Marquardt, with less weight for points that lie far off.
Coordinates are x and y in px.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .least_squares import (
    bounded_box,
    bounded_circle,
    bounded_ellipse,
    bounded_square,
    box_distances,
    circle_distances,
    ellipse_distances,
    solved,
    square_distances,
)

ELLIPSE, BOX = 1, 2  # families; a circle is an ellipse with equal axes
AT_ONCE = 2000  # objects, to bound the memory
LEAST_DISTANCE = 0.1  # px: the typical distance is never taken to be less
CORRELATED = 5.0  # points: neighbours on a contour err alike, because maps and contours are smooth
GOOD_PX = 0.2  # a circle, or an ellipse, with this RMS distance is not compared with a family of more parameters
BETTER = 0.8  # a family with more parameters must have at most this share of the RMS distance
AS_GOOD = 1.1  # or at most this, if it says how large the object is, and the one before does not
MOST_WIDTH_ERROR, MOST_LENGTH_ERROR = 0.05, 0.12  # standard errors, as shares, with which it does
SQUARE, FEWEST_SQUARES = 0.9, 5  # half width by half length of a square at least; see `are_squares`
ANGLES, ROUNDNESSES = 6, (0.15, 1.0)  # starts of a box: angles within 90 degrees, and corner radii by the half width

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Fits:
    """The outlines fitted to n objects.

    family: (n,) ELLIPSE, BOX or 0 without a fit. centre: (n, 2). half: (n, 2) half length and half width, px. angle:
    (n,) of the length, radians. corner: (n,) radius of the corners of a box. rms: (n,) RMS distance of the points, px.
    width_error, length_error: (n,) standard error of the minimum and of the maximum diameter, px.
    """

    family: NDArray[np.int64]
    centre: Floats
    half: Floats
    angle: Floats
    corner: Floats
    rms: Floats
    width_error: Floats
    length_error: Floats

    def __len__(self) -> int:
        return len(self.family)

    def chosen(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Fits:
        """The fits of some of the objects."""
        return Fits(**{name: values[index] for name, values in vars(self).items()})

    def replaced(self, index: NDArray[np.int64], others: Fits) -> Fits:
        """The fits with those at `index` (k,) replaced by k others."""
        copies = {name: values.copy() for name, values in vars(self).items()}
        for name, values in copies.items():
            values[index] = getattr(others, name)
        return Fits(**copies)

    @property
    def widths(self) -> Floats:
        """(n,) minimum Feret diameters in px."""
        return 2 * self.half[:, 1]

    @property
    def determined(self) -> Bools:
        """(n,) whether the points say how large the object is."""
        length, width = 2 * self.half.T
        is_wide_known = self.width_error <= MOST_WIDTH_ERROR * width
        return np.asarray(is_wide_known & (self.length_error <= MOST_LENGTH_ERROR * length))

    @property
    def areas(self) -> Floats:
        """(n,) px²."""
        box = 4 * self.half.prod(1) - (4 - np.pi) * self.corner**2
        return np.asarray(np.where(self.family == BOX, box, np.pi * self.half.prod(1)))

    def distances(self, points: Floats) -> Floats:
        """(n, m) signed distances in px of the points (n, m, 2) from the outline of each object; inside negative."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        long, wide = 1 / np.maximum(self.half, 1e-3).T
        matrix = np.stack([c * c * long + s * s * wide, c * s * (long - wide), s * s * long + c * c * wide], axis=1)
        ellipse = ellipse_distances(np.c_[self.centre, matrix], points)[0]
        if not (self.family == BOX).any():
            return ellipse
        box = box_distances(np.c_[self.centre, self.angle, self.half, self.corner], points)[0]
        return np.asarray(np.where((self.family == BOX)[:, None], box, ellipse))

    def polygons(self, count: int = 96) -> Floats:
        """(n, count, 2) points along each outline, in the order of the angle in the picture."""
        turn = np.arange(count) / count * 2 * np.pi
        local = self.half[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        local = np.where((self.family == BOX)[:, None, None], _on_box(local, self.half, self.corner), local)
        return _turned(local, self.angle) + self.centre[:, None]


def _turned(points: Floats, angle: Floats) -> Floats:
    """The points (n, m, 2), turned by (n,) radians around the origin."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return np.stack([c * points[..., 0] - s * points[..., 1], s * points[..., 0] + c * points[..., 1]], axis=-1)


def _on_box(points: Floats, half: Floats, corner: Floats) -> Floats:
    """Where rays from the origin through points (n, m, 2) meet boxes with half sides (n, 2) and corners (n,)."""
    ray = points / np.maximum(np.hypot(points[..., 0], points[..., 1]), 1e-9)[..., None]
    inner = half[:, None] - corner[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        to_sides = half[:, None] / np.abs(ray)
        is_flat = (to_sides[..., ::-1] * np.abs(ray) <= inner)[..., ::-1]
    along = (np.abs(ray) * inner).sum(-1)
    to_corner = along + np.sqrt(np.maximum(along**2 - (inner**2).sum(-1) + corner[:, None] ** 2, 0))
    reach = np.where(is_flat[..., 0], to_sides[..., 0], np.where(is_flat[..., 1], to_sides[..., 1], to_corner))
    return np.asarray(reach[..., None] * ray)


def fitted(points: Floats, weights: Floats, squares: bool | None = None) -> Fits:
    """The simplest outline of each of n objects that lies well enough along its points.

    points: (n, m, 2) x and y in px. weights: (n, m), 0 where an object has fewer points; at least 8 should be over 0.
    squares: whether a box of which too little is seen is taken to be a square; None if most of the others are squares.
    """
    if len(points) > AT_ONCE:
        parts = [slice(k, k + AT_ONCE) for k in range(0, len(points), AT_ONCE)]
        fits_of_parts = [fitted(points[part], weights[part], squares) for part in parts]
        return Fits(
            **{name: np.concatenate([getattr(fits, name) for fits in fits_of_parts]) for name in vars(fits_of_parts[0])}
        )
    total = np.maximum(weights.sum(1), 1e-9)
    middle = (weights[..., None] * points).sum(1) / total[:, None]
    scale = np.sqrt((weights * ((points - middle[:, None]) ** 2).sum(-1)).sum(1) / total)
    scale = np.maximum(scale, 0.5)
    unit = (points - middle[:, None]) / scale[:, None, None]
    circle = solved(circle_distances, bounded_circle, unit, weights, _circle_start(unit, weights))
    best = _as_fits(circle, _of_circle, scale)
    for find in (_best_ellipse, _best_box):
        open_ = np.flatnonzero((best.rms > GOOD_PX) | ~best.determined)
        if not len(open_):
            break
        now, other = best.chosen(open_), find(unit[open_], weights[open_], scale[open_], best.chosen(open_))
        is_better = other.rms < BETTER * now.rms
        is_better |= other.determined & ~now.determined & (other.rms < AS_GOOD * np.maximum(now.rms, GOOD_PX))
        best = best.replaced(open_[is_better], other.chosen(is_better))
    open_ = np.flatnonzero(~best.determined)
    if len(open_) and (are_squares(best) if squares is None else squares):
        other = _best_square(unit[open_], weights[open_], scale[open_])
        is_better = other.determined & (other.rms < AS_GOOD * np.maximum(best.rms[open_], GOOD_PX))
        best = best.replaced(open_[is_better], other.chosen(is_better))
    return replace(best, centre=best.centre * scale[:, None] + middle)


def no_fits(n: int) -> Fits:
    """n objects without a fit."""
    zero = np.zeros(n)
    family, infinite = np.zeros(n, np.int64), np.full(n, np.inf)
    return Fits(family, np.zeros((n, 2)), np.zeros((n, 2)), zero, zero, zero, infinite, infinite)


def are_squares(fits: Fits) -> bool:
    """Whether at least FEWEST_SQUARES of the outlines are squares, and they are most of those whose size is known."""
    is_square = fits.determined & (fits.family == BOX) & (fits.half[:, 1] > SQUARE * fits.half[:, 0])
    return bool(is_square.sum() >= max(FEWEST_SQUARES, 0.6 * fits.determined.sum()))


def _circle_start(points: Floats, weights: Floats) -> Floats:
    """Circles (n, 3) by linear least squares of the squares of radii."""
    terms = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=-1)
    normal = np.einsum("nmp,nm,nmq->npq", terms, weights, terms)
    normal += 1e-6 * (weights.sum(1)[:, None, None] + 1e-6) * np.eye(3)
    right = np.einsum("nmp,nm->np", terms, weights * (points**2).sum(-1))
    x, y, constant = np.linalg.solve(normal, right[..., None])[..., 0].T
    return bounded_circle(np.stack([x / 2, y / 2, np.sqrt(np.maximum(constant + (x**2 + y**2) / 4, 0.01))], axis=1))


def _best_ellipse(points: Floats, weights: Floats, scale: Floats, circles: Fits) -> Fits:
    inverse = scale / circles.half[:, 0]
    start = np.c_[circles.centre, inverse, np.zeros(len(scale)), inverse]
    return _as_fits(solved(ellipse_distances, bounded_ellipse, points, weights, start), _of_ellipse, scale)


def _best_square(points: Floats, weights: Floats, scale: Floats) -> Fits:
    start = _box_starts(points, weights)[0]
    start = np.c_[start[:, :3], start[:, 3:5].max(1), start[:, 5]]
    return _as_fits(solved(square_distances, bounded_square, points, weights, start), _of_square, scale)


def _best_box(points: Floats, weights: Floats, scale: Floats, others: Fits) -> Fits:
    """Boxes that begin with sharp corners; where that is not good, a box that begins with round ones is tried, too."""
    sharp, rounded = _box_starts(points, weights)
    best = _as_fits(solved(box_distances, bounded_box, points, weights, sharp), _of_box, scale)
    open_ = np.flatnonzero((best.rms > GOOD_PX) | ~best.determined)
    solution = solved(box_distances, bounded_box, points[open_], weights[open_], rounded[open_])
    other = _as_fits(solution, _of_box, scale[open_])
    is_better = other.rms < best.rms[open_]
    return best.replaced(open_[is_better], other.chosen(is_better))


def _box_starts(points: Floats, weights: Floats) -> list[Floats]:
    """For each of ROUNDNESSES the boxes (n, 6) around all points, at the angle that suits them best."""
    n, starts = len(points), list[tuple[Floats, list[Floats]]]()
    for angle in np.arange(ANGLES) / ANGLES * np.pi / 2:
        local = _turned(points, np.full(n, -angle))
        low, high = ((weights[..., None] > 0) * local).min(1), ((weights[..., None] > 0) * local).max(1)
        half = np.maximum((high - low) / 2, 0.1)
        centre = _turned((high + low)[:, None] / 2, np.full(n, angle))[:, 0]
        boxes = [np.c_[centre, np.full(n, angle), half, share * half.min(1)] for share in ROUNDNESSES]
        starts.append((np.stack([(weights * box_distances(box, points)[0] ** 2).sum(1) for box in boxes]), boxes))
    costs = np.stack([cost for cost, _ in starts])  # (angles, roundnesses, n)
    every = np.stack([np.stack(boxes) for _, boxes in starts])
    best = costs.argmin(0)
    return [every[best[k], k, np.arange(n)] for k in range(len(ROUNDNESSES))]


Described = tuple[Floats, Floats, Floats, Floats, Floats, Floats]  # centre, half, angle, corner, slopes of both halves


def _as_fits(solved: tuple[Floats, Floats, Floats], described: Callable[[Floats], Described], scale: Floats) -> Fits:
    """The fits, their sizes in px, their centres in units of `scale` (n,)."""
    parameters, rms, inverse = solved
    centre, half, angle, corner, long_slopes, wide_slopes = described(parameters)
    variance = CORRELATED * np.maximum(rms, LEAST_DISTANCE / scale) ** 2
    errors = [
        2 * scale * np.sqrt(variance * np.einsum("np,npq,nq->n", slopes, inverse, slopes))
        for slopes in (wide_slopes, long_slopes)
    ]
    family = np.full(len(parameters), ELLIPSE if described in (_of_circle, _of_ellipse) else BOX)
    return Fits(family, centre, half * scale[:, None], angle, corner * scale, rms * scale, *errors)


def _of_circle(parameters: Floats) -> Described:
    zero, slopes = np.zeros(len(parameters)), np.tile([0.0, 0.0, 1.0], (len(parameters), 1))
    return parameters[:, :2], np.repeat(parameters[:, 2:], 2, axis=1), zero, zero, slopes, slopes


def _of_ellipse(parameters: Floats) -> Described:
    values, vectors = np.linalg.eigh(parameters[:, [2, 3, 3, 4]].reshape(-1, 2, 2))  # ascending: the length first
    values = np.maximum(values, 1e-3)
    slopes = []
    for k in (0, 1):
        x, y = vectors[:, 0, k], vectors[:, 1, k]
        one = -np.stack([x * x, 2 * x * y, y * y], axis=1) / values[:, k : k + 1] ** 2
        slopes.append(np.c_[np.zeros((len(one), 2)), one])
    angle = np.arctan2(vectors[:, 1, 0], vectors[:, 0, 0])
    return parameters[:, :2], 1 / values, angle, np.zeros(len(angle)), slopes[0], slopes[1]


def _of_square(parameters: Floats) -> Described:
    slopes = np.tile(np.eye(5)[3], (len(parameters), 1))
    return parameters[:, :2], parameters[:, [3, 3]], parameters[:, 2], parameters[:, 4], slopes, slopes


def _of_box(parameters: Floats) -> Described:
    is_turned = parameters[:, 3] < parameters[:, 4]
    order = np.where(is_turned[:, None], [1, 0], [0, 1])
    half = np.take_along_axis(parameters[:, 3:5], order, 1)
    slopes = np.eye(6)[3 + order]
    return (
        parameters[:, :2],
        half,
        parameters[:, 2] + is_turned * np.pi / 2,
        parameters[:, 5],
        slopes[:, 0],
        slopes[:, 1],
    )
