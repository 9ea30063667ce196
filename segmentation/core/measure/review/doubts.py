"""The questions that a person is asked about a result: whether an outline is right, and whether a
possible cut is right. The questions that probably change the numbers most come first. The web
process imports this module, so it needs only numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..sizes.distribution import Floats, WeightedSizes, is_nano, nano_share, quantile

DOUBT = 0.4  # least probability that an outline is wrong, or a cut right, for a question


class Doubt(NamedTuple):
    """One question. id: of the object. cut: the place of the possible cut among all cuts; None if
    the question is about the outline. probability: that the outline is wrong, or that the cut is
    right."""

    id: int
    cut: int | None
    probability: float


class PossibleCut(NamedTuple):
    """A possible cut of the object `id`. place: among all cuts. probability: that it is right.
    pieces: the sizes of the pieces that it makes; None if not known."""

    place: int
    id: int
    probability: float
    pieces: Sequence[float] | None = None


@dataclass(frozen=True, eq=False)
class Candidates:
    """n objects that may be doubtful; (n,) each. open: whether it is counted and no person has
    decided about it. whole: whether it does not touch the frame. size, confidence: NaN where not known."""

    ids: NDArray[np.int64]
    open: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    size: Floats
    confidence: Floats


def doubts(objects: Candidates, cuts: Sequence[PossibleCut], sizes: WeightedSizes) -> list[Doubt]:
    """The questions with a probability of DOUBT or more, in descending order of probability times
    effect.

    sizes: of all counted objects. The effect is how much the median and the fraction from 1 to 100
    nm change: without an outline that is wrong, or with the pieces of a cut that is right. A cut
    whose pieces are not known has the effect 1.
    """
    weights = sizes.weights["number"]
    median = quantile(sizes.size, weights, 0.5) if len(sizes) else np.nan
    share = nano_share(sizes.size, weights) if len(sizes) and sizes.unit == "nm" else np.nan

    def effect(removed: Floats, piece_sizes: Sequence[float] = ()) -> Floats:
        """(k,) the effect of removing each object and adding the pieces: 1, plus the number of
        ranks by which the median moves, plus the change of the fraction times the number of
        objects."""
        pieces = np.array(piece_sizes, float)
        changes = (
            np.nan_to_num(influence(pieces)).sum() - np.nan_to_num(influence(removed))
            for influence in (on_median, on_share)
        )
        return np.asarray(1 + sum(map(np.abs, changes)), np.float64)

    def on_median(diameters: Floats) -> Floats:
        return np.asarray(np.sign(median - diameters) / 2, np.float64)

    def on_share(diameters: Floats) -> Floats:
        return np.where(np.isnan(diameters), np.nan, is_nano(diameters) - share)

    doubtful = np.flatnonzero(objects.open & objects.whole & (1 - objects.confidence >= DOUBT))
    places = {number: place for place, number in enumerate(objects.ids.tolist())} if cuts else {}
    likely = [cut for cut in cuts if cut.probability >= DOUBT and cut.id in places and objects.open[places[cut.id]]]
    ids = np.concatenate([objects.ids[doubtful], np.array([cut.id for cut in likely], np.int64)])
    probabilities = np.concatenate([1 - objects.confidence[doubtful], [cut.probability for cut in likely]])
    divided_sizes = (objects.size[places[cut.id] : places[cut.id] + 1] for cut in likely)
    effects_of_cuts = [
        1.0 if cut.pieces is None else float(effect(diameters, cut.pieces)[0])
        for cut, diameters in zip(likely, divided_sizes, strict=True)
    ]
    effects = np.concatenate([effect(objects.size[doubtful]), effects_of_cuts])
    cut_places = [None] * len(doubtful) + [cut.place for cut in likely]
    order = np.lexsort((ids, -probabilities * effects))
    return [Doubt(int(ids[index]), cut_places[index], float(probabilities[index])) for index in order.tolist()]
