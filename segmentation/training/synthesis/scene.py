"""Bodies put down one after the other: heights, and whose surface is seen where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .bodies import FAMILIES, Body, Family, make_body
from .noise import smooth_field


@dataclass(frozen=True, eq=False)
class Scene:
    """height: (H, W) float32 px above the substrate; owner: (H, W) int32 number of the visible body, 0 substrate;
    thickness: (H, W) float32 px of matter along the beam; share: per body (index owner), its grey offset."""

    height: NDArray[np.float32]
    owner: NDArray[np.int32]
    thickness: NDArray[np.float32]
    shade: NDArray[np.float32]


def build_scene(shape: tuple[int, int], typical_diameter: float, rng: np.random.Generator) -> Scene:
    """A random population of particles of about `typical_diameter` px on a plane."""
    spread = rng.choice([0.08, 0.2, 0.35, 0.5], p=[0.2, 0.3, 0.3, 0.2])
    diameters = _diameters(shape, typical_diameter, spread, rng)
    family = _family(rng)
    stacking = rng.uniform(0.0, 1.0)
    places = _places(shape, len(diameters), typical_diameter, rng)
    height = np.zeros(shape, np.float32)
    owner = np.zeros(shape, np.int32)
    thickness = np.zeros(shape, np.float32)
    for number, ((row, column), diameter) in enumerate(zip(places, diameters, strict=True), start=1):
        body = make_body(family if rng.random() < 0.85 else _family(rng), diameter, rng)
        _put(body, row, column, number, stacking, height, owner, thickness)
    shade = np.concatenate([[0.0], rng.normal(0, 1, len(diameters))]).astype(np.float32)
    return Scene(height, owner, thickness, shade)


def _family(rng: np.random.Generator) -> Family:
    return FAMILIES[int(rng.choice(len(FAMILIES), p=[0.45, 0.28, 0.12, 0.08, 0.07]))]


def _diameters(shape: tuple[int, int], typical: float, spread: float, rng: np.random.Generator) -> NDArray[np.float64]:
    cover = rng.choice([0.05, 0.2, 0.5, 1.0, 1.8], p=[0.15, 0.25, 0.25, 0.2, 0.15]) * rng.uniform(0.6, 1.4)
    count = int(np.clip(cover * shape[0] * shape[1] / (0.7 * typical**2), 1, 900))
    sizes = typical * np.exp(rng.normal(0, spread, count))
    if rng.random() < 0.25:  # a second, finer mode
        fine = rng.random(count) < rng.uniform(0.2, 0.6)
        sizes[fine] *= rng.uniform(0.25, 0.6)
    return np.clip(sizes, 4, 2.5 * typical)


def _places(shape: tuple[int, int], count: int, typical: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """(count, 2) rows and columns: isolated, or gathered where a smooth field is high (agglomerates)."""
    margin = int(typical)
    tall, wide = shape[0] + 2 * margin, shape[1] + 2 * margin
    candidates = np.stack([rng.integers(0, tall, 12 * count), rng.integers(0, wide, 12 * count)], axis=1)
    if rng.random() < 0.7:
        field = smooth_field((tall, wide), typical * rng.uniform(2.5, 8), rng)
        chance = 1 / (1 + np.exp(-rng.uniform(2, 8) * (field - rng.uniform(-0.3, 1.0))))
        candidates = candidates[rng.random(len(candidates)) < chance[tuple(candidates.T)]]
    if rng.random() < 0.3:
        candidates = _apart(candidates, typical * rng.uniform(0.8, 1.2), (tall, wide))
    return candidates[:count] - margin if len(candidates) >= count else _repeat(candidates, count, rng) - margin


def _repeat(candidates: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if not len(candidates):
        return np.zeros((count, 2), np.int64)
    return candidates[rng.integers(0, len(candidates), count)]


def _apart(candidates: NDArray[np.int64], distance: float, shape: tuple[int, int]) -> NDArray[np.int64]:
    """The candidates that keep `distance` px from those before them (on a grid of that pitch)."""
    cells = (candidates / max(distance, 1)).astype(int)
    _, first = np.unique(cells[:, 0] * (shape[1] + 1) + cells[:, 1], return_index=True)
    return candidates[np.sort(first)]


def _put(
    body: Body,
    row: int,
    column: int,
    number: int,
    stacking: float,
    height: NDArray[np.float32],
    owner: NDArray[np.int32],
    thickness: NDArray[np.float32],
) -> None:
    """Lower the body onto what lies there; `stacking` 0 lets bodies sink together, 1 piles them up."""
    h, w = body.top.shape
    top, left = row - h // 2, column - w // 2
    r0, r1 = max(0, top), min(height.shape[0], top + h)
    c0, c1 = max(0, left), min(height.shape[1], left + w)
    if r0 >= r1 or c0 >= c1:
        return
    inner = (slice(r0 - top, r1 - top), slice(c0 - left, c1 - left))
    outer = (slice(r0, r1), slice(c0, c1))
    upper, lower = body.top[inner], body.bottom[inner]
    inside = np.isfinite(upper)
    if not inside.any():
        return
    ground = float(np.quantile(height[outer][inside], 0.5))
    lift = stacking * ground - body.lowest
    seen = inside & (upper + lift > height[outer])
    height[outer][seen] = (upper + lift)[seen]
    owner[outer][seen] = number
    thickness[outer][inside] += (upper - lower)[inside]


def visible_labels(owner: NDArray[np.int32], smallest: int = 12) -> NDArray[np.int32]:
    """(H, W) int32 labels 1..n of the visible pieces; a body split by another counts as its pieces.

    Pieces under `smallest` px are slivers no annotator would outline: they become background.
    """
    labels = split_pieces(owner)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    keep = sizes >= smallest
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]


def split_pieces(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Connected pieces (4-neighbours) of equal label, numbered 1..n in (H, W) int32."""
    out = np.zeros_like(labels)
    count = 0
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        pieces, n = ndimage.label(labels[box] == value)
        out[box][pieces > 0] = pieces[pieces > 0] + count
        count += n
    return out
