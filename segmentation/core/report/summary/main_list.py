"""`MainList`: the list of the main numbers, and sentences on their intervals.

The template _sizes.html, page 2 of the report and the sheet "Summary" show the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...measure.quantities import NUMBERS, OF, Value
from ...measure.sizes.bins import LEAST_SIZES
from ...measure.sizes.fitting import FEWEST_SIZES
from ..entries import Entry, known_number
from ..wording import capital, with_doubtful_words
from .first_screen import FirstScreen

MAIN = ("median", "mean", "sd", "d10", "d90", "ecd_median")
NO_ERRORS = "Only a total or known uncertainty includes errors of the model."


def one_kind_of_interval(entries: Iterable[Entry]) -> list[Entry]:
    """The entries of a table, in which all intervals must include the same contributions.

    An entry whose interval includes other contributions than the first interval loses its interval.
    """
    all_entries = list(entries)
    includes = next((entry.includes for entry in all_entries if entry.ends), "")
    others = (entry.ends and entry.includes != includes for entry in all_entries)
    return [
        replace(entry, has_ends=False, contents_without_total="", caution="") if is_other else entry
        for entry, is_other in zip(all_entries, others, strict=True)
    ]


class MainList(FirstScreen):
    """Main numbers by number (each object counts once), counts, and sentences on their
    intervals."""

    @property
    def sizes(self) -> list[Entry]:
        """The numbers of the size distribution, by number; [] if the particles are too few.

        Pages and files show them as `answer_sizes`.
        """
        if not self.statistics or not self.kept or self.has_few:
            return []
        names_of_few = {"median", "ecd_median"} | ({"mean"} if self.kept > 1 else set())  # few sizes show no spread
        names = [name for name in MAIN if self.kept >= LEAST_SIZES or name in names_of_few]
        has_area_size = self.screened and self.size.name != "ecd"  # the area of a fibre is no measure of its size
        names = [name for name in names if name != "ecd_median" or has_area_size]
        # Why a number has no interval although others have one.
        reason = "" if self.interval_note else self.too_few_words
        entries = [replace(self.by_number(name), caution=reason) for name in names]
        if self.statistics.fraction_100nm is not None:
            share, term = self.by_number("fraction_100nm"), NUMBERS["fraction_100nm"].title
            note = with_doubtful_words(self.statistics)
            entries.append(replace(share, term=f"{term}{self.counted_from}", note=note))
        if self.statistics.fit and self.kept >= FEWEST_SIZES:
            entries.append(Entry.of("fit", Value(None), text=f"{self.statistics.fit['word']} fit"))
        if self.statistics.agglomerates:
            entries.append(Entry.of("groups", Value(self.statistics.agglomerates["groups"])))
        return entries

    @property
    def answer_sizes(self) -> list[Entry]:
        """The sizes as the page, the report and the sheet "Summary" list them.

        If some intervals include the total uncertainty, the other intervals are not shown here; the
        table of all numbers has them.
        """
        return one_kind_of_interval(self._with_sure_ends(entry) for entry in self.sizes)

    @property
    def main_numbers(self) -> list[Entry]:
        """The list for page 2 of the report and the sheet "Summary".

        For screened particles these are the sizes; for other kinds their quantities and the spread
        of the sizes.
        """
        sizes = self._main_sizes(self.answer_sizes)
        return one_kind_of_interval([*self.leading[:1], *self.known_quantities[1:], *sizes])

    def _main_sizes(self, sizes: Iterable[Entry]) -> list[Entry]:
        """All sizes of screened particles; for other kinds only the spread: median or mean are
        among the quantities."""
        return [entry for entry in sizes if self.screened or entry.name in ("sd", "d10", "d90")]

    @property
    def counts(self) -> list[Entry]:
        """The number of counted objects, the number of left out objects, and this number by
        reason."""
        if self.statistics is None:
            return []
        lines = [("n_kept", "counted", self.kept, self.measurand or self.things)]
        lines += [("n_set_aside", "left out", self.set_aside_count, self.things)]
        lines += [("set_aside", reason, count, "left out") for reason, count in self.statistics.set_aside.items()]
        return [Entry(name, term, Value(count), kind="integer", group=group) for name, term, count, group in lines]

    # ---- what the intervals include, and which intervals are missing ---------------------------------------

    @property
    def without_interval(self) -> str:
        """A sentence: which numbers usually have an interval but have none here, and why; "" if all
        have one."""
        values = {entry.number.value for entry in self.sizes}  # a quantity may also be one of the sizes
        others = [entry for entry in self.known_quantities if entry.number.value not in values]
        names: dict[str, list[str]] = {}
        for entry in (*self.sizes, *others):
            if entry.interval and not entry.ends:
                figure, _, class_name = entry.name.partition(OF)
                names.setdefault(known_number(figure).label, []).append(class_name)
        parts = (
            f"{name}{OF}{', '.join(class_name)}" if any(class_name) else name for name, class_name in names.items()
        )
        return f"{capital(self.too_few_words)} for an interval: {'; '.join(parts)}." if names else ""

    @property
    def main_without_interval(self) -> str:
        """`without_interval` for `main_numbers`; "" if some of these have an interval with the
        total uncertainty."""
        return "" if self.unsure or any(entry.total for entry in self.sizes) else self.without_interval

    @property
    def interval_line(self) -> str:
        """Sentences: what the intervals of all numbers include, or why sizes have no intervals."""
        return self._with_notes(self.interval_contents)

    @property
    def main_interval_line(self) -> str:
        """`interval_line` for the main numbers only."""
        return self._with_notes(self.contents_of([*self.known_quantities, *self._main_sizes(self.answer_sizes)]))

    def _with_notes(self, contents: str) -> str:
        """The sentence on what intervals include, with the notes and cautions of the sizes."""
        statistics = self.statistics
        notes = [self.interval_note] if self.interval_note or statistics is None else statistics.cautions
        # The list has no geometric SD; a caution about nothing else is beside it in the workbook.
        notes = [note for note in notes if note and "interval of the geometric SD may" not in note]
        notes = notes if statistics is None or self.kept else []
        return " ".join([f"The intervals are at 95 %. {contents}", *notes] if contents else notes)

    @property
    def interval_contents(self) -> str:
        """Sentences: what the 95 % intervals of all numbers include, with the names of the numbers;
        "" without any."""
        return self.contents_of([*self.known_quantities, *self._main_sizes(self.sizes)])

    def contents_of(self, entries: Iterable[Entry]) -> str:
        """Sentences: what the 95 % intervals of these numbers include; "" without any."""
        names: dict[str, dict[str, None]] = {}
        for entry in entries:
            if entry.includes:
                names.setdefault(entry.includes, {})[known_number(entry.name.partition(OF)[0]).label] = None
        sentences = [
            f"{capital(', '.join(terms))}: the interval includes {includes}." for includes, terms in names.items()
        ]
        needs_note = not self.screened and any("uncertainty" not in includes for includes in names)
        return " ".join([*sentences, NO_ERRORS] if needs_note else sentences)
