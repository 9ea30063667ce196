"""The page that compares two results: all numbers with their differences, and which objects differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import Any, Literal

from ..core.compare.results import ALIKE, DifferenceInterval, Outcome, verdict
from ..core.compare.results import Comparison as StoredComparison
from ..core.measure.quantities import MEDIAN_TERM, nanometre_in, significant
from ..core.measure.sizes.bins import FEWEST_IN_HISTOGRAM
from ..core.measure.sizes.fitting import SIGNIFICANCE, p_words
from ..core.report.entries import Entry, known_column, known_number
from ..core.report.wording import capital, per_cent, uncapital
from ..models import Comparison, Job, Sample
from .differences import Difference, differences
from .drawings import ChartedSummary, Lines, polygon
from .result import Result
from .sample import PooledResult

# What the page says of the intervals, by how the images of both results are related.
INTERVAL_NOTES = {
    "paired": "Both are of one image: the same outlines are compared. Intervals of differences include counting only.",
    "independent": "The images are different: each difference has the intervals of both numbers.",
    "shared": "Some images are in both results, so differences have no interval.",
}
NOT_PAIRED = "Both are of one image, so their differences have no interval."
OTHER_LENGTHS = "Lengths are not compared, because the scale of {} is not known."
# Outcome of an object -> title, meaning, and the result (first or second) in which its objects are counted.
OUTCOMES: dict[Outcome, tuple[str, str, str]] = {
    "matched": ("Matched", "One of each, outlined alike.", "first"),
    "inexact": ("Outlined differently", "One of each, outlined otherwise.", "first"),
    "split": ("Split in B", "Pieces in B that lie in one outline of A.", "second"),
    "merged": ("Merged in B", "Outlines of A that one outline of B covers together.", "first"),
    "missed": ("Only in A", "B does not have them.", "first"),
    "invented": ("Only in B", "A does not have them.", "second"),
}


# The outcomes of objects that are not outlined alike, and the words for them after their number.
CHANGED: tuple[Outcome, ...] = ("inexact", "split", "merged", "missed", "invented")
OUTCOME_WORDS: dict[Outcome, str] = {
    "invented": " more",
    "split": " cut",
    "merged": " merged",
    "inexact": " drawn otherwise",
}
ALL_CHANGED = ("All that differ", "Every outline that is not alike in both.")


@dataclass(frozen=True)
class OutcomeRow:
    """The objects with one outcome: how many, and their ids in each result, separated by commas."""

    name: Outcome | Literal["changed"]
    title: str
    definition: str
    count: int
    first_ids: str
    second_ids: str


@dataclass(frozen=True)
class Operators:
    """How much the results of two people who outlined one image differ, as a standard uncertainty in per cent of the
    median. per_cent: in words. value: as the setting `between_operators` takes it. who: their accounts."""

    per_cent: str
    value: str
    who: str


class ComparedResults:
    """A comparison as its page shows it. a, b: the numbers of the first and of the second result."""

    def __init__(self, row: Comparison) -> None:
        self.row = row
        self.a, self.b = (
            PooledResult(side) if isinstance(side, Sample) else Result(side)
            for side in (row.first_result, row.second_result)
        )
        self.names = [row.first_result.name, row.second_result.name]
        self.result: StoredComparison | None = row.result or None  # type: ignore[assignment]
        self._agreement = self.result["agreement"] if self.result else None
        self._distance = self.result["distance"] if self.result else None
        if self.result and self.a.in_pixels != self.b.in_pixels:
            unscaled = OTHER_LENGTHS.format("A" if self.a.in_pixels else "B")
            self.result = {**self.result, "notes": [*self.result["notes"], unscaled]}

    @property
    def answer(self) -> str:
        """The outcome in a sentence, such as "No difference shown (+8 nm, −38 to +58) in median size."; for two
        segmentations of one image "Without 3 outlines the median is 8 nm larger."; "" without a number that both
        have."""
        rows = sorted(self.main_numbers, key=lambda row: (row.after.name != "median", row.after.kind == "integer"))
        if not rows or rows[0].value is None or not self.result:
            return ""
        row, is_size = rows[0], rows[0].after.name == "median"
        signed_text, is_same = row.difference.partition(" (")[0], row.difference.startswith("±")
        amount, quantity = signed_text.strip("+−±"), f"{MEDIAN_TERM} size" if is_size else uncapital(row.term)
        change = f"{amount} {(('larger', 'smaller') if is_size else ('higher', 'lower'))[row.value < 0]}"
        if changes := self.changed_words:
            subject = f"the {quantity.removesuffix(' size') if is_size else quantity}"
            return f"{changes} {subject} {'stays the same' if is_same else f'is {change}'}."
        distance, ending = self._distance, "."
        if distance:
            ending = f": the distributions {verdict(distance['distance'], distance['p'], distance['least_p'])}."
        if row.low is not None and row.low <= 0 <= (row.high or 0.0) and self.result["how"] == "independent":
            ending = ending if self._few_images or self._distributions_differ else "."
            return f"No difference shown ({signed_text}, {row.interval}) in {quantity}{ending}"
        if is_same:
            return f"A and B have the same {quantity}{ending}"
        return f"B {'may be' if self._few_images else 'is'} {change} in {quantity}{ending}"

    @property
    def answer_parts(self) -> tuple[str, str]:
        """The `answer` as a headline, and its reasons."""
        headline, _, reasons = self.answer.partition(": ")
        return headline.removesuffix("."), capital(reasons)

    @property
    def _few_images(self) -> bool:
        """Whether there are too few images to tell whether the distributions differ."""
        return bool(self._distance) and (self._distance["least_p"] or 0.0) >= SIGNIFICANCE

    @property
    def _distributions_differ(self) -> bool:
        """Whether the size distributions differ by more than chance explains."""
        distance = self._distance
        return (
            bool(distance)
            and distance["distance"] >= ALIKE
            and distance["p"] is not None
            and distance["p"] < SIGNIFICANCE
        )

    @property
    def _changes(self) -> dict[Outcome, int]:
        """The number of outlines with each outcome. An outline that merged or split with others may also be paired with
        one of them as "inexact"; it is not counted there a second time."""
        assert self._agreement is not None
        places = self._agreement["places"]
        merged = {*places["merged"]["second"]} & {*places["inexact"]["second"]}
        split = {*places["split"]["first"]} & {*places["inexact"]["first"]}
        counts: dict[Outcome, int] = {
            name: len(places[name]["second" if name == "invented" else "first"]) for name in CHANGED
        }
        return counts | {"inexact": max(counts["inexact"] - len(merged) - len(split), 0)}

    @property
    def changed_words(self) -> str:
        """How the outlines of B differ from those of A, for one image, as the beginning of a sentence: "Without 3
        outlines, with 2 more and 1 cut,"; "" if objects are not paired."""
        if not self._agreement or not self._agreement["scores"]:
            return ""
        changes = self._changes
        others = [(changes[name], words) for name, words in OUTCOME_WORDS.items() if changes[name]]
        missing, parts = changes["missed"], [f"{count:,}{words}" for count, words in others]
        if not missing and not others:
            return "The outlines are the same;"
        if others and not missing:  # then the word "outlines" belongs into the first part
            (count, words), noun = others[0], f" outline{'' if others[0][0] == 1 else 's'}"
            parts[0] = f"{count:,}{words}{noun}" if words == " more" else f"{count:,}{noun}{words}"
        listed = " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
        if not missing:
            return f"With {listed}" + ("," if len(parts) > 1 else "")
        lead = f"Without {missing:,} outline{'' if missing == 1 else 's'}"
        return f"{lead}, with {listed}," if parts else lead

    @property
    def difference_line(self) -> str:
        """What the intervals of the differences include, in a sentence."""
        if not self.result:
            return ""
        has_intervals = any(difference["low"] is not None for difference in self.result["differences"])
        return (
            NOT_PAIRED if self.result["how"] == "paired" and not has_intervals else INTERVAL_NOTES[self.result["how"]]
        )

    @property
    def interval_line(self) -> str:
        """What the intervals of the numbers include, in the words of the results' own pages."""
        line_a = self.a.contents_of(row.before for row in self.main_numbers)
        line_b = self.b.contents_of(row.after for row in self.main_numbers)
        return line_a if line_a == line_b else f"A: {line_a} B: {line_b}"

    @cached_property
    def main_numbers(self) -> list[Difference]:
        """The main numbers."""
        differences = self.result["differences"] if self.result else []
        limits = {
            difference["name"]: (difference["low"], difference["high"])
            for difference in differences
            if difference["low"] is not None
        }
        return list(self._rows(main_entries(self.a), main_entries(self.b), limits))

    @cached_property
    def all_numbers(self) -> list[Difference]:
        """All numbers of both, in the order of the files."""
        entries_a, entries_b = (
            {(entry.group, entry.name, entry.term): entry for entry in side.all_numbers()} for side in (self.a, self.b)
        )
        return list(self._rows(entries_a, entries_b, {}))

    def _rows(
        self, entries_a: Mapping[Any, Entry], entries_b: Mapping[Any, Entry], limits: Mapping[str, DifferenceInterval]
    ) -> Iterator[Difference]:
        """The numbers that both have. If the images differ, amounts such as counts get no difference: it would only
        say how much of the material the images show."""
        how = self.result["how"] if self.result else "paired"
        for row in differences(entries_a, entries_b, limits, use_both_intervals=how == "independent"):
            has_no_difference = how != "paired" and (
                row.after.kind == "integer" or known_number(row.after.name).of_amount
            )
            yield (
                replace(row, difference="", interval="", value=None, low=None, high=None) if has_no_difference else row
            )

    @property
    def overlay(self) -> Lines | None:
        """Both distributions in one chart, with a line where they differ most; None where either has too few sizes."""
        if not self.result or not (curves := self.result["curves"]):
            return None
        if self._distance and min(self._distance["n"]) < FEWEST_IN_HISTOGRAM:
            return None
        unit = next((row.after.unit for row in self.main_numbers if row.after.name == "median"), self.result["unit"])
        factor = nanometre_in(unit)  # the axis has the unit of the table
        edges = [factor * edge for edge in curves["edges"]]
        shares = [[100 * share for share in curves[side]] for side in ("first", "second")]
        line = [(factor * self._distance["at"], 0.0, max(map(max, shares)))] if self._distance else []
        title = f"{known_column(self.result['size']).title}, {unit}"
        chart = Lines.of([polygon(edges, share) for share in shares], title, "", line, from_zero=True)
        return chart and replace(chart, words="Both size distributions by number.")

    @property
    def outcome_rows(self) -> list[OutcomeRow]:
        """A row for each outcome of objects, after a row of all that differ; [] if objects are not paired."""
        if not self._agreement or not self._agreement["scores"]:
            return []
        places = self._agreement["places"]
        ids = {side: sorted({pk for name in CHANGED for pk in places[name][side]}) for side in ("first", "second")}  # type: ignore[literal-required]
        id_texts = (",".join(map(str, pks)) for pks in ids.values())
        rows = [OutcomeRow("changed", *ALL_CHANGED, sum(self._changes.values()), *id_texts)]
        for name, (title, definition, counted_side) in OUTCOMES.items():
            objects = places[name]
            ids = {f"{side}_ids": ",".join(map(str, objects[side])) for side in ("first", "second")}
            rows.append(OutcomeRow(name, title, definition, len(objects[counted_side]), **ids))
        return rows

    @property
    def scores(self) -> list[dict[str, Any]]:
        """Precision, recall and F1 against the ground truth, a row for each threshold of intersection over union."""
        names = ("precision", "recall", "f1") if self.truth == "A" else ("recall", "precision", "f1")
        return [
            {
                "iou": f"{score['iou']:g}",
                "values": ["–" if (value := score[name]) is None else f"{value:.2f}" for name in names],  # type: ignore[literal-required]
            }
            for score in (self._agreement["scores"] if self._agreement else [])
        ]

    @property
    def truth(self) -> str:
        """The result that counts as ground truth, "A" or "B": the one that a person or another tool outlined, if only
        one is; otherwise "A"."""
        sides = (self.row.first_result, self.row.second_result)
        is_hand_made_a, is_hand_made_b = (isinstance(side, Job) and side.stored.is_hand_made for side in sides)
        return "B" if is_hand_made_b and not is_hand_made_a else "A"

    @property
    def pixels(self) -> str:
        """The share of the pixels that are the same in both, in per cent."""
        return per_cent(self._agreement["pixels"]) if self._agreement else ""

    @property
    def p_value(self) -> str:
        """The p-value of the distance, in words; "" if it is unknown, or if there are too few images for any p-value
        to be significant."""
        if not self._distance or self._distance["p"] is None or (self._distance["least_p"] or 0.0) >= SIGNIFICANCE:
            return ""
        return p_words(self._distance["p"])

    @property
    def distance(self) -> str:
        """How far apart the size distributions are, from 0 to 1; "" if not known."""
        return f"{self._distance['distance']:.2f}" if self._distance else ""

    @property
    def operators(self) -> Operators | None:
        """How much two people differ who outlined the same image. None unless both results are hand-made by different
        accounts, and the second has an uncertainty budget."""
        jobs = [
            side
            for side in (self.row.first_result, self.row.second_result)
            if isinstance(side, Job) and side.stored.is_hand_made
        ]
        if not self.result or self.result["how"] != "paired" or len(jobs) < 2 or not self.b.budget:
            return None
        medians = [job.stored.value("median").value for job in jobs]
        if None in medians:
            return None
        spread = 100 * sqrt(2) * abs(medians[1] - medians[0]) / sum(medians)
        names = [", ".join(authors(job)) for job in jobs]
        if not all(names) or names[0] == names[1]:
            return None
        return Operators(significant(spread, 2), f"{min(spread, 100):.2g}", " and ".join(names))


def authors(job: Job) -> list[str]:
    """The names of the accounts whose corrections a result measures; [] if its people have no account."""
    if job.corrects is None or job.parent is None:
        return []
    names = job.parent.edits.filter(sequence__lte=job.corrects).exclude(author="")
    return sorted(set(names.values_list("author", flat=True)))


def main_entries(result: ChartedSummary) -> dict[Any, Entry]:
    """The main numbers of a result by name: counts, sizes, and the further ones."""
    counts = result.counts[:2] if result.screened else []  # other kinds have their counts among the further ones
    entries = [*counts, *(entry for entry in result.answer_sizes if not entry.text), *result.further_numbers]
    return {entry.name: entry for entry in entries}
