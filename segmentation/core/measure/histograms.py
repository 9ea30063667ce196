"""The bars of a histogram of sizes, for figures, reports, workbooks, pages, the API and samples.

They are computed from a weighted table of outlines and of the pieces into which possible cuts would
divide them: each has its probability and the weight of the border correction. The web process
imports this module, so it needs only numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .quantities import Unit, column
from .shape.descriptors import measures_of
from .sizes.bins import auto_edges, bin_numbers, log_edges, ratio_edges, typed_edges
from .sizes.distribution import Edge, Floats, known_or_one
from .table import REASON_TYPE, Table

LENGTH = "visible_length"  # column of fibres; they are weighted by it in place of their volume
Bools = NDArray[np.bool_]
Refusal = Literal["", "many", "wide"]  # too many bars for the width, or a width that is too large


@dataclass(frozen=True)
class Choice:
    """The choices of a person for a histogram.

    measure: a column of the population, "" for the size. weighting: one of its weightings. log:
    whether the axis is logarithmic. width: of a bar, in the unit of the measure, but on a
    logarithmic axis the bars per decade; None for automatic bins. left_out: whether objects that
    were left out are shown, too.
    """

    measure: str = ""
    weighting: str = "number"
    log: bool = False
    width: float | None = None
    left_out: bool = False


@dataclass(frozen=True, eq=False)
class Population:
    """All that a histogram may show: outlines, followed by the pieces into which possible cuts
    would divide them, n in all.

    unit: of lengths. pixel_size: in this unit, 0 for several images that differ in it. columns:
    measures by name, (n,) each, NaN where not known; the first is the size. is_counted: (n,)
    whether it is counted or left out. probability: (n,) that it is one object. edge_weight: (n,) of
    the border correction; None without one. lengths: (n,) of fibres; None for other objects. image:
    (n,) the number of its image from 0 on.
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
        """The population of one image or of several.

        tables: in `unit`, one for each image, judged; their counted objects are those of the size
        distribution. pieces: for each table the table of its pieces, or None; without any piece,
        all probabilities are 1. size: name of the column of the size. edge: the border correction.

        Pieces have no descriptors of shape, because only their sizes are measured: bars of a
        descriptor show only outlines. So do bars of a measure that an older result did not store.
        """
        all_tables = [*tables, *(table for table in pieces if table is not None)]
        images = [*range(len(tables)), *(image for image, table in enumerate(pieces) if table is not None)]
        measured = {name: _joined(all_tables, name) for name in measures_of(size)}
        is_counted = np.concatenate([np.zeros(0, np.bool_), *(table.kept for table in all_tables)])
        is_fibre = bool(tables) and all(f"{LENGTH}_{unit}" in table.columns for table in tables)
        # An outline that was left out is shown whole, because its pieces are not measured.
        has_pieces = len(all_tables) > len(tables)
        probability = np.where(is_counted, known_or_one(all_tables, "chance"), 1.0) if has_pieces else None
        return cls(
            unit=unit,
            pixel_size=pixel_size,
            columns={name: values for name, values in measured.items() if not len(values) or np.isfinite(values).any()},
            is_counted=is_counted,
            probability=np.ones(len(is_counted)) if probability is None else probability,
            edge_weight=known_or_one(all_tables, "edge_weight") if edge == "weight" else None,
            lengths=np.nan_to_num(_joined(all_tables, LENGTH)) if is_fibre else None,
            image=np.repeat(images, [len(table) for table in all_tables]).astype(np.int64),
        )

    @property
    def weightings(self) -> tuple[str, ...]:
        """The weightings that can be chosen; without areas only "number"."""
        if self.lengths is not None:
            return "number", "length", "area"
        return ("number", "area", "volume") if "area" in self.columns else ("number",)

    def amounts(self, weighting: str) -> Floats:
        """(n,) the weight of each by a weighting, without its probability and edge weight; NaN
        where not known."""
        if weighting == "length" and self.lengths is not None:
            return self.lengths
        if weighting == "area":
            return self.columns["area"]
        return self.columns["ecd"] ** 3 if weighting == "volume" else np.ones(len(self.is_counted))


@dataclass(frozen=True, eq=False)
class Bars:
    """The k bars of a histogram, and the m outlines and pieces in them, in ascending order.

    edges: (k + 1,) in the unit of the measure.
    size: (m,) the measure of each.
    bin: (m,) its bar from 0 on, -1 for none.
    contribution: (m,) what it adds to the height of its bar.
    weight: (m,) its probability times its edge weight.
    probability, image, is_counted: (m,) see `Population`.
    refusal: why `Choice.width` was not used.

    heights: (k,) by number: the expected number of objects in each bar, with their edge weights if the border
        correction uses weights. By another weighting: shares of the total.
    left_out, doubtful: (k,) the parts of the heights from objects that were left out, and from those with a
        probability under 1.
    expected_counts: (k,) the expected number of objects in each bar, with any weighting.
    expected_total: the expected number of all objects, rounded to a whole number.
    shares, cumulative: (k,) of the total.
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
        """(k,) the sums of values (m,) in each bar."""
        inside = self.bin >= 0
        return np.asarray(np.bincount(self.bin[inside], values[inside], len(self.edges) - 1), np.float64)

    def rescaled(self, factor: float) -> Bars:
        """The same bars with sizes in another unit."""
        return replace(self, edges=factor * self.edges, size=factor * self.size)

    @cached_property
    def heights(self) -> Floats:
        return self._summed(self.contribution)

    @cached_property
    def left_out(self) -> Floats:
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
        """(k,) the parts of the heights from one image."""
        return self._summed(np.where(self.image == number, self.contribution, 0.0))

    def within(self, low: float, high: float) -> tuple[float, float]:
        """The expected number of objects from the size `low` to below `high`, and their share of
        the total. The last edge of the histogram is included."""
        inside = (self.size >= low) & ((self.size < high) | ((self.size == high) & (high >= self.edges[-1])))
        total = float(self.contribution.sum())
        share = float(self.contribution[inside].sum()) / total if total > 0 else 0.0
        return float(self.probability[inside].sum()), share


def bars_of(population: Population, choice: Choice = Choice(), *, axis: Sequence[int] | None = None) -> Bars | None:
    """The bars of a population as a person chose them; None if there is nothing to show.

    axis: the numbers of the images whose sizes decide the edges and the total; None for all images.
    Sizes of the other images beyond these edges are in no bar.
    """
    name = choice.measure or next(iter(population.columns))
    size, amount = population.columns[name], population.amounts(choice.weighting)
    is_shown = (size > 0) & np.isfinite(size) & np.isfinite(amount) & (population.probability > 0)
    is_shown &= population.is_counted | choice.left_out
    if axis is not None and not (is_shown & np.isin(population.image, axis)).any():
        return None
    edge_weight = np.ones(len(size)) if population.edge_weight is None else population.edge_weight
    weight = population.probability * edge_weight
    # The last digit of a sum of fractions depends on their order, which must not be that of the
    # images.
    order = np.lexsort((population.probability, weight, size))
    order = order[is_shown[order]]
    if not len(order):
        return None
    size, amount, weight = size[order], amount[order], weight[order]
    probability, is_counted = population.probability[order], population.is_counted[order]
    image = population.image[order]
    deciding = np.ones(len(size), np.bool_) if axis is None else np.isin(image, axis)
    if choice.weighting == "number":
        # Edge weights change the shares of the bars, but not the number of objects. Objects that
        # were left out do not change the bars of the counted ones.
        base = is_counted & deciding if (is_counted & deciding).any() else deciding
        is_unweighted = population.edge_weight is None
        contribution = weight if is_unweighted else weight * (probability[base].sum() / weight[base].sum())
    else:
        total = float((amount * weight)[deciding].sum())
        contribution = amount * weight / (total or 1.0)
    edges, refusal = _edges(size[deciding], population, name, choice)
    return Bars(edges, size, bin_numbers(edges, size), contribution, weight, probability, is_counted, image, refusal)


def _edges(sizes: Floats, population: Population, name: str, choice: Choice) -> tuple[Floats, Refusal]:
    """The edges for sizes (m,) of the measure `name`, and why they are automatic although a width
    was chosen."""
    refusal: Refusal = ""
    if choice.width is not None:
        edges = (ratio_edges if choice.log else typed_edges)(sizes, choice.width)
        if edges is not None and np.isfinite(edges).all():
            return edges, ""
        refusal = "many" if edges is None else "wide"
    if choice.log:
        return log_edges(sizes), refusal
    unit, pixel_size = (population.unit, population.pixel_size) if column(name).power == 1 else ("", 0.0)
    return auto_edges(sizes, unit, pixel_size), refusal


def pieces_table(stored: Mapping[str, Iterable[float]], nm_per_pixel: float | None) -> Table | None:
    """The table of the pieces from `Statistics.pieces`, which stores them in px; None without
    possible cuts."""
    if not stored:
        return None
    columns: dict[str, Any] = {name: np.array(values, float) for name, values in stored.items()}
    count = len(columns["chance"])
    columns |= {"kept": np.ones(count, bool), "reason": np.zeros(count, REASON_TYPE)}
    return Table(columns).rescaled(nm_per_pixel)


def json_numbers(values: Iterable[float]) -> list[int | float]:
    """The values as numbers for JSON; whole ones become integers."""
    return [int(value) if value == int(value) else float(value) for value in values]


def _joined(tables: Sequence[Table], name: str) -> Floats:
    """(n,) the measure `name` of all objects in the tables."""
    return np.concatenate([np.zeros(0), *(table.length(name) for table in tables)])
