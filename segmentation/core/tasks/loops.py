"""Dislocation loops: a map of them becomes loops, their diameters, and their number per area and per volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..measure import quantities
from ..measure.pooled_fields import FieldOfView, by_area
from ..measure.quantities import Value
from ..micrograph.types import Calibration, Micrograph
from ..network.cards import ModelCard
from ..network.scale_search import View
from ..settings import MeasurementSettings
from . import shared
from .base import Decoded, Golden, Maps, Measured

if TYPE_CHECKING:
    from ..labels.segmentation import Segmentation

METHOD = (
    "For each pixel a convolutional network predicted the probability of a dislocation loop. Pieces that reach"
    " {threshold:.3g} were filled, and split where they narrow by more than a quarter."
)
NO_SCALE = "The number per volume needs the scale of the image beside the thickness: type the width of the image."


class LoopSettings(shared.ThresholdSettings):
    """How loops are found, and how thick the foil is."""

    thickness: float | None = shared.foil_field(". The number per volume needs it.")


def find(maps: Maps, grey: Maps, view: View, card: ModelCard, settings: LoopSettings) -> Decoded:
    from ..labels.loops import find_loops

    return shared.found_by(find_loops, maps, grey, card, settings)


def measure(
    segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
) -> Measured:
    from ..labels.loops import longest
    from ..measure.fields import distribution, per_area, table_of

    table = table_of(segmentation, micrograph, settings, calibration, loop_diameter=longest(segmentation.dense))
    if nothing := shared.withheld_result(segmentation, table, TASK, settings):
        return nothing
    sizes = distribution(table, TASK.size, micrograph, settings, calibration)
    density = per_area("loop_density", table, (segmentation.rows, micrograph.shape[1]), calibration)
    thickness = segmentation.provenance.settings.get("thickness")
    values = (
        *(Value(float(table.kept.sum())), sizes.value("mean"), sizes.value("median"), density),
        per_volume(density, thickness, calibration.nm_per_pixel),
    )
    unscaled = (NO_SCALE,) if thickness and calibration.nm_per_pixel is None else ()
    flags = (*shared.doubts(segmentation), *unscaled)
    return Measured(table, sizes, dict(zip(TASK.quantities, values, strict=True)), flags)


def per_volume(density: Value, thickness: float | None, nm_per_pixel: float | None) -> Value:
    """The number per nm³ of loops per nm² in a foil `thickness` nm thick; None without thickness or scale."""
    if thickness is None or nm_per_pixel is None:
        return Value(None)
    return density.times(1 / thickness, quantities.NUMBERS["loop_volume_density"].unit("nm"))


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """Numbers of several images together; the number per volume is weighted by the volumes."""
    values = by_area(fields)
    reported = [field for field in fields if field.values["loop_volume_density"] is not None]
    volume = sum(field.area * field.settings["thickness"] for field in reported)
    count = sum((field.values["loop_density"] or 0.0) * field.area for field in reported)
    values["loop_volume_density"] = count / volume if reported else None
    return values


def golden() -> Golden:
    """Sixteen ellipses of 24 by 12 px, half of them upright; two touch."""
    rows, columns = np.mgrid[:200, :200]
    inside = np.zeros((200, 200), bool)
    for index in range(16):
        row, column = 26 + 50 * (index // 4), 26 + 50 * (index % 4)
        down, across = (12, 6) if index % 2 else (6, 12)
        middle = float(column)
        if index == 3:
            row, middle = 26, 144.5  # beside the third: its short axis ends where that one's long axis does
        inside |= ((rows - row) / down) ** 2 + ((columns - middle) / across) ** 2 <= 1
    maps = np.where(inside, 255, 0).astype(np.uint8)[None]
    answers = {"loops": 16.0, "loop_diameter_median": 24.0}
    return Golden(np.where(inside, 200, 60).astype(np.uint8), maps, 16, answers, 0.03)


TASK = shared.task_of(
    "loop",
    title="Dislocation loops",
    summary="Outlines dislocation loops, measures their diameters and counts them per area and per volume.",
    settings=LoopSettings,
    decode=find,
    measure=measure,
    quantities=shared.registered(__file__),
    golden=golden,
    method=METHOD,
    size="loop_diameter",
    figures={"loop_diameter_mean": "mean", "loop_diameter_median": "median"},
    pool_fields=pool_fields,
)
