"""What the files say of each object, whatever a kind of analysis measured of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..analysis import Analysis
from ..tasks import find


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a segmentation, in the order of the ids.

    ids: (n,) int64. classes: (n,) names. kept: (n,) bool, all of them where the table has a row for each class and not
    for each object. reasons: (n,) "" where kept. confidence: (n,) float, None where not known. cut: (n,) bool, those
    that the frame cuts: they count, but have no size.
    """

    ids: NDArray[np.int64]
    classes: list[str]
    kept: NDArray[np.bool_]
    reasons: list[str]
    confidence: list[float | None]
    cut: NDArray[np.bool_]

    @classmethod
    def of(cls, analysis: Analysis) -> Objects:
        segmentation, table = analysis.segmentation, analysis.table
        has_objects = "label" in table.columns and np.array_equal(table["label"], segmentation.ids)
        task, none = find(segmentation.provenance.task), np.zeros(len(segmentation), np.bool_)
        return cls(
            segmentation.ids.astype(np.int64),
            [segmentation.class_names[number] for number in segmentation.classes.tolist()],
            table.kept if has_objects else np.ones(len(segmentation), np.bool_),
            table.reasons.tolist() if has_objects else [""] * len(segmentation),
            [round(value, 4) if np.isfinite(value) else None for value in segmentation.confidence.tolist()],
            table.kept & ~table.whole if has_objects and task.size and not task.screened else none,
        )
