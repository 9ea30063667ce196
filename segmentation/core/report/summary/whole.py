"""`Summary`: all numbers of a result in words. `all_numbers` lists them for the sheet "Details" and
the annex of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...measure.quantities import COLUMNS, DOUBTFUL_FRACTIONS, MEDIAN_TERM, NUMBERS, Value
from ...measure.results import FIGURES, Statistics
from ..entries import Entry, quantity_entries
from ..wording import counted_from
from .further import Further
from .main_list import MainList
from .uncertainty import Uncertainty


class Summary(MainList, Uncertainty, Further):
    """All numbers of an image or of a sample in words."""

    def all_numbers(self) -> Iterator[Entry]:
        """All numbers with their group, in the order of a table.

        Counts come first; for kinds of analysis with `quantities` these include the counts.
        """
        quantities = [] if self.screened else quantity_entries(self.stored_quantities, every=True)
        yield from (replace(entry, group="quantities") for entry in quantities)
        if self.statistics is None:
            return
        yield from [] if quantities else self.counts
        weighted = [self._entry_by(name, weighting) for weighting in self.weightings for name in FIGURES]
        yield from (replace(entry, term=NUMBERS[entry.name].label) for entry in weighted)
        yield from (replace(entry, group="other sizes") for entry in self._others(self.statistics))
        if fit := self.statistics.fit:
            for term, value, text in (
                (MEDIAN_TERM, Value(fit["median"], unit=self.statistics.unit), ""),
                ("geometric standard deviation", Value(fit["gsd"]), ""),
                ("greatest distance of the cumulative curves", Value(fit["ks"]), ""),
                ("p", Value(fit["p"]), "" if fit["p"] >= 0.001 else "< 0.001"),
                ("fit", Value(None), fit["word"]),
            ):
                yield Entry("fit", term, value, text, group="log-normal fit")
        names = {
            "groups": f"groups of touching {self.things}",
            "singles": f"single {self.things}",
            "primaries_in_groups": f"{self.things} in groups",
            "largest": f"{self.things} in the largest group",
        }
        group_counts: Mapping[str, Any] = self.statistics.agglomerates or {}
        for name, title in names.items() if group_counts else ():
            yield Entry(name, title, Value(group_counts[name]), kind="integer", group="agglomerates")
        for group, entries in (
            ("arrangement", self.arrangement),
            ("shape classes", self.shape_classes),
            ("rods", self.rods),
        ):
            yield from (replace(entry, group=group) for entry in entries)
        if arrangement := self.statistics.arrangement:
            yield Entry("pairs", "compared with chance", text=arrangement["sentence"], group="arrangement")
        for name, spread in self.statistics.shape.items():
            for number_name, number in spread.items():
                yield Entry(name, f"{COLUMNS[name].label}, {NUMBERS[number_name].label}", Value(number), group="shape")

    def _others(self, statistics: Statistics) -> Iterator[Entry]:
        """Sizes and fractions that the weighted numbers do not include."""
        if statistics.size != "ecd":
            yield replace(self.by_number("ecd_median"), term=f"{MEDIAN_TERM} equivalent circular diameter")
        if not statistics.screened:
            return
        counted_words = f", of {self.things}{counted_from(statistics.nano)}" if statistics.nano else ""
        yield replace(self.by_number("fraction_100nm"), term=f"fraction by number from 1 to 100 nm{counted_words}")
        for name in DOUBTFUL_FRACTIONS:  # only if it differs from the fraction above
            if (share := getattr(statistics, name)) not in (None, statistics.fraction_100nm):
                yield replace(Entry.of(name, Value(share)), term=NUMBERS[name].label)
        if statistics.recommendation is not None:
            vssa = Value(statistics.recommendation["vssa"], unit="m²/cm³")
            yield Entry("vssa", "volume-specific surface area", vssa)
