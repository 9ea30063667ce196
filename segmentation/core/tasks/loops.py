"""The kind "loops": outlines dislocation loops, and gives their diameters and their number per area and per volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..flags import Flag
from ..measure import quantities
from ..measure.fields import per_area
from ..measure.quantities import Value, register_file
from ..measure.uncertainty.pooled_fields import FieldOfView, by_area
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
    """The column (n,) of the table that only loops have, in px."""
    from ..labels.loops import long_axes

    return {"loop_diameter": long_axes(labels)}


def numbers(loops: shared.MeasuredObjects) -> tuple[dict[str, Value], list[Flag]]:
    """The numbers of loops beside the diameters, and a note if there is no scale for the number per volume."""
    density, size = per_area("loop_density", loops.table, loops.area, loops.calibration), loops.table.nm_per_pixel
    thickness = loops.segmentation.provenance.settings.get("thickness")
    in_volume = Value(None)
    if thickness and size is not None:
        in_volume = density.times(1 / thickness, quantities.NUMBERS["loop_volume_density"].unit("nm"))
    values = {"loop_density": density, "loop_volume_density": in_volume}
    return values, [Flag(NO_NUMBER)] if thickness and size is None else []


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """The numbers of several images together; the number per volume is weighted by the images' volumes."""
    values = by_area(fields)
    with_volume = [field for field in fields if field.values["loop_volume_density"] is not None]
    volume = sum(field.area * field.settings["thickness"] for field in with_volume)
    count = sum((field.values["loop_density"] or 0.0) * field.area for field in with_volume)
    values["loop_volume_density"] = count / volume if with_volume else None
    return values


def golden() -> Golden:
    """The drawn test case of this kind: sixteen ellipses of 24 by 12 px, half of them upright; two touch."""
    rows, columns = np.mgrid[:200, :200]
    inside = np.zeros((200, 200), bool)
    for index in range(16):
        row, column = 26 + 50 * (index // 4), 26.0 + 50 * (index % 4)
        half_height, half_width = (12, 6) if index % 2 else (6, 12)
        if index == 3:
            column = 144.5  # so that it touches the third ellipse
        inside |= ((rows - row) / half_height) ** 2 + ((columns - column) / half_width) ** 2 <= 1
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
    quantities=register_file(__file__),
    golden=golden,
    method=METHOD,
    size="loop_diameter",
    pool_fields=pool_fields,
)
