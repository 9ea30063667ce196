"""A quick look at the whole picture: are particles bright or dark, and how large are they?"""

from __future__ import annotations

from collections.abc import Iterator
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

LOOK = 512  # px, longest side of the picture in the first looks
COARSER = (1.0, 0.5, 0.25, 0.125)  # of that side: particles may fill the picture
DECIDING = 3  # of these looks decide on the polarity; in the smallest too little is left to see
OTHERS = 0.25  # of 366 EMPS micrographs the polarity of 7 is wrong so, of 9 by the clearest look alone
ALONE = 0.05  # by so much a single core counts less, and each of n by an n-th of it: one may be the ground between many
CLEAR = 0.6  # clarity under which nothing was clearly a particle: of 30 rendered blanks 70 % stay below, of 52 EMPS 2 %
KEEP = (0.75, 1.35)  # a scale in this range is not worth a resampling
LIMITS = (0.02, 2.0)
FINE = 20.0  # px; when the best look shows particles below this, a finer one may see them better
BEYOND = 1.5  # times the largest size that was taught: outlines are poor there, but their size is still right
MAGNIFIED = 0.5  # of what is wanted on a logarithmic scale: a magnified picture is coarse, and coarse ones are split
ALIKE = 0.98  # looks whose clarity differs by less are as clear as each other
SMALLEST_AREA = 9  # px
NOTHING = 0.002  # share of the picture under which a look has seen no particles


@dataclass(frozen=True)
class View:
    """How to show a picture to the network. clarity: of the clearest look; 1 where there was none to take."""

    polarity: Polarity
    scale: float
    clarity: float = 1.0


@dataclass(frozen=True)
class Look:
    """What one pass saw. at: scale of the picture. clarity: how clear the particles are, 0 for none.

    diameter: length-weighted median ECD in px of the picture as shown; None without particles. cores: their number.
    """

    at: float
    clarity: float
    diameter: float | None
    cores: int = 0


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

    picture: (H, W) float32 in 0..1. Both polarities are looked at in small copies of the picture; the one whose
    particles are clearer in the larger copies is taken. The clearest copy tells the size.
    """
    if polarity is not None and scale is not None:
        return View(polarity, scale)
    first = min(1.0, LOOK / max(picture.shape))
    copies = [(at, resize(picture, at) if at < 1 else picture) for at in (first * c for c in COARSER)]
    sides: tuple[Polarity, ...] = ("bright", "dark") if polarity is None else (polarity,)
    looks = {side: [see(network, card, shown(copy, side), at, runtime) for at, copy in copies] for side in sides}
    chosen = max(sides, key=lambda side: _clear_throughout(looks[side][:DECIDING]))
    seen = looks[chosen]
    if scale is None:
        seen = seen + list(_finer(network, card, picture, chosen, seen, runtime))
    best = clearest(seen, card)
    return View(chosen, working_scale(best, card) if scale is None else scale, best.clarity)


def _clear_throughout(looks: list[Look]) -> float:
    """The clarity of the clearest look, and a little of all of them: one clear look may be a chance of its scale."""
    every = [each.clarity * (1 - ALONE / max(each.cores, 1)) for each in looks]
    return max(every) + OTHERS * sum(every) / len(every)


def shown(picture: NDArray[np.float32], polarity: Polarity) -> NDArray[np.float32]:
    """The picture with bright particles, as networks are taught."""
    return picture if polarity == "bright" else 1 - picture


def see(network: nn.Module, card: ModelCard, picture: NDArray[np.float32], at: float, runtime: Runtime) -> Look:
    """One pass over a picture that is shown at scale `at`."""
    maps = predict(network, picture, runtime)
    clear, count = clarity(maps, card)
    return Look(at, clear, typical_diameter(maps, card), count)


def clarity(maps: Maps, card: ModelCard) -> tuple[float, int]:
    """How high the cores rise (area-weighted mean of their peaks) times how sure the foreground is, 0 to 1; and their
    number."""
    foreground, distance = maps
    inside = foreground >= card.threshold * 255
    cores, count = ndimage.label(distance >= card.core * 255)
    if count == 0 or inside.mean() < NOTHING:
        return 0.0, 0
    peaks = ndimage.maximum(distance, cores, np.arange(1, count + 1))
    height = np.average(peaks, weights=np.bincount(cores.ravel())[1:])
    return float(height * foreground[inside].mean() / 255**2), count


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


def _finer(
    network: nn.Module,
    card: ModelCard,
    picture: NDArray[np.float32],
    polarity: Polarity,
    looks: list[Look],
    runtime: Runtime,
) -> Iterator[Look]:
    """Further looks, each at twice the resolution, as long as particles are small in the finest so far."""
    finest = looks[0]
    while finest.at < 1 and (finest.diameter is None or finest.diameter < FINE):
        at = min(1.0, 2 * finest.at)
        copy = resize(picture, at) if at < 1 else picture
        finest = see(network, card, shown(copy, polarity), at, runtime)
        yield finest


def clearest(looks: list[Look], card: ModelCard) -> Look:
    """The look with the clearest particles, of about a size that the network was taught where there is one.

    Of looks that are as clear the finest: from afar a dense heap is a clear particle, too.
    """
    largest = BEYOND * card.largest
    useful = [each for each in looks if each.diameter and card.smallest <= each.diameter <= largest] or looks
    clear = max(each.clarity for each in useful)
    return max((each for each in useful if each.clarity >= ALIKE * clear), key=lambda each: each.at)


def working_scale(best: Look, card: ModelCard) -> float:
    """The factor that brings the particles of the clearest look to the card's favourite size.

    Where nothing is clear, 1: a strong reduction would turn shades of the background into large particles.
    """
    if best.diameter is None or best.clarity < CLEAR:
        return 1.0
    scale = best.at * card.diameter / best.diameter
    if scale > 1:
        scale **= MAGNIFIED
    if KEEP[0] <= scale <= KEEP[1]:
        return 1.0
    return float(np.clip(scale, *LIMITS))
