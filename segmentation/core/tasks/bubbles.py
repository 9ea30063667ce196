"""The kind "bubbles": circles are fitted to bubbles in a network's map, and give sizes, bubbles per area, and
swelling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..flags import Flag
from ..measure.fields import (
    areas_of_blocks,
    interval_if_enough,
    per_area,
    pixel_sums_in_blocks,
    ratio,
    sums_in_blocks,
    value_over_blocks,
)
from ..measure.objects.regions import CountedArea
from ..measure.quantities import Value, register_file
from ..measure.table import Table
from ..measure.uncertainty.figure_draws import with_scale_uncertainty
from ..measure.uncertainty.pooled_fields import FieldOfView, by_area
from ..micrograph.types import Calibration
from . import shared
from .base import Golden

METHOD = (
    "For each pixel a convolutional network predicted the probability of a bubble. The Laplacian of Gaussian (Lindeberg"
    " 1998) found the blobs of this map. Circles were fitted to their edges, where the probability crosses"
    " {threshold:.3g}."
)
NO_SWELLING = Flag("The swelling needs the scale of the image and the thickness. Type the width of the image.")


class BubbleSettings(shared.ThresholdSettings):
    """How bubbles are found, and how thick the foil is."""

    thickness: float | None = shared.foil_field("; the swelling is given only with it.")


def numbers(bubbles: shared.MeasuredObjects) -> tuple[dict[str, Value], list[Flag]]:
    """The numbers of bubbles beside the diameters, and a note if there is no scale for the swelling."""
    table, area, calibration = bubbles.table, bubbles.area, bubbles.calibration
    inside = np.isin(bubbles.segmentation.dense[: area.shape[0]], np.flatnonzero(table.kept) + 1)
    sums = np.stack([pixel_sums_in_blocks(area.without(inside)), areas_of_blocks(area)], axis=1)
    thickness = bubbles.segmentation.provenance.settings.get("thickness")
    values = {
        "bubble_patches": Value(float(len(np.unique(table["group"][table.kept])))),
        "bubble_density": per_area("bubble_density", table, area, calibration),
        "bubble_area": interval_if_enough(value_over_blocks(lambda parts: ratio(*parts), sums, highest=1.0), table),
        "swelling": swelling(table, area, thickness, calibration),
    }
    return values, [NO_SWELLING] if thickness and calibration.nm_per_pixel is None else []


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """The numbers of several images together; the swelling comes from the sums of their volumes."""
    values = by_area(fields)
    with_swelling = [field for field in fields if field.values["swelling"] is not None]
    gas = sum(float(_volumes(field.table)[field.table.kept].sum()) for field in with_swelling)
    foil = sum(field.area * field.settings["thickness"] for field in with_swelling)
    values["swelling"] = gas / (foil - gas) if with_swelling and foil > gas else None
    return values


def _volumes(table: Table) -> NDArray[np.float64]:
    """(n,): the volume of each bubble, as a sphere of the circle's diameter, in the cube of the table's unit."""
    return np.pi / 6 * table.length("ecd") ** 3


def swelling(table: Table, area: CountedArea, thickness: float | None, calibration: Calibration) -> Value:
    """The swelling: the relative increase of a foil's volume by the counted bubbles, V / (A t - V), with the volume V
    of the bubbles, the area A and the thickness t in nm. None if the thickness or the scale is not known.

    Its interval is that of `value_over_blocks`, widened by the scale's uncertainty: V / (A t) is proportional to the
    size of a pixel, and the relative change of V / (A t - V) is 1 + swelling times as large. The thickness is taken as
    exact.
    """
    if thickness is None or table.nm_per_pixel is None:
        return Value(None)
    foil = areas_of_blocks(area) * table.nm_per_pixel**2 * thickness

    def increase(volumes: NDArray[np.float64]) -> float:
        gas, total = volumes.tolist()
        return gas / (total - gas) if total > gas else float("nan")

    value = value_over_blocks(increase, np.stack([sums_in_blocks(table, area.shape, _volumes(table)), foil], axis=1))
    return with_scale_uncertainty(
        interval_if_enough(value, table), calibration.standard_uncertainty, 1 + (value.value or 0.0)
    )


def golden() -> Golden:
    """The drawn test case of this kind: sixteen discs of 18 px; two pairs overlap by 2 px."""
    rows, columns = np.mgrid[:200, :200]
    inside = np.zeros((200, 200), bool)
    for row in (30, 80, 130, 170):
        for column in (30, 46 if row == 30 else 80, 130, 146 if row == 80 else 175):
            inside |= np.hypot(rows - row, columns - column) <= 9
    maps = np.where(inside, 255, 0).astype(np.uint8)[None]
    answers = {"bubbles": 16.0, "bubble_patches": 14.0, "bubble_diameter_median": 18.0}
    return Golden(np.where(inside, 200, 60).astype(np.uint8), maps, 16, answers, 0.03)


TASK = shared.task_of(
    "bubble",
    numbers,
    finder="bubbles.find_bubbles",
    summary="Fits circles to bubbles and cavities, measures their diameters and counts them per area.",
    settings=BubbleSettings,
    quantities=register_file(__file__),
    golden=golden,
    circles=True,
    method=METHOD,
    pool_fields=pool_fields,
)
