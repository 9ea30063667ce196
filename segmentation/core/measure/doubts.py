"""What waits for a look: outlines that may be wrong, and possible cuts that may be right, those first that would
probably move the numbers most. The web process reads this, too: numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .distribution import Floats, WeightedSizes, is_nano, nano_share, quantile

DOUBT = 0.4  # the least probability that an outline is wrong, or a cut right, that is worth a look


class Doubt(NamedTuple):
    """One question. id: of the object. cut: the place of the possible cut that is asked about, None where it is the
    outline. probability: that the outline is wrong, or the cut right."""

    id: int
    cut: int | None
    probability: float


class PossibleCut(NamedTuple):
    """A possible cut of the object `id`, and the sizes of the pieces that it makes; None where they are not known."""

    place: int
    id: int
    probability: float
    pieces: Sequence[float] | None = None


@dataclass(frozen=True, eq=False)
class Candidates:
    """Objects (n,) that may be doubtful. open: whether it counts and nobody decided on it. whole: whether its size
    is known. size, confidence: NaN where not known."""

    ids: NDArray[np.int64]
    open: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    size: Floats
    confidence: Floats


def doubts(objects: Candidates, cuts: Sequence[PossibleCut], sizes: WeightedSizes) -> list[Doubt]:
    """The questions with a probability of DOUBT and more, in the order of probability times effect.

    An outline that is wrong takes one object away. A cut that is right makes several of one, and so moves the median
    further. sizes: of all that count. A cut whose pieces are not known has the effect 1.
    """
    weights = sizes.weights["number"]
    median = quantile(sizes.size, weights, 0.5) if len(sizes) else np.nan
    share = nano_share(sizes.size, weights) if len(sizes) and sizes.unit == "nm" else np.nan

    def moved(removed: Floats, piece_sizes: Sequence[float] = ()) -> Floats:
        """(k,) 1 and by how many objects the median moves, and the fraction from 1 to 100 nm times their number."""
        pieces = np.array(piece_sizes, float)
        change = (
            np.nan_to_num(diameters(pieces)).sum() - np.nan_to_num(diameters(removed)) for diameters in (side, nano)
        )
        return np.asarray(1 + sum(map(np.abs, change)), np.float64)

    def side(diameters: Floats) -> Floats:
        return np.asarray(np.sign(median - diameters) / 2, np.float64)

    def nano(diameters: Floats) -> Floats:
        return np.where(np.isnan(diameters), np.nan, is_nano(diameters) - share)

    doubtful = np.flatnonzero(objects.open & objects.whole & (1 - objects.confidence >= DOUBT))
    places = {number: at for at, number in enumerate(objects.ids.tolist())} if cuts else {}
    likely = [cut for cut in cuts if cut.probability >= DOUBT and cut.id in places and objects.open[places[cut.id]]]
    ids = np.concatenate([objects.ids[doubtful], np.array([cut.id for cut in likely], np.int64)])
    probabilities = np.concatenate([1 - objects.confidence[doubtful], [cut.probability for cut in likely]])
    divided = (objects.size[places[cut.id] : places[cut.id] + 1] for cut in likely)
    effects_of_cuts = [
        1.0 if cut.pieces is None else float(moved(diameters, cut.pieces)[0])
        for cut, diameters in zip(likely, divided, strict=True)
    ]
    effects = np.concatenate([moved(objects.size[doubtful]), effects_of_cuts])
    of_cut = [None] * len(doubtful) + [cut.place for cut in likely]
    order = np.lexsort((ids, -probabilities * effects))
    return [Doubt(int(ids[at]), of_cut[at], float(probabilities[at])) for at in order.tolist()]
