"""The working scale: trial predictions on small copies of a picture show the size of its objects, and whether they
are bright or dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..micrograph.grey import bands
from ..micrograph.types import Polarity
from .cards import ModelCard
from .resample import resize

FIRST_SIDE = 512  # px, longest side of the picture in the first trials
COARSER = (1.0, 0.5, 0.25, 0.125)  # of that side: particles may fill the picture
DECIDING = 3  # of these trials decide on the polarity; in the smallest too little is left to see
# Weight of the mean clarity of all trials beside the clearest: of 366 EMPS micrographs the polarity of 7 is wrong with
# it, of 9 without.
OTHERS = 0.25
# Share by which the clarity of a single object counts less, of n objects an n-th of it: one may be the ground between.
ALONE = 0.05
UNDECIDED = 0.95  # share of the clearer polarity's clarity: if the other reaches it, finer copies decide, too
CLEAR = 0.6  # clarity under which nothing was clearly a particle: of 8 rendered blanks 4 stay below, of 52 EMPS none
KEEP = (0.75, 1.35)  # a scale in this range is not worth a resampling
LIMITS = (0.02, 2.0)
FINE = 20.0  # px; when the best trial shows objects below this, a finer one may see them better
BEYOND = 1.5  # times the largest size that was taught: outlines are poor there, but their size is still right
MAGNIFIED = 0.5  # of the wanted factor, as logarithms: a magnified picture is coarse, and coarse objects are split
ALIKE = 0.98  # trials whose clarity differs by less are as clear as each other

Maps = NDArray[np.uint8]
Picture = NDArray[np.float32]
Predict = Callable[[Picture], Maps]
Judge = Callable[[Maps], tuple[float, float | None, int]]


@dataclass(frozen=True)
class View:
    """How a picture is shown to the network.

    polarity: "dark" shows it inverted. scale: factor by which it is resampled. clarity: how clearly the picture shows
    its objects, 0 to 1; 1 if not determined. second_scale: the network predicts once more from the picture resampled by
    `scale` times this factor, and the maps of both predictions are averaged; 1: it predicts once. other_polarity:
    clarity in the other polarity, relative to this one; 0 if not determined. trial: of those that determined it the one
    nearest to that scale; None where there was none.
    """

    polarity: Polarity = "bright"
    scale: float = 1.0
    clarity: float = 1.0
    second_scale: float = 1.0
    other_polarity: float = 0.0
    trial: Trial | None = field(default=None, compare=False, repr=False)

    @property
    def facts(self) -> dict[str, Any]:
        """Its values by name, in plain JSON types."""
        return {name: value for name, value in vars(self).items() if name != "trial"}


@dataclass(frozen=True)
class Trial:
    """The result of one trial prediction. scale: of the picture. clarity: how clear the objects are, 0 for none.

    diameter: typical size of an object in px of the picture as shown; None without objects. count: of objects. maps:
    (C, h, w) uint8 of the copy that was shown.
    """

    scale: float
    clarity: float
    diameter: float | None
    count: int = 0
    maps: Maps | None = field(default=None, compare=False, repr=False)

    @property
    def weighted(self) -> float:
        """Its clarity, less where it shows few objects: a heap may look like one clear particle."""
        return self.clarity * (1 - ALONE / max(self.count, 1))


def search(
    predict: Predict,
    judge: Judge,
    card: ModelCard,
    picture: Picture,
    *,
    diameter: float,
    polarity: Polarity | None = None,
    scale: float | None = None,
    coarsest: float = 0.0,
) -> View:
    """Determine polarity and scale if they are open (None).

    judge(maps): clarity, typical diameter in px or None, and number of the objects in the maps of a trial. picture:
    (H, W) float32 in 0..1. Both polarities are tried on small copies of the picture; the one whose objects are clearer
    in the larger copies is taken. The clearest copy gives the size. diameter: of objects, in px, that the network likes
    best. coarsest: the least of COARSER that is tried, for models of what is always small in its picture.
    """
    if polarity is not None and scale is not None:
        return View(polarity, scale)

    def trial(copy: Picture, at: float, tried_polarity: Polarity) -> Trial:
        maps = predict(with_bright_objects(copy, tried_polarity))
        return Trial(at, *judge(maps), maps)

    finest = min(1.0, FIRST_SIDE / max(picture.shape))
    copies = [(at, resize(picture, at) if at < 1 else picture) for at in (finest * c for c in COARSER if c >= coarsest)]
    tried: tuple[Polarity, ...] = ("bright", "dark") if polarity is None else (polarity,)
    trials = {tried_polarity: [trial(copy, at, tried_polarity) for at, copy in copies] for tried_polarity in tried}
    finer: dict[Polarity, list[Trial]] = {}

    def clear(tried_polarity: Polarity) -> float:
        return clear_throughout([*finer.get(tried_polarity, []), *trials[tried_polarity][:DECIDING]])

    chosen, weaker = max(tried, key=clear), min(tried, key=clear)
    if clear(weaker) >= UNDECIDED * clear(chosen) > 0 and chosen != weaker:
        finer = {
            tried_polarity: list(
                _finer(partial(trial, tried_polarity=tried_polarity), picture, trials[tried_polarity][0])
            )
            for tried_polarity in tried
        }
        chosen = max(tried, key=clear)
    readings = trials[chosen]
    if scale is None:
        readings = readings + (
            finer.get(chosen) or list(_finer(partial(trial, tried_polarity=chosen), picture, readings[0]))
        )
    best = clearest(readings, card)
    other: Polarity = "dark" if chosen == "bright" else "bright"
    beside = clear(other) / clear(chosen) if other in trials and clear(chosen) else 0.0
    wanted = working_scale(best, diameter) if scale is None else scale
    nearest = min(readings, key=lambda reading: abs(np.log(reading.scale / wanted)))
    return View(chosen, wanted, best.clarity, other_polarity=round(beside, 4), trial=nearest)


def with_bright_objects(picture: Picture, polarity: Polarity) -> Picture:
    """The picture with bright objects, as in the training."""
    return picture if polarity == "bright" else 1 - picture


def as_shown(picture: Picture, polarity: Polarity) -> NDArray[np.uint8]:
    """The picture (H, W) in 0..1 as 0..255, with bright objects."""
    grey = np.empty(picture.shape, np.uint8)
    for band in bands(picture):
        grey[band] = 255 * picture[band] + 0.5
    return grey if polarity == "bright" else 255 - grey


def clear_throughout(trials: list[Trial]) -> float:
    """The clarity of the clearest trial, plus a little of all trials, because a single one may be clear by chance."""
    weighted = [trial.weighted for trial in trials]
    return max(weighted) + OTHERS * sum(weighted) / len(weighted)


def _finer(trial: Callable[[Picture, float], Trial], picture: Picture, finest: Trial) -> Iterator[Trial]:
    """Further trials, each at twice the resolution, as long as the finest so far shows small objects or none."""
    while finest.scale < 1 and (finest.diameter is None or finest.diameter < FINE):
        at = min(1.0, 2 * finest.scale)
        finest = trial(resize(picture, at) if at < 1 else picture, at)
        yield finest


def clearest(trials: list[Trial], card: ModelCard) -> Trial:
    """The trial with the clearest objects, if possible with sizes similar to those in the training.

    Among equally clear trials the finest: at a coarse scale a dense heap also looks like a clear particle.
    """
    largest = BEYOND * card.largest
    useful = [trial for trial in trials if trial.diameter and card.smallest <= trial.diameter <= largest] or trials
    clear = max(trial.weighted for trial in useful)
    return max((trial for trial in useful if trial.weighted >= ALIKE * clear), key=lambda trial: trial.scale)


def working_scale(best: Trial, diameter: float) -> float:
    """The factor that brings the objects of the clearest trial to the diameter, in px, that the network likes best.

    If nothing is clear, 1: a strong reduction would turn background shading into large objects.
    """
    if best.diameter is None or best.clarity < CLEAR:
        return 1.0
    scale = best.scale * diameter / best.diameter
    if scale > 1:
        scale **= MAGNIFIED
    if KEEP[0] <= scale <= KEEP[1]:
        return 1.0
    return float(np.clip(scale, *LIMITS))
