"""Objects that a segmentation at one working scale misses: specks (very small objects), small objects that another
model sees, and objects that are too wide for the scale.

They are only counted, for a warning; none of them becomes an outline.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..labels.segmentation import Segmentation
from ..measure.objects.filters import LEAST_CONFIDENCE
from ..network.cards import ModelCard
from ..network.resample import middle
from ..network.scale_search import LARGEST_FACTOR, SCALE_LIMITS, as_shown
from .prediction import predict_maps

if TYPE_CHECKING:
    from .search import Search

COARSE = 0.6  # working scales up to this are coarse
SPECK_WINDOW, MIDDLE_WINDOW = 512, 640  # px: sides of the windows in which specks and small objects are searched
PLACE_SIDE = 512  # px of the longer side of the copy in which a wide place without outlines is searched
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
    from ..labels.particles.contrast import contrasts

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
    is_new, areas = _probable_and_new(small, probabilities, outlined[window])
    is_speck = is_new & (areas < np.pi / 4 * below**2)
    speck_numbers = np.r_[0, np.where(is_speck, np.cumsum(is_speck), 0)]
    all_labels = candidate.labels[: search.rows].copy()
    speck_labels = np.where(all_labels[window] > 0, 0, speck_numbers[small])
    all_labels[window] += np.where(speck_labels > 0, speck_labels + len(candidate), 0).astype(np.int32)
    contrast = contrasts(as_shown(search.picture, candidate.used["polarity"]), all_labels)
    is_faint = contrast.faint(getattr(search.task.options.of(card), "faint", 0.0))[len(candidate) :]
    return {"below": round(below, 1), "count": round(int((~is_faint).sum()) * search.picture.size / picture.size)}


def missed_large(search: Search, card: ModelCard, candidate: Segmentation) -> dict[str, float]:
    """The objects that are too wide for the scale of a segmentation: {"above": px, "count": number, "share": of the
    area of all objects}, {} if none.

    They are looked for only where a place without outlines is so wide and has the grey of the objects, and once: at the
    scale at which this place has the size that the model knows best. Objects that touch the frame have no size.
    """
    used, options = candidate.used, search.task.options.of(card)
    # A model without a limit of noise is for particles on supports, which are as grey and wide.
    if not len(candidate) or search.task.first_look is None or not getattr(options, "noise", True):
        return {}
    above = LARGEST_FACTOR * card.largest / used["scale"]
    outlined, grey = candidate.labels[: search.rows] > 0, as_shown(search.picture, used["polarity"])
    if (width := widest_place(grey, outlined)) < above:
        return {}
    scale = max(SCALE_LIMITS[0], getattr(options, "diameter", card.largest) / width)
    requested = search.requested.replaced(polarity=used["polarity"], scale=scale)
    maps, view = predict_maps(search.picture, requested, card, search.runtime, search.answers)
    wide, probabilities = search.task.first_look(maps, grey, view, card, requested)
    is_new, areas = _probable_and_new(wide, probabilities, outlined)
    frame = np.concatenate([wide[0], wide[-1], wide[:, 0], wide[:, -1]])
    is_large = is_new & (areas >= np.pi / 4 * above**2) & ~np.isin(np.arange(1, len(areas) + 1), frame)
    area = int(areas[is_large].sum())
    share = round(area / max(area + int(outlined.sum()), 1), 3)
    return {"above": round(above), "count": int(is_large.sum()), "share": share} if area else {}


def _probable_and_new(
    labels: NDArray[np.int32], probabilities: NDArray[np.float32], outlined: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Which of n objects in labels (h, w) are probably right and mostly outside the outlines (h, w), and their
    areas."""
    areas, outlined_areas = (
        np.bincount(values, minlength=len(probabilities) + 1)[1:] for values in (labels.ravel(), labels[outlined])
    )
    return (2 * outlined_areas < areas) & (probabilities >= LEAST_CONFIDENCE), areas


def widest_place(grey: NDArray[np.uint8], outlined: NDArray[np.bool_]) -> float:
    """The diameter in px of the widest disc outside the outlines (H, W) that is nearer to their grey than to the rest.

    grey: (H, W) with bright objects."""
    import cv2

    step = max(1, max(grey.shape) // PLACE_SIDE)
    size = grey.shape[1] // step, grey.shape[0] // step
    small = cv2.medianBlur(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), 5)
    is_outlined = cv2.resize(outlined.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    if is_outlined.all() or not is_outlined.any():
        return 0.0
    limit = (np.median(small[is_outlined]) + np.median(small[~is_outlined])) / 2
    place = np.pad((small > limit) & ~is_outlined, 1).astype(np.uint8)  # beyond the frame nothing is known
    return float(2 * step * cv2.distanceTransform(place, cv2.DIST_L2, 5).max())
