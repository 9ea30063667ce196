"""Surface texture of particles: it changes heights and outlines, never the number of particles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from ..contract import Field, Rng
from .bodies import Body
from .noise import band_field, distance_to_points, fractal_field, smooth_field, standardised
from .settings import SceneSettings

SMALLEST = 16.0  # px; a smaller particle shows no texture


def relief_field(scene: SceneSettings, side: int, rng: Rng) -> Field | None:
    """(side, side) float32 heights in units of the texture's height, about 0; None for smooth particles."""
    period = max(2.5, scene.relief_period * scene.diameter)
    if scene.relief == "smooth" or scene.diameter < SMALLEST:
        return None
    shape = (side, side)
    if scene.relief == "grain":
        return 0.5 * fractal_field(shape, 2 * period, max(2.0, period / 6), 0.8, rng)
    if scene.relief == "stripes":
        # Growth steps: sharp on one side, in one direction, somewhat wavy
        angle = rng.uniform(0, np.pi)
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        run = (rows * np.sin(angle) + columns * np.cos(angle)) / period + 0.4 * band_field(shape, 6 * period, rng)
        return standardised((run % 1).astype(np.float32))
    distance, _ = distance_to_points(shape, period, rng)
    if scene.relief == "bumps":
        return 2.5 * (np.sqrt(np.clip(1 - (distance / 0.75) ** 2, 0, 1)) - 0.7)
    if scene.relief == "pits":
        return -1.5 * np.clip(1 - (distance / rng.uniform(0.15, 0.45)) ** 2, 0, 1)
    some = smooth_field(shape, 2 * period, rng) > rng.uniform(0.0, 1.2)
    return 2.0 * some * np.sqrt(np.clip(1 - (distance / rng.uniform(0.15, 0.4)) ** 2, 0, 1))


def dressed(body: Body, field: Field, amplitude: float, rng: Rng, *, ragged: bool = False) -> Body:
    """The body with `amplitude` px of a random part of the relief field.

    Heights follow the field except at the very rim, where a body is thin. With `ragged` the outline follows it too:
    it is drawn in where the field is low.
    """
    shape = body.top.shape
    if min(field.shape) <= max(shape):
        return body
    row, column = (int(rng.integers(0, n - m)) for n, m in zip(field.shape, shape, strict=True))
    bump = np.float32(amplitude) * field[row : row + shape[0], column : column + shape[1]]
    thickness = body.top - body.bottom
    bump = bump * np.clip(thickness / np.float32(4 * amplitude + 1e-3), 0, 0.9)
    inside = thickness + bump > 0
    if ragged:
        rim = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        cut = inside & (rim > -bump.clip(-amplitude, 0))
        inside = cut if cut.any() else inside
    nothing = np.float32(np.nan)
    mass = np.where(inside, np.maximum(body.mass + bump, 0.1), 0).astype(np.float32)
    return replace(
        body, top=np.where(inside, body.top + bump, nothing), bottom=np.where(inside, body.bottom, nothing), mass=mass
    )
