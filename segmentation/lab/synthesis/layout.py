"""How many particles, how large, and where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .bodies import AGGREGATES
from .noise import smooth_field
from .settings import SceneSettings

MOST = 1500  # particles in a picture of 512 x 512 px


def draw_diameters(shape: tuple[int, int], scene: SceneSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """(n,) float64 diameters in px whose discs would cover `scene.cover` of the picture, the largest up to 4 x typical.

    An aggregate counts as its primaries.
    """
    area = shape[0] * shape[1]
    most = max(1, round(MOST * area / 512**2))
    sizes = scene.diameter * np.exp(rng.normal(0, scene.spread, most))
    if scene.law == "bimodal":
        fine = rng.random(most) < scene.fine_share
        sizes[fine] *= scene.fine_size
    sizes = np.clip(sizes, 3, 4 * scene.diameter)
    each = scene.primaries if scene.family in AGGREGATES else 1.0
    covered = np.cumsum(np.pi / 4 * sizes**2) * each / area
    return sizes[: max(1, int(np.searchsorted(covered, scene.cover)))]


def draw_places(
    shape: tuple[int, int], scene: SceneSettings, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(m, 2) int64 rows and columns of candidates, at least `count`, some beyond the frame; the first lies well inside.

    Later candidates serve where an earlier one is refused.
    """
    margin = int(min(scene.diameter, 0.5 * min(shape)))
    tall, wide = shape[0] + 2 * margin, shape[1] + 2 * margin
    if scene.layout == "packed":
        places = _packed((tall, wide), scene, rng)
    else:
        wanted = 6 * count + 50
        places = np.stack([rng.integers(0, tall, wanted), rng.integers(0, wide, wanted)], axis=1)
        if scene.layout == "clustered":
            places = _gathered(places, (tall, wide), scene, rng)
    first = [int(rng.integers(n // 4, 3 * n // 4 + 1)) + margin for n in shape]
    return np.concatenate([[first], places]) - margin


def _gathered(
    places: NDArray[np.int64], shape: tuple[int, int], scene: SceneSettings, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The places where a smooth field is high: agglomerates."""
    field = smooth_field(shape, max(4.0, scene.diameter * scene.clusters), rng)
    chance = 1 / (1 + np.exp(-rng.uniform(3, 9) * (field - rng.uniform(-0.2, 1.1))))
    kept = places[rng.random(len(places)) < chance[tuple(places.T)]]
    return kept if len(kept) else places[:1]


def _packed(shape: tuple[int, int], scene: SceneSettings, rng: np.random.Generator) -> NDArray[np.int64]:
    """A hexagonal layer with a little disorder, gaps where particles are missing, in random order."""
    pitch = scene.diameter * rng.uniform(1.0, 1.12)
    rows, columns = np.mgrid[0 : 2 * max(shape) / pitch, 0 : 2 * max(shape) / pitch]
    x, y = (columns + 0.5 * (rows % 2)) * pitch, rows * pitch * np.sqrt(3) / 2
    angle = rng.uniform(0, np.pi / 3)
    points = np.stack([x.ravel(), y.ravel()], axis=1) - max(shape)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = points @ turn + np.array(shape) / 2 + rng.normal(0, rng.uniform(0, 0.06) * pitch, points.shape)
    inside = ((points >= 0) & (points < np.array(shape))).all(axis=1) & (rng.random(len(points)) > rng.uniform(0, 0.1))
    return rng.permutation(points[inside].astype(np.int64))
