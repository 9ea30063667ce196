"""`Further`: the numbers below the main numbers, which the templates _weighted.html and
_arrangement.html and the annex of the report show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...measure.quantities import COLUMNS, MEDIAN_TERM, NUMBERS, Value, significant
from ...measure.results import FIGURES
from ...measure.sizes.fitting import FEWEST_SIZES, fit_words
from ..entries import Entry, Line, arrangement_entries, group_entries, rod_entries, shape_entries
from .numbers import Numbers

# Weighting, as a key of stored results -> in words.
WEIGHTINGS = {"number": "by number", "area": "by area", "volume": "by volume"}
SPREAD = ("d10", "median", "d90")


class Further(Numbers):
    """Sizes by number, area and volume, shapes, the fitted law, and how the objects lie to each
    other."""

    @property
    def weighted(self) -> list[Line]:
        """Each number of the size distribution weighted by number, area and volume: a line with up
        to three entries."""
        if not self.statistics or not self.kept:
            return []
        return [
            Line(
                NUMBERS[name].title,
                NUMBERS[name].definition,
                [self._entry_by(name, weighting) for weighting in self.weightings],
            )
            for name in FIGURES
        ]

    @property
    def weightings(self) -> dict[str, str]:
        """The weightings of this kind of analysis. Long objects such as fibres have none by volume,
        because the volume is computed as that of a sphere."""
        is_round = self.size.name in ("min_feret", "ecd")
        return {key: words for key, words in WEIGHTINGS.items() if is_round or key != "volume"}

    def _entry_by(self, name: str, weighting: str) -> Entry:
        """A number of the size distribution under one weighting (a key of WEIGHTINGS).

        By area and by volume some numbers never have an interval, so `caution` does not say that
        objects are too few.
        """
        assert self.statistics is not None
        by_name: Mapping[str, Any] = self.statistics.weighted.get(weighting, {})
        low, high = (by_name.get("intervals") or {}).get(name) or (None, None)
        total = self.by_number("median").total if (name, weighting) == ("d50", "number") else None
        value = Value(by_name.get(name), low, high, NUMBERS[name].unit(self.statistics.unit), total)
        caution = self.too_few_words if weighting == "number" and not by_name.get("note") else ""
        return self.with_basis(
            Entry.of(name, value, caution=caution, group=f"{self.size.label} {WEIGHTINGS[weighting]}")
        )

    @property
    def weighted_notes(self) -> list[str]:
        """Sentences: why some of the weighted numbers have no interval."""
        weighted: Mapping[str, Any] = self.statistics.weighted if self.statistics and self.kept else {}
        notes = (numbers.get("note") for key, numbers in weighted.items() if key in self.weightings)
        return list(dict.fromkeys(filter(None, notes)))

    @property
    def weighting_line(self) -> str:
        """Sentences that explain the weightings."""
        has_volume, has_length = "volume" in self.weightings, "fibre_d50_by_length" in self.stored_quantities
        sentences = [
            f"By number, each {self.thing} counts once.",
            "By area, it counts by its projected area.",
            "By volume, it counts by a sphere of that area." if has_volume else "",
            f"Some numbers by area{' and volume' if has_volume else ''} have no interval: they depend on a few large"
            f" {self.things}.",
            "Sizes by length are under “Further numbers”." if has_length else "",
        ]
        return " ".join(filter(None, sentences))

    @property
    def shape(self) -> list[Line]:
        """D10, median and D90 of each descriptor of shape."""
        spread = self.statistics.shape if self.statistics and self.kept else {}
        return [
            Line(
                COLUMNS[name].title,
                COLUMNS[name].definition,
                [
                    Entry(end, NUMBERS[end].label, Value(ends.get(end)), text=f"{ends[end]:.2f}" if end in ends else "")
                    for end in SPREAD
                ],
            )
            for name, ends in spread.items()
            if ends.get("median") is not None and name in COLUMNS
        ]

    @property
    def fit(self) -> str:
        """A sentence: the log-normal law and how well it fits; "" if none was fitted."""
        fit = self.statistics.fit if self.statistics else None
        if not fit or self.kept < FEWEST_SIZES:
            return ""
        assert self.statistics is not None
        law = f"Log-normal law ({MEDIAN_TERM} {significant(fit['median'])} {self.statistics.unit}, geometric SD"
        return f"{law} {significant(fit['gsd'])}): {fit_words(fit)}."

    @property
    def groups(self) -> str:
        """A sentence: how many objects touch others, and in how many groups; "" if not known."""
        agglomerates = self.statistics.agglomerates if self.statistics else None
        if not agglomerates or not self.kept:
            return ""
        if not agglomerates["groups"]:
            return f"No two counted {self.things} touch."
        groups = "1 group" if agglomerates["groups"] == 1 else f"{agglomerates['groups']:,} groups"
        largest = f" The largest has {agglomerates['largest']:,}." if agglomerates["groups"] > 1 else ""
        touching = f"{agglomerates['primaries_in_groups']:,} {self.things} touch others, in {groups}"
        return f"{touching}; {agglomerates['singles']:,} are single.{largest}"

    @property
    def arrangement(self) -> list[Entry]:
        """Distances to nearest neighbours, alignment (only of one image), and groups of touching
        objects."""
        if not self.statistics or not self.kept:
            return []
        neighbours = arrangement_entries(arrangement) if (arrangement := self.statistics.arrangement) else ()
        return list(map(self.with_basis, (*neighbours, *group_entries(self.statistics))))

    @property
    def arrangement_line(self) -> str:
        """The sentence on the comparison with random placement; "" if nothing was measured."""
        arrangement = self.statistics.arrangement if self.statistics and self.kept else None
        return arrangement["sentence"] if arrangement else ""

    @property
    def shape_classes(self) -> list[Entry]:
        """The share of each class of shape."""
        return list(map(self.with_basis, shape_entries(self.statistics))) if self.statistics and self.kept else []

    @property
    def rods(self) -> list[Entry]:
        """Length and width of the rods."""
        return list(rod_entries(self.statistics)) if self.statistics and self.kept else []
