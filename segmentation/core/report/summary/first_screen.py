"""The first screen of a result: its answers, the notices beside them, and what was left out.

For _answer.html of the page, the figure and page 1 of the PDF.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...flags import Flag, beside_numbers, ranked
from ...measure.budget_table import ends_words, uncertainty_words
from ...measure.filters import BY_OTHERS, Reason
from ...measure.quantities import OF, significant
from ...micrograph.types import LEAST_DOUBT, NO_SCALE
from ..entries import Entry, LeftOut, answers, is_special, known_number
from ..wording import WHOLE, per_cent, verdict_words
from .numbers import Numbers

OTHER_REASON = "Left out by the analysis."


class FirstScreen(Numbers):
    """The answers of an analysis in the order in which they are said."""

    @property
    def headlines(self) -> list[Entry]:
        """What particles say first, beside the count: median and nano fraction with its verdict, as far as known; of
        few of them nothing. Of another kind with sizes it is the median alone."""
        if not self.statistics or not self.kept or self.has_few:
            return []
        terms = {"median": "Median size", "fraction_100nm": f"1–100 nm{self.counted_from}"}
        below = {"median": "", "fraction_100nm": self.verdict}
        names = [name for name in terms if name == "median" or self.statistics.fraction_100nm is not None]
        return [
            replace(
                self._with_sure_ends(self.by_number(name)),
                term=terms[name],
                below=below[name] or self.measurand,
                parts=self._parts(name),
                ends_line=self._ends_line(name),
            )
            for name in names
        ]

    @property
    def caption_numbers(self) -> list[Entry]:
        """What a caption says beside the count, and of whose intervals the method speaks."""
        return self.headlines if self.screened else self.leading

    def _parts(self, answer: str) -> list[tuple[str, str, int]]:
        """The contributions to the uncertainty of an answer that are known and worth a word, the largest first: title,
        words, per cent of the largest. None where their total is not known."""
        budget: Mapping[str, Any] = (self.statistics.budget if self.statistics else None) or {}
        if not budget.get(answer, {}).get("ends"):
            return []
        parts = ((row[answer] or 0.0, row["title"]) for row in budget["rows"])
        rows = sorted((part for part in parts if part[0] >= LEAST_DOUBT), reverse=True)
        return [(title, uncertainty_words(part, answer), round(100 * part / rows[0][0])) for part, title in rows]

    def _ends_line(self, answer: str) -> str:
        """Why the ends of an answer's total uncertainty are unlike; "" where they are not, or there are none."""
        budget = self.statistics.budget if self.statistics else None
        return ends_words(budget, answer) if budget else ""

    @property
    def verdict(self) -> str:
        """Such as "limit 50 %: probably below"; "" where nothing is judged."""
        return verdict_words(self.nano) if self.nano else ""

    @property
    def no_interval(self) -> str:
        """Why the median of the first screen has no interval; "" where it has one."""
        if self.unsure or not self.screened or not self.headlines or self.headlines[0].interval:
            return ""
        return self.interval_note or f"The median has no useful 95 % interval: {self.too_few_words}."

    @property
    def quantities(self) -> list[Entry]:
        """The answers of other kinds than particles, without their interval's basis; all screens show those with a
        value, `known_quantities`."""
        entries = [] if self.screened else answers(self.stored_quantities)
        if not self._by_image or self.interval_note:
            return entries
        names = {entry.name for entry in entries if known_number(entry.name).of_amount}  # these never have an interval
        names |= {entry.name for entry in entries if not entry.number.value or entry.unit.startswith("px")}
        return [replace(entry, caution="" if entry.name in names else self.too_few_words) for entry in entries]

    @property
    def known_quantities(self) -> list[Entry]:
        """The answers that have a value: `_quantities.html` of the page lists them all."""
        return [
            self._with_sure_ends(self.with_basis(entry)) for entry in self.quantities if entry.number.value is not None
        ]

    @property
    def leading(self) -> list[Entry]:
        """Of other kinds than particles, in place of `headlines`: at most three answers, the first, the median (else
        the second) and the last; of classes four fractions or three others. Where some objects have no size, the first
        says how many."""
        quantities = [entry for entry in self.known_quantities if not is_special(entry)] or self.known_quantities
        count = quantities[0].number.value or 0.0 if quantities and quantities[0].kind == "integer" else 0.0
        if 0 < self.kept < count:
            quantities[0] = replace(quantities[0], below=WHOLE.format(self.kept, count - self.kept))
        if quantities and OF in quantities[0].name:
            measure = quantities[0].name.partition("_")[0]
            shown = 4 if quantities[0].kind == "fraction" else 3
            return [quantity for quantity in quantities if quantity.name.startswith(measure)][:shown]
        if len(quantities) <= 3:
            return quantities
        median = next((quantity for quantity in quantities[1:-1] if quantity.name.endswith("_median")), quantities[1])
        return [quantities[0], median, quantities[-1]]

    # ---- notices beside the numbers --------------------------------------------------------------

    def notices_of(self, flags: Iterable[Flag], *, pooled: bool = False) -> list[Flag]:
        """What there is to say beside the numbers, the gravest first: doubts, of one image what is left out and counts
        by one click, if most were left out for that reason, notes. Page, report and workbook show `first_notices`; an
        unknown scale is said where it stands."""
        usual = [str(reason) for reason in BY_OTHERS if reason != Reason.HIDDEN]  # those the measurand leaves out
        main_reason, listed = max(self.set_aside, key=lambda line: line.count, default=None), []
        if main_reason is not None and main_reason.reason in usual and not pooled:
            listed = [Flag(f"{main_reason.count:,} left out: {main_reason.reason}.", reason=main_reason.reason)]
        return ranked([*listed, *(flag for flag in flags if flag.text != NO_SCALE)])

    def first_notices(self, flags: Iterable[Flag], *, pooled: bool = False) -> list[Flag]:
        """Those of `notices_of` that stand beside the numbers."""
        return beside_numbers(self.notices_of(flags, pooled=pooled))

    # ---- what was left out: _aside.html of the page, annex of the PDF ----------------------------

    @property
    def set_aside(self) -> list[LeftOut]:
        """How many were set aside, by reason, in the order of judging."""
        reasons = {str(reason): reason.definition for reason in Reason}
        counts = self.statistics.set_aside if self.statistics else {}
        return [LeftOut(reason, count, reasons.get(reason, OTHER_REASON)) for reason, count in counts.items()]

    @property
    def edge_line(self) -> str:
        """How what touches the frame is allowed for."""
        weighted = self.statistics is not None and self.statistics.edge == "weight"
        others = ", and the others are weighted for it (Miles–Lantuéjoul)" if weighted else ""
        cut = self.screened or (self.statistics is not None and Reason.FRAME in self.statistics.set_aside)
        return f"Sizes leave out {self.things} that touch the frame{others}." if cut else ""

    @property
    def without_filter(self) -> str:
        """What would be counted without the filter; "" where it removed nothing."""
        other = self.statistics.without_filter if self.statistics else None
        if not other:
            return ""
        assert self.statistics is not None
        share = other["fraction_100nm"]
        nano = "" if share is None else f", {per_cent(share)} of 1–100 nm"
        median = f"{significant(other['median'])} {self.statistics.unit}"
        return f"Without the filter: {other['n']:,} counted, median {median}{nano}."
