"""Renders the substrate: grain, patterns, stains, scratches, holes. Nothing on it is labelled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..contract import Field, Rng, Shape
from .noise import band_field, blur, distance_to_points, fractal_field, smooth_field, standardised, warped, white_noise
from .settings import SubstrateSettings


def substrate(shape: Shape, settings: SubstrateSettings, contrast: float, angle: float, rng: Rng) -> Field:
    """(H, W) float32: the grey of the substrate, about `settings.ground`.

    contrast: grey of particles above the substrate, the unit of the contrasts in the settings. angle: direction of the
    detector in degrees.
    """
    s = settings
    relief = np.zeros(shape, np.float32)
    if s.gradient:
        direction = rng.uniform(0, 2 * np.pi)
        rows, columns = np.ogrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
        relief += s.gradient * (rows * np.sin(direction) + columns * np.cos(direction)).astype(np.float32)
    if s.cloud:
        relief += s.cloud * smooth_field(shape, max(shape) / rng.uniform(1, 4), rng)
    if s.grain:
        if rng.random() < 0.5:
            grain = band_field(shape, max(2.5, s.grain_period), rng)
        else:  # grains of several sizes, as on rough films
            grain = fractal_field(shape, 4 * s.grain_period, max(1.5, s.grain_period / 2), 0.8, rng)
        relief += s.grain * 0.5 * grain
    if s.texture != "none":
        pattern = PATTERNS[s.texture](shape, s.texture_period, rng)
        if rng.random() >= 0.5:  # the pattern fades in and out across the picture
            field = smooth_field(shape, max(shape) / rng.uniform(1, 4), rng)
            pattern = pattern * (1 / (1 + np.exp(-4 * (field - rng.uniform(-0.5, 0.8))))).astype(np.float32)
        if s.lit:  # the pattern as a height that is lit from the side of the detector
            down, right = np.gradient(pattern)
            slope_to_detector = np.cos(np.deg2rad(angle)) * right + np.sin(np.deg2rad(angle)) * down
            pattern = (1 - s.lit) * pattern + s.lit * np.clip(
                -slope_to_detector * np.float32(s.texture_period / 3), -3, 3
            )
        relief += s.texture_contrast * 0.5 * pattern
    if s.specks:
        points, count = np.zeros(shape, np.float32), max(1, int(s.specks * shape[0] * shape[1] / 1000))
        points[rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)] = rng.uniform(0.2, 1, count)
        # The factor by which the brightest speck becomes 1.
        brightest = np.float32(2 * np.pi * s.speck_size**2 if s.speck_size > 0.5 else 1.5)
        relief += s.speck_contrast * (blur(points, s.speck_size) * brightest)
    for _ in range(s.scratches):
        relief += rng.uniform(-0.3, 0.3) * _scratch(shape, rng)
    for _ in range(s.patches):  # stains with irregular, often sharp borders
        step, size = rng.uniform(-0.35, 0.12), max(shape) * rng.uniform(0.05, 0.3)
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        distance = np.hypot(rows - rng.uniform(0, shape[0]), columns - rng.uniform(0, shape[1])) / size
        ragged = distance + rng.uniform(0.1, 0.4) * smooth_field(shape, size, rng)
        edge = np.exp(np.clip((ragged - 1) * size / rng.uniform(1, 12), -30, 30))
        relief += step * (1 / (1 + edge)).astype(np.float32)
    if s.frame:
        darker, frame = rng.uniform(0.05, 0.25), np.zeros(shape, np.float32)  # the rectangle of an earlier scan
        (r0, r1), (c0, c1) = (np.sort(rng.uniform(-0.2, 1.2, 2) * n).clip(0, n).astype(int) for n in shape)
        frame[r0:r1, c0:c1] = 1
        relief -= darker * blur(frame, rng.uniform(0.6, 3))
    if s.holes:
        relief -= rng.uniform(0.25, 0.6) * _holes(shape, s.holes, rng)
    return np.float32(s.ground) + np.float32(contrast) * relief


def _contours(shape: Shape, period: float, rng: Rng) -> Field:
    """Thin bright lines around empty areas, closed or broken: flakes and dents of a carbon tab, blisters of a film."""
    angle, asymmetry = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.9)
    out = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        height = band_field(shape, max(15.0, period * rng.uniform(0.6, 1.6)), rng)  # finer lines would merge into spots
        down, right = np.gradient(height)
        slope = np.hypot(down, right) + np.float32(0.2 / period)
        distance = (height - rng.uniform(0.2, 1.8)) / slope  # px to the contour line (exact near it)
        facing = 1 + asymmetry * (np.cos(angle) * right + np.sin(angle) * down) / slope
        bright = np.clip(rng.uniform(-0.6, 1) + smooth_field(shape, period * rng.uniform(0.6, 4), rng), 0, 2)
        out += 4 * bright * facing * np.exp(-((distance / np.float32(rng.uniform(0.5, 1.4))) ** 2))
    return out.astype(np.float32)


def _wrinkles(shape: Shape, period: float, rng: Rng) -> Field:
    """Thin winding lines of a folded film."""
    field = smooth_field(shape, 4 * period, rng) + 0.15 * smooth_field(shape, period, rng)
    return 2 * np.exp(-((field / rng.uniform(0.04, 0.12)) ** 2))


def _cracks(shape: Shape, period: float, rng: Rng) -> Field:
    """Dark wavy lines that meet: the borders between the areas of a mosaic."""
    nearest = warped(distance_to_points(shape, 3 * period, rng)[1], 0.3 * period, period, rng)
    border = np.zeros(shape, np.float32)
    border[:-1] += nearest[:-1] != nearest[1:]
    border[:, :-1] += nearest[:, :-1] != nearest[:, 1:]
    is_grooved = smooth_field(shape, 5 * period, rng) > rng.uniform(-1, 0.5)
    return -4 * blur(border * is_grooved, rng.uniform(0.6, 1.2))


def _mosaic(shape: Shape, period: float, rng: Rng) -> Field:
    """Grains of a polished metal, each with its own grey."""
    nearest = warped(distance_to_points(shape, 2.5 * period, rng)[1], 0.2 * period, period, rng)
    grey = rng.normal(size=int(nearest.max()) + 1).astype(np.float32)[nearest]
    return blur(grey, 0.8)


def _rings(shape: Shape, period: float, rng: Rng) -> Field:
    """Faint rings and arcs: dried drops, bubbles, marks of earlier particles."""
    out = np.zeros(shape, np.float32)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for _ in range(int(rng.integers(2, 14))):
        row, column = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        radius, width = period * rng.uniform(0.4, 3), rng.uniform(0.8, 3)
        r0, r1 = (int(np.clip(row + s * (radius + 4 * width), 0, shape[0])) for s in (-1, 1))
        c0, c1 = (int(np.clip(column + s * (radius + 4 * width), 0, shape[1])) for s in (-1, 1))
        distance = np.hypot(rows[r0:r1] - row, (columns[:, c0:c1] - column) * rng.uniform(0.8, 1.25))
        ring = np.exp(-(((distance - radius) / width) ** 2))
        out[r0:r1, c0:c1] += rng.uniform(-1, 2) * ring + rng.uniform(-0.3, 0.2) * (distance < radius)
    return out


def _pits(shape: Shape, period: float, rng: Rng) -> Field:
    """Small dark holes, of a filter membrane or of etching."""
    distance, nearest = distance_to_points(shape, 2 * period, rng)
    has_pit = (rng.random(int(nearest.max()) + 1) < rng.uniform(0.2, 1))[nearest]
    return -2 * blur((has_pit & (distance < rng.uniform(0.1, 0.25))).astype(np.float32), 0.8)


def _ripples(shape: Shape, period: float, rng: Rng) -> Field:
    """Parallel lines: rolling, polishing, knife marks, fringes."""
    angle = rng.uniform(0, np.pi)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    run = (rows * np.sin(angle) + columns * np.cos(angle)) / period + 0.5 * smooth_field(shape, 6 * period, rng)
    return standardised(np.sin(2 * np.pi * run).astype(np.float32) + 0.5 * smooth_field(shape, period, rng))


# Value of the setting `texture` -> function of shape, period (px) and random numbers, which returns (H, W) of about
# unit SD.
PATTERNS: dict[str, Callable[[Shape, float, Rng], Field]] = {
    "worms": lambda *arguments: np.tanh(1.5 * band_field(*arguments)),  # short winding ridges: polymer and carbon tabs
    **{draw.__name__[1:]: draw for draw in (_contours, _wrinkles, _rings, _cracks, _mosaic, _pits, _ripples)},
}


def _scratch(shape: Shape, rng: Rng) -> Field:
    """(H, W) float32: a somewhat bent line, across the picture or in a part of it; 1 at its middle."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    angle, length = rng.uniform(0, np.pi), rng.uniform(0.2, 1.5) * max(shape)
    u = rows - rng.uniform(0, shape[0])
    v = columns - rng.uniform(0, shape[1])
    along = (u * np.cos(angle) + v * np.sin(angle)).astype(np.float32)
    across = (u * np.sin(angle) - v * np.cos(angle)).astype(np.float32) + along**2 * np.float32(rng.normal(0, 2e-4))
    return np.exp(-((across / np.float32(rng.uniform(0.6, 2.2))) ** 2)) * (np.abs(along) < length / 2)


def _holes(shape: Shape, share: float, rng: Rng) -> Field:
    """(H, W) float32: holes of a film, 1 inside; round (perforated films) or irregular (lacey films), with thicker
    rims."""
    if rng.random() < 0.5:
        distance, _ = distance_to_points(shape, max(shape) * rng.uniform(0.12, 0.5), rng)
        depth = (np.sqrt(share / np.pi) * 0.9 - distance) * max(shape) * 0.3
    else:
        field = smooth_field(shape, max(shape) * rng.uniform(0.08, 0.3), rng)
        depth = (field - np.quantile(field[::4, ::4], 1 - share)) * max(shape) * 0.1
    hole = 1 / (1 + np.exp(np.clip(-2 * depth, -30, 30)))
    return (hole - 0.4 * np.exp(-((depth / rng.uniform(1.5, 4)) ** 2))).astype(np.float32)


def speckle(shape: Shape, rng: Rng) -> Field:
    """(H, W) float32: the fine grain of a sputtered coating, with zero mean and unit SD."""
    if rng.random() < 0.5:
        return standardised(blur(white_noise(shape, rng), rng.uniform(0.7, 1.5)))
    return fractal_field(shape, 24, 2, 0.75, rng)
