"""Distances of points from circles, ellipses and rounded boxes, and their least squares for n objects at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

STEPS, SMALL_STEP = 12, 5e-4  # steps of a fit at most; a smaller change, in units of the object's size, is the last
FAR_OFF = 2.5  # times the typical distance: from here on a point weighs less

Floats = NDArray[np.float64]
# parameters (n, p), points (n, m, 2) -> distances (n, m), outside positive; their derivatives (n, p, m)
Distances = Callable[[Floats, Floats], tuple[Floats, Floats]]


def circle_distances(parameters: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Distances from circles: centre and radius."""
    away = points - parameters[:, None, :2]
    radius = np.maximum(np.hypot(away[..., 0], away[..., 1]), 1e-9)
    slopes = np.stack([*(-away / radius[..., None]).transpose(2, 0, 1), np.full(radius.shape, -1.0)], axis=1)
    return radius - parameters[:, 2:3], slopes


def ellipse_distances(parameters: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Distances from ellipses, exact to the first order: centre, and the symmetric matrix (xx, xy, yy) that maps the
    ellipse to a unit circle. No angle, so a circle is nothing special."""
    x, y = np.moveaxis(points - parameters[:, None, :2], -1, 0)
    xx, xy, yy = parameters[:, 2:, None].transpose(1, 0, 2)
    u, v = xx * x + xy * y, xy * x + yy * y
    radius = np.maximum(np.hypot(u, v), 1e-9)
    u, v = u / radius, v / radius
    across_x, across_y = xx * u + xy * v, xy * u + yy * v
    steep = np.maximum(np.hypot(across_x, across_y), 1e-9)
    slopes = np.stack([-across_x, -across_y, u * x, u * y + v * x, v * y], axis=1) / steep[:, None]
    return (radius - 1) / steep, slopes


def box_distances(parameters: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Distances from rounded boxes: centre, angle, half length, half width, radius of the corners."""
    c, s = np.cos(parameters[:, 2:3]), np.sin(parameters[:, 2:3])
    x, y = np.moveaxis(points - parameters[:, None, :2], -1, 0)
    u, v = c * x + s * y, c * y - s * x
    sign_u, sign_v = np.where(u < 0, -1.0, 1.0), np.where(v < 0, -1.0, 1.0)
    half_u, half_v, corner = parameters[:, 3:, None].transpose(1, 0, 2)
    over_u, over_v = np.abs(u) - (half_u - corner), np.abs(v) - (half_v - corner)
    beyond = np.hypot(np.maximum(over_u, 0), np.maximum(over_v, 0))
    is_corner = (over_u > 0) & (over_v > 0)
    far = np.maximum(beyond, 1e-9)
    across_u = np.where(is_corner, over_u / far, over_u >= over_v)
    across_v = np.where(is_corner, over_v / far, over_u < over_v)
    to_u, to_v = sign_u * across_u, sign_v * across_v
    slopes = np.stack(
        [
            -(c * to_u - s * to_v),
            -(s * to_u + c * to_v),
            to_u * v - to_v * u,
            -across_u,
            -across_v,
            across_u + across_v - 1,
        ],
        axis=1,
    )
    return beyond + np.minimum(np.maximum(over_u, over_v), 0) - corner, slopes


def square_distances(parameters: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Distances from rounded squares: centre, angle, half side, radius of the corners."""
    away, slopes = box_distances(parameters[:, [0, 1, 2, 3, 3, 4]], points)
    return away, np.concatenate([slopes[:, :3], slopes[:, 3:4] + slopes[:, 4:5], slopes[:, 5:]], axis=1)


def bounded_circle(parameters: Floats) -> Floats:
    parameters[:, 2] = np.clip(parameters[:, 2], 0.05, 20)
    return parameters


def bounded_ellipse(parameters: Floats) -> Floats:
    parameters[:, 2] = np.clip(parameters[:, 2], 0.05, 20)
    parameters[:, 4] = np.clip(parameters[:, 4], 0.05, 20)
    limit = 0.999 * np.sqrt(parameters[:, 2] * parameters[:, 4])
    parameters[:, 3] = np.clip(parameters[:, 3], -limit, limit)
    return parameters


def bounded_square(parameters: Floats) -> Floats:
    parameters[:, 3] = np.clip(parameters[:, 3], 0.05, 20)
    parameters[:, 4] = np.clip(parameters[:, 4], 0.0, parameters[:, 3])
    return parameters


def bounded_box(parameters: Floats) -> Floats:
    parameters[:, 3:5] = np.clip(parameters[:, 3:5], 0.05, 20)
    parameters[:, 5] = np.clip(parameters[:, 5], 0.0, parameters[:, 3:5].min(1))
    return parameters


def solved(
    distances: Distances, bounded: Callable[[Floats], Floats], points: Floats, weights: Floats, parameters: Floats
) -> tuple[Floats, Floats, Floats]:
    """The parameters (n, p) with the least squares, the RMS distances (n,), and the covariances (n, p, p).

    points (n, m, 2) in units of each object's size, so that parameters are about 1."""
    damping, identity, fitted_parameters = np.full(len(points), 1e-2), np.eye(parameters.shape[1]), parameters.copy()
    going, (away, slopes) = np.arange(len(points)), distances(parameters, points)
    for _ in range(STEPS):
        weight, place, now, strength = weights[going], points[going], fitted_parameters[going], damping[going]
        used = weight * _trust(away[going], weight)
        normal = _products(slopes[going], used)
        scale = np.maximum(np.einsum("npp->np", normal), 1e-6 * used.sum(1)[:, None] + 1e-12)
        right = (slopes[going] * (used * away[going])[:, None]).sum(2)
        step = np.linalg.solve(normal + (strength[:, None] * scale)[..., None] * identity, right[..., None])[..., 0]
        trial = bounded(now - step)
        trial_away, trial_slopes = distances(trial, place)
        is_better = (used * trial_away**2).sum(1) <= (used * away[going] ** 2).sum(1)
        damping[going] = np.clip(np.where(is_better, strength / 5, strength * 8), 1e-6, 1e4)
        better = going[is_better]
        fitted_parameters[better], away[better], slopes[better] = (
            part[is_better] for part in (trial, trial_away, trial_slopes)
        )
        going = going[np.abs(trial - now).max(1) > SMALL_STEP]
        if not len(going):
            break
    used = weights * _trust(away, weights)
    total = np.maximum(used.sum(1), 1e-9)
    rms = np.sqrt((weights * away**2).sum(1) / np.maximum(weights.sum(1), 1e-9))
    return fitted_parameters, rms, np.linalg.inv(_products(slopes, used) + 1e-6 * total[:, None, None] * identity)


def _products(slopes: Floats, weights: Floats) -> Floats:
    """(n, p, p) the sums of the products of slopes (n, p, m), weighted by (n, m)."""
    return np.asarray((slopes * weights[:, None]) @ slopes.swapaxes(1, 2))


def _trust(away: Floats, weights: Floats) -> Floats:
    """(n, m) from 0 to 1, how much points count that lie so far (n, m) off: less than others beyond FAR_OFF times the
    typical distance."""
    typical = np.sqrt((weights * np.minimum(away**2, 1)).sum(1) / np.maximum(weights.sum(1), 1e-9))
    far = np.maximum(np.abs(away) / (FAR_OFF * np.maximum(typical, 1e-3)[:, None]), 1.0)
    return np.asarray(1 / far**2)
