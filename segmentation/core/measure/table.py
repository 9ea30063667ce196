"""One row per particle: the type that measuring fills and every report reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Unit = Literal["nm", "px"]

LENGTHS = ("min_feret", "max_feret", "ecd", "perimeter")
AREAS = ("area",)
REASON_TYPE = np.dtype("U40")

ORDER = (
    "label",
    "kept",
    "reason",
    "min_feret",
    "max_feret",
    "ecd",
    "area",
    "perimeter",
    "circularity",
    "aspect_ratio",
    "solidity",
    "convexity",
    "compactness",
    "extent",
    "ellipse_ratio",
    "elongation",
    "centroid_x_px",
    "centroid_y_px",
    "bbox_left_px",
    "bbox_top_px",
    "bbox_right_px",
    "bbox_bottom_px",
    "mean_grey",
    "confidence",
    "touches_frame",
    "group",
    "edge_weight",
)

# The dimensionless descriptors of shape; docs/statistics.md gives their formulas.
SHAPES = (
    "circularity",
    "aspect_ratio",
    "solidity",
    "convexity",
    "compactness",
    "extent",
    "ellipse_ratio",
    "elongation",
)


def column_name(measure: str, unit: Unit) -> str:
    """The name of a measure's column, with its unit: "area" and "nm" give "area_nm2"."""
    if measure in LENGTHS:
        return f"{measure}_{unit}"
    return f"{measure}_{unit}2" if measure in AREAS else measure


@dataclass(frozen=True, eq=False)
class ParticleTable:
    """The measures of n particles, in the order of their labels.

    columns: name -> (n,) array, in the order of `ORDER`, with the unit at the end of a name that needs one.
        label, group and the bounding box are int64 (right and bottom are one past the last pixel), kept and
        touches_frame bool, reason text ("" while kept), everything else float64. Positions are always
        pixels of the upload, counted from the top left; the centre of the first pixel is at (0, 0).
        Particles that touch have one `group` number. `edge_weight` is NaN where the particle touches the frame.
    nm_per_pixel: the calibration that the lengths were measured with, or None where they are pixels.
    """

    columns: dict[str, NDArray[Any]]
    nm_per_pixel: float | None = None

    def __post_init__(self) -> None:
        expected = [column_name(name, self.unit) for name in ORDER]
        if list(self.columns) != expected:
            raise ValueError(f"columns are {list(self.columns)}, expected {expected}")
        if len({len(values) for values in self.columns.values()}) != 1:
            raise ValueError("columns differ in length")

    @classmethod
    def of_pixels(cls, measures: dict[str, Any], nm_per_pixel: float | None) -> ParticleTable:
        """The table of `measures` (named as in `ORDER`, lengths in px), calibrated by `nm_per_pixel`."""
        columns = {column_name(name, "px"): np.asarray(measures[name]) for name in ORDER}
        return cls(columns).rescaled(nm_per_pixel)

    @property
    def unit(self) -> Unit:
        return "px" if self.nm_per_pixel is None else "nm"

    def __len__(self) -> int:
        return len(self.columns["label"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def kept(self) -> NDArray[np.bool_]:
        return self.columns["kept"]

    @property
    def reasons(self) -> NDArray[np.str_]:
        return self.columns["reason"]

    def length(self, measure: str) -> NDArray[np.float64]:
        """The (n,) values of a measure such as "min_feret", "ecd" or "area", in `unit` (or its square)."""
        return self.columns[column_name(measure, self.unit)]

    def rescaled(self, nm_per_pixel: float | None) -> ParticleTable:
        """The same particles under another calibration; None gives pixels. `kept` and `reason` stay."""
        unit: Unit = "px" if nm_per_pixel is None else "nm"
        factor = (nm_per_pixel or 1.0) / (self.nm_per_pixel or 1.0)
        columns: dict[str, NDArray[Any]] = {}
        for name in ORDER:
            values = self.columns[column_name(name, self.unit)]
            power = 1 if name in LENGTHS else 2 if name in AREAS else 0
            columns[column_name(name, unit)] = values * factor**power if power else values
        return ParticleTable(columns, nm_per_pixel)

    def identified(self, ids: NDArray[np.int32]) -> ParticleTable:
        """The same particles under the ids (n,) of their segmentation."""
        return replace(self, columns={**self.columns, "label": ids.astype(np.int64)})

    def judged(self, reasons: NDArray[np.str_]) -> ParticleTable:
        """The same particles, kept where `reasons` (n,) is "" and set aside where it is a word."""
        reasons = reasons.astype(REASON_TYPE)
        return replace(self, columns={**self.columns, "kept": reasons == "", "reason": reasons})
