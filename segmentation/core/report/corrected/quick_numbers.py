"""The numbers of a result directly after a correction, in words: counts, sizes and shares, without
intervals. The page shows them until a worker has measured the whole image again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import tasks
from ...analysis import Analysis
from ...labels.corrections.working import WorkingLabels
from ...measure.nano.fraction_outlines import fraction_outlines
from ...measure.objects.filters import BY_HAND, Reason, by_reason, without_doubtful
from ...measure.quantities import Unit, Value, nanometre_in, significant
from ...measure.results import Statistics
from ...measure.review.doubts import Candidates, Doubt, PossibleCut, doubts
from ...measure.review.examples import Example, examples_of, sure_ones
from ...measure.sizes.bins import NANO_NM
from ...measure.sizes.distribution import WeightedSizes, figures, nano_share, quantile
from ...measure.table import Table, column_name
from ..summary import MAIN, Summary
from .corrected_objects import CorrectedObjects, Floats, MeasuringConditions, StoredObjects

OUTLINES_NOTE = "fraction_outlines"  # key of `Entry.outlines_note` in `QuickNumbers.numbers`
FRACTIONS = ("fraction_100nm", "fraction_100nm_without_doubtful")
QUICK_FIGURES = ("mean", "median", "sd", "d10", "d50", "d90", "ecd_median")


@dataclass(frozen=True, eq=False)
class QuickNumbers:
    """The numbers of n objects after corrections.

    labels: the corrected labels, None if nothing was corrected.
    earlier_statistics: the size distribution before the corrections, None if there was none.
    quantities: the other numbers before the corrections. The intervals of these earlier numbers
    decide with how many digits a number is written.
    """

    objects: CorrectedObjects
    labels: WorkingLabels | None
    earlier_statistics: Statistics | None
    quantities: Mapping[str, Value]

    @cached_property
    def present(self) -> StoredObjects:
        """The n objects as they are now, ascending by id."""
        return self.objects.stored.after(self.objects.rows)

    def column(self, name: str) -> Floats:
        """(n,) one measure of all objects by its name in a row; NaN if not known."""
        return self.present.columns.get(name, np.full(len(self.present.ids), np.nan))

    @cached_property
    def table(self) -> Table:
        """A row for each object. Objects that touch the frame (`present.cut`) count here."""
        present, names = self.present, dict.fromkeys(filter(None, (self.objects.conditions.task.size, "ecd")))
        columns: dict[str, NDArray[Any]] = {column_name(name, self._unit): self.column(name) for name in names}
        columns |= {"edge_weight": self.column("weight"), "confidence": self.column("confidence")}
        columns |= {"kept": present.reasons == "", "reason": present.reasons, BY_HAND: present.by_hand}
        return Table(columns, present.nm_per_pixel)

    @cached_property
    def sized(self) -> Table:
        """The table in which objects that touch the frame are left out, because their size is not
        known."""
        reasons = np.where(self.table.kept & self.present.cut, str(Reason.FRAME), self.table.reasons)
        return self.table.judged(reasons)

    @cached_property
    def sizes(self) -> WeightedSizes | None:
        """The sizes of the counted objects; None if objects have no size, or some sizes need the
        full measurement."""
        task, settings = self.objects.conditions.task, self.objects.conditions.settings
        if not task.size or not np.isfinite(self.sized.length(task.size)[self.sized.kept]).all():
            return None
        return WeightedSizes.of(self.sized, edge=settings.border_correction, by=task.size)

    @property
    def needs_probabilities(self) -> bool:
        """Whether possible objects count with their probabilities, which only the full measurement
        knows."""
        return self.objects.conditions.settings.measurand == "all" and "chance" in self.objects.stored.columns

    @cached_property
    def statistics(self) -> Statistics | None:
        """The size distribution with its present numbers; a number is None if it needs the full
        measurement. None if objects have no size.

        The ends of intervals stay as far from their numbers as they were before the corrections.
        """
        task, stored = self.objects.conditions.task, self.objects.stored
        if not task.size or self.objects.conditions.refused:
            return None
        earlier = self.earlier_statistics or Statistics(self._unit, 0, 0, size=task.size, screened=task.screened)
        new_numbers: dict[str, Any] = dict.fromkeys((*QUICK_FIGURES, *FRACTIONS))
        outlines = None
        is_counted, sizes = self.sized.kept, None if self.needs_probabilities else self.sizes
        if sizes is not None and len(sizes):
            number, by_ecd = sizes.weights["number"], sizes.by_ecd()
            by_name = figures(sizes.size, number)
            new_numbers |= {name: by_name[name] for name in QUICK_FIGURES if name in by_name} | {
                "median": by_name["d50"]
            }
            new_numbers["ecd_median"] = quantile(by_ecd.size, by_ecd.weights["number"], 0.5)
            if task.screened and stored.nm_per_pixel is not None and stored.nm_per_pixel <= NANO_NM:
                new_numbers |= self._fractions(sizes)
                outlines = fraction_outlines([self.sized])
        return _with_figures(
            earlier,
            new_numbers,
            n_kept=int(is_counted.sum()),
            n_set_aside=int((~self.table.kept).sum()),
            set_aside=by_reason([self.table]),
            fraction_outlines=outlines,
        )

    def _fractions(self, sizes: WeightedSizes) -> dict[str, float | None]:
        """The fraction from 1 to 100 nm of all counted objects, and of those that are not doubtful;
        None without any."""
        edge = self.objects.conditions.settings.border_correction
        not_doubtful = WeightedSizes.of(without_doubtful(self.sized), edge=edge)
        shares = (
            nano_share(part.size, part.weights["number"]) if len(part) else None for part in (sizes, not_doubtful)
        )
        return dict(zip(FRACTIONS, shares, strict=True))

    @cached_property
    def _quick(self) -> dict[str, Value]:
        """The present values of those other numbers (`quantities`) that are known without the full
        measurement."""
        task, statistics = self.objects.conditions.task, self.statistics
        if self.objects.conditions.refused:
            return {}
        if task.semantic:
            shares = self.objects.shares(self.labels) if self.labels else {}
            return {
                name: replace(self.quantities.get(name, Value(None)), value=share) for name, share in shares.items()
            }
        entries = {task.things: Value(float(self.table.kept.sum()))} if task.things in task.quantities else {}
        for name, figure in task.figures.items() if statistics else ():
            now = getattr(statistics, figure)
            entries |= {name: _with_value(self.quantities.get(name, Value(None)), now)} if now is not None else {}
        return entries

    @cached_property
    def summary(self) -> Summary:
        """The numbers in words."""
        task = self.objects.conditions.task
        return Summary(self.statistics, {**self.quantities, **self._quick}, task.thing, task.things)

    @cached_property
    def numbers(self) -> dict[str, str]:
        """All numbers that are known without the full measurement, in words without unit, by name.

        Names are n_kept and n_set_aside, numbers of the size distribution (MAIN), OUTLINES_NOTE,
        and quantities of the kind of analysis such as "area_fraction of ferrite". A dash stands for
        a number that is not defined.
        """
        summary, task = self.summary, self.objects.conditions.task
        entries = {entry.name: entry for entry in summary.quantities if entry.name in self._quick}
        words = {name: entry.value for name, entry in entries.items()}
        if task.semantic or self.objects.conditions.refused or summary.statistics is None:
            return words
        words |= {} if self.needs_probabilities else {"n_kept": f"{int(self.table.kept.sum()):,}"}
        words |= {"n_set_aside": f"{summary.statistics.n_set_aside:,}"}
        if self.needs_probabilities or self.sizes is None:
            return words
        words |= {name: summary.by_number(name).value for name in MAIN}
        if not task.screened:
            return words
        fraction = summary.by_number("fraction_100nm")
        return words | {fraction.name: fraction.value, OUTLINES_NOTE: fraction.outlines_note}

    @property
    def unit(self) -> str:
        """The unit of lengths in `numbers`, `few_sizes` and `examples`: nm, µm or px.

        If there is no median now, it is the unit before the corrections.
        """
        statistics = self.summary.statistics
        statistics = statistics if statistics is None or statistics.median is not None else self.earlier_statistics
        return statistics.readable_unit if statistics else self._unit

    @property
    def _unit(self) -> Unit:
        """The unit of the stored lengths."""
        return "px" if self.objects.stored.nm_per_pixel is None else "nm"

    @property
    def few_sizes(self) -> list[str]:
        """The sizes in words, ascending, if they are too few for a median; else []."""
        if not self.summary.has_few or self.sizes is None or self.needs_probabilities:
            return []
        return [significant(size * nanometre_in(self.unit)) for size in self.sizes.size.tolist()]

    @property
    def examples(self) -> list[Example]:
        """The objects that page and report show as examples, such as the smallest, with their sizes
        in words."""
        task, sizes = self.objects.conditions.task, self.sizes
        if self.objects.conditions.refused or sizes is None or not len(sizes):
            return []
        counted_rows = np.flatnonzero(self.sized.kept)
        is_sure = sure_ones(self.sized)[counted_rows]
        size = self.sized.length(task.size)[counted_rows]
        median = quantile(sizes.size, sizes.weights["number"], 0.5)
        by_id = [
            (int(self.present.ids[counted_rows[index]]), title, size[index])
            for index, title in examples_of(size, is_sure, median)
        ]
        return [
            Example(number, title or f"{task.thing} {number}", significant(value * nanometre_in(self.unit)))
            for number, title, value in by_id
        ]

    def doubts(self, cuts: Mapping[int, int]) -> list[Doubt]:
        """The doubtful outlines and possible cuts that a person should check. cuts: place of a
        possible cut -> id of the object that it divides."""
        task = self.objects.conditions.task
        if not task.size or self.objects.conditions.refused:
            return []
        size, columns = self.table.length(task.size), self.objects.stored.head.get("cuts") or {}
        is_unchecked = self.table.kept & ~self.table[BY_HAND].astype(bool)
        candidates = Candidates(self.present.ids, is_unchecked, ~self.present.cut, size, self.table["confidence"])
        pieces = columns.get("pieces") or [None] * len(columns.get("place", ()))
        possible_cuts = [
            PossibleCut(place, cuts[place], probability, piece)
            for place, probability, piece in zip(
                columns.get("place", ()), columns.get("chance", ()), pieces, strict=True
            )
            if place in cuts
        ]
        finite = self.sized.judged(np.where(np.isfinite(size), self.sized.reasons, str(Reason.FRAME)))
        edge = self.objects.conditions.settings.border_correction
        return doubts(candidates, possible_cuts, WeightedSizes.of(finite, edge=edge, by=task.size))


def quick_numbers_of(analysis: Analysis, content: Mapping[str, Any], objects: str) -> QuickNumbers:
    """The quick numbers of an analysis without corrections.

    content: its `exports.viewer.outlines`. objects: the name of the list of objects in it.
    """
    stored = StoredObjects.of([content], objects, has_texts=False)
    conditions = MeasuringConditions(
        tasks.find(analysis.segmentation.provenance.task), analysis.settings.measurement, analysis.refused
    )
    return QuickNumbers(CorrectedObjects(stored, conditions, {}), None, analysis.statistics, analysis.quantities)


def _with_figures(earlier: Statistics, new_numbers: Mapping[str, Any], **changes: Any) -> Statistics:
    """The statistics with other numbers. The ends of each interval stay as far from their number as
    they were."""
    shifts = {
        name: number - earlier_number
        for name, number in new_numbers.items()
        if number is not None and (earlier_number := getattr(earlier, name)) is not None
    }
    nano = _shifted((earlier.fraction_low, earlier.fraction_high), shifts.get("fraction_100nm"))
    budget: Any = earlier.budget
    if budget:
        totals = {name: budget[name] for name in ("median", "fraction_100nm")}
        ends = {name: _shifted(total["ends"], shifts.get(name)) for name, total in totals.items()}
        budget = {**budget, **{name: {**total, "ends": ends[name]} for name, total in totals.items()}}
    return replace(
        earlier,
        **new_numbers,
        **changes,
        intervals={name: _shifted(ends, shifts.get(name)) for name, ends in earlier.intervals.items()},
        fraction_low=nano[0] if nano else None,
        fraction_high=nano[1] if nano else None,
        budget=budget,
    )


def _with_value(value: Value, now: float) -> Value:
    """The value with another number; the ends of its interval stay as far from it as they were."""
    shift = None if value.value is None else now - value.value
    ends, total = _shifted((value.low, value.high), shift), _shifted(value.total, shift)
    low, high = ends or (None, None)
    return Value(now, low, high, value.unit, (total[0], total[1]) if total else None)


def _shifted(ends: Any, shift: float | None) -> list[float] | None:
    """The ends of an interval plus `shift`; None if one of them or the shift is not known."""
    return None if not ends or shift is None or None in ends else [end + shift for end in ends]
