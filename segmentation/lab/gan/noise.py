"""Gradient noise that says where particles lie together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def perlin(side: int, cells: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(side, side) float32 gradient noise, 0.5 on average, nearly always within 0..1; about `cells` cells along a side.

    Perlin, Improving Noise (2002): random unit gradients on a lattice, blended by 6 t^5 - 15 t^4 + 10 t^3.
    """
    count = int(np.ceil(cells)) + 2
    angle = rng.uniform(0, 2 * np.pi, (count, count))
    place = (np.arange(side) + 0.5) * cells / side + rng.random()
    cell = place.astype(int)
    t = place - cell
    blend = t**3 * (6 * t**2 - 15 * t + 10)

    def corner(down: int, right: int) -> NDArray[np.float64]:
        here = angle[np.ix_(cell + down, cell + right)]
        return np.sin(here) * (t - down)[:, None] + np.cos(here) * (t - right)[None]

    upper = corner(0, 0) + blend[None] * (corner(0, 1) - corner(0, 0))
    lower = corner(1, 0) + blend[None] * (corner(1, 1) - corner(1, 0))
    value = upper + blend[:, None] * (lower - upper)  # within +-sqrt(1/2)
    return (0.5 + value * np.sqrt(0.5)).astype(np.float32)
