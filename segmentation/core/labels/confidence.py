"""Properties of particles from the maps: the confidence of each, their overall clarity, and their size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .bands import sums_over_labels
from .contrast import rings
from .options import INTERCEPT, OUTLINE_FEATURES, ParticleOptions
from .separate import Labels, max_over_labels, mean_over_labels

Maps = NDArray[np.uint8]
Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]
SURE = 230  # of 255: the foreground from which a pixel is surely particle
SMALLEST_AREA = 9  # px
RING = 1, 5  # px, as the network saw them: inner and outer distance of the ground around a particle
FEWEST = 8  # px of ground around a particle that suffice
CLEARLY = 4.0  # SD of the ground: a larger contrast counts as no clearer
SAMPLED = 2**22  # px of ground that suffice to estimate its grey
NOTHING = 0.002  # share of the picture under which it shows no particles


def outline_features(maps: Maps, grey: Grey, labels: Labels, scale: float, diameter: float) -> dict[str, Floats]:
    """(n,) each, by the names of OUTLINE_FEATURES: properties of each particle from maps and picture.

    maps: (2 or 3, H, W), grey: (H, W), uint8 in the image's own pixels, grey in the polarity that the network saw.
    labels: (H, W) 1..n. scale: at which the network saw them. diameter: the network's preferred diameter in px.
    foreground: log-odds of the mean probability over the particle. peak: highest inner distance, 0 to 1. sure: share
    of pixels from SURE on. size: ln(ECD / diameter), and its square. others: mean of `foreground`
    over all particles of the image, weighted by area. contrast, excess_brightness: see `_ground`.
    """
    surely = np.where(maps[0] >= SURE, np.uint8(255), np.uint8(0))
    areas, *sums = sums_over_labels(labels, maps[0], surely, grey)
    if not len(areas):
        return {name: np.zeros(0) for name in OUTLINE_FEATURES}
    areas = np.maximum(areas, 1)
    mean, sure, brightness = ((total / areas / 255).astype(np.float32).astype(float) for total in sums)
    mean = np.clip(mean, 0.01, 0.995)
    foreground = np.log(mean / (1 - mean))
    size = np.log(np.sqrt(4 * areas / np.pi) * scale / diameter)
    contrast, excess_brightness = _ground(grey, labels, areas, 255 * brightness, scale)
    return {
        "foreground": foreground,
        "peak": max_over_labels(maps[1], labels) / 255,
        "sure": sure,
        "size": size,
        "size_squared": size**2,
        "others": np.full(len(areas), np.average(foreground, weights=areas)),
        "contrast": contrast,
        "excess_brightness": excess_brightness,
    }


def _ground(grey: Grey, labels: Labels, areas: Floats, inside: Floats, scale: float) -> tuple[Floats, Floats]:
    """(n,) contrast: mean grey of the particle (`inside`) minus that of the ground around it, in units of the ground's
    SD there, -1 to CLEARLY. excess_brightness: its brightness above the average particle of the image, divided by the
    brightness of the average particle above the ground, 0 to 1.

    The ground around a particle is taken from its RING, or from the whole image if the ring has under FEWEST pixels.
    """
    bare, count = labels == 0, len(areas)
    near, far = (max(1, round(reach / min(scale, 1.0))) for reach in RING)
    total = np.zeros((3, count + 1))  # of the ring: pixels, their grey and its square
    for owners, rows, ring in rings(labels, near, far):
        values = grey[rows][ring].astype(float)
        total += np.stack([np.bincount(owners, weights, count + 1) for weights in (None, values, values**2)])
    pixels, sums, squares = total[:, 1:]
    ground = (grey[bare] if bare.any() else grey).ravel()
    ground = ground[:: 1 + ground.size // SAMPLED]
    enough, middle = pixels >= FEWEST, sums / np.maximum(pixels, 1)
    level = np.where(enough, middle, ground.mean())
    spread = np.where(enough, np.sqrt(np.maximum(squares / np.maximum(pixels, 1) - middle**2, 0)), ground.std())
    above = inside - ground.mean()
    typical = max(float(np.average(above, weights=areas)), 1.0)
    return np.clip((inside - level) / np.maximum(spread, 1), -1, CLEARLY), np.clip(above / typical - 1, 0, 1)


def likely_right(values: Mapping[str, Floats], weights: Mapping[str, float]) -> NDArray[np.float32]:
    """(n,) float32 probability that each particle is right; values: see `outline_features`; weights names some of
    them."""
    score = weights[INTERCEPT] + sum(weight * values[name] for name, weight in weights.items() if name != INTERCEPT)
    chance: NDArray[np.float32] = np.asarray(1 / (1 + np.exp(-score)), np.float32)
    return chance


def confidence(maps: Maps, grey: Grey, labels: Labels, scale: float, options: ParticleOptions) -> NDArray[np.float32]:
    """(n,) float32: probability that each particle is right; without calibration its mean foreground probability.

    maps: (2 or 3, H, W), grey: (H, W), in the image's own pixels. scale: at which the network saw them.
    """
    if not options.confidence:
        return mean_over_labels(maps[0], labels)
    return likely_right(outline_features(maps, grey, labels, scale, options.diameter), options.confidence)


def clarity(maps: Maps, threshold: float, seed_threshold: float) -> tuple[float, float | None, int]:
    """The clarity, size and number of particles in maps (2 or 3, H, W), used to judge a scale search.

    Pixels count from these values on: threshold (foreground probability), seed_threshold (inner distance).

    Clarity is the area-weighted mean of the cores' peaks times the certainty of the foreground, 0 to 1.
    """
    foreground, distance = maps[:2]
    inside = foreground >= threshold * 255
    cores, count = ndimage.label(distance >= seed_threshold * 255)
    diameter = typical_diameter(maps, threshold, seed_threshold)
    if count == 0 or inside.mean() < NOTHING:
        return 0.0, diameter, 0
    peaks = max_over_labels(distance, cores)
    height = np.average(peaks, weights=np.bincount(cores.ravel())[1:])
    return float(height * foreground[inside].mean() / 255**2), diameter, count


def typical_diameter(maps: Maps, threshold: float, seed_threshold: float) -> float | None:
    """Median ECD in px, each particle weighted by its ECD; None where there are no particles.

    By number, specks would dominate; by area, a few large particles. Cores represent particles: a core of inner
    distance above c is 1 - c times as wide as its particle.
    """
    cores, _ = ndimage.label((maps[1] >= seed_threshold * 255) & (maps[0] >= threshold * 255))
    areas = np.sort(np.bincount(cores.ravel())[1:]) / (1 - seed_threshold) ** 2
    areas = areas[areas >= SMALLEST_AREA]
    if not len(areas):
        return None
    weights = np.sqrt(areas)
    middle = areas[np.searchsorted(np.cumsum(weights), weights.sum() / 2)]
    return float(np.sqrt(4 * middle / np.pi))
