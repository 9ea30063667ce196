"""Measures how much an image differs from the training images of one model, by its contrast at different lengths.

The card has descriptions of the training images, so this works for a user's own model, too. `textures` chooses among
several models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cards import ModelCard
from .resample import middle, resize

# Keys of a card's options; each value is {"taught": descriptions of training images, "limit": distance}.
LIKENESS = "likeness"
OWN_IMAGES = "own_images"  # the same for the user's images on which a model was fine-tuned
SIGMAS_PX = (1, 2, 4, 8, 16, 32)  # standard deviations of the Gaussians between which contrast is measured
MIDDLE_PX = 1024  # largest side of the middle of a picture; only the middle is described
# Standard deviation of each feature over ten kinds of micrographs.
FEATURE_SPREADS = np.array([0.8, *[0.5] * (len(SIGMAS_PX) - 1), 0.5, 1.5])
# Smallest and largest limit. Micrographs of other kinds begin at a distance of about 0.4; if the training images differ
# much from each other, the limit is larger.
DISTANCE_LIMITS = (0.4, 1.25)
# At a smaller distance an image is not refused because of `textures`. Of 999 images of other kinds that textures alone
# refuse, two are nearer.
NEAR = 0.3
# The limit is the distance that nine of ten training images have from the images of other groups, times this factor.
LIMIT_FACTOR = 1.25
Floats = NDArray[np.float64]


def describe(grey: NDArray[np.uint8], scale: float = 1.0) -> Floats:
    """The features (n,) of the middle of a picture (H, W): logarithms of the contrast between the SIGMAS_PX, relative
    to that of the whole, how heavy the tail of the gradient's distribution is, and the skewness of the greys.

    scale: factor by which the picture is resampled before.
    """
    from scipy import ndimage

    grey = grey[middle(grey.shape, MIDDLE_PX)]
    picture: NDArray[np.float32] = grey.astype(np.float32) / np.float32(255)
    if scale != 1:
        picture = resize(picture, scale)
    blurred = [picture, *(ndimage.gaussian_filter(picture, sigma) for sigma in SIGMAS_PX)]
    spread = max(float(picture.std()), 1e-6)
    bands = [np.log(max(float((fine - coarse).std()) / spread, 1e-4)) for fine, coarse in pairwise(blurred)]
    steep = ndimage.gaussian_gradient_magnitude(picture, 1.5)
    tail = np.log(max(float(np.quantile(steep, 0.95)), 1e-6) / max(float(np.median(steep)), 1e-6))
    skewness = float((((picture - picture.mean()) / spread) ** 3).mean())
    return np.array([*bands, tail, skewness])


def likeness_entry(descriptions: Sequence[Floats], groups: Sequence[str]) -> dict[str, Any]:
    """The entry LIKENESS for a card's options, from the descriptions of a model's training images and the group of
    each."""
    all_features, names = np.stack(descriptions), np.array(groups)
    distances = [
        distance(features, all_features[names != group]) for features, group in zip(all_features, names, strict=True)
    ]
    limit = float(np.clip(LIMIT_FACTOR * np.quantile(distances, 0.9), *DISTANCE_LIMITS))
    return {LIKENESS: {"taught": all_features.round(3).tolist(), "limit": round(limit, 3)}}


def distance(description: Floats, taught: Sequence[Any] | Floats) -> float:
    """Root mean square difference of the features from the nearest training image, in units of FEATURE_SPREADS;
    infinite without any."""
    differences = (np.asarray(taught, float).reshape(-1, len(FEATURE_SPREADS)) - description) / FEATURE_SPREADS
    return float(np.sqrt((differences**2).mean(1)).min(initial=np.inf))


def relative_distance(grey: NDArray[np.uint8], scale: float, card: ModelCard, entry: str = LIKENESS) -> float:
    """Distance of a picture (H, W) from the nearest training image of a model, divided by the limit in its card; 0 if
    the card has no limit, or the picture no contrast. entry: LIKENESS or OWN_IMAGES."""
    taught = card.options.get(entry)
    if not taught or not grey.std():
        return 0.0
    return distance(describe(grey, scale), taught["taught"]) / float(taught["limit"])
