"""Values of particles from the network's maps and the picture: the confidence of each outline, how clear all particles
of an image are, and their typical size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..bands import sums_over_labels
from ..separate import Labels, max_over_labels, mean_over_labels
from .contrast import rings
from .options import INTERCEPT, OUTLINE_FEATURES, ParticleOptions

Maps = NDArray[np.uint8]
Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]
SURE_LEVEL = 230  # of 255: a pixel with this foreground or more surely belongs to a particle
SMALLEST_AREA = 9  # px
RING_PX = 1, 5  # px at the working scale: distances from a particle between which the ground around it is read
FEWEST_RING_PX = 8  # of background around a particle; with fewer its grey is not read there
LARGEST_CONTRAST = 4.0  # in SD of the ground: larger contrasts are set to this
SAMPLED_PX = 2**22  # px of ground, enough to estimate its grey
LEAST_FOREGROUND = 0.002  # share of the picture; with less it shows no particles


def outline_features(maps: Maps, grey: Grey, labels: Labels, scale: float, diameter: float) -> dict[str, Floats]:
    """The variables (n,) of the probability that each particle's outline is right, by the names of OUTLINE_FEATURES.

    maps: (2 or 3, H, W) uint8, foreground and inner distance first; grey: (H, W) uint8 in the polarity that the network
    saw; both in the image's own pixels. labels: (H, W) 1..n. scale: the working scale. diameter: the network's
    preferred diameter in px.

    foreground: log-odds of the mean probability over the particle. peak: highest inner distance, 0 to 1. sure: share of
    pixels with a foreground of at least SURE_LEVEL. size: ln(ECD / diameter); size_squared: its square. others: mean of
    `foreground` over all particles of the image, weighted by area. contrast, excess_brightness: see `_ground`.
    """
    sure_pixels = np.where(maps[0] >= SURE_LEVEL, np.uint8(255), np.uint8(0))
    areas, *sums = sums_over_labels(labels, maps[0], sure_pixels, grey)
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
    """(n,) each: contrast and excess brightness of particles with areas (n,) in px and mean grey `inside` (n,).

    contrast: grey of the particle minus grey of the ground around it, in SD of this ground, -1 to LARGEST_CONTRAST.
    excess brightness: how much brighter the particle is than the average one, divided by how much brighter that is than
    the ground, 0 to 1. The ground around a particle is the background in its ring (RING_PX), or the whole background if
    the ring has under FEWEST_RING_PX px.
    """
    bare, count = labels == 0, len(areas)
    near, far = (max(1, round(reach / min(scale, 1.0))) for reach in RING_PX)
    total = np.zeros((3, count + 1))  # number of pixels in each ring, sums of their grey and of its square
    for owners, rows, ring in rings(labels, near, far):
        values = grey[rows][ring].astype(float)
        total += np.stack([np.bincount(owners, weights, count + 1) for weights in (None, values, values**2)])
    pixels, sums, squares = total[:, 1:]
    ground = (grey[bare] if bare.any() else grey).ravel()
    ground = ground[:: 1 + ground.size // SAMPLED_PX]
    is_enough, mean = pixels >= FEWEST_RING_PX, sums / np.maximum(pixels, 1)
    level = np.where(is_enough, mean, ground.mean())
    spread = np.where(is_enough, np.sqrt(np.maximum(squares / np.maximum(pixels, 1) - mean**2, 0)), ground.std())
    contrast = np.clip((inside - level) / np.maximum(spread, 1), -1, LARGEST_CONTRAST)
    brightness = inside - ground.mean()
    average = max(float(np.average(brightness, weights=areas)), 1.0)
    return contrast, np.clip(brightness / average - 1, 0, 1)


def likely_right(values: Mapping[str, Floats], weights: Mapping[str, float]) -> NDArray[np.float32]:
    """(n,) float32: the probability that each outline is right, by logistic regression.

    values: (n,) each, from `outline_features`. weights: of INTERCEPT and some of the values, by their names.
    """
    score = weights[INTERCEPT] + sum(weight * values[name] for name, weight in weights.items() if name != INTERCEPT)
    probability: NDArray[np.float32] = np.asarray(1 / (1 + np.exp(-score)), np.float32)
    return probability


def confidence(maps: Maps, grey: Grey, labels: Labels, scale: float, options: ParticleOptions) -> NDArray[np.float32]:
    """(n,) float32: the confidence of each outline; for a model without weights of it the mean foreground probability.

    maps: (2 or 3, H, W), grey: (H, W), in the image's own pixels. labels: (H, W) 1..n. scale: the working scale.
    """
    if not options.confidence:
        return mean_over_labels(maps[0], labels)
    return likely_right(outline_features(maps, grey, labels, scale, options.diameter), options.confidence)


def clarity(maps: Maps, threshold: float, seed_threshold: float) -> tuple[float, float | None, int]:
    """The clarity of particles in maps (2 or 3, H, W), their typical diameter in px, and their number. The scale search
    chooses the working scale by these.

    threshold: least foreground probability of a particle's pixel. seed_threshold: least inner distance in its core.
    Clarity, 0 to 1: the mean of the cores' highest inner distances, weighted by area, times the mean foreground.
    """
    foreground, distance = maps[:2]
    inside = foreground >= threshold * 255
    cores, count = ndimage.label(distance >= seed_threshold * 255)
    diameter = typical_diameter(maps, threshold, seed_threshold)
    if count == 0 or inside.mean() < LEAST_FOREGROUND:
        return 0.0, diameter, 0
    peaks = max_over_labels(distance, cores)
    height = np.average(peaks, weights=np.bincount(cores.ravel())[1:])
    return float(height * foreground[inside].mean() / 255**2), diameter, count


def typical_diameter(maps: Maps, threshold: float, seed_threshold: float) -> float | None:
    """Median ECD in px, each particle weighted by its ECD; None if there is no particle.

    (In a median by number specks would dominate; in one by area, a few large particles.) Sizes are taken from cores,
    because particles may touch: a core with inner distances above c is 1 - c times as wide as its particle.
    """
    cores, _ = ndimage.label((maps[1] >= seed_threshold * 255) & (maps[0] >= threshold * 255))
    areas = np.sort(np.bincount(cores.ravel())[1:]) / (1 - seed_threshold) ** 2
    areas = areas[areas >= SMALLEST_AREA]
    if not len(areas):
        return None
    weights = np.sqrt(areas)
    middle = areas[np.searchsorted(np.cumsum(weights), weights.sum() / 2)]
    return float(np.sqrt(4 * middle / np.pi))
