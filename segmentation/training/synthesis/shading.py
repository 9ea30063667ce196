"""From a scene to grey values: detector, edges, shadows, charging, substrate, blur and noise."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .noise import fractal_field, smooth_field
from .scene import Scene


def shade_sem(scene: Scene, diameter: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) float32 secondary-electron picture, bright particles, before blur and noise."""
    height = ndimage.gaussian_filter(scene.height, rng.uniform(0.4, 1.0))
    slope_row, slope_column = np.gradient(height)
    upward = 1 / np.sqrt(1 + slope_row**2 + slope_column**2)
    angle = rng.uniform(0, 2 * np.pi)
    towards = -(np.cos(angle) * slope_column + np.sin(angle) * slope_row) * upward
    particle = scene.owner > 0
    grey = np.where(particle, rng.uniform(0.25, 0.75) + 0.06 * rng.random() * scene.shade[scene.owner], 0.0)
    grey = grey + particle * rng.uniform(0.1, 0.8) * (1 - upward) ** rng.uniform(0.7, 2.0)
    grey = grey + particle * rng.uniform(0, 0.25) * towards
    grey = grey + particle * rng.uniform(0, 0.08) * fractal_field(height.shape, 24, 2, 0.7, rng)
    grey = np.where(particle, grey, substrate(height.shape, diameter, rng))
    return (grey - _shadow(height, diameter, rng)).astype(np.float32)


def _shadow(height: NDArray[np.float32], diameter: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Fewer electrons escape from places that lie lower than their surroundings."""
    around = ndimage.gaussian_filter(height, diameter * rng.uniform(0.15, 0.5))
    depth = np.clip((around - height) / max(diameter, 1), 0, 1)
    return rng.uniform(0, 0.9) * depth


def shade_transmission(scene: Scene, diameter: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) float32 transmission contrast, drawn bright where matter is thick (as dark-field; TEM inverted)."""
    absorbed = 1 - np.exp(-scene.thickness / (diameter * rng.uniform(0.4, 2.0)))
    grain = rng.uniform(0, 0.15) * scene.shade[scene.owner] * (scene.owner > 0)
    film = 0.6 * substrate(scene.height.shape, diameter, rng)
    return (rng.uniform(0.5, 1.0) * absorbed + grain + film).astype(np.float32)


def substrate(shape: tuple[int, int], diameter: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) float32 background: level, gradient, faint or rough texture, sometimes specks, scratches and holes."""
    grey = np.full(shape, rng.uniform(0.0, 0.3), np.float32)
    grey += rng.uniform(0, 0.08) * smooth_field(shape, max(shape) / rng.uniform(1, 3), rng)
    amplitude = rng.choice([0.01, 0.04, 0.09], p=[0.4, 0.4, 0.2])
    grey += amplitude * fractal_field(shape, rng.uniform(6, 60), 2, rng.uniform(0.5, 1.0), rng)
    if rng.random() < 0.35:
        grey += _specks(shape, diameter, rng)
    if rng.random() < 0.2:
        grey += _scratches(shape, rng)
    if rng.random() < 0.15:
        holes = smooth_field(shape, rng.uniform(0.5, 2) * diameter, rng) > rng.uniform(1.2, 2)
        grey -= rng.uniform(0.05, 0.25) * ndimage.gaussian_filter(holes.astype(np.float32), 1.0)
    return grey


def _specks(shape: tuple[int, int], diameter: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Faint spots of the substrate that are no particles: sputter grain, contamination."""
    points = np.zeros(shape, np.float32)
    count = int(rng.uniform(0.0005, 0.01) * shape[0] * shape[1])
    points[rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)] = rng.uniform(0.3, 1, count)
    spots = ndimage.gaussian_filter(points, rng.uniform(0.7, max(0.8, diameter * 0.12)))
    return rng.uniform(0.03, 0.14) * spots / max(float(spots.max()), 1e-6)


def _scratches(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    grey = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 6))):
        angle = rng.uniform(0, np.pi)
        distance = rows * np.sin(angle) + columns * np.cos(angle) - rng.uniform(0, max(shape))
        grey += rng.uniform(-0.12, 0.12) * np.exp(-((distance / rng.uniform(0.7, 2.5)) ** 2))
    return grey


def expose(grey: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W) uint8: charging streaks, defocus, noise, response curve, sometimes filtering and JPEG."""
    if rng.random() < 0.2:
        streaks = ndimage.gaussian_filter1d(rng.normal(size=grey.shape).astype(np.float32), 30, axis=1)
        grey = grey + rng.uniform(0.2, 0.8) * streaks * (0.3 + grey.clip(0, 1))
    grey = ndimage.gaussian_filter(grey, rng.choice([0.4, 0.8, 1.3, 2.0], p=[0.3, 0.4, 0.2, 0.1]))
    low, high = np.quantile(grey, [0.005, 0.995])
    grey = ((grey - low) / max(high - low, 1e-6)).clip(0, 1.1) ** rng.uniform(0.7, 1.4)
    electrons = np.exp(rng.uniform(np.log(15), np.log(1500)))
    noisy = rng.poisson(np.clip(grey + 0.03, 0, None) * electrons) / electrons
    noisy = noisy + rng.normal(0, rng.uniform(0, 0.05), grey.shape)
    if rng.random() < 0.35:
        noisy = ndimage.gaussian_filter(noisy, rng.uniform(0.4, 1.0))
    level, gain = rng.uniform(0, 40), rng.uniform(120, 215)
    out = np.clip(level + gain * noisy, 0, 255).astype(np.uint8)
    return _jpeg(out, int(rng.integers(40, 92))) if rng.random() < 0.3 else out


def _jpeg(grey: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
