"""Which model's training images a picture resembles. It chooses the model of an automatic name, decides whether other
models look, too, and warns who chose the wrong kind: CLEARLY, UNFAMILIAR and LIKELY change results.

Texture features at octaves of scale are assumed to be normally distributed among the training images of each model
(`lab.research.textures` fits them). A picture belongs to the model with the largest likelihood.
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
SIDE = 512  # px, longest side of the picture that is looked at
OCTAVES = 6
EDGES = 0, 2  # octaves whose edges are looked at
GREYS = 8
CUT_OFF = 1, 99  # % of the pixels: between them lies the range of greys
EXTREME = 6.0
CLEARLY = 7.0  # log-likelihood by which another model must be better: 8 of 366 images of EMPS are wrongly assigned
UNFAMILIAR = 3.0  # mean square distance in SD: of left-out images of steel, alloys and grains all but one are nearer
# The same, under which a model of another task is advised: five of 366 images of EMPS resemble grains or bubbles, but
# have sure outlines.
LIKELY = 1.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Textures:
    """The textures of a model's training images.

    model: its name. images: how many there were. centre: (d,). covariance: (d,) or (d, d), in units of `Known.spread`.
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

    def distance(self, textures: Floats) -> float:
        """Mean square distance in SD of a picture's textures (d,) from the centre."""
        off = textures - self.centre
        return float(off @ self._inverse[0] @ off / len(off))

    def likelihood(self, textures: Floats) -> float:
        """The log-likelihood without terms that are equal for all models."""
        return -0.5 * (len(textures) * self.distance(textures) + self._inverse[1])


@dataclass(frozen=True, eq=False)
class Known:
    """The textures of all models. middle, spread: (d,) of all images together, to normalise the textures."""

    middle: Floats
    spread: Floats
    models: dict[str, Textures]  # by their names

    def scaled(self, picture: NDArray[np.float32]) -> Floats:
        """The normalised textures of a picture; kept for the last array, which an analysis asks for several times."""
        last, values = _last
        if last() is not picture:
            values = (features(picture) - self.middle) / self.spread
            _last[:] = weakref.ref(picture), values
        return np.asarray(values)


_last: list[Any] = [lambda: None, None]  # the picture that was looked at last, unless it is gone, and its textures


@lru_cache
def known_textures() -> Known:
    """The content of FILE."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    models = {
        model["model"]: Textures(
            model["model"], model["images"], np.array(model["centre"]), np.array(model["covariance"])
        )
        for model in data["models"]
    }
    return Known(np.array(data["middle"]), np.array(data["spread"]), models)


def known_of(among: Sequence[ModelCard]) -> list[ModelCard]:
    """The cards of models with known training images."""
    return [card for card in among if card.name in known_textures().models]


def nearest(picture: NDArray[np.float32], among: Sequence[ModelCard]) -> list[ModelCard]:
    """The models with known training images, those whose images a picture (H, W) in 0..1 resembles most first. An empty
    picture leaves their order unchanged."""
    if not picture.any():
        return known_of(among)
    models, textures = known_textures().models, known_textures().scaled(picture)
    return sorted(known_of(among), key=lambda card: -models[card.name].likelihood(textures))


def clearly_of(picture: NDArray[np.float32], card: ModelCard, others: Sequence[ModelCard]) -> bool:
    """Whether a picture is clearly more like the images of one model than like those of the others (all `known_of`)."""
    models, textures = known_textures().models, known_textures().scaled(picture)
    likelihood = models[card.name].likelihood(textures)
    return all(likelihood > models[other.name].likelihood(textures) + CLEARLY for other in others)


def compared_with_models(
    picture: NDArray[np.float32], card: ModelCard, *, same_task: bool = True
) -> tuple[list[ModelCard], bool]:
    """The cards of other models whose images a picture (H, W) in 0..1 clearly resembles more than those of `card`, the
    likeliest first; and whether the picture is far from all images of `card`.

    same_task: whether the other models may be of the same task. For a user's own model the answer is ([], False),
    because its training images are not known here.
    """
    available = {item.name: item for item in cards.available()}
    models = {name: model for name, model in known_textures().models.items() if name in available}
    trained = models.pop(card.name, None)
    if trained is None or not picture.any():
        return [], False
    if not same_task:
        models = {name: model for name, model in models.items() if available[name].task != card.task}
    textures = known_textures().scaled(picture)
    clearer = [
        model
        for model in models.values()
        if model.likelihood(textures) > trained.likelihood(textures) + CLEARLY
        and model.distance(textures) < (UNFAMILIAR if same_task else LIKELY)
    ]
    clearer.sort(key=lambda model: -model.likelihood(textures))
    return [available[model.model] for model in clearer], trained.distance(textures) > UNFAMILIAR


def features(picture: NDArray[np.float32]) -> Floats:
    """(32,) figures of a picture (H, W) in 0..1: skewness and kurtosis of its greys, square roots of their
    histogram, share of contrast, skewness and kurtosis of each octave; share of flat ground and spread of edges."""
    from scipy import ndimage

    scale = SIDE / max(picture.shape)
    if scale < 1:
        picture = resize(picture, scale)
    elif scale > 1:
        picture = ndimage.zoom(picture, scale, order=1)
    low, high = np.percentile(picture, CUT_OFF)
    grey = np.clip((picture - low) / max(high - low, 1e-6), 0, 1)
    contrast = max(float(grey.std()), 1e-6)
    figures = _moments(grey - grey.mean())
    histogram = np.histogram(grey, GREYS, (0, 1))[0] / grey.size
    figures += np.sqrt(histogram).tolist()
    for octave in range(OCTAVES):
        blurred = ndimage.gaussian_filter(grey, 1)
        detail = grey - blurred
        figures += [float(np.log(detail.std() / contrast + 1e-4)), *_moments(detail)]
        if octave in EDGES:
            edges = np.hypot(*(ndimage.sobel(blurred, axis) for axis in (0, 1)))
            figures += [float((edges < 0.15 * edges.max()).mean()), float(edges.std() / max(edges.mean(), 1e-6))]
        grey = blurred[::2, ::2]
    return np.array(figures)


def _moments(values: NDArray[np.float32]) -> list[float]:
    """Skewness, and the logarithm of the kurtosis."""
    relative = values / max(float(values.std()), 1e-6)
    squared = relative * relative  # powers take ten times as long
    skewness = float(np.clip((squared * relative).mean(), -EXTREME, EXTREME))
    return [skewness, float(np.log(max((squared * squared).mean(), 1e-6)))]
