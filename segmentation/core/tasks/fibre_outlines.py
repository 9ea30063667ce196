"""From a picture to outlined fibres: their settings, working scale and decoding, and whether a picture shows any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..micrograph.types import Polarity
from ..network.cards import ModelCard
from ..network.likeness import relative_distance
from ..network.resample import middle, resize
from ..network.scale_search import View, as_shown, search, with_bright_objects
from . import shared
from .base import Decoded, Maps, Predict

WORKING = 16.0  # px, the width to which fibres are brought that are too wide for the network
# What a picture of fibres has at least: share of the image and of what is outlined, areas of objects over those of the
# largest circles in them, and mean length over the side of the image. Rods and the needles of steel are shorter.
COVER, MOST, LONG, FAR = 0.02, 0.6, 7.0, 0.3
# A picture of another kind is looked at in its middle, reduced to so many px, if a smaller copy is as clear as fibres
# are: of 76 mats that are recognised the least clear one has 0.713, and of 146 other pictures 75 have less than CLEAR.
# 133 of 140 mats of 1024 px are recognised, and none of 280 other pictures.
MIDDLE, REDUCED, GLANCE, CLEAR = 1024, 640, 256, 0.7
SEVERAL = 3  # such long ones; two may be scratches
# Needles that cross are fibres however short: of nearly all that is outlined, this share of it crosses.
NEARLY_ALL, CROSSING = 0.9, 0.25
WIDEST_SEEN = 36.0  # px; only wider fibres are resampled


class FibreSettings(shared.ThresholdSettings):
    """How fibres are found."""

    polarity: Literal["auto", "bright", "dark"] = shared.polarity_field("Fibres")
    scale: float | None = shared.scale_field()


def scale(predict: Predict, card: ModelCard, picture: NDArray[np.float32], settings: FibreSettings) -> View:
    """The polarity in which fibres are clearest. They are reduced where they are very wide, and never enlarged."""
    from ..labels.fibres import clarity

    polarity: Polarity | None = None if settings.polarity == "auto" else settings.polarity
    view = search(
        predict,
        lambda maps: clarity(maps, card.threshold),
        card,
        picture,
        diameter=WORKING,
        polarity=polarity,
        scale=settings.scale,
    )
    view = replace(view, clarity=1.0)  # it compares polarities, and says nothing of the fibres
    is_seen_well = WORKING / view.scale <= WIDEST_SEEN
    return replace(view, scale=1.0) if settings.scale is None and is_seen_well else view


def decode(maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: FibreSettings) -> Decoded:
    """Fibres and short objects (H, W) of the maps; the probability of an outline is not known."""
    from ..labels.fibres import find_fibres

    threshold = card.threshold if settings.threshold is None else settings.threshold
    labels, classes = find_fibres(maps, threshold)
    record: dict[str, Any] = {
        "threshold": threshold,
        "certainty": round(shared.certainty(maps[0], threshold), 4),
        "unlike": relative_distance(grey, 1.0, card),
    }
    return Decoded(labels, np.full(len(classes), np.nan, np.float32), classes, record)


def plausible(decoded: Decoded) -> bool:
    """Whether fibres are most of what was outlined, and enough of the image, and either long or straight and crossing.

    Of 366 micrographs of EMPS the fibres of one are long, and those of one other, of crossing rods, cross."""
    from scipy import ndimage

    from ..labels.fibres import areas_and_radii, elongation

    labels, is_fibre = decoded.labels, np.append(False, decoded.classes == 0)[decoded.labels]
    outlined, covered = np.count_nonzero(labels), np.count_nonzero(is_fibre)
    if not outlined or covered < max(COVER * labels.size, MOST * outlined):
        return False
    lowest = ndimage.minimum_filter(np.where(labels > 0, labels, labels.max()), 3)
    is_apart = ndimage.maximum_filter(labels, 3) == lowest  # else a crossing is a wide place
    areas, radii = areas_and_radii(labels * (is_fibre & is_apart))
    if not len(areas):
        return False
    lengths, far = areas / (2 * radii), FAR * labels.size**0.5
    if elongation(areas, radii) < LONG:
        return False
    is_far = np.average(lengths, weights=areas) >= far and int(np.count_nonzero(lengths >= far)) >= SEVERAL
    return bool(is_far or (covered >= NEARLY_ALL * outlined and crossing_share(decoded)))


def crossing_share(decoded: Decoded) -> float:
    """The share of what is outlined as fibres that are straight and cross each other; 0 where these are few."""
    from ..labels.fibres import are_crossing

    crosses = are_crossing(decoded.labels, decoded.classes)
    areas = np.bincount(decoded.labels.ravel(), minlength=len(crosses) + 1)[1:]
    share = float(areas[crosses].sum() / max(areas[decoded.classes == 0].sum(), 1))
    return round(share, 2) if crosses.sum() >= SEVERAL and share >= CROSSING else 0.0


def recognised(predict: Predict, card: ModelCard, picture: NDArray[np.float32]) -> dict[str, Any]:
    """What the middle of a picture shows of fibres, {} where it shows none: that they are recognised, and which share
    of them are straight and cross, if many do. The picture is not resampled to find a better scale."""
    from ..labels.fibres import clarity

    window = np.ascontiguousarray(picture[middle(picture.shape, MIDDLE)])
    window, small = (resize(window, min(1.0, side / max(window.shape))) for side in (REDUCED, GLANCE))
    clear = [clarity(predict(with_bright_objects(small, way)), card.threshold)[0] for way in get_args(Polarity)]
    if max(clear) < CLEAR:
        return {}
    polarity = get_args(Polarity)[int(np.argmax(clear))]
    maps, grey = predict(with_bright_objects(window, polarity)), as_shown(window, polarity)
    decoded = decode(maps, grey, View(polarity), card, FibreSettings(model=card.name))
    if not plausible(decoded):
        return {}
    return {"recognised": True, **({"crossing": share} if (share := crossing_share(decoded)) else {})}
