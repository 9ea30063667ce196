"""A quick look at the whole picture: are particles bright or dark, and how large are they?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from ..micrograph.types import Polarity
from .cards import ModelCard
from .predict import Maps, predict
from .resample import resize
from .runtime import Runtime

LOOK = 512  # px, longest side of the picture in the first look
KEEP = (0.8, 1.3)  # a scale in this range is not worth a resampling
LIMITS = (0.02, 2.0)
CLEARLY_PARTICLE, CLEARLY_NOT = 166, 89  # 0.65 and 0.35 of 255
NOTHING = 0.002  # share of the picture under which the first look has seen no particles


@dataclass(frozen=True)
class View:
    """How to show a picture to the network."""

    polarity: Polarity
    scale: float


def look(
    network: nn.Module,
    card: ModelCard,
    picture: NDArray[np.float32],
    runtime: Runtime,
    *,
    polarity: Polarity | None = None,
    scale: float | None = None,
) -> View:
    """Decide what is left open of polarity and scale.

    picture: (H, W) float32 in 0..1. The first look is at LOOK px; when its particles come out smaller than the
    network was taught, a second look at twice the resolution decides (and so on, up to the full resolution).
    """
    if polarity is not None and scale is not None:
        return View(polarity, scale)
    at = min(1.0, LOOK / max(picture.shape))
    while True:
        small = resize(picture, at) if at < 1 else picture
        if polarity is None:
            polarity = better_polarity(network, small, runtime)
        diameter = typical_diameter(predict(network, shown(small, polarity), runtime), card)
        if at >= 1 or (diameter is not None and diameter >= card.smallest):
            break
        at = min(1.0, 2 * at)
    return View(polarity, scale if scale is not None else working_scale(diameter, at, card))


def shown(picture: NDArray[np.float32], polarity: Polarity) -> NDArray[np.float32]:
    """The picture with bright particles, as networks are taught."""
    return picture if polarity == "bright" else 1 - picture


def better_polarity(network: nn.Module, picture: NDArray[np.float32], runtime: Runtime) -> Polarity:
    """The polarity under which the network is surer of what it sees."""
    bright = certainty(predict(network, picture, runtime))
    dark = certainty(predict(network, 1 - picture, runtime))
    return "bright" if bright >= dark else "dark"


def certainty(maps: Maps) -> float:
    """How well the two maps agree on particles: high where a foreground has cores, low for vague or flat maps."""
    foreground, distance = maps.astype(np.float32) / 255
    inside = foreground > 0.5
    if inside.mean() < NOTHING:
        return 0.0
    vague = float(((foreground > 0.2) & (foreground < 0.8)).sum()) / float(inside.sum())
    cores = float((distance[inside] > 0.5).mean())
    return cores * float(foreground[inside].mean()) / (1 + vague)


def typical_diameter(maps: Maps, card: ModelCard) -> float | None:
    """Area-weighted median ECD, in px, of the cores' particles; None where there are no particles.

    A core is where the inner distance is at least `card.core`, so a particle is 1 / (1 - core) times as wide.
    """
    cores, count = ndimage.label((maps[1] >= card.core * 255) & (maps[0] >= card.threshold * 255))
    if count == 0 or (cores > 0).mean() < NOTHING / 4:
        return None
    areas = np.sort(np.bincount(cores.ravel())[1:])
    middle = areas[np.searchsorted(np.cumsum(areas), areas.sum() / 2)]
    return float(np.sqrt(4 * middle / np.pi) / (1 - card.core))


def working_scale(diameter: float | None, at: float, card: ModelCard) -> float:
    """The factor that brings particles of `diameter` px, seen at scale `at`, to the card's favourite size."""
    if diameter is None:
        return at if at < 1 else 1.0
    scale = at * card.diameter / diameter
    if KEEP[0] <= scale <= KEEP[1]:
        return 1.0
    return float(np.clip(scale, *LIMITS))
