"""One call: a random micrograph with its truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .scene import build_scene, visible_labels
from .shading import expose, shade_sem, shade_transmission, substrate


def render(
    shape: tuple[int, int], rng: np.random.Generator, *, diameter: float | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """A rendered micrograph, particles bright, and its visible-instance labels.

    diameter: typical particle diameter in px; None draws 9 to 90 px, log-uniform.
    Returns (H, W) uint8 grey and (H, W) int32 labels, 0 background.
    """
    if diameter is None:
        diameter = float(np.exp(rng.uniform(np.log(9), np.log(90))))
    scene = build_scene(shape, diameter, rng)
    shade = shade_transmission if rng.random() < 0.15 else shade_sem
    smallest = max(12, round(0.02 * diameter**2))
    return expose(shade(scene, diameter, rng), rng), visible_labels(scene.owner, smallest)


def render_sem(
    shape: tuple[int, int], rng: np.random.Generator, *, diameter: float
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """As `render`, always a secondary-electron picture."""
    scene = build_scene(shape, diameter, rng)
    return expose(shade_sem(scene, diameter, rng), rng), visible_labels(scene.owner)


def render_blank(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W) uint8 picture of a substrate without particles."""
    return expose(substrate(shape, float(rng.uniform(9, 90)), rng), rng)
