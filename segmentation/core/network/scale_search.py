"""Finds the working scale and the polarity of a picture, by trial predictions on small copies of it: they show how
large its objects are, and whether they are bright or dark."""

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

FIRST_SIDE_PX = 512  # longest side of the largest copy in the first trials
# Sides of the copies in the first trials, relative to the largest copy. Small copies are needed because particles may
# fill the picture.
COPY_FACTORS = (1.0, 0.5, 0.25, 0.125)
DECIDING_TRIALS = 3  # the first of these trials decide on the polarity; the smallest copy shows too little
# Weight of the mean clarity of all trials, compared with 1 for the clearest trial. With it the polarity of 7 of 366
# EMPS micrographs is wrong, without it that of 9.
MEAN_WEIGHT = 0.25
# The clarity of a trial with n objects is lowered by FEW_OBJECTS_LOSS / n, because a single object may be the
# background between particles.
FEW_OBJECTS_LOSS = 0.05
NEARLY_EQUAL = 0.95  # if the other polarity reaches this share of the clearer one's clarity, finer copies decide
# Below this clarity no object is clearly a particle. Of 8 rendered pictures without objects 4 are below, of 52 EMPS
# none.
LEAST_CLARITY = 0.6
UNCHANGED_SCALES = (0.75, 1.35)  # a scale in this range becomes 1, because resampling would not help
SCALE_LIMITS = (0.02, 2.0)  # smallest and largest working scale
SMALL_OBJECT_PX = 20.0  # if a trial shows smaller objects, a trial at a finer scale may show them better
# Objects up to this factor times the largest training size have outlines of the right size, although poor ones.
LARGEST_FACTOR = 1.5
# A scale above 1 is raised to this power: objects in a magnified picture are blurred, and then they are often split.
MAGNIFYING_POWER = 0.5
EQUALLY_CLEAR = 0.98  # trials with at least this share of the best clarity are taken as equally clear

Maps = NDArray[np.uint8]
Picture = NDArray[np.float32]
Predict = Callable[[Picture], Maps]
RateMaps = Callable[[Maps], tuple[float, float | None, int]]  # clarity, diameter in px, number of objects


@dataclass(frozen=True)
class View:
    """How the network gets a picture.

    polarity: whether the objects are bright or dark; for "dark" the picture is inverted. scale: factor by which it is
    resampled. clarity: how clearly the picture shows its objects, 0 to 1; 1 if not determined. second_scale: if above
    1, the network predicts a second time, at `scale` times this factor, and the maps of both predictions are averaged.
    other_polarity: clarity in the other polarity, relative to this one; 0 if not determined. trial: the trial whose
    scale is nearest to `scale`; None without trials.
    """

    polarity: Polarity = "bright"
    scale: float = 1.0
    clarity: float = 1.0
    second_scale: float = 1.0
    other_polarity: float = 0.0
    trial: Trial | None = field(default=None, compare=False, repr=False)

    @property
    def facts(self) -> dict[str, Any]:
        """All values but the trial by name, in plain JSON types."""
        return {name: value for name, value in vars(self).items() if name != "trial"}


@dataclass(frozen=True)
class Trial:
    """The result of one trial prediction.

    scale: scale of the copy of the picture. clarity: how clear the objects are, 0 without any. diameter: typical size
    of an object in px of the copy; None without objects. count: number of objects. maps: (C, h, w) uint8 of the copy.
    """

    scale: float
    clarity: float
    diameter: float | None
    count: int = 0
    maps: Maps | None = field(default=None, compare=False, repr=False)

    @property
    def weighted(self) -> float:
        """The clarity, lowered if the trial shows few objects, because a heap may look like one clear particle."""
        return self.clarity * (1 - FEW_OBJECTS_LOSS / max(self.count, 1))


def find_view(
    predict: Predict,
    rate: RateMaps,
    card: ModelCard,
    picture: Picture,
    *,
    diameter: float,
    polarity: Polarity | None = None,
    scale: float | None = None,
    coarsest: float = 0.0,
) -> View:
    """The View of a picture: its polarity and its working scale, found by trials unless they are given.

    Both polarities are tried on small copies of the picture. The one with the clearer objects in the larger copies is
    taken, and its clearest copy gives the size of the objects.

    rate(maps): clarity, typical diameter in px or None, and number of the objects in the maps of a trial. picture:
    (H, W) float32 in 0..1. diameter: size of objects, in px, with which the network works best. coarsest: the smallest
    of COPY_FACTORS that is tried, for models whose objects are always small in their pictures.
    """
    if polarity is not None and scale is not None:
        return View(polarity, scale)

    def trial(copy: Picture, copy_scale: float, tried_polarity: Polarity) -> Trial:
        maps = predict(with_bright_objects(copy, tried_polarity))
        return Trial(copy_scale, *rate(maps), maps)

    finest = min(1.0, FIRST_SIDE_PX / max(picture.shape))
    scales = [finest * factor for factor in COPY_FACTORS if factor >= coarsest]
    copies = [(copy_scale, resize(picture, copy_scale) if copy_scale < 1 else picture) for copy_scale in scales]
    polarities: tuple[Polarity, ...] = ("bright", "dark") if polarity is None else (polarity,)
    trials = {one: [trial(copy, copy_scale, one) for copy_scale, copy in copies] for one in polarities}
    finer_trials: dict[Polarity, list[Trial]] = {}

    def clarity_of(one: Polarity) -> float:
        return overall_clarity([*finer_trials.get(one, []), *trials[one][:DECIDING_TRIALS]])

    chosen, weaker = max(polarities, key=clarity_of), min(polarities, key=clarity_of)
    if clarity_of(weaker) >= NEARLY_EQUAL * clarity_of(chosen) > 0 and chosen != weaker:
        finer_trials = {
            one: list(_finer_trials(partial(trial, tried_polarity=one), picture, trials[one][0])) for one in polarities
        }
        chosen = max(polarities, key=clarity_of)
    candidates = trials[chosen]
    if scale is None:
        candidates = candidates + (
            finer_trials.get(chosen)
            or list(_finer_trials(partial(trial, tried_polarity=chosen), picture, candidates[0]))
        )
    best = clearest(candidates, card)
    other: Polarity = "dark" if chosen == "bright" else "bright"
    relative_clarity = clarity_of(other) / clarity_of(chosen) if other in trials and clarity_of(chosen) else 0.0
    final_scale = working_scale(best, diameter) if scale is None else scale
    nearest = min(candidates, key=lambda candidate: abs(np.log(candidate.scale / final_scale)))
    return View(chosen, final_scale, best.clarity, other_polarity=round(relative_clarity, 4), trial=nearest)


def with_bright_objects(picture: Picture, polarity: Polarity) -> Picture:
    """The picture with bright objects, as networks are trained: inverted if its objects are dark."""
    return picture if polarity == "bright" else 1 - picture


def as_shown(picture: Picture, polarity: Polarity) -> NDArray[np.uint8]:
    """The picture (H, W) in 0..1 with bright objects, in grey levels 0..255."""
    grey = np.empty(picture.shape, np.uint8)
    for band in bands(picture):
        grey[band] = 255 * picture[band] + 0.5
    return grey if polarity == "bright" else 255 - grey


def overall_clarity(trials: list[Trial]) -> float:
    """The clarity of one polarity: that of its clearest trial, plus MEAN_WEIGHT times the mean of all, because a single
    trial may be clear by chance."""
    weighted = [trial.weighted for trial in trials]
    return max(weighted) + MEAN_WEIGHT * sum(weighted) / len(weighted)


def _finer_trials(trial: Callable[[Picture, float], Trial], picture: Picture, finest: Trial) -> Iterator[Trial]:
    """Further trials, each at twice the resolution, as long as the last one shows small objects or none."""
    while finest.scale < 1 and (finest.diameter is None or finest.diameter < SMALL_OBJECT_PX):
        scale = min(1.0, 2 * finest.scale)
        finest = trial(resize(picture, scale) if scale < 1 else picture, scale)
        yield finest


def clearest(trials: list[Trial], card: ModelCard) -> Trial:
    """The trial with the clearest objects, if possible with sizes similar to those in the training.

    Of equally clear trials it is the finest, because at a coarse scale a dense heap looks like a clear particle, too.
    """
    largest = LARGEST_FACTOR * card.largest
    useful = [trial for trial in trials if trial.diameter and card.smallest <= trial.diameter <= largest] or trials
    best = max(trial.weighted for trial in useful)
    return max((trial for trial in useful if trial.weighted >= EQUALLY_CLEAR * best), key=lambda trial: trial.scale)


def working_scale(best: Trial, diameter: float) -> float:
    """The scale at which the objects of the clearest trial have the diameter, in px, with which the network works best.

    It is 1 if no object is clear, because in a much smaller picture background shading looks like large objects.
    """
    if best.diameter is None or best.clarity < LEAST_CLARITY:
        return 1.0
    scale = best.scale * diameter / best.diameter
    if scale > 1:
        scale **= MAGNIFYING_POWER
    if UNCHANGED_SCALES[0] <= scale <= UNCHANGED_SCALES[1]:
        return 1.0
    return float(np.clip(scale, *SCALE_LIMITS))
