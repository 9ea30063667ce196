"""Two results side by side: every number of both with their difference, and what a worker found of their objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import Any, Literal

from ..core.compare.results import ALIKE, Limits, Outcome, verdict
from ..core.compare.results import Comparison as StoredComparison
from ..core.flags import warned
from ..core.labels.segmentation import MASKS
from ..core.measure.bins import FEWEST_IN_HISTOGRAM
from ..core.measure.fitting import SIGNIFICANCE, p_words
from ..core.measure.quantities import nanometre_in, significant
from ..core.report.entries import Entry, known_column, known_number
from ..core.report.wording import per_cent, uncapital
from ..models import Comparison, Job, Sample
from ..models.jobs import Compared
from ..services.results.comparisons import name_of
from .charts import ChartedSummary, Lines, polygon
from .differences import Difference, differences
from .result import Result
from .sample import PooledResult
from .stored import warning_of

HOW = {
    "paired": "Both are of one image: the same outlines are compared. Intervals of differences include counting only.",
    "independent": "The images are different: each difference has the intervals of both numbers.",
    "shared": "Some images are in both results, so differences have no interval.",
}
NOT_PAIRED = "Both are of one image, so their differences have no interval."
OTHER_LENGTHS = "Lengths are not compared, because the scale of {} is not known."
# Title, what it means, and on which side its objects are counted.
OUTCOMES: dict[Outcome, tuple[str, str, str]] = {
    "matched": ("Matched", "One of each, outlined alike.", "first"),
    "inexact": ("Outlined differently", "One of each, outlined otherwise.", "first"),
    "split": ("Split in B", "Pieces in B that lie in one outline of A.", "second"),
    "merged": ("Merged in B", "Outlines of A that one outline of B covers together.", "first"),
    "missed": ("Only in A", "B does not have them.", "first"),
    "invented": ("Only in B", "A does not have them.", "second"),
}


CHANGED: tuple[Outcome, ...] = ("inexact", "split", "merged", "missed", "invented")
WAYS: dict[Outcome, str] = {"invented": " more", "split": " cut", "merged": " merged", "inexact": " drawn otherwise"}
ALL_CHANGED = ("All that differ", "Every outline that is not alike in both.")


def warning_of_side(side: Compared) -> str:
    """The gravest warnings of one of two results, "" without any."""
    return "; ".join(warned(PooledResult(side).warnings)) if isinstance(side, Sample) else warning_of(side)


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
    """The difference of two people who outlined one image, as a standard uncertainty in per cent of the median. value:
    the same as the setting `between_operators` takes it. who: their accounts."""

    per_cent: str
    value: str
    who: str


class ComparedResults:
    """The page's view of a comparison; a and b: the numbers of both."""

    def __init__(self, row: Comparison) -> None:
        self.row = row
        self.a, self.b = (
            PooledResult(side) if isinstance(side, Sample) else Result(side)
            for side in (row.first_result, row.second_result)
        )
        self.names = [name_of(row.first_result), name_of(row.second_result)]
        self.result: StoredComparison | None = row.result or None  # type: ignore[assignment]
        self._agreement = self.result["agreement"] if self.result else None
        self._distance = self.result["distance"] if self.result else None
        if self.result and self.a.in_pixels != self.b.in_pixels:
            unscaled = OTHER_LENGTHS.format("A" if self.a.in_pixels else "B")
            self.result = {**self.result, "notes": [*self.result["notes"], unscaled]}

    @property
    def answer(self) -> str:
        """What the comparison shows: "No difference shown: 8 nm, −38 to +58, in median size.", of two outlinings of one
        image "Without 3 outlines the median is 8 nm larger."; "" without a number that both have."""
        rows = sorted(self.main, key=lambda row: (row.after.name != "median", row.after.kind == "integer"))
        if not rows or rows[0].value is None or not self.result:
            return ""
        row, is_size = rows[0], rows[0].after.name == "median"
        signed, is_same = row.difference.partition(" (")[0], row.difference.startswith("±")
        much, what = signed.strip("+−±"), "median size" if is_size else uncapital(row.term)
        more = f"{much} {(('larger', 'smaller') if is_size else ('higher', 'lower'))[row.value < 0]}"
        if changes := self.changed_words:
            measure = f"the {what.removesuffix(' size') if is_size else what}"
            return f"{changes} {measure} {'stays the same' if is_same else f'is {more}'}."
        apart, then = self._distance, "."
        if apart:
            far = verdict(apart["distance"], apart["p"], apart["least_p"])
            then = f": the distributions {far}."
        if row.low is not None and row.low <= 0 <= (row.high or 0.0) and self.result["how"] == "independent":
            is_told = self._few_images or self._distributions_differ
            return f"No difference shown: {signed.lstrip('+')}, {row.interval}, in {what}{then if is_told else '.'}"
        if is_same:
            return f"A and B have the same {what}{then}"
        return f"B {'may be' if self._few_images else 'is'} {more} in {what}{then}"

    @property
    def _few_images(self) -> bool:
        """Whether there are too few images to tell whether the distributions differ."""
        return bool(self._distance) and (self._distance["least_p"] or 0.0) >= SIGNIFICANCE

    @property
    def _distributions_differ(self) -> bool:
        """Whether they do by more than chance explains."""
        distance = self._distance
        return (
            bool(distance)
            and distance["distance"] >= ALIKE
            and distance["p"] is not None
            and distance["p"] < SIGNIFICANCE
        )

    @property
    def _changes(self) -> dict[Outcome, int]:
        """How many outlines became what, each in one place: what was merged or cut may have a partner that is outlined
        otherwise for that reason alone."""
        assert self._agreement is not None
        places = self._agreement["places"]
        explained = {*places["merged"]["second"]} & {*places["inexact"]["second"]}
        cut = {*places["split"]["first"]} & {*places["inexact"]["first"]}
        counts: dict[Outcome, int] = {
            name: len(places[name]["second" if name == "invented" else "first"]) for name in CHANGED
        }
        return counts | {"inexact": max(counts["inexact"] - len(explained) - len(cut), 0)}

    @property
    def changed_words(self) -> str:
        """What is other in B of two outlinings of one image, as the beginning of a sentence: "Without 3 outlines, with
        2 more and 1 cut,"; "" where objects are not paired."""
        if not self._agreement or not self._agreement["scores"]:
            return ""
        changes = self._changes
        others = [(changes[name], way) for name, way in WAYS.items() if changes[name]]
        without, listed_words = changes["missed"], [f"{count:,}{way}" for count, way in others]
        if not without and not others:
            return "The outlines are the same;"
        if others and not without:  # the first part says what is counted
            (count, way), noun = others[0], f" outline{'' if others[0][0] == 1 else 's'}"
            listed_words[0] = f"{count:,}{way}{noun}" if way == " more" else f"{count:,}{noun}{way}"
        listed = " and ".join(filter(None, (", ".join(listed_words[:-1]), *listed_words[-1:])))
        if not without:
            return f"With {listed}" + ("," if len(listed_words) > 1 else "")
        lead = f"Without {without:,} outline{'' if without == 1 else 's'}"
        return f"{lead}, with {listed}," if listed_words else lead

    @property
    def how_line(self) -> str:
        """What the intervals of the differences are."""
        if not self.result:
            return ""
        has_intervals = any(difference["low"] is not None for difference in self.result["differences"])
        return NOT_PAIRED if self.result["how"] == "paired" and not has_intervals else HOW[self.result["how"]]

    @property
    def interval_line(self) -> str:
        """What the intervals of the numbers include, in the words of the results' own pages."""
        line_a = self.a.contents_of(row.before for row in self.main)
        line_b = self.b.contents_of(row.after for row in self.main)
        return line_a if line_a == line_b else f"A: {line_a} B: {line_b}"

    @cached_property
    def main(self) -> list[Difference]:
        """The numbers that everybody reads."""
        differences = self.result["differences"] if self.result else []
        limits = {
            difference["name"]: (difference["low"], difference["high"])
            for difference in differences
            if difference["low"] is not None
        }
        return list(self._rows(main_entries(self.a), main_entries(self.b), limits))

    @cached_property
    def every(self) -> list[Difference]:
        """All numbers of both, in the order of the files."""
        entries_a, entries_b = (
            {(entry.group, entry.name, entry.term): entry for entry in side.all_numbers()} for side in (self.a, self.b)
        )
        return list(self._rows(entries_a, entries_b, {}))

    def _rows(
        self, entries_a: Mapping[Any, Entry], entries_b: Mapping[Any, Entry], limits: Mapping[str, Limits]
    ) -> Iterator[Difference]:
        """Of different images, amounts such as counts have no difference: it would only say how much is seen."""
        how = self.result["how"] if self.result else "paired"
        for row in differences(entries_a, entries_b, limits, from_both=how == "independent"):
            has_none = how != "paired" and (row.after.kind == "integer" or known_number(row.after.name).of_amount)
            yield replace(row, difference="", interval="", value=None, low=None, high=None) if has_none else row

    @property
    def overlay(self) -> Lines | None:
        """Both distributions in one chart, with a line where they differ most; None where either has too few sizes."""
        if not self.result or not (curves := self.result["curves"]):
            return None
        if self._distance and min(self._distance["n"]) < FEWEST_IN_HISTOGRAM:
            return None
        unit = next((row.after.unit for row in self.main if row.after.name == "median"), self.result["unit"])
        factor = nanometre_in(unit)  # as in the table
        edges = [factor * edge for edge in curves["edges"]]
        shares = [[100 * share for share in curves[side]] for side in ("first", "second")]
        at = [(factor * self._distance["at"], 0.0, max(map(max, shares)))] if self._distance else []
        title = f"{known_column(self.result['size']).title}, {unit}"
        chart = Lines.of([polygon(edges, share) for share in shares], title, "", at, from_zero=True)
        return chart and replace(chart, words="Both size distributions by number.")

    @property
    def places(self) -> list[OutcomeRow]:
        """What became of the objects, first all that are not outlined alike in both; none where they are not paired."""
        if not self._agreement or not self._agreement["scores"]:
            return []
        found_in = self._agreement["places"]
        ids = {side: sorted({pk for name in CHANGED for pk in found_in[name][side]}) for side in ("first", "second")}  # type: ignore[literal-required]
        written = (",".join(map(str, pks)) for pks in ids.values())
        rows = [OutcomeRow("changed", *ALL_CHANGED, sum(self._changes.values()), *written)]
        for name, (title, definition, counted) in OUTCOMES.items():
            objects = found_in[name]
            ids = {f"{side}_ids": ",".join(map(str, objects[side])) for side in ("first", "second")}
            rows.append(OutcomeRow(name, title, definition, len(objects[counted]), **ids))
        return rows

    @property
    def scores(self) -> list[dict[str, Any]]:
        """By intersection over union: precision, recall and F1 against the truth."""
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
        """The side that a person or another tool outlined, where it is one of both; else the first one."""
        is_hand_made_a, is_hand_made_b = (
            isinstance(side, Job) and is_hand_made(side) for side in (self.row.first_result, self.row.second_result)
        )
        return "B" if is_hand_made_b and not is_hand_made_a else "A"

    @property
    def pixels(self) -> str:
        """The share of the pixels on which both agree."""
        return per_cent(self._agreement["pixels"]) if self._agreement else ""

    @property
    def p(self) -> str:
        """The p-value of the distance, in words; "" where it is unknown or so few images show none."""
        if not self._distance or self._distance["p"] is None or (self._distance["least_p"] or 0.0) >= SIGNIFICANCE:
            return ""
        return p_words(self._distance["p"])

    @property
    def distance(self) -> str:
        return f"{self._distance['distance']:.2f}" if self._distance else ""

    @property
    def operators(self) -> Operators | None:
        """How much two people differ who outlined the same image. None unless both results are hand-made by different
        accounts and the second has a budget."""
        jobs = [
            side
            for side in (self.row.first_result, self.row.second_result)
            if isinstance(side, Job) and is_hand_made(side)
        ]
        if not self.result or self.result["how"] != "paired" or len(jobs) < 2 or not self.b.budget:
            return None
        medians = [job.summary["statistics"]["median"] for job in jobs]
        if None in medians:
            return None
        spread = 100 * sqrt(2) * abs(medians[1] - medians[0]) / sum(medians)
        who = [", ".join(authors(job)) for job in jobs]
        if not all(who) or who[0] == who[1]:
            return None
        return Operators(significant(spread, 2), f"{min(spread, 100):.2g}", " and ".join(who))


def is_hand_made(job: Job) -> bool:
    """Whether a person or another tool made or changed the outlines of a finished job."""
    used = job.summary["used"]
    return bool(used.get("corrected") or used.get("imported")) or job.summary["model"]["name"] == MASKS


def authors(job: Job) -> list[str]:
    """The accounts whose corrections a result measures; empty for people without one."""
    if job.corrects is None or job.parent is None:
        return []
    names = job.parent.edits.filter(sequence__lte=job.corrects).exclude(author="")
    return sorted(set(names.values_list("author", flat=True)))


def main_entries(result: ChartedSummary) -> dict[Any, Entry]:
    counts = result.counts[:2] if result.screened else []  # others have counts of their own
    entries = [*counts, *(entry for entry in result.answer_sizes if not entry.text), *result.further]
    return {entry.name: entry for entry in entries}
