"""Dislocation loops: a map of them becomes loops, their diameters, and their number per area and per volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..flags import Flag
from ..measure import quantities
from ..measure.fields import per_area
from ..measure.pooled_fields import FieldOfView, by_area
from ..measure.quantities import Value, registered
from . import shared
from .base import Golden

METHOD = (
    "For each pixel a convolutional network predicted the probability of a dislocation loop. Pieces that reach"
    " {threshold:.3g} were filled, and split where they narrow by more than a quarter."
)
NO_NUMBER = "The number per volume needs the scale of the image beside the thickness: type the width of the image."


class LoopSettings(shared.ThresholdSettings):
    """How loops are found, and how thick the foil is."""

    thickness: float | None = shared.foil_field(". The number per volume needs it.")


def columns(labels: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
    from ..labels.loops import long_axes

    return {"loop_diameter": long_axes(labels)}


def numbers(loops: shared.Objects) -> tuple[dict[str, Value], list[Flag]]:
    """The numbers of loops beside the diameters, and a note where the number per volume lacks a scale."""
    density, size = per_area("loop_density", loops.table, loops.area, loops.calibration), loops.table.nm_per_pixel
    thickness = loops.segmentation.provenance.settings.get("thickness")
    in_volume = Value(None)
    if thickness and size is not None:
        in_volume = density.times(1 / thickness, quantities.NUMBERS["loop_volume_density"].unit("nm"))
    values = {"loop_density": density, "loop_volume_density": in_volume}
    return values, [Flag(NO_NUMBER)] if thickness and size is None else []


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
        row, column = 26 + 50 * (index // 4), 26.0 + 50 * (index % 4)
        down, across = (12, 6) if index % 2 else (6, 12)
        if index == 3:
            column = 144.5  # beside the third: its short axis begins where that one's long axis ends
        inside |= ((rows - row) / down) ** 2 + ((columns - column) / across) ** 2 <= 1
    maps = np.where(inside, 255, 0).astype(np.uint8)[None]
    answers = {"loops": 16.0, "loop_diameter_median": 24.0}
    return Golden(np.where(inside, 200, 60).astype(np.uint8), maps, 16, answers, 0.03)


TASK = shared.task_of(
    "loop",
    numbers,
    finder="loops.find_loops",
    columns=columns,
    title="Dislocation loops",
    summary="Outlines dislocation loops, measures their diameters and counts them per area and per volume.",
    settings=LoopSettings,
    quantities=registered(__file__),
    golden=golden,
    method=METHOD,
    size="loop_diameter",
    pool_fields=pool_fields,
)
