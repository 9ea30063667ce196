"""The one histogram of sizes: figure, report, workbook, page, API, cards and samples show these bars.

It is made from a weighted table: every outline that counts, and every piece that it may be instead, with its
probability and the weight of the border correction. The web process reads this, too: numpy alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .bins import auto_edges, log_edges, places_in, ratio_edges, typed_edges
from .descriptors import measures_of
from .distribution import Edge, Floats, known_or_one
from .quantities import Unit, column
from .table import REASON_TYPE, Table

LENGTH = "visible_length"  # of fibres, by which they are weighted in place of their volume
Bools = NDArray[np.bool_]
Refusal = Literal["", "many", "wide"]


@dataclass(frozen=True)
class Choice:
    """What a histogram shows.

    measure: a column of the population, "" for its size. weighting: one of its weightings. width: of a bar, in the unit
    of the measure; on a logarithmic axis bars per decade; None for automatic bins. left_out: also what does not count.
    """

    measure: str = ""
    weighting: str = "number"
    log: bool = False
    width: float | None = None
    left_out: bool = False


@dataclass(frozen=True, eq=False)
class Population:
    """n outlines, and after them what they may be instead: all that a histogram may show.

    unit: of lengths. pixel_size: in this unit, 0 of several images that differ in it. columns: measures by name, (n,)
    each, NaN where not known; the first is the size. is_counted: (n,) whether it counts; else it was left
    out. probability: (n,) that it is an object as it stands. edge_weight: (n,) of the border correction; None where
    there is none. lengths: (n,) of fibres, else None. image: (n,) from 0 on.
    """

    unit: Unit
    pixel_size: float
    columns: dict[str, Floats]
    is_counted: Bools
    probability: Floats
    edge_weight: Floats | None
    lengths: Floats | None
    image: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        tables: Sequence[Table],
        pieces: Sequence[Table | None] = (),
        *,
        size: str,
        edge: Edge,
        unit: Unit,
        pixel_size: float,
    ) -> Population:
        """The objects in the tables of images, all in `unit`; kept is what the size distribution counts. pieces: of
        each table, what its outlines may be instead; without any an outline's probability is 1.

        Descriptors of shape are not known of pieces, as only their sizes are measured: bars of these show outlines
        alone, and so do bars of a measure that an older result did not store.
        """
        known = [*tables, *(table for table in pieces if table is not None)]
        places = [*range(len(tables)), *(at for at, table in enumerate(pieces) if table is not None)]
        measured = {name: _joined(known, name) for name in measures_of(size)}
        is_counted = np.concatenate([np.zeros(0, np.bool_), *(table.kept for table in known)])
        is_fibre = bool(tables) and all(f"{LENGTH}_{unit}" in table.columns for table in tables)
        # What was left out is shown as it was outlined, because its pieces are not measured.
        probability = np.where(is_counted, known_or_one(known, "chance"), 1.0) if len(known) > len(tables) else None
        return cls(
            unit=unit,
            pixel_size=pixel_size,
            columns={name: values for name, values in measured.items() if not len(values) or np.isfinite(values).any()},
            is_counted=is_counted,
            probability=np.ones(len(is_counted)) if probability is None else probability,
            edge_weight=known_or_one(known, "edge_weight") if edge == "weight" else None,
            lengths=np.nan_to_num(_joined(known, LENGTH)) if is_fibre else None,
            image=np.repeat(places, [len(table) for table in known]).astype(np.int64),
        )

    @property
    def weightings(self) -> tuple[str, ...]:
        """The weightings that can be chosen; without areas by number alone."""
        if self.lengths is not None:
            return "number", "length", "area"
        return ("number", "area", "volume") if "area" in self.columns else ("number",)

    def amounts(self, weighting: str) -> Floats:
        """(n,) how much each counts by a weighting, before probability and edge weight; NaN where not known."""
        if weighting == "length" and self.lengths is not None:
            return self.lengths
        if weighting == "area":
            return self.columns["area"]
        return self.columns["ecd"] ** 3 if weighting == "volume" else np.ones(len(self.is_counted))


@dataclass(frozen=True, eq=False)
class Bars:
    """The k bars of a histogram, and the m outlines and pieces in them, in ascending order.

    edges: (k + 1,) in the unit of the measure.
    heights: (k,). Weighted by number: the expected number of objects in each bar, times their edge weights where the
        border correction uses weights. By another weighting: shares of the total.
    aside, doubtful: (k,) the parts of the heights that were left out, and that are no certain object.
    expected_counts: (k,) the expected number of objects in each bar, whatever the weighting.
    expected_total: the expected number of all objects, rounded to a whole number.
    shares, cumulative: (k,) of the total amount.

    size, bin, contribution: (m,) the measure of each, its bar, from 0 on (-1 for none), and what it adds to the height
        of that bar.
    weight: (m,) its probability times its edge weight. probability, image, is_counted: (m,), see `Population`.
    refusal: why `Choice.width` was not taken.
    """

    edges: Floats
    size: Floats
    bin: NDArray[np.int64]
    contribution: Floats
    weight: Floats
    probability: Floats
    is_counted: Bools
    image: NDArray[np.int64]
    refusal: Refusal = ""

    def _summed(self, values: Floats) -> Floats:
        inside = self.bin >= 0
        return np.asarray(np.bincount(self.bin[inside], values[inside], len(self.edges) - 1), np.float64)

    def rescaled(self, factor: float) -> Bars:
        """The same bars with sizes in another unit."""
        return replace(self, edges=factor * self.edges, size=factor * self.size)

    @cached_property
    def heights(self) -> Floats:
        return self._summed(self.contribution)

    @cached_property
    def aside(self) -> Floats:
        return self._summed(np.where(self.is_counted, 0.0, self.contribution))

    @cached_property
    def doubtful(self) -> Floats:
        return self._summed(np.where(self.is_counted & (self.probability < 1), self.contribution, 0.0))

    @cached_property
    def expected_counts(self) -> Floats:
        return self._summed(self.probability)

    @property
    def expected_total(self) -> int:
        return round(float(self.probability.sum()))

    @cached_property
    def shares(self) -> Floats:
        total = float(self.contribution.sum())
        return self.heights / total if total > 0 else np.zeros(len(self.heights))

    @property
    def cumulative(self) -> Floats:
        return np.cumsum(self.shares)

    def of_image(self, number: int) -> Floats:
        """(k,) the part of the heights that one image has."""
        return self._summed(np.where(self.image == number, self.contribution, 0.0))

    def within(self, low: float, high: float) -> tuple[float, float]:
        """The expected objects from one size to another, and their share of the amount. As of a bar, the upper end is
        left out unless it is the last."""
        inside = (self.size >= low) & ((self.size < high) | ((self.size == high) & (high >= self.edges[-1])))
        total = float(self.contribution.sum())
        share = float(self.contribution[inside].sum()) / total if total > 0 else 0.0
        return float(self.probability[inside].sum()), share


def bars_of(population: Population, choice: Choice = Choice(), *, axis: Sequence[int] | None = None) -> Bars | None:
    """The bars that were chosen; None where there is nothing to show.

    axis: the images whose sizes decide where the edges are and what a bar's height is; None for all. Sizes of the
    others beyond these edges are in no bar.
    """
    name = choice.measure or next(iter(population.columns))
    size, amount = population.columns[name], population.amounts(choice.weighting)
    is_shown = (size > 0) & np.isfinite(size) & np.isfinite(amount) & (population.probability > 0)
    is_shown &= population.is_counted | choice.left_out
    if axis is not None and not (is_shown & np.isin(population.image, axis)).any():
        return None
    edge_weight = np.ones(len(size)) if population.edge_weight is None else population.edge_weight
    weight = population.probability * edge_weight
    # Sums of fractions depend on their order in the last digit: it must not depend on that of the images.
    order = np.lexsort((population.probability, weight, size))
    order = order[is_shown[order]]
    if not len(order):
        return None
    size, amount, weight = size[order], amount[order], weight[order]
    probability, is_counted = population.probability[order], population.is_counted[order]
    image = population.image[order]
    deciding = np.ones(len(size), np.bool_) if axis is None else np.isin(image, axis)
    if choice.weighting == "number":
        # Edge weights change how objects share in the bars, and not their number. Those that were left out do not
        # change the bars of those that count.
        base = is_counted & deciding if (is_counted & deciding).any() else deciding
        is_plain = population.edge_weight is None
        contribution = weight if is_plain else weight * (probability[base].sum() / weight[base].sum())
    else:
        total = float((amount * weight)[deciding].sum())
        contribution = amount * weight / (total or 1.0)
    edges, refusal = _edges(size[deciding], population, name, choice)
    return Bars(edges, size, places_in(edges, size), contribution, weight, probability, is_counted, image, refusal)


def _edges(sizes: Floats, population: Population, name: str, choice: Choice) -> tuple[Floats, Refusal]:
    """Edges for sizes (m,), and why they are the automatic ones in place of those that were asked for."""
    refusal: Refusal = ""
    if choice.width is not None:
        edges = (ratio_edges if choice.log else typed_edges)(sizes, choice.width)
        if edges is not None and np.isfinite(edges).all():
            return edges, ""
        refusal = "many" if edges is None else "wide"
    if choice.log:
        return log_edges(sizes), refusal
    grain = (population.unit, population.pixel_size) if column(name).power == 1 else ("", 0.0)
    return auto_edges(sizes, *grain), refusal


def pieces_table(stored: Mapping[str, Iterable[float]], nm_per_pixel: float | None) -> Table | None:
    """What outlines may be instead, as `Statistics.pieces` stores it in px; None where nothing has possible cuts."""
    if not stored:
        return None
    columns: dict[str, Any] = {name: np.array(values, float) for name, values in stored.items()}
    count = len(columns["chance"])
    columns |= {"kept": np.ones(count, bool), "reason": np.zeros(count, REASON_TYPE)}
    return Table(columns).rescaled(nm_per_pixel)


def numbers(values: Iterable[float]) -> list[int | float]:
    """Values for JSON, whole ones as integers."""
    return [int(value) if value == int(value) else float(value) for value in values]


def _joined(tables: Sequence[Table], name: str) -> Floats:
    return np.concatenate([np.zeros(0), *(table.length(name) for table in tables)])
