"""Lines: a map of line defects, such as dislocation loops seen edge on, becomes lines and their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..measure.pooled_fields import FieldOfView, by_area, pooled_mean
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
    "For each pixel a convolutional network predicted the probability of a line defect. Each connected piece at or"
    " above {threshold:.3g} is a line. Its length is that of its smoothed skeleton without spurs."
)


def find(maps: Maps, grey: Maps, view: View, card: ModelCard, settings: shared.ThresholdSettings) -> Decoded:
    from ..labels.lines import find_lines

    return shared.found_by(find_lines, maps, grey, card, settings)


def measure(
    segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
) -> Measured:
    from ..labels.lines import box_diagonals, skeleton_lengths
    from ..measure.fields import distribution, mean_of, per_area, table_of

    labels = segmentation.dense
    lengths = skeleton_lengths(labels)
    table = table_of(
        segmentation, micrograph, settings, calibration, line_length=lengths, box_diagonal=box_diagonals(labels)
    )
    if nothing := shared.withheld_result(segmentation, table, TASK, settings):
        return nothing
    sizes = distribution(table, TASK.size, micrograph, settings, calibration)
    shape, edge = (segmentation.rows, micrograph.shape[1]), settings.border_correction
    part = table.length("line_length")
    values = (
        *(Value(float(table.kept.sum())), sizes.value("mean"), sizes.value("median")),
        *(mean_of(table, "box_diagonal", edge, calibration), per_area("line_density", table, shape, calibration, part)),
    )
    flags = tuple(shared.doubts(segmentation))
    return Measured(table, sizes, dict(zip(TASK.quantities, values, strict=True)), flags)


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """Numbers of several images together."""
    from ..measure.fields import whole

    values, tables = by_area(fields), [whole(field.table) for field in fields]
    values["box_diagonal_mean"] = pooled_mean(tables, "box_diagonal", fields[0].edge)
    return values


def golden() -> Golden:
    """Ten bars of 40 by 3 px, five of them upright."""
    inside = np.zeros((200, 200), bool)
    for number in range(5):
        at = 15 + 36 * number
        inside[at : at + 3, 20:60] = inside[20:60, 85 + 22 * number : 88 + 22 * number] = True
    maps = np.where(inside, 255, 0).astype(np.uint8)[None]
    answers = {"lines": 10.0, "line_length_mean": 40.0, "box_diagonal_mean": float(np.hypot(40, 3))}
    return Golden(np.where(inside, 200, 60).astype(np.uint8), maps, 10, answers, 0.05)


TASK = shared.task_of(
    "line",
    summary="Outlines line defects, such as dislocation loops seen edge on, and measures their lengths.",
    decode=find,
    measure=measure,
    quantities=shared.registered(__file__),
    golden=golden,
    method=METHOD,
    size="line_length",
    corners=True,
    figures={"line_length_mean": "mean", "line_length_median": "median"},
    pool_fields=pool_fields,
)
