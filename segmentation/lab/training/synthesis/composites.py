"""Composes pictures of agglomerates from real particles, with labels of the visible particles.

The particles were cut out of micrographs (cutouts.py). An agglomerate grows by particles that touch. Particles are
placed from back to front, darken the particles behind them, and may be connected by necks. Then blur and noise are
added. Visible parts that are too small to be outlined are background in the labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..contract import Field, Labels, Mask, Picture, Rng, Shape
from .cutouts import CutOut, Stock
from .noise import resized, turned_or_mirrored
from .scene import visible_labels

SMALLEST, LARGEST = 8.0, 90.0  # diameters in px of the particles in a picture
DIAMETERS = (12.0, 38.0)  # usual range of the median diameter in px
LARGEST_ENLARGEMENT = 1.3  # of a cut-out
# Ranges from which the values of a picture are drawn. Those of contacts (crevice, reach, neck, blur) are set so that
# greys across contacts are like those between true outlines of EMPS (docs/development/synthesis.md).
SPREAD = (0.3, 0.55)  # SD of ln(diameter)
OVERLAP = (0.6, 1.02)  # distance of touching particles, divided by the sum of their radii
CREVICE = (0.0, 0.6)  # share by which a particle darkens other particles behind its edge
REACH = (0.08, 0.26)  # length over which that shade falls, divided by the diameter
HALO = (0.0, 0.35)  # strength of the shade on the substrate
NECK = (-0.15, 0.35)  # radius of necks between particles, divided by the median diameter; below 0: no necks
BLUR = (0.45, 2.0)  # SD in px
NOISE = (0.02, 0.10)  # SD divided by the contrast
TONES = (0.02, 0.16)  # SD of ln(brightness) from particle to particle
SURFACE = (0.7, 1.1)  # strength of the shading within a cut-out, 1 as in its micrograph
TILTED_SHARE = 0.6  # share of cut-outs that are turned by any angle, the others only by 90 degrees
FEWEST_PX, LEAST_SHARE = 14, 0.12  # visible pixels, and visible share of a particle; with less it is not outlined


class Place(NamedTuple):
    """The centre and the diameter of a particle in the picture, in px."""

    row: float
    column: float
    diameter: float


def compose(shape: Shape, rng: Rng, stock: Stock, diameters: tuple[float, float] = DIAMETERS) -> tuple[Picture, Labels]:
    """A composed micrograph (H, W) uint8, objects bright, and its labels (H, W) int32, 0 substrate.

    stock: the cut-outs. diameters: range of the median diameter in px. Raises ValueError for a stock without particles.
    """
    size, spread = float(np.exp(rng.uniform(*np.log(diameters)))), rng.uniform(*SPREAD)
    canvas, particles = _substrate(shape, rng, stock.textures), _particles_of_few_groups(stock.particles, rng)
    places = _places(shape, rng, size, spread)
    crevice, reach, halo = rng.uniform(*CREVICE), rng.uniform(*REACH), rng.uniform(*HALO)
    tones, surface = rng.uniform(*TONES), rng.uniform(*SURFACE)
    labels, areas = np.zeros(shape, np.int32), [0]  # areas: px of each particle with its hidden part
    # Small particles are more often in front.
    heights = [rng.normal() - 0.5 * np.log(place.diameter / size) for place in places]
    for place in (places[number] for number in np.argsort(heights)):
        placed = _placed_cut_out(place, shape, rng, particles, stock.particles)
        if placed is None:
            continue
        window, opacity, tone = placed
        mask = opacity > 0.5
        shade = np.exp(-ndimage.distance_transform_edt(~mask) / max(0.8, reach * min(place.diameter, 1.5 * size)))
        shaded = canvas[window] * (1 - crevice * rng.uniform(0.2, 1.2) * shade)
        shaded = np.where(labels[window] > 0, shaded, canvas[window] - 0.3 * halo * shade)
        brightness = np.exp(rng.normal(0, tones)) * (1 + (tone - 1) * surface)
        canvas[window] = opacity * brightness + (1 - opacity) * np.where(mask, canvas[window], shaded)
        areas.append(int(mask.sum()))
        labels[window][mask] = len(areas) - 1
    _draw_necks(canvas, labels, rng.uniform(*NECK) * size)
    labels = visible_labels(labels, np.maximum(FEWEST_PX, LEAST_SHARE * np.array(areas)))
    return _with_noise(ndimage.gaussian_filter(canvas, np.exp(rng.uniform(*np.log(BLUR)))), rng), labels


def _substrate(shape: Shape, rng: Rng, textures: list[Field]) -> Field:
    """(H, W) float32, the substrate: a slope, and a random texture with the spectrum of a real one (Galerne et al.,
    IEEE Trans. Image Process. 20, 257, 2011), so that no part of it is repeated."""
    canvas = np.zeros(shape, np.float32)
    if textures:
        (texture,) = turned_or_mirrored(rng, textures[int(rng.integers(len(textures)))])
        fine = texture - ndimage.gaussian_filter(texture, 24)
        rows, columns = (min(n, m) for n, m in zip(shape, texture.shape, strict=True))
        fine = fine[:rows, :columns] * np.hanning(rows)[:, None] * np.hanning(columns)
        phases = np.angle(np.fft.rfft2(rng.normal(size=shape)))
        canvas = np.fft.irfft2(np.abs(np.fft.rfft2(fine, shape)) * np.exp(1j * phases), shape)
        canvas *= texture.std() / max(float(canvas.std()), 1e-6)
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    slopes = rng.normal(0, 0.06, 2)
    return (canvas + slopes[0] * rows + slopes[1] * columns).astype(np.float32)


def _particles_of_few_groups(particles: list[CutOut], rng: Rng) -> list[CutOut]:
    """The particles of one random group of images or, in a quarter of the pictures, of two groups, so that they look
    similar. Groups with many cut-outs are chosen more often."""
    if not particles:
        raise ValueError("no whole particle was cut out")
    groups, counts = np.unique([one.group for one in particles], return_counts=True)
    weights = np.minimum(counts, 6)
    count = min(len(groups), 1 if rng.random() < 0.75 else 2)
    chosen = set(rng.choice(groups, size=count, replace=False, p=weights / weights.sum()))
    return [one for one in particles if one.group in chosen]


def _places(shape: Shape, rng: Rng, size: float, spread: float) -> list[Place]:
    """The places of the particles: a few agglomerates, and single particles. size: median diameter in px. spread: SD of
    ln(diameter)."""
    height, width = shape

    def diameter() -> float:
        return float(np.clip(size * np.exp(rng.normal(0, spread)), SMALLEST, LARGEST))

    singles = int(rng.integers(0, 2 + round(12 * height * width / (512 * 768))))
    places = [Place(rng.uniform(0, height), rng.uniform(0, width), diameter()) for _ in range(singles)]
    count = 1 + round(rng.integers(3, 16) * height * width / (512 * 768))
    area, openness = rng.uniform(0.15, 0.6) * height * width, rng.uniform(0.4, 1.0)
    for share in rng.dirichlet(np.full(count, 1.2)):
        places += _agglomerate(shape, rng, diameter, share * area, openness)
    return places


def _agglomerate(shape: Shape, rng: Rng, diameter: Callable[[], float], area: float, openness: float) -> list[Place]:
    """The places of particles that cover about `area` px2; each touches another particle of the agglomerate.

    diameter: draws a diameter. openness: probability that a particle touches a random particle; else it touches the
    innermost of three, which makes the agglomerate compact.
    """
    height, width = shape
    middle = rng.uniform(0.05, 0.95, 2) * shape
    stretch, turn = np.exp(rng.normal(0, 0.35)), rng.uniform(0, np.pi)
    group: list[Place] = []

    def eccentricity(place: Place) -> float:
        rows, columns = place.row - middle[0], place.column - middle[1]
        along, across = columns * np.cos(turn) + rows * np.sin(turn), rows * np.cos(turn) - columns * np.sin(turn)
        return (along / stretch) ** 2 + (across * stretch) ** 2

    def too_near(one: Place, other: Place) -> bool:
        small, large = sorted((one.diameter, other.diameter))
        near = 0.5 * small if small > 0.55 * large else 0.42 * large
        return (one.row - other.row) ** 2 + (one.column - other.column) ** 2 < near**2

    for _ in range(3000):
        if area <= 0:
            break
        place = Place(*middle, diameter())
        if group:
            candidates = [group[int(rng.integers(len(group)))] for _ in range(1 if rng.random() < openness else 3)]
            neighbour, angle = min(candidates, key=eccentricity), rng.uniform(0, 2 * np.pi)
            distance = (place.diameter + neighbour.diameter) / 2 * rng.uniform(*OVERLAP)
            place = Place(
                neighbour.row + distance * np.sin(angle), neighbour.column + distance * np.cos(angle), place.diameter
            )
        edge = place.diameter / 3
        inside = -edge < place.row < height + edge and -edge < place.column < width + edge
        if inside and (rng.random() < 0.1 or not any(too_near(place, other) for other in group)):
            group.append(place)
            area -= 0.75 * np.pi / 4 * place.diameter**2
    return group


def _placed_cut_out(
    place: Place, shape: Shape, rng: Rng, particles: list[CutOut], others: list[CutOut]
) -> tuple[tuple[slice, slice], Field, Field] | None:
    """A random cut-out, turned, mirrored and resized for a place: (window in the picture, opacity 0..1, tone).

    None if hardly any of it lies in the picture. It is one of `particles` or, if all of these would have to be
    enlarged too much, one of `others`.
    """
    candidates = [p for p in particles if place.diameter <= LARGEST_ENLARGEMENT * p.diameter] or [
        p for p in others if place.diameter <= LARGEST_ENLARGEMENT * p.diameter
    ]
    if not candidates:
        candidates = others
    opacity, tone = _resized(candidates[int(rng.integers(len(candidates)))], place.diameter, rng)
    pad = int(np.ceil(0.3 * place.diameter + 6))
    opacity, tone = np.pad(opacity, pad), np.pad(tone, pad, mode="edge")
    corner = [round(middle - side / 2) for middle, side in zip(place[:2], opacity.shape, strict=True)]
    begin = [max(start, 0) for start in corner]
    end = [min(start + side, n) for start, side, n in zip(corner, opacity.shape, shape, strict=True)]
    if min(b - a for a, b in zip(begin, end, strict=True)) < 4:
        return None
    window = slice(begin[0], end[0]), slice(begin[1], end[1])
    part = tuple(slice(a - start, b - start) for a, b, start in zip(begin, end, corner, strict=True))
    return (window, opacity[part], tone[part]) if (opacity[part] > 0.5).sum() >= 20 else None


def _resized(particle: CutOut, diameter: float, rng: Rng) -> tuple[Field, Field]:
    """(opacity 0..1, tone) of a cut-out at this diameter in px, turned or mirrored at random. Beyond its edge the
    tone is that of its nearest pixel, so that the substrate of its micrograph is not copied."""
    mask = particle.mask
    rows, columns = (max(3, round(n * diameter / particle.diameter)) for n in mask.shape)
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    parts = (resized(part, (rows, columns)) for part in (mask.astype(np.float32), particle.tone[tuple(nearest)]))
    opacity, tone = turned_or_mirrored(rng, *parts)
    if rng.random() < TILTED_SHARE:
        angle = rng.uniform(-45, 45)
        opacity = ndimage.rotate(opacity, angle, order=1)
        tone = ndimage.rotate(tone, angle, order=1, mode="nearest")
    return np.clip(opacity, 0, 1), tone


def _draw_necks(canvas: Field, labels: Labels, radius: float) -> None:
    """Draw necks: fill the notches between neighbours, in the picture and in the labels. Each filled pixel belongs to
    the nearest particle. radius: of the necks in px; below 1 nothing is done."""
    if radius < 1:
        return
    reach = int(np.ceil(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    objects = labels > 0
    closed_objects = ndimage.binary_closing(np.pad(objects, reach), rows**2 + columns**2 <= radius**2)
    filled: Mask = closed_objects[reach:-reach, reach:-reach] & ~objects
    nearest = tuple(ndimage.distance_transform_edt(~objects, return_distances=False, return_indices=True))
    weight = ndimage.gaussian_filter(objects.astype(np.float32), radius / 2)
    grey_nearby = ndimage.gaussian_filter(np.where(objects, canvas, 0), radius / 2) / np.maximum(weight, 1e-3)
    labels[filled] = labels[nearest][filled]
    canvas[filled] = grey_nearby[filled]


def _with_noise(canvas: Field, rng: Rng) -> Picture:
    """(H, W) uint8: the picture in grey values of a detector, with noise that grows with the signal and may be
    smooth."""
    dark, bright, level, smooth = rng.uniform(20, 75), rng.uniform(140, 215), rng.uniform(*NOISE), rng.uniform(0, 0.5)
    noise = rng.normal(size=canvas.shape)
    if smooth > 0.15:
        noise = ndimage.gaussian_filter(noise, smooth)
        noise /= noise.std()
    noisy = canvas + level * noise * np.sqrt(np.clip(0.6 + 0.6 * canvas, 0.3, 2))
    return np.clip(np.rint(dark + (bright - dark) * noisy), 0, 255).astype(np.uint8)
