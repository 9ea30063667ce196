"""What the maps say of particles: how likely each is right, how clear they are together, and how large."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..network.cards import INTERCEPT, TRAITS, ModelCard
from .separate import Labels, max_over_labels, mean_over_labels

Maps = NDArray[np.uint8]
SURE = 230  # of 255; foreground above it
SMALLEST_AREA = 9  # px
NOTHING = 0.002  # share of the picture under which it shows no particles


def traits(maps: Maps, labels: Labels, diameter: float) -> NDArray[np.float64]:
    """(n, 6) what the maps say of each particle, in the order of TRAITS.

    maps: (2, H, W) uint8. labels: (H, W) 1..n. diameter: in px of these maps, what the network likes best.
    foreground: log-odds of the mean probability over the particle. peak: highest inner distance, 0 to 1. sure: share
    of pixels whose probability is above 0.9. size: ln(ECD / diameter), and its square. others: mean of `foreground`
    over all particles of the image, weighted by area.
    """
    count = int(labels.max(initial=0))
    if not count:
        return np.zeros((0, len(TRAITS)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:].astype(float)
    mean = np.clip(mean_over_labels(maps[0], labels).astype(float), 0.01, 0.995)
    foreground = np.log(mean / (1 - mean))
    peak = max_over_labels(maps[1], labels) / 255
    sure = mean_over_labels(np.where(maps[0] >= SURE, np.uint8(255), np.uint8(0)), labels).astype(float)
    size = np.log(np.sqrt(4 * np.maximum(areas, 1) / np.pi) / diameter)
    others = np.full(count, np.average(foreground, weights=areas))
    return np.stack([foreground, peak, sure, size, size**2, others], axis=1)


def likely_right(values: NDArray[np.float64], weights: Mapping[str, float]) -> NDArray[np.float32]:
    """(n,) float32 probability that each particle is right; values (n, 6) as of `traits`."""
    score = values @ np.array([weights[name] for name in TRAITS]) + weights[INTERCEPT]
    chance: NDArray[np.float32] = (1 / (1 + np.exp(-score))).astype(np.float32)
    return chance


def confidence(maps: Maps, labels: Labels, scale: float, card: ModelCard) -> NDArray[np.float32]:
    """(n,) float32: how likely each particle is right; for a card without calibration the mean probability over it.

    maps: (2, H, W) in the image's own pixels. scale: at which the network saw them.
    """
    if not card.confidence:
        return mean_over_labels(maps[0], labels)
    return likely_right(traits(maps, labels, card.diameter / scale), card.confidence)


def clarity(maps: Maps, card: ModelCard) -> tuple[float, float | None, int]:
    """How clearly two maps (2, H, W) show particles, how large these are and how many: the judge of a scale search.

    Clarity is how high the cores rise (area-weighted mean of their peaks) times how sure the foreground is, 0 to 1.
    """
    foreground, distance = maps
    inside = foreground >= card.threshold * 255
    cores, count = ndimage.label(distance >= card.core * 255)
    diameter = typical_diameter(maps, card)
    if count == 0 or inside.mean() < NOTHING:
        return 0.0, diameter, 0
    peaks = max_over_labels(distance, cores)
    height = np.average(peaks, weights=np.bincount(cores.ravel())[1:])
    return float(height * foreground[inside].mean() / 255**2), diameter, count


def typical_diameter(maps: Maps, card: ModelCard) -> float | None:
    """Median ECD in px, each particle weighted by its ECD; None where there are no particles.

    By number specks would decide, by area a few large particles would, at the cost of all small ones. Cores stand for
    particles: a core of inner distance above c is 1 - c times as wide as its particle.
    """
    cores, _ = ndimage.label((maps[1] >= card.core * 255) & (maps[0] >= card.threshold * 255))
    areas = np.sort(np.bincount(cores.ravel())[1:]) / (1 - card.core) ** 2
    areas = areas[areas >= SMALLEST_AREA]
    if not len(areas):
        return None
    weights = np.sqrt(areas)
    middle = areas[np.searchsorted(np.cumsum(weights), weights.sum() / 2)]
    return float(np.sqrt(4 * middle / np.pi))
