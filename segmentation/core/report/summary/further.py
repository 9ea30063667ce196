"""Further numbers: _weighted.html and _arrangement.html of the page, annex of the PDF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...measure.fitting import FEWEST_SIZES, fit_words
from ...measure.quantities import COLUMNS, NUMBERS, Value, significant
from ...measure.results import FIGURES
from ..entries import Entry, Line, arrangement_entries, group_entries, rod_entries, shape_entries
from .numbers import Numbers

WEIGHTINGS = {"number": "by number", "area": "by area", "volume": "by volume"}
SPREAD = ("d10", "median", "d90")


class Further(Numbers):
    """Sizes by number, area and volume, shapes, the fitted law, and how the objects lie to each other."""

    @property
    def weighted(self) -> list[Line]:
        """Each figure by number, area and volume."""
        if not self.statistics or not self.kept:
            return []
        return [
            Line(NUMBERS[name].title, NUMBERS[name].definition, [self._entry_by(name, by) for by in self.weightings])
            for name in FIGURES
        ]

    @property
    def weightings(self) -> dict[str, str]:
        """What figures are weighted by, in words; the sphere of its area says no volume of what is long, as a fibre."""
        is_round = self.size.name in ("min_feret", "ecd")
        return {by: words for by, words in WEIGHTINGS.items() if is_round or by != "volume"}

    def _entry_by(self, name: str, by: str) -> Entry:
        """A figure weighted `by` number, area or volume. By area and volume some figures never have an interval, so
        that few objects are not the reason there."""
        assert self.statistics is not None
        figures: Mapping[str, Any] = self.statistics.weighted.get(by, {})
        low, high = (figures.get("intervals") or {}).get(name) or (None, None)
        total = self.by_number("median").total if (name, by) == ("d50", "number") else None
        value = Value(figures.get(name), low, high, NUMBERS[name].unit(self.statistics.unit), total)
        caution = self.too_few_words if by == "number" and not figures.get("note") else ""
        return self.with_basis(Entry.of(name, value, caution=caution, group=f"{self.size.label} {WEIGHTINGS[by]}"))

    @property
    def weighted_notes(self) -> list[str]:
        """Why some of the weighted figures have no interval, each sentence once."""
        weighted: Mapping[str, Any] = self.statistics.weighted if self.statistics and self.kept else {}
        notes = (weighting.get("note") for by, weighting in weighted.items() if by in self.weightings)
        return list(dict.fromkeys(filter(None, notes)))

    @property
    def weighting_line(self) -> str:
        """What the three weightings are."""
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
        """Median, D10 and D90 of every descriptor of shape."""
        spread = self.statistics.shape if self.statistics and self.kept else {}
        return [
            Line(
                COLUMNS[name].title,
                COLUMNS[name].definition,
                [
                    Entry(end, end, Value(ends.get(end)), text=f"{ends[end]:.2f}" if end in ends else "")
                    for end in SPREAD
                ],
            )
            for name, ends in spread.items()
            if ends.get("median") is not None and name in COLUMNS
        ]

    @property
    def fit(self) -> str:
        """The log-normal law and how well it fits, in a sentence; "" where none was fitted."""
        fit = self.statistics.fit if self.statistics else None
        if not fit or self.kept < FEWEST_SIZES:
            return ""
        assert self.statistics is not None
        law = f"Log-normal law (median {significant(fit['median'])} {self.statistics.unit}, geometric SD"
        return f"{law} {significant(fit['gsd'])}): {fit_words(fit)}."

    @property
    def groups(self) -> str:
        """Objects and the groups in which they touch."""
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
        """Nearest neighbours, alignment of one image, and groups that touch."""
        if not self.statistics or not self.kept:
            return []
        neighbours = arrangement_entries(measured) if (measured := self.statistics.arrangement) else ()
        return list(map(self.with_basis, (*neighbours, *group_entries(self.statistics))))

    @property
    def arrangement_line(self) -> str:
        """What the comparison with random placement says; "" where nothing was measured."""
        measured = self.statistics.arrangement if self.statistics and self.kept else None
        return measured["sentence"] if measured else ""

    @property
    def shape_classes(self) -> list[Entry]:
        """The share of each class of shape."""
        return list(map(self.with_basis, shape_entries(self.statistics))) if self.statistics and self.kept else []

    @property
    def rods(self) -> list[Entry]:
        """Length and width of the rods."""
        return list(rod_entries(self.statistics)) if self.statistics and self.kept else []
