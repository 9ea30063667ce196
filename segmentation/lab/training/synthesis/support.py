"""Renders thick, uneven supports of particles in a transmission microscope, amorphous films, and lattices of crystals.

Intensities along the beam are added (Z-contrast of thin matter; Pennycook & Jesson, Ultramicroscopy 1991).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..contract import Field, Floats, Labels, Picture, Rng, Shape
from .noise import band_field, blur, fractal_field, resized, smooth_field, white_noise
from .scene import Scene
from .settings import SupportSettings

# Contrast x sqrt(pixels) / noise below which a particle is invisible (Rose, J. Opt. Soc. Am. 1948: 3 to 5).
ROSE_LIMIT = 4.0
LEAST_CONTRAST = 0.025  # share of the full range; below it even a large particle is invisible on the support
SATURATED_GREY = 250  # from here on nothing can be distinguished


def support_mass(shape: Shape, settings: SupportSettings, diameter: float, rng: Rng) -> Field:
    """(H, W) float32: matter of the support along the beam, 0 in vacuum, about 1 for its usual thickness.

    diameter: of a typical particle in px.
    """
    if settings.support == "none":
        return np.zeros(shape, np.float32)
    size = settings.support_size * diameter
    mass = SUPPORTS[settings.support](shape, size, settings, rng)
    mass = mass * np.exp(rng.uniform(0.1, 0.5) * smooth_field(shape, max(shape) * rng.uniform(0.3, 0.8), rng))
    usual = float(np.quantile(mass[::4, ::4], 0.8)) or 1.0
    fine_grain = 1 + settings.support_grain * fractal_field(shape, size / 2, 3, 0.7, rng)
    return np.maximum(mass / usual * np.maximum(fine_grain, 0), 0).astype(np.float32)


def _grains(shape: Shape, size: float, settings: SupportSettings, rng: Rng) -> Field:
    """Clumps of transparent spheres, as in carbon black; each clump has its own focus."""
    coarse = max(1.0, size / 24)  # px of a coarser grid, on which a sphere is 24 px wide: spheres are smooth
    small = round(shape[0] / coarse) + 1, round(shape[1] / coarse) + 1
    radius = size / 2 / coarse
    middle = rng.uniform(0, 1, 2) * small
    reach = settings.support_share * np.hypot(*small)
    total = np.zeros(small, np.float32)
    for _ in range(int(np.clip(settings.support_share * small[0] * small[1] / (2 * radius) ** 2, 3, 60))):
        count = int(rng.integers(3, 14))
        typical = radius * np.exp(rng.normal(0, 0.4))
        centres, radii = _clump(count, typical, rng)
        places = centres[:, :2] + middle + rng.normal(0, 0.45 * reach, 2)
        clump = np.zeros(small, np.float32)
        # Adds the length of the beam in each sphere.
        for (row, column), sphere_radius in zip(places, radii, strict=True):
            (r0, r1), (c0, c1) = (
                [int(np.clip(np.floor(centre + s * sphere_radius), 0, n)) for s in (-1, 1)]
                for centre, n in zip((row, column), small, strict=True)
            )
            rows, columns = np.ogrid[r0:r1, c0:c1]
            square = sphere_radius**2 - (rows - row) ** 2 - (columns - column) ** 2
            clump[r0:r1, c0:c1] += 2 * np.sqrt(np.maximum(square, 0)).astype(np.float32)
        total += blur(clump, settings.support_blur * rng.uniform(0.3, 2.5) / coarse)
    return np.maximum(resized(total, shape) if coarse > 1 else total[: shape[0], : shape[1]], 0)


def _clump(count: int, radius: float, rng: Rng) -> tuple[Floats, Floats]:
    """Centres (n, 3) and radii (n,) of spheres; each one, except the first, touches an earlier one."""
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.1, 0.5), count))
    centres, compactness = np.zeros((count, 3)), rng.uniform(0, 1)
    for number in range(1, count):
        best_cost = np.inf
        for _ in range(3):
            parent = int(rng.integers(number))
            direction = rng.normal(size=3) * [1, 1, 0.6]
            gap = (radii[number] + radii[parent]) * rng.uniform(0.4, 0.9)
            centre = centres[parent] + direction / np.linalg.norm(direction) * gap
            distances = np.linalg.norm(centres[:number] - centre, axis=1) / (radii[:number] + radii[number])
            # The best of three tries is not inside another sphere and, in compact clumps, near the middle.
            cost = 10 * max(0.0, 0.4 - distances.min()) + compactness * np.linalg.norm(centre) / radius
            if cost < best_cost:
                best_cost, centres[number] = cost, centre
    return centres, radii


def _fractal(shape: Shape, size: float, settings: SupportSettings, rng: Rng) -> Field:
    """An irregular cloud, as of aggregated or amorphous oxides."""
    field = fractal_field(shape, max(3 * size, max(shape) / 3), 4, rng.uniform(0.45, 0.65), rng)
    level = np.quantile(field[::4, ::4], 1 - settings.support_share)
    return blur(np.maximum(field - np.float32(level), 0) ** np.float32(rng.uniform(0.6, 1.5)), settings.support_blur)


def _porous(shape: Shape, size: float, settings: SupportSettings, rng: Rng) -> Field:
    """A thick body with pores of one size: mesoporous oxides, zeolites, templated carbon."""
    body = _fractal(shape, size, settings, rng)
    pores = band_field(shape, max(6.0, size / 4), rng)
    return body * (1 - rng.uniform(0.1, 0.6) / (1 + np.exp(-3 * (pores - rng.uniform(-0.3, 1)))))


def _sheets(shape: Shape, size: float, settings: SupportSettings, rng: Rng) -> Field:
    """Flakes with straight or bent edges that lie on each other: alumina, clays, graphene, oxide crystals."""
    total = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(2, 9))):
        field = smooth_field(shape, max(size, max(shape) * rng.uniform(0.2, 0.8)), rng)
        level = np.quantile(field[::4, ::4], 1 - settings.support_share * rng.uniform(0.3, 0.9))
        soft = blur((field > level).astype(np.float32), 0.7 + settings.support_blur * rng.uniform(0.2, 1.5))
        total += rng.uniform(0.3, 1) * soft * np.exp(0.3 * smooth_field(shape, 2 * size, rng))
    return total


# Value of the setting `support` -> function that draws it.
SUPPORTS = {draw.__name__[1:]: draw for draw in (_grains, _fractal, _porous, _sheets)}


def lattice(scene: Scene, settings: SupportSettings, rng: Rng, fine: float) -> Field:
    """(H, W) float32: the phase contrast of the particles' lattices, about -1 to 1 (times its contrast for the second
    material), 0 without a lattice.

    Each particle has its own direction, and one or two sets of planes, or none if no zone axis lies along the beam.
    fine: px; particles with a smaller diameter are of the second material, which has another spacing and contrast.
    """
    count = len(scene.shade)
    sizes = np.sqrt(4 / np.pi * np.bincount(scene.owner.ravel(), minlength=count))
    is_second = sizes < fine
    spacing = np.where(is_second, settings.lattice_other, settings.lattice_spacing) * rng.normal(1, 0.01, count)
    contrast = np.where(rng.random(count) < 0.85, rng.uniform(0.4, 1, count), 0)
    contrast *= np.where(is_second, settings.lattice_other_contrast, 1)
    contrast[0] = 0
    angle, angle_between = rng.uniform(0, np.pi, count), rng.uniform(np.pi / 3, np.pi / 2, count)
    crossed = (rng.random(count) < 0.5) * rng.uniform(0.4, 1, count)
    rows, columns = np.ogrid[: scene.owner.shape[0], : scene.owner.shape[1]]
    waves = []
    for direction in (angle, angle + angle_between):
        position = np.sin(direction)[scene.owner] * rows + np.cos(direction)[scene.owner] * columns
        waves.append(np.cos(2 * np.pi * position / spacing[scene.owner]))
    return (contrast[scene.owner] * (waves[0] + crossed[scene.owner] * waves[1]) / 1.5).astype(np.float32)


def amorphous(shape: Shape, period: float, rng: Rng) -> Field:
    """(H, W) float32: the grain of an amorphous film near Scherzer focus, which is noise of about one wavelength,
    `period` px, with mean 0 and SD 1."""
    return band_field(shape, period, rng) * np.float32(0.9) + np.float32(0.44) * blur(white_noise(shape, rng), 0.7)


def without_invisible(labels: Labels, contrast: Field, picture: Picture, noise: float) -> Labels:
    """The labels (H, W) without particles that are invisible because of noise, the support or saturation.

    contrast: (H, W) grey that the particles add, as a share of the full range. picture: (H, W) uint8. noise: SD of a
    pixel, as a share of the full range.
    """
    numbers = np.arange(labels.max() + 1)
    area = np.maximum(np.bincount(labels.ravel(), minlength=len(numbers)), 1)
    mean = ndimage.mean(contrast, labels, numbers)
    is_saturated = ndimage.mean(picture >= SATURATED_GREY, labels, numbers) > 0.8
    is_invisible = is_saturated | (mean < np.maximum(LEAST_CONTRAST, ROSE_LIMIT * noise / np.sqrt(area)))
    is_invisible[0] = True  # the background
    return np.where(is_invisible, 0, np.cumsum(~is_invisible))[labels].astype(np.int32)
