"""Whether an image resembles the training images of one model, by the distribution of its contrast over lengths.

The card holds the descriptions of its training images, so this works for a user's own model, too. Which of several
models an image resembles is the question of `textures`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cards import ModelCard
from .resample import middle, resize

ENTRY = "likeness"  # in a card's options: {"taught": descriptions, "limit": distance}
OWN = "own_images"  # the same of a user's images alone, that a released model was trained further on
REACHES = (1, 2, 4, 8, 16, 32)  # px, standard deviations of the Gaussians between which contrast is measured
MOST = 1024  # px of a side that are looked at
USUAL = np.array([0.8, *[0.5] * (len(REACHES) - 1), 0.5, 1.5])  # spread of each feature over ten kinds of micrographs
LIMITS = (0.4, 1.25)  # micrographs of other kinds begin at about 0.4; images that differ much among themselves get more
# Below this distance `textures` may not refuse an image. Of 999 images of other kinds that textures alone refuse, two
# are nearer.
NEAR = 0.3
ROOM = 1.25  # times the distance under which nine in ten taught images are from those of other groups
Floats = NDArray[np.float64]


def describe(grey: NDArray[np.uint8], scale: float = 1.0) -> Floats:
    """(features,) of the middle of a picture (H, W) as it is shown: logarithms of the contrast between the REACHES,
    relative to the whole, the heaviness of the gradient's tail, and the skewness of the greys."""
    from scipy import ndimage

    grey = grey[middle(grey.shape, MOST)]
    picture: NDArray[np.float32] = grey.astype(np.float32) / np.float32(255)
    if scale != 1:
        picture = resize(picture, scale)
    blurred = [picture, *(ndimage.gaussian_filter(picture, reach) for reach in REACHES)]
    spread = max(float(picture.std()), 1e-6)
    bands = [np.log(max(float((fine - coarse).std()) / spread, 1e-4)) for fine, coarse in pairwise(blurred)]
    steep = ndimage.gaussian_gradient_magnitude(picture, 1.5)
    tail = np.log(max(float(np.quantile(steep, 0.95)), 1e-6) / max(float(np.median(steep)), 1e-6))
    skewness = float((((picture - picture.mean()) / spread) ** 3).mean())
    return np.array([*bands, tail, skewness])


def learn(descriptions: Sequence[Floats], groups: Sequence[str]) -> dict[str, Any]:
    """The entry of a card, from the descriptions of a model's training images and, for each, its group."""
    every, names = np.stack(descriptions), np.array(groups)
    apart = [distance(description, every[names != group]) for description, group in zip(every, names, strict=True)]
    limit = float(np.clip(ROOM * np.quantile(apart, 0.9), *LIMITS))
    return {ENTRY: {"taught": every.round(3).tolist(), "limit": round(limit, 3)}}


def distance(description: Floats, taught: Sequence[Any] | Floats) -> float:
    """Root mean square difference of the features, in USUAL, from the nearest training image; infinite without any."""
    apart = (np.asarray(taught, float).reshape(-1, len(USUAL)) - description) / USUAL
    return float(np.sqrt((apart**2).mean(1)).min(initial=np.inf))


def relative_distance(grey: NDArray[np.uint8], scale: float, card: ModelCard, entry: str = ENTRY) -> float:
    """Distance of a picture from the nearest training image of a model, divided by the limit in its card; 0 if the card
    has no limit or the picture shows nothing. entry: ENTRY or OWN."""
    taught = card.options.get(entry)
    if not taught or not grey.std():
        return 0.0
    return distance(describe(grey, scale), taught["taught"]) / float(taught["limit"])
