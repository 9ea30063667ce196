"""Finds the model whose training images a picture resembles most, by its texture.

It is used to choose the model for an automatic name, to decide whether other models are tried, and to warn about a
wrong kind. So other values of CLEAR_DIFFERENCE, UNFAMILIAR and LIKELY change results.

The texture features of each model's training images are taken as normally distributed (`lab.research.textures` fits
the distributions). A picture belongs to the model with the largest likelihood.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import cards
from .cards import ModelCard
from .resample import resize

FILE = cards.CARDS / "textures.json"
SIDE_PX = 512  # px: pictures are resampled to this longest side
OCTAVES = 6
EDGE_OCTAVES = 0, 2  # octaves of which the edges are described
GREY_BINS = 8  # bins of the histogram of greys
GREY_PERCENTILES = 1, 99  # the greys between them are scaled to 0..1
LARGEST_SKEWNESS = 6.0  # largest skewness
# A difference of log-likelihoods from which a model is clearly better: 8 of 366 images of EMPS are wrongly assigned.
CLEAR_DIFFERENCE = 7.0
# Mean square distances in standard deviations: beyond UNFAMILIAR a picture is unlike the training images (of held-out
# images of steel, alloys and grains all but one are nearer). Below LIKELY a model of another task is advised (five of
# 366 images of EMPS resemble grains or bubbles, but have sure outlines).
UNFAMILIAR = 3.0
LIKELY = 1.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Textures:
    """The textures of a model's training images.

    model: its name. images: number of images. centre: (d,) mean of the normalised features (`KnownTextures`).
    covariance: (d, d) of these, or (d,) its diagonal.
    """

    model: str
    images: int
    centre: Floats
    covariance: Floats

    @cached_property
    def _inverse(self) -> tuple[Floats, float]:
        """Inverse of the covariance and the logarithm of its determinant."""
        full = np.diag(self.covariance) if self.covariance.ndim == 1 else self.covariance
        return np.asarray(np.linalg.inv(full), np.float64), float(np.linalg.slogdet(full)[1])

    def distance(self, values: Floats) -> float:
        """Mean square distance of a picture's normalised features (d,) from the centre, in squared standard
        deviations."""
        difference = values - self.centre
        return float(difference @ self._inverse[0] @ difference / len(difference))

    def likelihood(self, values: Floats) -> float:
        """The log-likelihood of a picture's normalised features (d,), without terms that are equal for all models."""
        return -0.5 * (len(values) * self.distance(values) + self._inverse[1])


@dataclass(frozen=True, eq=False)
class KnownTextures:
    """The textures of all models. middle, spread: (d,) of all images together, to normalise the features."""

    middle: Floats
    spread: Floats
    models: dict[str, Textures]  # by their names

    def normalised(self, picture: NDArray[np.float32]) -> Floats:
        """The normalised features (d,) of a picture. Those of the last picture are remembered, because an analysis
        needs them several times."""
        last_picture, values = _last
        if last_picture() is not picture:
            values = (features(picture) - self.middle) / self.spread
            _last[:] = weakref.ref(picture), values
        return np.asarray(values)


_last: list[Any] = [lambda: None, None]  # weak reference to the last picture, and its features


@lru_cache
def known_textures() -> KnownTextures:
    """The content of FILE."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    models = {
        model["model"]: Textures(
            model["model"], model["images"], np.array(model["centre"]), np.array(model["covariance"])
        )
        for model in data["models"]
    }
    return KnownTextures(np.array(data["middle"]), np.array(data["spread"]), models)


def with_known_textures(candidates: Sequence[ModelCard]) -> list[ModelCard]:
    """The candidates whose models have known training images (FILE)."""
    return [card for card in candidates if card.name in known_textures().models]


def nearest(picture: NDArray[np.float32], candidates: Sequence[ModelCard]) -> list[ModelCard]:
    """The candidates with known training images; those whose images a picture (H, W) in 0..1 resembles most come first.
    An empty picture leaves the order unchanged."""
    known = with_known_textures(candidates)
    if not picture.any():
        return known
    models, textures = known_textures().models, known_textures().normalised(picture)
    return sorted(known, key=lambda card: -models[card.name].likelihood(textures))


def clearly_resembles(picture: NDArray[np.float32], card: ModelCard, others: Sequence[ModelCard]) -> bool:
    """Whether a picture is clearly more like the training images of one model than like those of the others. All cards
    must be `with_known_textures`."""
    models, textures = known_textures().models, known_textures().normalised(picture)
    likelihood = models[card.name].likelihood(textures)
    return all(likelihood > models[other.name].likelihood(textures) + CLEAR_DIFFERENCE for other in others)


def compared_with_models(
    picture: NDArray[np.float32], card: ModelCard, *, same_task: bool = True
) -> tuple[list[ModelCard], bool]:
    """How a picture (H, W) in 0..1 compares with the training images of `card` and of other models.

    Returns the cards of the other models whose images it clearly resembles more, the likeliest first; and whether it is
    unlike the images of `card` (UNFAMILIAR). For a user's own model this is ([], False), because its training images
    are not known here. same_task: whether the other models may be of the same task.
    """
    available = {item.name: item for item in cards.available()}
    models = {name: model for name, model in known_textures().models.items() if name in available}
    own_model = models.pop(card.name, None)
    if own_model is None or not picture.any():
        return [], False
    if not same_task:
        models = {name: model for name, model in models.items() if available[name].task != card.task}
    textures = known_textures().normalised(picture)
    clearer = [
        model
        for model in models.values()
        if model.likelihood(textures) > own_model.likelihood(textures) + CLEAR_DIFFERENCE
        and model.distance(textures) < (UNFAMILIAR if same_task else LIKELY)
    ]
    clearer.sort(key=lambda model: -model.likelihood(textures))
    return [available[model.model] for model in clearer], own_model.distance(textures) > UNFAMILIAR


def features(picture: NDArray[np.float32]) -> Floats:
    """The texture features (32,) of a picture (H, W) in 0..1.

    They are: skewness and kurtosis of the greys, square roots of their histogram; for each octave its share of the
    contrast, its skewness and kurtosis; for the octaves of EDGE_OCTAVES the share of flat ground and the spread of the
    edges.
    """
    from scipy import ndimage

    scale = SIDE_PX / max(picture.shape)
    if scale < 1:
        picture = resize(picture, scale)
    elif scale > 1:
        picture = ndimage.zoom(picture, scale, order=1)
    low, high = np.percentile(picture, GREY_PERCENTILES)
    grey = np.clip((picture - low) / max(high - low, 1e-6), 0, 1)
    contrast = max(float(grey.std()), 1e-6)
    values = _moments(grey - grey.mean())
    histogram = np.histogram(grey, GREY_BINS, (0, 1))[0] / grey.size
    values += np.sqrt(histogram).tolist()
    for octave in range(OCTAVES):
        blurred = ndimage.gaussian_filter(grey, 1)
        detail = grey - blurred
        values += [float(np.log(detail.std() / contrast + 1e-4)), *_moments(detail)]
        if octave in EDGE_OCTAVES:
            edges = np.hypot(*(ndimage.sobel(blurred, axis) for axis in (0, 1)))
            values += [float((edges < 0.15 * edges.max()).mean()), float(edges.std() / max(edges.mean(), 1e-6))]
        grey = blurred[::2, ::2]
    return np.array(values)


def _moments(values: NDArray[np.float32]) -> list[float]:
    """The skewness and the logarithm of the kurtosis of values with mean 0."""
    relative = values / max(float(values.std()), 1e-6)
    squared = relative * relative  # `**` takes ten times as long
    skewness = float(np.clip((squared * relative).mean(), -LARGEST_SKEWNESS, LARGEST_SKEWNESS))
    return [skewness, float(np.log(max((squared * squared).mean(), 1e-6)))]
