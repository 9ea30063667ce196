"""The list of numbers: _sizes.html of the page, page 2 of the PDF, sheet Summary; and what its intervals include."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...measure.bins import LEAST_SIZES
from ...measure.fitting import FEWEST_SIZES
from ...measure.quantities import NUMBERS, OF, Value
from ..entries import Entry, known_number
from ..wording import capital, with_doubtful_words
from .first_screen import FirstScreen

MAIN = ("median", "mean", "sd", "d10", "d90", "ecd_median")
NO_ERRORS = "Only a total or known uncertainty includes errors of the model."


def one_kind_of_interval(entries: Iterable[Entry]) -> list[Entry]:
    """The entries of one table, whose brackets mean one thing: those whose interval includes something else than that
    of the first with ends have none."""
    listed = list(entries)
    includes = next((entry.includes for entry in listed if entry.ends), "")
    others = (entry.ends and entry.includes != includes for entry in listed)
    return [
        replace(entry, has_ends=False, holds="", caution="") if is_other else entry
        for entry, is_other in zip(listed, others, strict=True)
    ]


class MainList(FirstScreen):
    """The sizes by number, the counts, and one line on all their intervals."""

    @property
    def sizes(self) -> list[Entry]:
        """The size distribution by number, as the page lists it (`answer_sizes`); none of few particles."""
        if not self.statistics or not self.kept or self.has_few:
            return []
        names_of_few = {"median", "ecd_median"} | ({"mean"} if self.kept > 1 else set())  # few sizes show no spread
        names = [name for name in MAIN if self.kept >= LEAST_SIZES or name in names_of_few]
        has_area_size = self.screened and self.size.name != "ecd"  # of a fibre the area says no size
        names = [name for name in names if name != "ecd_median" or has_area_size]
        reason = "" if self.interval_note else self.too_few_words  # of a number without interval where others have one
        entries = [replace(self.by_number(name), caution=reason) for name in names]
        if self.statistics.fraction_100nm is not None:
            share, term = self.by_number("fraction_100nm"), NUMBERS["fraction_100nm"].title
            below = with_doubtful_words(self.statistics)
            entries.append(replace(share, term=f"{term}{self.counted_from}", below=below))
        if self.statistics.fit and self.kept >= FEWEST_SIZES:
            entries.append(Entry.of("fit", Value(None), text=f"{self.statistics.fit['word']} fit"))
        if self.statistics.agglomerates:
            entries.append(Entry.of("groups", Value(self.statistics.agglomerates["groups"])))
        return entries

    @property
    def answer_sizes(self) -> list[Entry]:
        """The sizes as page, PDF and sheet Summary list them: beside a total uncertainty no interval that holds less
        stands. The table of all numbers has those."""
        return one_kind_of_interval(self._with_sure_ends(entry) for entry in self.sizes)

    @property
    def main_numbers(self) -> list[Entry]:
        """The list of page 2 of the PDF and of the sheet Summary: sizes of particles, else the answers and how widely
        the sizes spread."""
        sizes = self._main_sizes(self.answer_sizes)
        return one_kind_of_interval([*self.leading[:1], *self.known_quantities[1:], *sizes])

    def _main_sizes(self, sizes: Iterable[Entry]) -> list[Entry]:
        """All sizes of particles; of other kinds their spread, because an answer is their median or mean."""
        return [entry for entry in sizes if self.screened or entry.name in ("sd", "d10", "d90")]

    @property
    def counts(self) -> list[Entry]:
        """Objects counted and left out, and the latter by reason: the head of all numbers and of a comparison."""
        if self.statistics is None:
            return []
        lines = [("n_kept", "counted", self.kept, self.measurand or self.things)]
        lines += [("n_set_aside", "left out", self.set_aside_count, self.things)]
        lines += [("set_aside", reason, count, "left out") for reason, count in self.statistics.set_aside.items()]
        return [Entry(name, term, Value(count), kind="integer", group=group) for name, term, count, group in lines]

    # ---- what the intervals include, and which are missing ---------------------------------------

    @property
    def without_interval(self) -> str:
        """Which numbers of the tables have no interval although their kind has one, and why, in one line; "" without
        any."""
        values = {entry.number.value for entry in self.sizes}  # some numbers of a kind are among the sizes
        others = [entry for entry in self.known_quantities if entry.number.value not in values]
        names: dict[str, list[str]] = {}
        for entry in (*self.sizes, *others):
            if entry.interval and not entry.ends:
                figure, _, class_name = entry.name.partition(OF)
                names.setdefault(known_number(figure).label, []).append(class_name)
        listed = (
            f"{name}{OF}{', '.join(class_name)}" if any(class_name) else name for name, class_name in names.items()
        )
        return f"{capital(self.too_few_words)} for an interval: {'; '.join(listed)}." if names else ""

    @property
    def main_without_interval(self) -> str:
        """The same of `main_numbers`: beside a total uncertainty no other interval stands."""
        return "" if self.unsure or any(entry.total for entry in self.sizes) else self.without_interval

    @property
    def interval_line(self) -> str:
        """What the intervals of all numbers include, or why those of sizes are missing."""
        return self._with_notes(self.interval_contents)

    @property
    def main_interval_line(self) -> str:
        """The same of the intervals that stand beside the main numbers."""
        return self._with_notes(self.contents_of([*self.known_quantities, *self._main_sizes(self.answer_sizes)]))

    def _with_notes(self, contents: str) -> str:
        statistics = self.statistics
        notes = [self.interval_note] if self.interval_note or statistics is None else statistics.cautions
        notes = [*filter(None, notes)] if statistics is None or self.kept else []
        return " ".join([f"The intervals are at 95 %. {contents}", *notes] if contents else notes)

    @property
    def interval_contents(self) -> str:
        """What the 95 % intervals of all numbers include, each kind with the names of its numbers; "" without any."""
        return self.contents_of([*self.known_quantities, *self._main_sizes(self.sizes)])

    def contents_of(self, entries: Iterable[Entry]) -> str:
        """The same of these numbers."""
        names: dict[str, dict[str, None]] = {}
        for entry in entries:
            if entry.includes:
                names.setdefault(entry.includes, {})[known_number(entry.name.partition(OF)[0]).label] = None
        listed = [
            f"{capital(', '.join(terms))}: the interval includes {includes}." for includes, terms in names.items()
        ]
        needs = not self.screened and any("uncertainty" not in includes for includes in names)
        return " ".join([*listed, NO_ERRORS] if needs else listed)
