"""The table of an image's objects, one row each. Measuring makes it; statistics and reports use
it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .quantities import Quantity, Unit, column, quantity_of_column

REASON_TYPE = np.dtype("U40")  # of the column reason
# Columns of whole numbers; other numbers are float64.
INTEGERS = {"label", "class", "group", "bbox_left_px", "bbox_top_px", "bbox_right_px", "bbox_bottom_px"}


def column_name(measure: str, unit: Unit) -> str:
    """The name of a measure's column, with its unit: "area" and "nm" give "area_nm2"."""
    return column(measure).column(unit)


@dataclass(frozen=True, eq=False)
class Table:
    """The measures of n objects (or of n classes), in the order of their labels.

    columns: (n,) each, by name. A name is the name of a registered quantity (`quantities`), with the unit at its end if
        it has one. kept (whether the object is counted) and reason ("" or why it is left out) are always there.
        The INTEGERS are int64; kept, by_hand, completed and touches_frame bool; reason and shape text; others float64.
        Positions are always pixels of the upload, counted from the top left; the centre of the first pixel is at
        (0, 0). A column that was not measured is read as NaN.
    nm_per_pixel: the calibration of the lengths; None if they are in pixels.
    Raises UnknownQuantity for a column that is not registered, ValueError if columns do not fit together.
    """

    columns: dict[str, NDArray[Any]]
    nm_per_pixel: float | None = None

    def __post_init__(self) -> None:
        for name in self.columns:
            quantity_of_column(name, self.unit)
        if not {"kept", "reason"} <= set(self.columns):
            raise ValueError(f"A table needs the columns kept and reason; this one has {', '.join(self.columns)}.")
        if len({len(values) for values in self.columns.values()}) != 1:
            raise ValueError("The columns of a table differ in length.")

    @classmethod
    def of_pixels(cls, measures: dict[str, Any], nm_per_pixel: float | None) -> Table:
        """The table of `measures` by name without unit, lengths in px. The table has nm if there is
        a calibration."""
        columns = {column_name(name, "px"): np.asarray(values) for name, values in measures.items()}
        columns |= {
            name: column.astype(float)
            for name, column in columns.items()
            if column.dtype == int and name not in INTEGERS
        }
        return cls(columns).rescaled(nm_per_pixel)

    @property
    def unit(self) -> Unit:
        """The unit of lengths."""
        return "px" if self.nm_per_pixel is None else "nm"

    @property
    def quantities(self) -> list[Quantity]:
        """The quantities of the columns, in their order."""
        return [quantity_of_column(name, self.unit) for name in self.columns]

    def __len__(self) -> int:
        return len(self.columns["kept"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The column of this name; NaN where it was not measured. Raises UnknownQuantity."""
        if name in self.columns:
            return self.columns[name]
        quantity_of_column(name, self.unit)
        return np.full(len(self), np.nan)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(n,) whether each object is counted."""
        return self.columns["kept"]

    @property
    def whole(self) -> NDArray[np.bool_]:
        """(n,) whether each object is counted and does not touch the frame, so that its size is
        known."""
        touching: NDArray[np.bool_] = self.columns["touches_frame"].astype(bool)
        return self.kept & ~touching

    @property
    def reasons(self) -> NDArray[np.str_]:
        """(n,) why each object is left out, "" if it is counted."""
        return self.columns["reason"]

    def length(self, measure: str) -> NDArray[np.float64]:
        """The (n,) values of a measure such as "min_feret", "ecd" or "area", in `unit` (or its square)."""
        return self[column_name(measure, self.unit)]

    def rescaled(self, nm_per_pixel: float | None) -> Table:
        """The same objects with another calibration; None gives pixels. The columns kept and reason
        stay."""
        unit: Unit = "px" if nm_per_pixel is None else "nm"
        factor = (nm_per_pixel or 1.0) / (self.nm_per_pixel or 1.0)
        columns = {
            quantity.column(unit): values * factor**quantity.power if quantity.power else values
            for quantity, values in zip(self.quantities, self.columns.values(), strict=True)
        }
        return Table(columns, nm_per_pixel)

    def with_measures(self, **measures: NDArray[Any]) -> Table:
        """The same objects with further measures (n,), named without units; lengths in px."""
        pixel, named = self.nm_per_pixel or 1.0, {column(name): values for name, values in measures.items()}
        scaled = {
            quantity.column(self.unit): values * pixel**quantity.power if quantity.power else values
            for quantity, values in named.items()
        }
        return replace(self, columns={**self.columns, **scaled})

    def with_ids(self, ids: NDArray[np.int32]) -> Table:
        """The same objects with the ids (n,) of their segmentation in the column label."""
        return replace(self, columns={**self.columns, "label": ids.astype(np.int64)})

    def judged(self, reasons: NDArray[np.str_]) -> Table:
        """The same objects, counted if their entry in `reasons` (n,) is "", otherwise left out for
        this reason."""
        reasons = reasons.astype(REASON_TYPE)
        return replace(self, columns={**self.columns, "kept": reasons == "", "reason": reasons})


def with_equal_columns(tables: Sequence[Table]) -> list[Table]:
    """The tables with equal columns: each gets the columns of all tables in one order; a missing column
    is NaN."""
    widest_first = sorted(tables, key=lambda table: -len(table.columns))
    quantities = dict.fromkeys(quantity for table in widest_first for quantity in table.quantities)
    return [
        replace(table, columns={name: table[name] for name in (q.column(table.unit) for q in quantities)})
        for table in tables
    ]
