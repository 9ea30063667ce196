"""The outlining of fibres for the kind "fibres": settings, working scale and decoding, and whether a picture shows
fibres."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..micrograph.types import Polarity
from ..network.cards import ModelCard
from ..network.likeness import relative_distance
from ..network.resample import middle, resize
from ..network.scale_search import View, as_shown, find_view, with_bright_objects
from . import shared
from .base import Decoded, Maps, Predict

WORKING_WIDTH_PX = 16.0  # very wide fibres are reduced to this width for the network
# Least values for a picture of fibres: the share of the image that fibres cover, and their share of the outlined
# pixels; their elongation (`elongation`); and their mean length as a share of the image's side. Rods, and needles in
# steel, are shorter.
LEAST_COVER, LEAST_FIBRE_SHARE, LEAST_ELONGATION, LEAST_LENGTH = 0.02, 0.6, 7.0, 0.3
# Whether a picture of another kind shows fibres is looked for in its middle MIDDLE_PX px, reduced to REDUCED_PX px; and
# only if a copy of GLANCE_PX px has a clarity of at least LEAST_CLARITY. Of 76 mats that are recognised the least clear
# one has 0.713; of 146 other pictures 75 have less than LEAST_CLARITY. 133 of 140 mats of 1024 px are recognised, and
# none of 280 others.
MIDDLE_PX, REDUCED_PX, GLANCE_PX, LEAST_CLARITY = 1024, 640, 256, 0.7
FEWEST_LONG = 3  # fibres that are long enough; two may be scratches
# Needles that cross are fibres even if they are short: then fibres must be the share MOSTLY_FIBRES of the outlined
# pixels, and the share LEAST_CROSSING of their area must cross.
MOSTLY_FIBRES, LEAST_CROSSING = 0.9, 0.25
WIDEST_PX = 36.0  # only wider fibres are resampled


class FibreSettings(shared.ThresholdSettings):
    """How fibres are found."""

    polarity: Literal["auto", "bright", "dark"] = shared.polarity_field("Fibres")
    scale: float | None = shared.scale_field()


def scale(predict: Predict, card: ModelCard, picture: NDArray[np.float32], settings: FibreSettings) -> View:
    """The polarity in which fibres are clearest, and the working scale: very wide fibres are reduced, none enlarged."""
    from ..labels.fibres import clarity

    polarity: Polarity | None = None if settings.polarity == "auto" else settings.polarity
    view = find_view(
        predict,
        lambda maps: clarity(maps, card.threshold),
        card,
        picture,
        diameter=WORKING_WIDTH_PX,
        polarity=polarity,
        scale=settings.scale,
    )
    view = replace(
        view, clarity=1.0
    )  # this clarity only compares the polarities, it does not tell whether the picture is clear
    is_narrow = WORKING_WIDTH_PX / view.scale <= WIDEST_PX
    return replace(view, scale=1.0) if settings.scale is None and is_narrow else view


def decode(maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: FibreSettings) -> Decoded:
    """The fibres and short objects in the maps. Their confidence is NaN, because it is not known."""
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
    """Whether the outlines are those of a picture of fibres: fibres are most of what is outlined and cover enough of
    the image, and they are either long, or straight and crossing.

    Of 366 micrographs of EMPS two are taken for fibres: one with long objects, and one with crossing rods.
    """
    from scipy import ndimage

    from ..labels.fibres import areas_and_radii, elongation

    labels, is_fibre = decoded.labels, np.append(False, decoded.classes == 0)[decoded.labels]
    outlined_px, fibre_px = np.count_nonzero(labels), np.count_nonzero(is_fibre)
    if not outlined_px or fibre_px < max(LEAST_COVER * labels.size, LEAST_FIBRE_SHARE * outlined_px):
        return False
    # Pixels beside another object are left out, so that a crossing does not look like a wide place.
    lowest = ndimage.minimum_filter(np.where(labels > 0, labels, labels.max()), 3)
    is_inside = ndimage.maximum_filter(labels, 3) == lowest
    areas, radii = areas_and_radii(labels * (is_fibre & is_inside))
    if not len(areas):
        return False
    lengths, least_length = areas / (2 * radii), LEAST_LENGTH * labels.size**0.5
    if elongation(areas, radii) < LEAST_ELONGATION:
        return False
    long_count = int(np.count_nonzero(lengths >= least_length))
    is_long = np.average(lengths, weights=areas) >= least_length and long_count >= FEWEST_LONG
    return bool(is_long or (fibre_px >= MOSTLY_FIBRES * outlined_px and crossing_share(decoded)))


def crossing_share(decoded: Decoded) -> float:
    """The share of the fibres' area that belongs to straight fibres which cross each other; 0 if these are few."""
    from ..labels.fibres import are_crossing

    crosses = are_crossing(decoded.labels, decoded.classes)
    areas = np.bincount(decoded.labels.ravel(), minlength=len(crosses) + 1)[1:]
    share = float(areas[crosses].sum() / max(areas[decoded.classes == 0].sum(), 1))
    return round(share, 2) if crosses.sum() >= FEWEST_LONG and share >= LEAST_CROSSING else 0.0


def recognised(predict: Predict, card: ModelCard, picture: NDArray[np.float32]) -> dict[str, Any]:
    """Whether the middle of a picture shows fibres: {} if not, else {"recognised": True}, with "crossing", the share of
    them that are straight and cross, if many do. No working scale is searched for."""
    from ..labels.fibres import clarity

    window = np.ascontiguousarray(picture[middle(picture.shape, MIDDLE_PX)])
    window, small = (resize(window, min(1.0, side / max(window.shape))) for side in (REDUCED_PX, GLANCE_PX))
    polarities = get_args(Polarity)
    clarities = [clarity(predict(with_bright_objects(small, name)), card.threshold)[0] for name in polarities]
    if max(clarities) < LEAST_CLARITY:
        return {}
    polarity = polarities[int(np.argmax(clarities))]
    maps, grey = predict(with_bright_objects(window, polarity)), as_shown(window, polarity)
    decoded = decode(maps, grey, View(polarity), card, FibreSettings(model=card.name))
    if not plausible(decoded):
        return {}
    return {"recognised": True, **({"crossing": share} if (share := crossing_share(decoded)) else {})}
