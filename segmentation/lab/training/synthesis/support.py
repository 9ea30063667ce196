"""Supports of particles in a transmission microscope: thick, uneven supports; lattices on amorphous films.

Intensities along the beam add up (Z-contrast of thin matter; Pennycook & Jesson, Ultramicroscopy 1991).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..contract import Field, Floats, Labels, Picture, Rng, Shape
from .noise import band_field, blur, fractal_field, resized, smooth_field, white_noise
from .scene import Scene
from .settings import SupportSettings

ROSE = 4.0  # contrast x sqrt(pixels) / noise under which no one sees a particle (Rose, J. Opt. Soc. Am. 1948: 3 to 5)
FAINTEST = 0.025  # of the full range, under which even a large particle is lost in the support
SATURATED = 250  # grey from which nothing can be distinguished


def support_mass(shape: Shape, settings: SupportSettings, diameter: float, rng: Rng) -> Field:
    """(H, W) float32 matter of the support along the beam, 0 in vacuum, about 1 where it is usual.

    diameter: of a typical particle in px.
    """
    if settings.support == "none":
        return np.zeros(shape, np.float32)
    size = settings.support_size * diameter
    mass = SUPPORTS[settings.support](shape, size, settings, rng)
    mass = mass * np.exp(rng.uniform(0.1, 0.5) * smooth_field(shape, max(shape) * rng.uniform(0.3, 0.8), rng))
    usual = float(np.quantile(mass[::4, ::4], 0.8)) or 1.0
    fine = 1 + settings.support_grain * fractal_field(shape, size / 2, 3, 0.7, rng)
    return np.maximum(mass / usual * np.maximum(fine, 0), 0).astype(np.float32)


def _grains(shape: Shape, size: float, settings: SupportSettings, rng: Rng) -> Field:
    """Clumps of spheres that shine through each other, as carbon black; each clump has its own focus."""
    coarse = max(1.0, size / 24)  # spheres are smooth: their chords are summed on a grid that shows them with 24 px
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
        for (row, column), sphere_radius in zip(places, radii, strict=True):  # adds the beam's way through a sphere
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
    """Centres (n, 3) and radii (n,) of spheres, each of which but the first touches an earlier one."""
    radii = radius * np.exp(rng.normal(0, rng.uniform(0.1, 0.5), count))
    centres, compact = np.zeros((count, 3)), rng.uniform(0, 1)
    for number in range(1, count):
        best = np.inf
        for _ in range(3):
            parent = int(rng.integers(number))
            direction = rng.normal(size=3) * [1, 1, 0.6]
            gap = (radii[number] + radii[parent]) * rng.uniform(0.4, 0.9)
            centre = centres[parent] + direction / np.linalg.norm(direction) * gap
            apart = np.linalg.norm(centres[:number] - centre, axis=1) / (radii[:number] + radii[number])
            # The best of three tries: not inside another sphere; of the rest, near the middle in compact clumps.
            cost = 10 * max(0.0, 0.4 - apart.min()) + compact * np.linalg.norm(centre) / radius
            if cost < best:
                best, centres[number] = cost, centre
    return centres, radii


def _fractal(shape: Shape, size: float, settings: SupportSettings, rng: Rng) -> Field:
    """A cloud without any shape of its own, as aggregated or amorphous oxides show."""
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


SUPPORTS = {draw.__name__[1:]: draw for draw in (_grains, _fractal, _porous, _sheets)}


def lattice(scene: Scene, settings: SupportSettings, rng: Rng, fine: float) -> Field:
    """(H, W) float32 phase contrast of the particles' lattices, about -1 to 1 (the second material's
    times its contrast), 0 where there is none.

    Each particle has a direction of its own, one or two sets of planes, or none where no zone axis lies along the beam.
    fine: px; smaller particles are of the second material, with its own spacing and contrast.
    """
    count = len(scene.shade)
    sizes = np.sqrt(4 / np.pi * np.bincount(scene.owner.ravel(), minlength=count))
    second = sizes < fine
    spacing = np.where(second, settings.lattice_other, settings.lattice_spacing) * rng.normal(1, 0.01, count)
    contrast = np.where(rng.random(count) < 0.85, rng.uniform(0.4, 1, count), 0)
    contrast *= np.where(second, settings.lattice_other_contrast, 1)
    contrast[0] = 0
    angle, between = rng.uniform(0, np.pi, count), rng.uniform(np.pi / 3, np.pi / 2, count)
    crossed = (rng.random(count) < 0.5) * rng.uniform(0.4, 1, count)
    rows, columns = np.ogrid[: scene.owner.shape[0], : scene.owner.shape[1]]
    waves = []
    for direction in (angle, angle + between):
        along = np.sin(direction)[scene.owner] * rows + np.cos(direction)[scene.owner] * columns
        waves.append(np.cos(2 * np.pi * along / spacing[scene.owner]))
    return (contrast[scene.owner] * (waves[0] + crossed[scene.owner] * waves[1]) / 1.5).astype(np.float32)


def amorphous(shape: Shape, period: float, rng: Rng) -> Field:
    """(H, W) float32 grain of an amorphous film near Scherzer focus: noise of one band of wavelengths, mean 0, SD 1."""
    return band_field(shape, period, rng) * np.float32(0.9) + np.float32(0.44) * blur(white_noise(shape, rng), 0.7)


def too_faint(labels: Labels, contrast: Field, picture: Picture, noise: float) -> Labels:
    """The labels without particles that no one would see: lost in noise, support or saturation.

    contrast: (H, W) what the particles add, in units of the picture's full range; noise: SD of a pixel in the same.
    """
    numbers = np.arange(labels.max() + 1)
    area = np.maximum(np.bincount(labels.ravel(), minlength=len(numbers)), 1)
    mean = ndimage.mean(contrast, labels, numbers)
    is_saturated = ndimage.mean(picture >= SATURATED, labels, numbers) > 0.8
    lost = is_saturated | (mean < np.maximum(FAINTEST, ROSE * noise / np.sqrt(area)))
    lost[0] = True
    return np.where(lost, 0, np.cumsum(~lost))[labels].astype(np.int32)
