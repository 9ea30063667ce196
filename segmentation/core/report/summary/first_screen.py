"""`FirstScreen`: the main numbers of a result, the warnings beside them, and the left out objects.

The page of a result shows them without scrolling; the caption of the figure and page 1 of the
report use them, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...flags import Flag, beside_numbers, ranked
from ...measure.objects.filters import BY_OTHERS, Reason
from ...measure.quantities import MEDIAN_TERM, NUMBERS, OF, significant
from ...measure.uncertainty.budget_table import ends_words, uncertainty_words
from ...micrograph.types import LEAST_UNCERTAINTY, NO_SCALE
from ..entries import Entry, LeftOut, is_special, known_number, quantity_entries
from ..wording import WHOLE_AND_CUT, per_cent, verdict_words
from .numbers import Numbers

OTHER_REASON = "Left out by the analysis."  # meaning of a reason that is not in `Reason`


class FirstScreen(Numbers):
    """The main numbers of a result, in the order in which pages and files show them."""

    @property
    def headlines(self) -> list[Entry]:
        """The main numbers beside the count: the median, and the fraction from 1 to 100 nm if it is
        known.

        The list is empty if there are too few objects for a median.
        """
        if not self.statistics or not self.kept or self.has_few:
            return []
        terms = {"median": f"{NUMBERS['median'].title} size", "fraction_100nm": f"1–100 nm{self.counted_from}"}
        note = {"median": "", "fraction_100nm": self.verdict}
        names = [name for name in terms if name == "median" or self.statistics.fraction_100nm is not None]
        return [
            replace(
                self._with_sure_ends(self.by_number(name)),
                term=terms[name],
                note=note[name] or self.measurand,
                parts=self._parts(name),
                ends_line=self._ends_line(name),
            )
            for name in names
        ]

    @property
    def caption_numbers(self) -> list[Entry]:
        """The numbers in the caption of the figure beside the count. The methods paragraph explains
        their intervals."""
        return self.headlines if self.screened else self.leading

    def _parts(self, answer: str) -> list[tuple[str, str, int]]:
        """The known contributions to the uncertainty of a number, the largest first, without
        negligible ones.

        Each is (title, words, per cent of the largest). The list is empty if the total uncertainty
        is not known.
        """
        budget: Mapping[str, Any] = (self.statistics.budget if self.statistics else None) or {}
        if not budget.get(answer, {}).get("ends"):
            return []
        parts = ((row[answer] or 0.0, row["title"]) for row in budget["rows"])
        rows = sorted((part for part in parts if part[0] >= LEAST_UNCERTAINTY), reverse=True)
        return [(title, uncertainty_words(part, answer), round(100 * part / rows[0][0])) for part, title in rows]

    def _ends_line(self, answer: str) -> str:
        """Why the ends of the interval with the total uncertainty are not equally far from the
        number; "" if they are, or if there is no such interval."""
        budget = self.statistics.budget if self.statistics else None
        return ends_words(budget, answer) if budget else ""

    @property
    def verdict(self) -> str:
        """The verdict of the screening, such as "limit 50 %: probably below"; "" without
        screening."""
        return verdict_words(self.nano) if self.nano else ""

    @property
    def no_interval(self) -> str:
        """A sentence: why the median of the first screen has no interval; "" if it has one."""
        if self.unsure or not self.screened or not self.headlines or self.headlines[0].interval:
            return ""
        return self.interval_note or f"The {MEDIAN_TERM} has no useful 95 % interval: {self.too_few_words}."

    @property
    def quantities(self) -> list[Entry]:
        """The numbers of the kind of analysis; [] if particles are screened, whose numbers are the
        size distribution.

        These entries do not say what their intervals include; pages show `known_quantities`.
        """
        entries = [] if self.screened else quantity_entries(self.stored_quantities)
        if not self._by_image or self.interval_note:
            return entries
        names = {entry.name for entry in entries if known_number(entry.name).of_amount}  # these never have an interval
        names |= {entry.name for entry in entries if not entry.number.value}
        return [replace(entry, caution="" if entry.name in names else self.too_few_words) for entry in entries]

    @property
    def known_quantities(self) -> list[Entry]:
        """The entries of `quantities` that have a value, with the words on their intervals. The
        template _quantities.html lists them."""
        return [
            self._with_sure_ends(self.with_basis(entry)) for entry in self.quantities if entry.number.value is not None
        ]

    @property
    def leading(self) -> list[Entry]:
        """The main numbers of kinds without screening, in place of `headlines`: a few of
        `known_quantities`.

        These are the first one, the median (else the second one) and the last one. For classes they
        are the first number of up to four classes (three if it is no fraction). If some objects
        have no size, the note below the first number says how many.
        """
        quantities = [entry for entry in self.known_quantities if not is_special(entry)] or self.known_quantities
        count = quantities[0].number.value or 0.0 if quantities and quantities[0].kind == "integer" else 0.0
        if 0 < self.kept < count:
            quantities[0] = replace(quantities[0], note=WHOLE_AND_CUT.format(self.kept, count - self.kept))
        if quantities and OF in quantities[0].name:
            measure = quantities[0].name.partition("_")[0]
            count_of_classes = 4 if quantities[0].kind == "fraction" else 3
            return [entry for entry in quantities if entry.name.startswith(measure)][:count_of_classes]
        if len(quantities) <= 3:
            return quantities
        median = next((quantity for quantity in quantities[1:-1] if quantity.name.endswith("_median")), quantities[1])
        return [quantities[0], median, quantities[-1]]

    # ---- warnings and notes beside the numbers --------------------------------------------------------------

    def notices_of(self, flags: Iterable[Flag], *, pooled: bool = False) -> list[Flag]:
        """The warnings and notes to show beside the numbers, the gravest first.

        For one image there is a further note if most left out objects have a reason that a person
        can remove by one click. The note on an unknown scale is excluded: the page shows it with
        the scale. pooled: whether this is the result of a sample.
        """
        liftable = [str(reason) for reason in BY_OTHERS if reason != Reason.HIDDEN]
        main_reason, listed = max(self.set_aside, key=lambda line: line.count, default=None), []
        if main_reason is not None and main_reason.reason in liftable and not pooled:
            listed = [Flag(f"{main_reason.count:,} left out: {main_reason.reason}.", reason=main_reason.reason)]
        return ranked([*listed, *(flag for flag in flags if flag.text != NO_SCALE)])

    def first_notices(self, flags: Iterable[Flag], *, pooled: bool = False) -> list[Flag]:
        """The few of `notices_of` that page, report and workbook show beside the numbers."""
        return beside_numbers(self.notices_of(flags, pooled=pooled))

    # ---- left out objects: template _aside.html, annex of the report ----------------------------

    @property
    def set_aside(self) -> list[LeftOut]:
        """How many objects were left out, by reason, in the order in which the reasons are
        checked."""
        reasons = {str(reason): reason.definition for reason in Reason}
        counts = self.statistics.set_aside if self.statistics else {}
        return [LeftOut(reason, count, reasons.get(reason, OTHER_REASON)) for reason, count in counts.items()]

    @property
    def edge_line(self) -> str:
        """A sentence: how objects that touch the frame are treated; "" if that is of no
        interest."""
        weighted = self.statistics is not None and self.statistics.edge == "weight"
        others = ", and the others are weighted for it (Miles–Lantuéjoul)" if weighted else ""
        cut = self.screened or (self.statistics is not None and Reason.FRAME in self.statistics.set_aside)
        return f"Sizes leave out {self.things} that touch the frame{others}." if cut else ""

    @property
    def without_filter(self) -> str:
        """A sentence: the numbers without the filter; "" if the filter left nothing out."""
        other = self.statistics.without_filter if self.statistics else None
        if not other:
            return ""
        assert self.statistics is not None
        share = other["fraction_100nm"]
        nano = "" if share is None else f", {per_cent(share)} of 1–100 nm"
        median = f"{significant(other['median'])} {self.statistics.unit}"
        return f"Without the filter: {other['n']:,} counted, {MEDIAN_TERM} {median}{nano}."
