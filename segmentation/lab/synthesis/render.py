"""One call: a random micrograph with its truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .annotations import annotate
from .draw import DIAMETERS, draw_settings
from .exposure import drifted, expose
from .scene import Scene, build_scene, split_pieces, visible_labels
from .settings import RenderSettings
from .shading import seen_contrast, shade
from .substrate import substrate

Shape = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Rendering:
    """A picture and what is true of it.

    grey: (H, W) uint8. labels: (H, W) int32, 0 background, 1..n visible particles. depth: (H, W) float32 height in px
    of the visible surface above the substrate, 0 where that is seen.
    """

    grey: NDArray[np.uint8]
    labels: NDArray[np.int32]
    depth: NDArray[np.float32]
    settings: RenderSettings


def compose(shape: Shape, settings: RenderSettings, rng: np.random.Generator) -> Rendering:
    """The micrograph that the settings describe; the same for the same settings and state of `rng`."""
    if settings.scene.kind == "blank":
        grey = substrate(shape, settings.substrate, seen_contrast(settings), settings.shading.angle, rng)
        owner, depth = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    else:
        scene = build_scene(shape, settings.scene, rng)
        grey, owner, depth = shade(scene, settings, rng), _particles(scene, settings), scene.height
    if settings.exposure.drift:
        grey, owner, depth = drifted([grey, owner, depth], settings.exposure.drift, rng)
    picture = expose(grey.astype(np.float32), settings.exposure, rng)
    labels = visible_labels(owner, smallest_piece(settings.scene.diameter))
    if settings.exposure.annotation != "none":
        picture, hidden = annotate(picture, settings.exposure.annotation, rng)
        labels, depth = split_pieces(np.where(hidden, 0, labels)), np.where(hidden, np.float32(0), depth)
    return Rendering(picture, labels, depth, settings)


def _particles(scene: Scene, settings: RenderSettings) -> NDArray[np.int32]:
    """(H, W) int32 number of the visible particle: the body, or the aggregate it is part of."""
    return scene.whole[scene.owner] if settings.scene.whole else scene.owner


def smallest_piece(diameter: float) -> int:
    """Pixels under which the visible rest of a particle is a sliver."""
    return round(float(np.clip(0.02 * diameter**2, 6, 60)))


def render_settings(
    shape: Shape,
    rng: np.random.Generator,
    fixed: Mapping[str, Any] | None = None,
    diameters: tuple[float, float] = DIAMETERS,
) -> Rendering:
    """A micrograph with random settings, but for those that are `fixed`. Raises BadSetting."""
    return compose(shape, draw_settings(rng, fixed, diameters), rng)


def render(
    shape: Shape,
    rng: np.random.Generator,
    *,
    fixed: Mapping[str, Any] | None = None,
    diameters: tuple[float, float] = DIAMETERS,
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """A rendered micrograph, turned so that particles are bright, and its visible-instance labels.

    fixed: settings that are not drawn at random. diameters: range of the typical particle diameter in px, log-uniform.
    Returns (H, W) uint8 grey and (H, W) int32 labels, 0 background. Raises BadSetting.
    """
    done = render_settings(shape, rng, fixed, diameters)
    return (255 - done.grey if done.settings.scene.polarity == "dark" else done.grey), done.labels


def render_sem(
    shape: Shape, rng: np.random.Generator, *, diameter: float
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """As `render`, always a secondary-electron picture of bright particles."""
    done = render_settings(
        shape, rng, {"diameter": diameter, "kind": "sem", "polarity": "bright", "annotation": "none"}
    )
    return done.grey, done.labels


def render_blank(shape: Shape, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W) uint8 picture of a substrate without particles."""
    return render_settings(shape, rng, {"kind": "blank"}).grey
