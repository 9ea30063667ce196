"""The numbers that follow a correction at once, in the words of `Summary`: counts, sizes and shares, without intervals.

All else waits for the full measuring: intervals, verdict, histogram, and whatever needs more than the outlines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import tasks
from ..analysis import Analysis
from ..labels.working import WorkingLabels
from ..measure.bins import NANO_NM
from ..measure.carried import fraction_outlines
from ..measure.distribution import WeightedSizes, figures, nano_share, quantile
from ..measure.doubts import Candidates, Doubt, PossibleCut, doubts
from ..measure.examples import Example, examples_of
from ..measure.filters import BY_HAND, SURE_CONFIDENCE, Reason, by_reason, without_doubtful
from ..measure.quantities import Unit, Value, nanometre_in, significant
from ..measure.results import Statistics
from ..measure.table import Table, column_name
from .corrected_objects import CorrectedObjects, Floats, StoredObjects, Terms
from .summary import MAIN, Summary

CARRIED = "fraction_outlines"
FRACTIONS = ("fraction_100nm", "fraction_100nm_without_doubtful")
QUICK_FIGURES = ("mean", "median", "sd", "d10", "d50", "d90", "ecd_median")


@dataclass(frozen=True, eq=False)
class QuickNumbers:
    """What is known at once of the objects as they stand.

    now: the outlines, None where nothing was corrected. before: the size distribution of the result, None where it has
    none; quantities: its other numbers. The digits of a number are those that its interval left in the result.
    """

    objects: CorrectedObjects
    now: WorkingLabels | None
    before: Statistics | None
    quantities: Mapping[str, Value]

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """(n,) of all objects, ascending: the order of equal sizes decides the last digits of weighted figures."""
        return np.sort(self._unordered_ids)

    @cached_property
    def _unordered_ids(self) -> NDArray[np.int64]:
        """First of the objects that are as in the result, then of the others."""
        return np.concatenate([self.objects.stored.ids[self._is_left], np.array([*self._rows], np.int64)])

    def _joined(self, stored: NDArray[Any], others: Sequence[Any]) -> NDArray[Any]:
        """(n,) what is stored of the objects that are as in the result, and what is known of the others."""
        values = np.concatenate([stored[self._is_left], np.array(others, stored.dtype)])
        return values[np.argsort(self._unordered_ids, kind="stable")]

    @cached_property
    def _rows(self) -> dict[int, dict[str, Any]]:
        return {number: row for number, row in self.objects.rows.items() if row}

    @cached_property
    def _is_left(self) -> NDArray[np.bool_]:
        """Which objects of the result are as they were in it."""
        places = self.objects.stored.places
        left = np.ones(len(places), np.bool_)
        left[[places[number] for number in self.objects.rows if number in places]] = False
        return left

    def column(self, name: str, missing: float = np.nan) -> Floats:
        """(n,) the numbers of a column of the rows, NaN where they are not known; `missing` where there are none."""
        stored = self.objects.stored.columns.get(name)
        stored = np.full(len(self._is_left), missing) if stored is None else stored
        return self._joined(stored, [row.get(name, missing) for row in self._rows.values()])

    def _flags(self, name: str, stored: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return self._joined(stored, [bool(row.get(name)) for row in self._rows.values()])

    @cached_property
    def table(self) -> Table:
        """A row for each object, those that touch the frame kept (`is_cut`)."""
        stored, task = self.objects.stored, self.objects.terms.task
        reasons = self._joined(stored.reasons, [row["reason"] for row in self._rows.values()])
        names = dict.fromkeys(filter(None, (task.size, "ecd")))
        columns: dict[str, NDArray[Any]] = {column_name(name, self._unit): self.column(name) for name in names}
        columns |= {"edge_weight": self.column("weight"), "confidence": self.column("confidence")}
        columns |= {"kept": reasons == "", "reason": reasons, BY_HAND: self._flags("by_hand", stored.by_hand)}
        return Table(columns, stored.nm_per_pixel)

    @cached_property
    def is_cut(self) -> NDArray[np.bool_]:
        return self._flags("cut", self.objects.stored.cut)

    @cached_property
    def sized(self) -> Table:
        """The same, those that touch the frame left out."""
        reasons = np.where(self.table.kept & self.is_cut, str(Reason.FRAME), self.table.reasons)
        return self.table.judged(reasons)

    @cached_property
    def sizes(self) -> WeightedSizes | None:
        """The sizes that count; None where some are not known before all is measured, or there is no size."""
        task, settings = self.objects.terms.task, self.objects.terms.settings
        if not task.size or not np.isfinite(self.sized.length(task.size)[self.sized.kept]).all():
            return None
        return WeightedSizes.of(self.sized, edge=settings.border_correction, by=task.size)

    @property
    def is_expected(self) -> bool:
        """Whether all that outlines may be counts with its probability, which only the full measuring knows."""
        return self.objects.terms.settings.measurand == "all" and "chance" in self.objects.stored.columns

    @cached_property
    def statistics(self) -> Statistics | None:
        """The size distribution with the figures as they are now; those that are not known at once are None. The ends
        of its intervals are as far from the numbers as they were."""
        task, stored = self.objects.terms.task, self.objects.stored
        if not task.size or self.objects.terms.refused:
            return None
        before = self.before or Statistics(self._unit, 0, 0, size=task.size, screened=task.screened)
        new: dict[str, Any] = dict.fromkeys((*QUICK_FIGURES, *FRACTIONS))
        outlines = None
        kept, sizes = self.sized.kept, None if self.is_expected else self.sizes
        if sizes is not None and len(sizes):
            number, by_ecd = sizes.weights["number"], sizes.by_ecd()
            numbers = figures(sizes.size, number)
            new |= {name: numbers[name] for name in QUICK_FIGURES if name in numbers} | {"median": numbers["d50"]}
            new["ecd_median"] = quantile(by_ecd.size, by_ecd.weights["number"], 0.5)
            if task.screened and stored.nm_per_pixel is not None and stored.nm_per_pixel <= NANO_NM:
                new |= self._fractions(sizes)
                outlines = fraction_outlines([self.sized])
        return _with_figures(
            before,
            new,
            n_kept=int(kept.sum()),
            n_set_aside=int((~self.table.kept).sum()),
            set_aside=by_reason([self.table]),
            fraction_outlines=outlines,
        )

    def _fractions(self, sizes: WeightedSizes) -> dict[str, float | None]:
        """The fraction from 1 to 100 nm of all that count, and without doubtful ones; None of nothing."""
        edge = self.objects.terms.settings.border_correction
        left = WeightedSizes.of(without_doubtful(self.sized), edge=edge)
        shares = (nano_share(part.size, part.weights["number"]) if len(part) else None for part in (sizes, left))
        return dict(zip(FRACTIONS, shares, strict=True))

    @cached_property
    def _quick(self) -> dict[str, Value]:
        """The other numbers of the result that are known at once, as they are now."""
        task, statistics = self.objects.terms.task, self.statistics
        if self.objects.terms.refused:
            return {}
        if task.semantic:
            shares = self.objects.shares(self.now) if self.now else {}
            return {
                name: replace(self.quantities.get(name, Value(None)), value=statistics)
                for name, statistics in shares.items()
            }
        entries = {task.things: Value(float(self.table.kept.sum()))} if task.things in task.quantities else {}
        for name, figure in task.figures.items() if statistics else ():
            now = getattr(statistics, figure)
            entries |= {name: _with_value(self.quantities.get(name, Value(None)), now)} if now is not None else {}
        return entries

    @cached_property
    def summary(self) -> Summary:
        task = self.objects.terms.task
        return Summary(self.statistics, {**self.quantities, **self._quick}, task.thing, task.things)

    @cached_property
    def numbers(self) -> dict[str, str]:
        """By name what is known at once, in words, without its unit: n_kept and n_set_aside, figures of the sizes, and
        what a kind of analysis answers with, of classes such as "area_fraction of ferrite"; and `Entry.carried` under
        CARRIED. A dash where there is none, as of the median of nothing."""
        summary, task = self.summary, self.objects.terms.task
        entries = {entry.name: entry for entry in summary.quantities if entry.name in self._quick}
        words = {name: entry.value for name, entry in entries.items()}
        if task.semantic or self.objects.terms.refused or summary.statistics is None:
            return words
        words |= {} if self.is_expected else {"n_kept": f"{int(self.table.kept.sum()):,}"}
        words |= {"n_set_aside": f"{summary.statistics.n_set_aside:,}"}
        if self.is_expected or self.sizes is None:
            return words
        words |= {name: summary.by_number(name).value for name in MAIN}
        if not task.screened:
            return words
        fraction = summary.by_number("fraction_100nm")
        return words | {fraction.name: fraction.value, CARRIED: fraction.carried}

    @property
    def unit(self) -> str:
        """That of the lengths in `numbers`, `few` and `examples`: without a median now that of the result."""
        statistics = self.summary.statistics
        statistics = statistics if statistics is None or statistics.median is not None else self.before
        return statistics.readable_unit if statistics else self._unit

    @property
    def _unit(self) -> Unit:
        """That of the stored lengths."""
        return "px" if self.objects.stored.nm_per_pixel is None else "nm"

    @property
    def few(self) -> list[str]:
        """The sizes in ascending order where they are so few that no median is given; [] of more."""
        if not self.summary.has_few or self.sizes is None or self.is_expected:
            return []
        return [significant(size * nanometre_in(self.unit)) for size in self.sizes.size.tolist()]

    @property
    def examples(self) -> list[Example]:
        """What page and report show as examples, with sizes in words."""
        task, sizes = self.objects.terms.task, self.sizes
        if self.objects.terms.refused or sizes is None or not len(sizes):
            return []
        counted = np.flatnonzero(self.sized.kept)
        is_sure = without_doubtful(self.sized, SURE_CONFIDENCE).kept[counted]
        size = self.sized.length(task.size)[counted]
        median = quantile(sizes.size, sizes.weights["number"], 0.5)
        by_id = [(int(self.ids[counted[at]]), title, size[at]) for at, title in examples_of(size, is_sure, median)]
        return [
            Example(number, title or f"{task.thing} {number}", significant(value * nanometre_in(self.unit)))
            for number, title, value in by_id
        ]

    def doubts(self, cuts: Mapping[int, int]) -> list[Doubt]:
        """What waits for a look. cuts: the object that each possible cut divides, by its place."""
        task = self.objects.terms.task
        if not task.size or self.objects.terms.refused:
            return []
        size, columns = self.table.length(task.size), self.objects.stored.head.get("cuts") or {}
        is_open = self.table.kept & ~self.table[BY_HAND].astype(bool)
        candidates = Candidates(self.ids, is_open, ~self.is_cut, size, self.table["confidence"])
        pieces = columns.get("pieces") or [None] * len(columns.get("place", ()))
        possible_cuts = [
            PossibleCut(place, cuts[place], probability, piece)
            for place, probability, piece in zip(
                columns.get("place", ()), columns.get("chance", ()), pieces, strict=True
            )
            if place in cuts
        ]
        finite = self.sized.judged(np.where(np.isfinite(size), self.sized.reasons, str(Reason.FRAME)))
        edge = self.objects.terms.settings.border_correction
        return doubts(candidates, possible_cuts, WeightedSizes.of(finite, edge=edge, by=task.size))


def quick_numbers_of(analysis: Analysis, content: Mapping[str, Any], objects: str) -> QuickNumbers:
    """Of a finished analysis. content: its `exports.viewer.outlines`; objects: the name of their list."""
    stored = StoredObjects.of([content], objects, has_texts=False)
    terms = Terms(tasks.find(analysis.segmentation.provenance.task), analysis.settings.measurement, analysis.refused)
    return QuickNumbers(CorrectedObjects(stored, terms, {}), None, analysis.statistics, analysis.quantities)


def _with_figures(before: Statistics, figures: Mapping[str, Any], **changes: Any) -> Statistics:
    """The statistics with other figures; each end of an interval is as far from its number as it was."""
    shifts = {
        name: now - old
        for name, now in figures.items()
        if now is not None and (old := getattr(before, name)) is not None
    }
    nano = _shifted((before.fraction_low, before.fraction_high), shifts.get("fraction_100nm"))
    budget: Any = before.budget
    if budget:
        totals = {name: budget[name] for name in ("median", "fraction_100nm")}
        ends = {name: _shifted(total["ends"], shifts.get(name)) for name, total in totals.items()}
        budget = {**budget, **{name: {**total, "ends": ends[name]} for name, total in totals.items()}}
    return replace(
        before,
        **figures,
        **changes,
        intervals={name: _shifted(ends, shifts.get(name)) for name, ends in before.intervals.items()},
        fraction_low=nano[0] if nano else None,
        fraction_high=nano[1] if nano else None,
        budget=budget,
    )


def _with_value(value: Value, now: float) -> Value:
    """Another number of the same name, with the ends as far from it as they were."""
    shift = None if value.value is None else now - value.value
    ends, total = _shifted((value.low, value.high), shift), _shifted(value.total, shift)
    low, high = ends or (None, None)
    return Value(now, low, high, value.unit, (total[0], total[1]) if total else None)


def _shifted(ends: Any, by: float | None) -> list[float] | None:
    return None if not ends or by is None or None in ends else [end + by for end in ends]
