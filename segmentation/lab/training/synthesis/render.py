"""Renders micrographs of synthetic particles, with their true labels: `render` makes a micrograph with random
settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..contract import Field, Labels, Mask, Picture, Rng, Shape
from .draw import DIAMETERS, draw_settings
from .exposure import expose, full_range, noise_of, with_drift
from .fibres import Fibre, build_mat
from .noise import blur
from .scene import Scene, build_scene, split_pieces, visible_labels
from .settings import SECONDARY_KINDS, RenderSettings
from .substrate import speckle, substrate
from .support import amorphous, lattice, support_mass, without_invisible

# Texts at scale bars.
BAR_LENGTHS = ("10 nm", "20 nm", "50 nm", "100 nm", "200 nm", "500 nm", "1 um", "2 um", "5 um", "0.5 um")
LEAST_SUPPORT = 0.15  # share of the usual thickness of a support, from which on particles may lie on it


def visible_contrast(settings: RenderSettings) -> float:
    """The visible contrast of a particle, the unit of the contrasts on the substrate."""
    shading = settings.shading
    return shading.contrast + 0.4 * shading.edge


def shade_sem(scene: Scene, settings: RenderSettings, rng: Rng) -> Field:
    """The grey (H, W) of a picture of secondary electrons: brighter at steep surfaces and rims and on the side of the
    detector, darker in hollows."""
    s, shape = settings.shading, scene.height.shape
    slope_row, slope_column = np.gradient(blur(scene.height, 0.6))
    # The upward part of the surface's normal, 1 where the surface is horizontal.
    upward = 1 / np.sqrt(1 + slope_row**2 + slope_column**2)
    angle = np.deg2rad(s.angle)
    towards_detector = -(np.cos(angle) * slope_column + np.sin(angle) * slope_row) * upward
    sign = 1 if settings.scene.polarity == "bright" else -1
    ground = substrate(shape, settings.substrate, visible_contrast(settings), s.angle, rng)
    particle_grey = s.contrast * (1 + s.variation * scene.shade)[scene.owner]
    if s.transparency:
        opacity = 1 - np.exp(-scene.thickness / (0.5 * settings.scene.diameter))
        particle_grey = particle_grey * (1 - s.transparency + s.transparency * opacity)
    body = (
        settings.substrate.ground
        + sign * particle_grey
        + s.edge * (1 - upward) ** s.edge_power
        + s.detector * towards_detector
    )
    if s.sheen:
        body += s.sheen * 0.5 * visible_contrast(settings) * speckle(shape, rng)
    particle = scene.owner > 0
    ground += _surroundings(particle, settings)
    return np.where(particle, body, ground) - _occlusion(scene.height, settings, rng)


def _occlusion(height: Field, settings: RenderSettings, rng: Rng) -> Field | np.float32:
    """By how much each pixel (H, W) is darkened: fewer electrons escape from places lower than their surroundings."""
    strength, diameter = settings.shading.occlusion, settings.scene.diameter
    if not strength:
        return np.float32(0)
    mean_height = blur(height, diameter * rng.uniform(0.12, 0.45))
    # Dark particles become less dark, because they emit fewer electrons anyway.
    scale = visible_contrast(settings) * (1.0 if settings.scene.polarity == "bright" else 0.5)
    return np.float32(strength * scale) * np.clip((mean_height - height) / diameter, 0, 1)


def _surroundings(particle: Mask, settings: RenderSettings) -> Field | np.float32:
    """Changes of the grey of the substrate near particles: a shadow away from the detector, and a halo of charge."""
    s, diameter = settings.shading, settings.scene.diameter
    if not (s.shadow or s.halo):
        return np.float32(0)
    mask = particle.astype(np.float32)
    change = np.zeros(mask.shape, np.float32)
    if s.halo:
        change += np.float32(s.halo * s.contrast) * blur(mask, 0.4 * diameter)
    if s.shadow:
        reach, angle = 0.3 * diameter, np.deg2rad(s.angle)
        shift = (round(-reach * np.sin(angle)), round(-reach * np.cos(angle)))
        change -= np.float32(s.shadow * s.contrast) * blur(np.roll(mask, shift, (0, 1)), 0.2 * diameter)
    return change


def shade_transmission(scene: Scene, settings: RenderSettings, rng: Rng, support: Field | float = 0.0) -> Field:
    """The grey (H, W) of a transmission picture: of the transmitted beam (bright field, particles dark) or the
    scattered one (dark field, particles bright).

    support: (H, W) mass of the support along the beam, 1 for the usual thickness.
    """
    s, diameter = settings.shading, settings.scene.diameter
    film = substrate(scene.height.shape, settings.substrate, visible_contrast(settings), s.angle, rng)
    matter = scattered_share(scene, settings)
    if s.sheen:
        matter = matter * (1 + s.sheen * speckle(scene.height.shape, rng))
    if settings.scene.kind == "hrtem":
        is_bimodal = settings.scene.law == "bimodal"
        fine_limit = settings.scene.diameter * np.sqrt(settings.scene.fine_size) if is_bimodal else 0.0
        matter = matter + settings.support.lattice_contrast * lattice(scene, settings.support, rng, fine_limit)
        period = float(np.clip(0.8 * settings.support.lattice_spacing, 2.5, 9))
        film = film + 0.2 * settings.support.amorphous * amorphous(film.shape, period, rng)
    if s.fringe:
        matter = matter + s.fringe * (matter - blur(matter, max(0.8, min(3.0, 0.05 * diameter))))
    # Particles and thick parts of the film scatter, so both are bright in the dark field, and dark in the bright field.
    scattered_grey = matter_grey(settings) * (matter + settings.support.support_grey * support) + film
    return scattered_grey if settings.scene.polarity == "bright" else -scattered_grey


def matter_grey(settings: RenderSettings) -> float:
    """Grey for each unit of matter, both in the picture and in the contrast by which `without_invisible` drops
    labels."""
    return settings.shading.contrast + 0.2


def scattered_share(scene: Scene, settings: RenderSettings) -> Field:
    """(H, W) float32: the share of the beam that the particles scatter."""
    s = settings.shading
    strength = s.absorption * np.maximum(1 + s.diffraction * scene.shade, 0.15)[scene.owner]
    return (1 - np.exp(-strength * scene.thickness / settings.scene.diameter)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Rendering:
    """A rendered picture and its truth.

    grey: (H, W) uint8. labels: (H, W) int32, 0 background, 1..n visible particles. depth: (H, W) float32 height in px
    of the visible surface above the substrate, 0 on the substrate. fibres: those of a mat, in the order in which they
    are laid.
    """

    grey: Picture
    labels: Labels
    depth: Field
    settings: RenderSettings
    fibres: tuple[Fibre, ...] = ()


def rendering_of(shape: Shape, settings: RenderSettings, rng: Rng) -> Rendering:
    """The micrograph with these settings; it depends only on them and on the state of `rng`."""
    fibres = list[Fibre]()
    particle_grey = np.zeros(shape, np.float32)  # (H, W), what the particles add to the grey of the support
    if settings.scene.kind == "blank":
        grey = substrate(shape, settings.substrate, visible_contrast(settings), settings.shading.angle, rng)
        owner, depth = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    elif settings.scene.kind == "supported":
        mass = support_mass(shape, settings.support, settings.scene.diameter, rng)
        scene = build_scene(shape, settings.scene, rng, mass > LEAST_SUPPORT)
        grey, owner, depth = shade_transmission(scene, settings, rng, mass), scene.owner, scene.height
        particle_grey = np.float32(matter_grey(settings)) * scattered_share(scene, settings)
    else:
        if settings.scene.family == "fibre":
            scene, fibres = build_mat(shape, settings.scene, settings.mat, rng)
        else:
            scene = build_scene(shape, settings.scene, rng)
        shade_scene = shade_sem if settings.scene.kind in SECONDARY_KINDS else shade_transmission
        grey, owner, depth = shade_scene(scene, settings, rng), scene.owner, scene.height
    if settings.exposure.drift:
        layers = [grey, owner, depth, particle_grey]
        grey, owner, depth, particle_grey = with_drift(layers, settings.exposure.drift, rng)
    picture = expose(grey.astype(np.float32), settings.exposure, rng)
    # A smaller visible part of a particle (px) would not be outlined by a person.
    sliver = round(float(np.clip(0.02 * settings.scene.diameter**2, 6, 60)))
    labels = visible_labels(owner, sliver)
    if settings.scene.kind == "supported":
        particle_grey = particle_grey / full_range(grey, settings.exposure)
        labels = without_invisible(labels, particle_grey, picture, noise_of(settings.exposure))
    if settings.exposure.annotation != "none":
        picture, hidden = annotate(picture, settings.exposure.annotation, rng)
        labels, depth = split_pieces(np.where(hidden, 0, labels)), np.where(hidden, np.float32(0), depth)
    return Rendering(picture, labels, depth, settings, tuple(fibres))


def random_rendering(
    shape: Shape, rng: Rng, fixed: Mapping[str, Any] | None = None, diameters: tuple[float, float] = DIAMETERS
) -> Rendering:
    """A micrograph with random settings, except the `fixed` ones. Raises BadSetting."""
    return rendering_of(shape, draw_settings(rng, fixed, diameters), rng)


def render(
    shape: Shape, rng: Rng, *, fixed: Mapping[str, Any] | None = None, diameters: tuple[float, float] = DIAMETERS
) -> tuple[Picture, Labels]:
    """A rendered micrograph, inverted if its particles are dark, and the labels of its visible particles.

    fixed: settings that are not drawn at random. diameters: range of the typical particle diameter in px, log-uniform.
    Returns (H, W) uint8 grey and (H, W) int32 labels, 0 background. Raises BadSetting.
    """
    rendering = random_rendering(shape, rng, fixed, diameters)
    is_dark = rendering.settings.scene.polarity == "dark"
    return (255 - rendering.grey if is_dark else rendering.grey), rendering.labels


def annotate(grey: Picture, kind: str, rng: Rng) -> tuple[Picture, Mask]:
    """The picture (H, W) uint8 with a "letter" or a "scale-bar" in it, and the mask (H, W) of the hidden
    pixels.

    A box behind the letter or bar hides pixels. Without a box the mask is empty, because strokes hide very little.
    """
    image = Image.fromarray(grey)
    hidden = Image.new("L", image.size, 0)
    size = max(9, round(min(grey.shape) * rng.uniform(0.04, 0.09)))
    if kind == "letter":
        letter = str(rng.choice(list("abcdefABCD")))
        letter = f"({letter})" if rng.random() < 0.5 else letter
        ink, paper = _ink(rng)
        large = round(1.6 * size)
        if rng.random() < 0.5:
            _box(image, hidden, (0, 0, round(1.8 * large), round(1.3 * large)), paper)
        ImageDraw.Draw(image).text((round(0.3 * large), 0), letter, fill=ink, font=ImageFont.load_default(size=large))
    elif kind == "scale-bar":
        _scale_bar(image, hidden, size, rng)
    return np.asarray(image), np.asarray(hidden) > 0


def _ink(rng: Rng) -> tuple[int, int]:
    """The grey of strokes and of the box behind them."""
    return (255, 0) if rng.random() < 0.6 else (0, 255)


def _box(image: Image.Image, hidden: Image.Image, box: tuple[int, int, int, int], grey: int) -> None:
    """Draw a box into the picture and into the mask of hidden pixels."""
    ImageDraw.Draw(image).rectangle(box, fill=grey)
    ImageDraw.Draw(hidden).rectangle(box, fill=1)


def _scale_bar(image: Image.Image, hidden: Image.Image, size: int, rng: Rng) -> None:
    """Draw a scale bar with its length at the bottom of the picture. size: px of the text."""
    width, height = image.size
    length = round(width * rng.uniform(0.12, 0.3))
    left = size if rng.random() < 0.3 else width - length - 2 * size
    top = height - round(2.6 * size)
    (ink, paper), font = _ink(rng), ImageFont.load_default(size=size)
    if rng.random() < 0.5:
        _box(image, hidden, (left - size // 2, top - size // 4, left + length + size // 2, height - size // 3), paper)
    pen = ImageDraw.Draw(image)
    pen.text((left + length / 2, top), str(rng.choice(BAR_LENGTHS)), fill=ink, font=font, anchor="ma")
    pen.rectangle((left, top + round(1.4 * size), left + length, top + round(1.4 * size) + max(1, size // 5)), fill=ink)
