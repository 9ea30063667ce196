"""Bubbles: a map of round objects becomes circles, their sizes, their number per area, and swelling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..flags import Flag
from ..measure.drawn import with_scale
from ..measure.fields import areas_of_blocks, if_enough, in_blocks, over_blocks, per_area, per_block, ratio
from ..measure.pooled_fields import FieldOfView, by_area
from ..measure.quantities import Value, registered
from ..measure.regions import CountedArea
from ..measure.table import Table
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


def numbers(bubbles: shared.Objects) -> tuple[dict[str, Value], list[Flag]]:
    """The numbers of bubbles beside the diameters, and a note where the swelling lacks a scale."""
    table, area, calibration = bubbles.table, bubbles.area, bubbles.calibration
    inside = np.isin(bubbles.segmentation.dense[: area.shape[0]], np.flatnonzero(table.kept) + 1)
    sums = np.stack([per_block(area.without(inside)), areas_of_blocks(area)], axis=1)
    thickness = bubbles.segmentation.provenance.settings.get("thickness")
    values = {
        "bubble_patches": Value(float(len(np.unique(table["group"][table.kept])))),
        "bubble_density": per_area("bubble_density", table, area, calibration),
        "bubble_area": if_enough(over_blocks(lambda parts: ratio(*parts), sums, highest=1.0), table),
        "swelling": swelling(table, area, thickness, calibration),
    }
    return values, [NO_SWELLING] if thickness and calibration.nm_per_pixel is None else []


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """Numbers of several images together; swelling comes from the sums of the volumes."""
    values = by_area(fields)
    reported = [field for field in fields if field.values["swelling"] is not None]
    gas = sum(float(_gas(field.table)[field.table.kept].sum()) for field in reported)
    foil = sum(field.area * field.settings["thickness"] for field in reported)
    values["swelling"] = gas / (foil - gas) if reported and foil > gas else None
    return values


def _gas(table: Table) -> NDArray[np.float64]:
    """(n,): the volumes of all bubbles, as spheres of the circles' diameters, in the cube of the table's unit."""
    return np.pi / 6 * table.length("ecd") ** 3


def swelling(table: Table, area: CountedArea, thickness: float | None, calibration: Calibration) -> Value:
    """The relative increase of volume by the kept bubbles of a counted area, `thickness` nm thick; None where the
    thickness or the scale is not known.

    Its interval is that of `over_blocks` with the scale's uncertainty: V / (A t) goes with the length of a pixel, and
    V / (A t - V) relatively 1 + swelling times as much. The thickness is taken as exact.
    """
    if thickness is None or table.nm_per_pixel is None:
        return Value(None)
    foil = areas_of_blocks(area) * table.nm_per_pixel**2 * thickness

    def swollen(volumes: NDArray[np.float64]) -> float:  # NaN where the foil is no larger than its gas
        gas, whole = volumes.tolist()
        return gas / (whole - gas) if whole > gas else float("nan")

    value = over_blocks(swollen, np.stack([in_blocks(table, area.shape, _gas(table)), foil], axis=1))
    return with_scale(if_enough(value, table), calibration.standard_uncertainty, 1 + (value.value or 0.0))


def golden() -> Golden:
    """Sixteen discs of 18 px; two pairs overlap by 2 px."""
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
    quantities=registered(__file__),
    golden=golden,
    circles=True,
    method=METHOD,
    pool_fields=pool_fields,
)
