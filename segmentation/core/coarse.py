"""Objects that a segmentation at a coarse working scale misses: specks (very small objects), and small objects that
another model sees.

They are only counted, for a warning; none of them becomes an outline.
"""

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

COARSE = 0.6  # working scales up to this are coarse
SPECK_WINDOW, MIDDLE_WINDOW = 512, 640  # px: sides of the windows in which specks and small objects are searched
# Another model must expect so many times the right outlines of the candidate. It does for one of 80 pictures of EMPS
# (large spheres strewn with small ones); for three it expects three times as many.
FAR_MORE = 4.0


def barest_window(outlined: NDArray[np.bool_], side: int) -> tuple[slice, slice]:
    """The square window with the fewest outlined pixels. Five positions along each side of the picture are compared.

    outlined: (H, W), True inside outlines. side: px of the window; it is shorter if the picture is.
    """
    sides = [min(side, length) for length in outlined.shape]
    tops, lefts = (
        np.unique(np.linspace(0, length - side, 5).astype(int)).tolist()
        for length, side in zip(outlined.shape, sides, strict=True)
    )
    windows = [(slice(top, top + sides[0]), slice(left, left + sides[1])) for top in tops for left in lefts]
    return min(windows, key=lambda window: int(outlined[window].sum()))


def small_objects(search: Search, card: ModelCard, candidate: Segmentation) -> int:
    """The estimated number of small objects that another model sees in a picture segmented at a coarse scale.

    It is estimated from the middle of the picture in its full size. It is 0 unless the other model expects FAR_MORE
    times the right outlines of the candidate. The small objects may be specks on the supports that the user measures.

    card: the other model. candidate: the segmentation at the coarse scale.
    """
    is_scale_requested = getattr(search.requested, "scale", None) is not None
    if search.task.better is None or is_scale_requested or candidate.used["scale"] > COARSE or not search.picture.any():
        return 0
    picture = np.ascontiguousarray(search.picture[middle(search.picture.shape, MIDDLE_WINDOW)])
    requested = search.requested.replaced(scale=1.0)
    maps, view = predict_maps(picture, requested, card, search.runtime, search.answers)
    decoded = search.task.decode(maps, as_shown(picture, view.polarity), view, card, requested)
    area_ratio = search.picture.size / picture.size
    # "inside": the outlines that do not touch the frame; "promised": how many of these are expected to be right.
    used = {**decoded.used, **{name: decoded.used[name] * area_ratio for name in ("promised", "inside")}}
    is_more = used["promised"] >= FAR_MORE * candidate.used["promised"]
    return round(used["promised"]) if is_more and search.task.better(replace(candidate, used=used), candidate) else 0


def missed_specks(search: Search, card: ModelCard, candidate: Segmentation) -> dict[str, float]:
    """The specks that a segmentation at a coarse scale misses: {"below": px, "count": estimated number}, {} if none.

    The network predicts the window with the fewest outlines, in its full size. A speck is an object in this window that
    is probably right, lies mostly outside the outlines, and is not faint compared with them. Its diameter is less than
    "below": this size is, at the coarse scale, the size of the smallest training objects of the model.
    """
    from .labels.contrast import contrasts

    scale = candidate.used["scale"]
    if scale > COARSE or not len(candidate) or not search.picture.any() or search.task.first_look is None:
        return {}
    below = card.smallest / (scale * candidate.used["second_scale"])
    outlined = candidate.labels[: search.rows] > 0
    window = barest_window(outlined, SPECK_WINDOW)
    picture = np.ascontiguousarray(search.picture[window])
    requested = search.requested.replaced(polarity=candidate.used["polarity"], scale=1.0)
    maps, view = predict_maps(picture, requested, card, search.runtime, search.answers)
    small, probabilities = search.task.first_look(maps, as_shown(picture, view.polarity), view, card, requested)
    areas, outlined_areas = (
        np.bincount(labels, minlength=len(probabilities) + 1)[1:] for labels in (small.ravel(), small[outlined[window]])
    )
    is_speck = (2 * outlined_areas < areas) & (areas < np.pi / 4 * below**2) & (probabilities >= LEAST_CONFIDENCE)
    speck_numbers = np.r_[0, np.where(is_speck, np.cumsum(is_speck), 0)]
    all_labels = candidate.labels[: search.rows].copy()
    speck_labels = np.where(all_labels[window] > 0, 0, speck_numbers[small])
    all_labels[window] += np.where(speck_labels > 0, speck_labels + len(candidate), 0).astype(np.int32)
    contrast = contrasts(as_shown(search.picture, candidate.used["polarity"]), all_labels)
    is_faint = contrast.faint(getattr(search.task.options.of(card), "faint", 0.0))[len(candidate) :]
    return {"below": round(below, 1), "count": round(int((~is_faint).sum()) * search.picture.size / picture.size)}
