"""The kind "lines": outlines line defects, such as dislocation loops seen edge on, and gives their lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..measure.fields import mean_of, per_area
from ..measure.objects.filters import whole_only
from ..measure.quantities import Value, register_file
from ..measure.uncertainty.pooled_fields import FieldOfView, by_area, pooled_mean
from . import shared
from .base import Golden

METHOD = (
    "For each pixel a convolutional network predicted the probability of a line defect. Each connected piece at or"
    " above {threshold:.3g} is a line. Its length is along its axis if it is straight, else along its smoothed"
    " skeleton without spurs."
)


def columns(labels: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
    """The columns (n,) of the table that only lines have, in px."""
    from ..labels.lines import box_diagonals, skeleton_lengths

    return {"line_length": skeleton_lengths(labels), "box_diagonal": box_diagonals(labels)}


def numbers(lines: shared.MeasuredObjects) -> tuple[dict[str, Value], tuple[()]]:
    """The numbers of lines beside the lengths; there are no warnings."""
    table, calibration = lines.table, lines.calibration
    diagonal = mean_of(table, "box_diagonal", lines.settings.border_correction, calibration)
    density = per_area("line_density", table, lines.area, calibration, table.length("line_length"))
    return {"box_diagonal_mean": diagonal, "line_density": density}, ()


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """The numbers of several images together."""
    values, tables = by_area(fields), [whole_only(field.table) for field in fields]
    values["box_diagonal_mean"] = pooled_mean(tables, "box_diagonal", fields[0].edge)
    return values


def golden() -> Golden:
    """The drawn test case of this kind: ten bars of 40 by 3 px, five of them upright. The picture has noise, because
    bars of one grey would be taken for something drawn on it."""
    inside = np.zeros((200, 200), bool)
    for number in range(5):
        row = 15 + 36 * number
        inside[row : row + 3, 20:60] = inside[20:60, 85 + 22 * number : 88 + 22 * number] = True
    maps = np.where(inside, 255, 0).astype(np.uint8)[None]
    answers = {"lines": 10.0, "line_length_mean": 40.0, "box_diagonal_mean": float(np.hypot(40, 3))}
    picture = np.random.default_rng(0).normal(np.where(inside, 200, 60), 4).astype(np.uint8)
    return Golden(picture, maps, 10, answers, 0.05)


TASK = shared.task_of(
    "line",
    numbers,
    finder="lines.find_lines",
    columns=columns,
    summary="Outlines line defects, such as dislocation loops seen edge on, and measures their lengths.",
    quantities=register_file(__file__),
    golden=golden,
    method=METHOD,
    size="line_length",
    corners=True,
    pool_fields=pool_fields,
)
