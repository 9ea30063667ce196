"""What a segmentation at a coarse scale does not show: specks, and small objects that another model sees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .labels.segmentation import Segmentation
from .measure.filters import LEAST_CONFIDENCE
from .network.cards import ModelCard
from .network.resample import middle
from .network.scale_search import as_shown
from .prediction import predict_maps

if TYPE_CHECKING:
    from .search import Search

COARSE, LOOKED_AT = 0.6, 512  # working scale from which specks are looked for, and px of the window where they are
# Times the right outlines of a clear picture that another model must promise of small objects: of 80 pictures of EMPS
# one has so many, on spheres that are strewn with smaller ones; three have three times as many.
FAR_MORE = 4.0
MIDDLE = 640  # px of the window in which another model looks for small objects


def barest_window(outlined: NDArray[np.bool_], side: int) -> tuple[slice, slice]:
    """The window of `side` px, or of the whole side where that is shorter, with the fewest outlined pixels (H, W);
    five positions along each side are compared."""
    sides = [min(side, length) for length in outlined.shape]
    tops, lefts = (
        np.unique(np.linspace(0, length - side, 5).astype(int)).tolist()
        for length, side in zip(outlined.shape, sides, strict=True)
    )
    windows = [(slice(top, top + sides[0]), slice(left, left + sides[1])) for top in tops for left in lefts]
    return min(windows, key=lambda window: int(outlined[window].sum()))


def small_objects(search: Search, card: ModelCard, candidate: Segmentation) -> int:
    """About how many small objects another model shows in a picture that was read coarsely, by the middle of it in
    its own size; 0 where they are not FAR_MORE than what was outlined. Specks on supports are such, but the
    supports may be what counts."""
    is_asked_for = getattr(search.requested, "scale", None) is not None
    if search.task.better is None or is_asked_for or candidate.used["scale"] > COARSE or not search.picture.any():
        return 0
    picture = np.ascontiguousarray(search.picture[middle(search.picture.shape, MIDDLE)])
    requested = search.requested.replaced(scale=1.0)
    maps, view = predict_maps(picture, requested, card, search.runtime, search.answers)
    decoded = search.task.decode(maps, as_shown(picture, view.polarity), view, card, requested)
    times = search.picture.size / picture.size
    used = {**decoded.used, **{name: decoded.used[name] * times for name in ("promised", "inside")}}
    is_more = used["promised"] >= FAR_MORE * candidate.used["promised"]
    return round(used["promised"]) if is_more and search.task.better(replace(candidate, used=used), candidate) else 0


def specks_of(search: Search, card: ModelCard, candidate: Segmentation) -> dict[str, float]:
    """What the candidate was too coarse for: {"below": px, "count": estimated number of specks}, {} for nothing.

    The barest window of a coarsely read picture is read in its own size. What is sure there, smaller than the
    smallest that the model was taught at the working scale, mostly outside outlines, and not faint beside the
    outlines of the picture, is a speck.
    """
    from .labels.contrast import contrasts

    scale = candidate.used["scale"]
    if scale > COARSE or not len(candidate) or not search.picture.any() or search.task.first_look is None:
        return {}
    below = card.smallest / (scale * candidate.used["second_scale"])
    outlined = candidate.labels[: search.rows] > 0
    window = barest_window(outlined, LOOKED_AT)
    picture = np.ascontiguousarray(search.picture[window])
    requested = search.requested.replaced(polarity=candidate.used["polarity"], scale=1.0)
    maps, view = predict_maps(picture, requested, card, search.runtime, search.answers)
    small, probabilities = search.task.first_look(maps, as_shown(picture, view.polarity), view, card, requested)
    areas, hidden = (
        np.bincount(labels, minlength=len(probabilities) + 1)[1:] for labels in (small.ravel(), small[outlined[window]])
    )
    specks = (2 * hidden < areas) & (areas < np.pi / 4 * below**2) & (probabilities >= LEAST_CONFIDENCE)
    numbers, all_labels = np.r_[0, np.where(specks, np.cumsum(specks), 0)], candidate.labels[: search.rows].copy()
    added = np.where(all_labels[window] > 0, 0, numbers[small])
    all_labels[window] += np.where(added > 0, added + len(candidate), 0).astype(np.int32)
    stand_out = contrasts(as_shown(search.picture, candidate.used["polarity"]), all_labels)
    faint = stand_out.faint(getattr(search.task.options.of(card), "faint", 0.0))[len(candidate) :]
    return {"below": round(below, 1), "count": round(int((~faint).sum()) * search.picture.size / picture.size)}
