"""What waits for a look: outlines that may be wrong, and possible cuts that may be right, those first that would
probably move the numbers most. The web process reads this, too: numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .distribution import Floats, WeightedSizes, is_nano, quantile, share_between

DOUBT = 0.4  # the least chance that an outline is wrong, or a cut right, that is worth a look


class Doubt(NamedTuple):
    """One question. id: of the object. cut: the place of the possible cut that is asked about, None where it is the
    outline. chance: that the outline is wrong, or the cut right."""

    id: int
    cut: int | None
    chance: float


class PossibleCut(NamedTuple):
    """A possible cut of the object `id`, and the sizes of the pieces that it makes; None where they are not known."""

    place: int
    id: int
    chance: float
    pieces: Sequence[float] | None = None


@dataclass(frozen=True, eq=False)
class Asked:
    """Objects (n,) that may be asked about. open: whether it counts and nobody decided on it. whole: whether its size
    is known. size, confidence: NaN where not known."""

    ids: NDArray[np.int64]
    open: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    size: Floats
    confidence: Floats


def doubts(objects: Asked, cuts: Sequence[PossibleCut], sizes: WeightedSizes) -> list[Doubt]:
    """The questions with a chance of DOUBT and more, in the order of chance times effect.

    An outline that is wrong takes one object away. A cut that is right makes several of one, and so moves the median
    further. sizes: of all that count. A cut whose pieces are not known has the effect 1.
    """
    weights = sizes.weights["number"]
    median = quantile(sizes.size, weights, 0.5) if len(sizes) else np.nan
    share = share_between(sizes.size, weights) if len(sizes) and sizes.unit == "nm" else np.nan

    def moved(gone: Floats, made: Sequence[float] = ()) -> Floats:
        """(k,) 1 and by how many objects the median moves, and the fraction from 1 to 100 nm times their number."""
        pieces = np.array(made, float)
        change = (np.nan_to_num(of(pieces)).sum() - np.nan_to_num(of(gone)) for of in (side, nano))
        return np.asarray(1 + sum(map(np.abs, change)), np.float64)

    def side(of: Floats) -> Floats:
        return np.asarray(np.sign(median - of) / 2, np.float64)

    def nano(of: Floats) -> Floats:
        return np.where(np.isnan(of), np.nan, is_nano(of) - share)

    asked = np.flatnonzero(objects.open & objects.whole & (1 - objects.confidence >= DOUBT))
    chances, effects = 1 - objects.confidence[asked], moved(objects.size[asked])
    ranked = [
        (-chance * effect, Doubt(number, None, chance))
        for number, chance, effect in zip(*(of.tolist() for of in (objects.ids[asked], chances, effects)), strict=True)
    ]
    places = {number: at for at, number in enumerate(objects.ids.tolist())}
    for cut in cuts:
        at = places.get(cut.id)
        if at is None or not objects.open[at] or cut.chance < DOUBT:
            continue
        effect = 1.0 if cut.pieces is None else float(moved(objects.size[at : at + 1], cut.pieces)[0])
        ranked.append((-cut.chance * effect, Doubt(cut.id, cut.place, cut.chance)))
    return [doubt for _, doubt in sorted(ranked, key=lambda pair: (pair[0], pair[1].id, pair[1].cut or -1))]
