"""Two results side by side: every number of both with their difference, and what a worker found of their objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import Any

from ..core.compare.results import Comparison as Compared
from ..core.compare.results import Limits, Place, of_difference, with_like_intervals
from ..core.flags import warned
from ..core.labels.segmentation import MASKS
from ..core.measure.bins import LEAST_BARS
from ..core.measure.budget_table import ANSWERS
from ..core.measure.fitting import CHANCE, chance_words
from ..core.measure.quantities import Value, in_micrometres, micrometres, nanometre_in, significant
from ..core.report.entries import Entry, known_column, known_number
from ..core.report.wording import capital, per_cent, uncapital
from ..models import Comparison, Job, Sample
from ..models.jobs import Compared as Row
from ..services.results.comparisons import name_of
from .charts import ChartedSummary, Lines, polygon
from .result import Result, warning_of
from .sample import PooledResult

HOW = {
    "paired": "Both are of one image: the same outlines are compared. Intervals of differences include counting only.",
    "independent": "The images are different: each difference has the intervals of both numbers.",
    "shared": "Some images are in both results, so differences have no interval.",
}
NOT_PAIRED = "Both are of one image, so their differences have no interval."
TERMS = {"n_kept": "Counted", "n_set_aside": "Left out"}
OTHER_LENGTHS = "Lengths are not compared, because the scale of {} is not known."
FAR = 1  # times from which on a difference is not said in per cent, too
# Title, what it means, and on which side its objects are counted.
PLACES: dict[Place, tuple[str, str, str]] = {
    "matched": ("Matched", "One of each, outlined alike.", "first"),
    "inexact": ("Outlined differently", "One of each, outlined otherwise.", "first"),
    "split": ("Split in B", "Pieces in B that lie in one outline of A.", "second"),
    "merged": ("Merged in B", "Outlines of A that one outline of B covers together.", "first"),
    "missed": ("Only in A", "B does not have them.", "first"),
    "invented": ("Only in B", "A does not have them.", "second"),
}


def warning_of_side(side: Row) -> str:
    """The gravest warnings of one of two results, "" without any."""
    return "; ".join(warned(PooledResult(side).warnings)) if isinstance(side, Sample) else warning_of(side)


@dataclass(frozen=True)
class Difference:
    """One number of two results; difference: the second less the first one, "" where one of them is missing; interval:
    its 95 % interval in words, "" where there is none; value, low, high: the same in the unit of `after.number`."""

    term: str
    definition: str
    before: Entry
    after: Entry
    difference: str
    interval: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def cells(self) -> list[Entry]:
        return [self.before, self.after]


@dataclass(frozen=True)
class PlaceRow:
    """The objects of one place: how many, and their ids in each result, separated by commas."""

    name: Place
    title: str
    definition: str
    count: int
    first: str
    second: str


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
            PooledResult(side) if isinstance(side, Sample) else Result(side) for side in (row.first, row.second)
        )
        self.names = [name_of(row.first), name_of(row.second)]
        self.result: Compared | None = row.result or None  # type: ignore[assignment]
        self._agreement = self.result["agreement"] if self.result else None
        self._distance = self.result["distance"] if self.result else None
        if self.result and self.a.in_pixels != self.b.in_pixels:
            unscaled = OTHER_LENGTHS.format("A" if self.a.in_pixels else "B")
            self.result = {**self.result, "notes": [*self.result["notes"], unscaled]}

    @property
    def answer(self) -> str:
        """The first difference in words, and how far the distributions differ: "B is 6 nm larger in median size: the
        distributions hardly differ."; "" without any."""
        rows = sorted(self.main, key=lambda row: (row.after.name != "median", row.after.kind == "integer"))
        if not rows or rows[0].value is None or not self.result:
            return ""
        row, is_size = rows[0], rows[0].after.name == "median"
        much, what = row.difference.partition(" (")[0].strip("+−±"), "median size" if is_size else uncapital(row.term)
        words = ("larger", "smaller") if is_size else ("higher", "lower")
        chance = "this may be chance" if row.low is not None and row.low <= 0 <= (row.high or 0.0) else ""
        untold = bool(self._distance) and (self._distance["least_p"] or 0.0) >= CHANCE
        first = f"B {'may be' if chance or untold else 'is'} {much} {words[row.value < 0]} in {what}"
        if row.difference.startswith("±"):
            first = f"A and B have the same {what}"
        far = uncapital(self._distance["reading"].partition(". ")[0]) if self._distance else chance
        return f"{first}{': ' if far else ''}{far}."

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
        first = self.a.contents_of(row.before for row in self.main)
        second = self.b.contents_of(row.after for row in self.main)
        return first if first == second else f"A: {first} B: {second}"

    @cached_property
    def main(self) -> list[Difference]:
        """The numbers that everybody reads."""
        differences = self.result["differences"] if self.result else []
        limits = {
            difference["name"]: (difference["low"], difference["high"])
            for difference in differences
            if difference["low"] is not None
        }
        return list(self._rows(_main(self.a), _main(self.b), limits))

    @cached_property
    def every(self) -> list[Difference]:
        """All numbers of both, in the order of the files."""
        first, second = (
            {(entry.group, entry.name, entry.term): entry for entry in side.every()} for side in (self.a, self.b)
        )
        return list(self._rows(first, second, {}))

    def _rows(
        self, first: Mapping[Any, Entry], second: Mapping[Any, Entry], limits: Mapping[str, Limits]
    ) -> Iterator[Difference]:
        """Of different images, amounts such as counts have no difference: it would only say how much is seen."""
        how = self.result["how"] if self.result else "paired"
        for row in _differences(first, second, limits, from_both=how == "independent"):
            has_none = how != "paired" and (row.after.kind == "integer" or known_number(row.after.name).of_amount)
            yield replace(row, difference="", interval="", value=None, low=None, high=None) if has_none else row

    @property
    def overlay(self) -> Lines | None:
        """Both distributions in one chart, with a line where they differ most; None where either has too few sizes."""
        if not self.result or not (curves := self.result["curves"]):
            return None
        if self._distance and min(self._distance["n"]) < LEAST_BARS:
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
    def places(self) -> list[PlaceRow]:
        """What became of the objects; none where they are not paired."""
        if not self._agreement or not self._agreement["scores"]:
            return []
        rows = []
        for name, (title, definition, counted) in PLACES.items():
            objects = self._agreement["places"][name]
            ids = {side: ",".join(map(str, objects[side])) for side in ("first", "second")}
            rows.append(PlaceRow(name, title, definition, len(objects[counted]), **ids))
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
        first, second = (isinstance(side, Job) and is_hand_made(side) for side in (self.row.first, self.row.second))
        return "B" if second and not first else "A"

    @property
    def pixels(self) -> str:
        """The share of the pixels on which both agree."""
        return per_cent(self._agreement["pixels"]) if self._agreement else ""

    @property
    def p(self) -> str:
        """The chance of such a distance between equals, in words; "" where it is unknown or so few images show none."""
        if not self._distance or self._distance["p"] is None or (self._distance["least_p"] or 0.0) >= CHANCE:
            return ""
        return chance_words(self._distance["p"])

    @property
    def distance(self) -> str:
        return f"{self._distance['distance']:.2f}" if self._distance else ""

    @property
    def operators(self) -> Operators | None:
        """Offered of one image with a budget that different people outlined."""
        jobs = [side for side in (self.row.first, self.row.second) if isinstance(side, Job) and is_hand_made(side)]
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


def _main(result: ChartedSummary) -> dict[Any, Entry]:
    counts = result.counts[:2] if result.screened else []  # others have counts of their own
    every = [*counts, *(entry for entry in result.answer_sizes if not entry.text), *result.further]
    return {entry.name: entry for entry in every}


def _differences(
    before: Mapping[Any, Entry],
    after: Mapping[Any, Entry],
    stored_limits: Mapping[str, Limits],
    from_both: bool = False,
) -> Iterator[Difference]:
    """The numbers that both results have. stored_limits: known intervals of differences by name, in the unit of files.
    from_both: whether the interval of a difference is computed from the intervals of both numbers."""
    for key, entry in after.items():
        other = before.get(key)
        if other is None or entry.text or other.text:
            continue
        # One with a budget keeps its interval by counting, to compare like with like.
        has_ends = all(of.has_ends or of.name in ANSWERS for of in (other, entry))
        other, entry = (
            replace(of, number=number, holds=of.includes if number == of.number.reported else of.holds)
            for of, number in zip((other, entry), with_like_intervals(other.number, entry.number), strict=True)
        )
        one, two = other.number, entry.number
        if one.unit != two.unit:
            one, two = in_micrometres(one), in_micrometres(two)
        if one.unit != two.unit or one.value is two.value is None:
            continue
        interval = stored_limits.get(entry.name)
        limits = (micrometres(interval) if two.unit == "µm" else interval) or (
            of_difference(one, two) if from_both and has_ends else None
        )
        yield _difference(replace(other, number=one), replace(entry, number=two), limits)


def _difference(before: Entry, after: Entry, limits: Limits | None) -> Difference:
    """One row. limits: the 95 % interval of the difference, in the unit of both."""
    one, other = before.number.value, after.number.value
    term = TERMS.get(after.name, capital(after.term))
    if one is None or other is None:
        return Difference(term, after.definition, before, after, "")
    change = other - one
    digits = _digits(change, before, after, limits)
    unit = "points" if after.kind == "fraction" else after.unit
    text = f"{_sign(change, digits) or '±'}{digits} {unit}".strip()
    if digits != "0" and after.kind != "fraction" and abs(change) < FAR * abs(one):
        text += f" ({100 * change / one:+.1f} %)".replace("-", "−")
    ends = [(limit, _writer(after, limits)(abs(limit))) for limit in limits or ()]
    interval = " to ".join(f"{_sign(limit, end)}{end}" for limit, end in ends)  # such as "−12 to +5"
    return Difference(term, after.definition, before, after, text, interval, change, *(limits or (None, None)))


def _writer(after: Entry, limits: Limits | None) -> Callable[..., str]:
    """What writes a difference and its ends: as fine as its own interval, else as a number without one."""
    number = Value(max(map(abs, limits)), *limits) if limits else Value(after.number.value)
    return replace(after, number=number).write


def _digits(change: float, before: Entry, after: Entry, limits: Limits | None) -> str:
    """A difference without sign and unit, "0" where it rounds to zero: as fine as its own interval, else at least as
    fine as the numbers beside it, and at most by a digit finer. Of numbers that read differently it is never "0"."""
    magnitude = abs(change) * (100 if after.kind == "fraction" else 1)
    decimals = len(after.value.partition(".")[2])
    beside, finer = (f"{magnitude:.{most}f}" for most in (decimals, decimals + 1))
    exact = _writer(after, limits)(abs(change))
    digits = exact if limits else max(min(exact, finer, key=len), beside, key=len)
    if not float(digits.replace(",", "")) and before.value != after.value:
        digits = finer
    return digits if float(digits.replace(",", "")) else "0"


def _sign(value: float, text: str) -> str:
    """The sign of a number. A number that rounds to zero, and so has the text "0", has none."""
    return "" if text == "0" else "−" if value < 0 else "+"
