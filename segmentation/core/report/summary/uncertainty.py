"""`Uncertainty`: the uncertainty of the main numbers, which the templates _convergence.html and
_budget.html and the annex of the report show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot
from typing import Any

from ...measure.quantities import MEDIAN_TERM
from ...measure.sizes.bins import LEAST_JUDGED
from ...measure.uncertainty.budget_table import NO_INTERVAL, answers_of, lines, uncertainty_name, uncertainty_words
from ...measure.uncertainty.convergence import FEASIBLE_IMAGES, more_images_words, scale_words
from ...measure.uncertainty.figure_draws import Z95
from ..entries import BudgetTable
from ..wording import capital, per_cent, uncapital
from .first_screen import FirstScreen


class Uncertainty(FirstScreen):
    """Whether enough objects were counted, and the uncertainty budget of the main numbers."""

    @property
    def enough(self) -> str:
        """A sentence: whether the median is exact enough, or how many more objects or images are
        needed; "" if this is not known."""
        convergence = self.statistics.convergence if self.statistics and self.kept else None
        if not convergence:
            return ""
        assert self.statistics is not None
        if instead := self._instead_of_counting:
            return instead
        target, more, doubt = convergence["wanted"], convergence["more"], self.statistics.relative_uncertainty
        scope = f" ({self.convergence_holds})" if self.by_number("median").total else ""
        if convergence.get("by") == "image":
            advice = capital(more_images_words(more, target, doubt, self.better_than_images(target)))
            return f"{advice}{scope if more is not None and more <= FEASIBLE_IMAGES else ''}."
        aim = f"± {per_cent(target)}{scope}"
        if more is None and (scale := scale_words(self.things, target, doubt)):
            return f"{capital(scale)}."
        if more is None:
            return f"There are too few {self.things} to predict how many would bring the {MEDIAN_TERM} to {aim}."
        if more <= 0:
            return f"{self.kept:,} {self.things} are enough for the {MEDIAN_TERM} to {aim}."
        things = self.thing if more == 1 else self.things
        return f"About {round(more, 2 - len(str(more))):,} more {things} would bring the {MEDIAN_TERM} to {aim}."

    @property
    def convergence_holds(self) -> str:
        """What the intervals of the convergence curve include, in words.

        If the curve ends with the shown interval of the median, they include the same.
        """
        median, curve = self.by_number("median"), self.statistics.convergence if self.statistics else None
        ends = (curve["low"][-1], curve["high"][-1]) if curve else None
        return median.includes if median.total == ends else median.contents_without_total

    def better_than_images(self, target: float) -> str:
        """Advice, if further images alone cannot bring the uncertainty of the median to ± `target`
        (relative); "" if they can, or if this is not known.
        """
        budget: Mapping[str, Any] = (self.statistics.budget if self.statistics else None) or {}
        rows: Sequence[Mapping[str, Any]] = budget.get("rows", ())
        systematic = [row for row in rows if row["median"] and not row["name"].startswith("sampling_")]
        if not systematic or Z95 * hypot(*(row["median"] for row in systematic)) < target:
            return ""
        return str(max(systematic, key=lambda row: row["median"])["remedy"])

    @property
    def _instead_of_counting(self) -> str:
        """Advice, if another contribution to the uncertainty of the median is larger than that of
        the count; else ""."""
        budget: Mapping[str, Any] = (self.statistics.budget if self.statistics else None) or {}
        if not budget.get("median", {}).get("ends"):
            return ""
        row = next(row for row in budget["rows"] if row["name"] == budget["median"]["largest"])
        if row["name"] == "sampling_within" or (self._by_image and row["name"] == "sampling_between"):
            return ""
        if self.kept < LEAST_JUDGED and not self._by_image:
            return f"No: count at least {LEAST_JUDGED} {self.things}."
        return f"For the {MEDIAN_TERM}, counting more hardly helps. Better: {row['remedy']}"

    @property
    def budget(self) -> BudgetTable | None:
        """The uncertainty budget as a table; None without one, as for sizes in px."""
        budget = self.statistics.budget if self.statistics else None
        if not budget:
            return None
        names = answers_of(self.statistics.nano if self.statistics else None)
        rows = [
            (title, source, [uncertainty_words(*pair) for pair in zip(effects, names, strict=False)])
            for title, source, *effects in lines(budget)
        ]
        totals: Mapping[str, Any] = budget
        entries = [self.by_number(name) for name in names]
        if any(entry.total for entry in entries):
            ends = [f"{entry.interval} {entry.unit}" if entry.total else NO_INTERVAL for entry in entries]
            unknown = [title for name in names for title in totals[name]["without"]]
            reasons = filter(None, map(self._ends_line, names))
            rows.append((f"95 % interval with the {uncertainty_name(unknown)}", " ".join(reasons), ends))
        return BudgetTable(names, rows, [totals[answer]["sentence"] for answer in names])

    @property
    def unknown_parts(self) -> str:
        """A sentence with a blank before it: which contributions to the total uncertainty are not
        known; or ""."""
        titles = [title for headline in self.headlines if headline.parts for title in headline.missing_parts]
        unknown_titles = "; ".join(map(uncapital, dict.fromkeys(titles)))
        return f" Not included, because not known: {unknown_titles}." if unknown_titles else ""
