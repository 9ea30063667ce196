"""Every number of a result once: its words, value, unit, 95 % interval and definition, for page, PDF, CSV and XLSX.

The web process reads it too: nothing here needs scipy, matplotlib or pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import hypot
from typing import TYPE_CHECKING, Any

from ..flags import Flag, begins, beside_numbers, ranked
from ..measure.bins import LEAST_BARS, LEAST_JUDGED, LEAST_SIZES
from ..measure.budget_table import NO_INTERVAL, answers_of, ends_words, lines, uncertainty_name, uncertainty_words
from ..measure.carried import carried_words
from ..measure.convergence import FEASIBLE, more_images_words, scale_in_the_way
from ..measure.distribution import FEWEST_IMAGES
from ..measure.drawn import Z95
from ..measure.filters import BY_OTHERS, MEASURANDS, Reason
from ..measure.fitting import LEAST, fit_words
from ..measure.quantities import COLUMNS, COUNTING, DOUBTFUL_FRACTIONS, NUMBERS, OF, Quantity, Value, significant
from ..measure.results import BUDGETED, BY_IMAGE, FIGURES, Nano, Statistics, unscaled_note
from ..micrograph.types import LEAST_DOUBT, NO_SCALE
from .entries import (
    Aside,
    BudgetTable,
    Entry,
    Line,
    answers,
    arrangement_entries,
    group_entries,
    is_special,
    known_column,
    known_number,
    rod_entries,
    shape_entries,
)
from .wording import WHOLE, capital, counted_from, per_cent, uncapital, verdict_words, with_doubtful_words

if TYPE_CHECKING:
    from ..sample import SampleAnalysis

WEIGHTINGS = {"number": "by number", "area": "by area", "volume": "by volume"}
MAIN = ("median", "mean", "sd", "d10", "d90", "ecd_median")
SPREAD = ("d10", "median", "d90")
OTHER_REASON = "Left out by the analysis."
NO_ERRORS = "Only a total or known uncertainty includes errors of the model."
OF_OTHERS = ("Repeatability",)  # never known of other kinds than particles


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


class Summary:
    """The numbers of an image or of a sample, in sections by the screen that shows them.

    Particles answer with their size distribution (`screened`) and say `headlines` first. Other kinds answer with
    `quantities`, to which sizes are an addition, and say `leading` first. `main_numbers` begins with the same.

    statistics: None without a size distribution. quantities: what the kind of analysis answers with, by name. thing,
    things: what is looked for. readable: lengths in the unit that people read, instead of that of the files.
    several: whether the numbers are of several images, of_material: of so many that these show how places differ.
    scale_doubt: the relative standard uncertainty of their scale, where no statistics know it. interval_note: see
    `SampleAnalysis`. unsure: what the sentence begins with where most is probably wrong: then no interval stands in it.
    """

    several = of_material = False
    unsure = ""
    scale_doubt: float | None = None

    def __init__(
        self,
        statistics: Statistics | None,
        quantities: Mapping[str, Value],
        thing: str = "object",
        things: str = "objects",
        *,
        readable: bool = True,
    ) -> None:
        self.statistics = statistics.in_readable_unit() if readable and statistics else statistics
        self.stored_quantities = quantities
        self.thing, self.things = thing, things
        self.interval_note = statistics.interval_note if statistics else unscaled_note(quantities)

    @classmethod
    def of(cls, sample: SampleAnalysis, *, readable: bool = True) -> Summary:
        """Of an image or a sample with pixels or tables at hand."""
        summary = cls(sample.pooled, sample.quantities, sample.task.thing, sample.task.things, readable=readable)
        summary.several, summary.of_material = len(sample.counted) > 1, len(sample.counted) >= FEWEST_IMAGES
        summary.scale_doubt = sample.common_calibration.standard_uncertainty
        summary.interval_note, summary.unsure = sample.interval_note, begins(sample.flags)
        return summary

    # ---- what the lists below are made from ------------------------------------------------------

    @property
    def screened(self) -> bool:
        """Whether objects are judged as nanomaterials, and the size distribution is the whole answer."""
        return self.statistics is not None and self.statistics.screened

    @property
    def kept(self) -> int:
        return self.statistics.n_kept if self.statistics else 0

    @property
    def measurand(self) -> str:
        """What particles count, such as "particles whose outline can be seen"; "" of other kinds and older results."""
        return MEASURANDS[self.statistics.counted] if self.statistics else ""

    @property
    def where(self) -> str:
        """What the intervals of sizes hold for."""
        if self._by_image:
            return "for the material"
        return "in these pictures" if self.several else "in this picture"

    @property
    def set_aside_count(self) -> int:
        return self.statistics.n_set_aside if self.statistics else 0

    @property
    def nano(self) -> Nano | None:
        """The screening as a nanomaterial."""
        return self.statistics.nano if self.statistics and self.kept else None

    @property
    def has_few(self) -> bool:
        """Whether there are so few particles that their sizes stand one by one, in place of a median and of bars."""
        return self.screened and 0 < self.kept < LEAST_BARS

    @property
    def size(self) -> Quantity:
        """Which measure of an object is its size."""
        return known_column(self.statistics.size if self.statistics else "min_feret")

    @property
    def counted_from(self) -> str:
        """From which size on particles are in the fraction, after a comma; "" where no length says it."""
        words = counted_from(self.statistics.nano if self.statistics else None)
        return f",{words}" if words else ""

    @property
    def too_few_words(self) -> str:
        """Why a figure has no useful interval where others have one."""
        return "too few or too different images" if self._by_image else f"too few {self.things}"

    @property
    def _by_image(self) -> bool:
        """Whether intervals show how images differ."""
        return self.statistics.interval_basis == BY_IMAGE if self.statistics else self.of_material

    # ---- one number, with what its interval includes ---------------------------------------------

    def by_number(self, name: str) -> Entry:
        """A figure by number, with its range by all that is known, where that is known."""
        assert self.statistics is not None
        return self.with_basis(Entry.of(name, self.statistics.value(name)))

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

    def with_basis(self, entry: Entry) -> Entry:
        """The entry with what its interval includes, and of the fraction with what one outline weighs: of each number
        the one place that decides it."""
        entry = replace(entry, carried=self._carried(entry)) if entry.name == "fraction_100nm" else entry
        quantity, statistics = known_number(entry.name), self.statistics
        by_image = (
            statistics.interval_basis == BY_IMAGE if statistics and quantity.interval == COUNTING else self.of_material
        )
        budget: Mapping[str, Any] = (statistics.budget if statistics else None) or {}
        unknown = budget.get(BUDGETED.get(entry.name, entry.name), {}).get("without", () if budget else OF_OTHERS)
        parts = [*filter(None, [self.scale_in(quantity)]), quantity.basis(by_image)]
        holds = "counting only" if parts == [COUNTING] else " and ".join(parts)
        return replace(entry, holds=holds, unknown=unknown) if entry.number.low is not None else entry

    def _carried(self, fraction: Entry) -> str:
        """`carried_words` in the digits of the fraction from 1 to 100 nm."""
        if not self.statistics or self.statistics.fraction_outlines is None:
            return ""
        without = self.statistics.fraction_100nm_without_doubtful
        words = "" if without is None else fraction.write(without)
        return carried_words(self.statistics.fraction_outlines, fraction.value, words)

    def _with_sure_ends(self, entry: Entry) -> Entry:
        """As the first screen and the main numbers say it: a number that is probably wrong has no interval there."""
        return replace(entry, has_ends=False, holds="", caution="") if self.unsure else entry

    def scale_in(self, quantity: Quantity) -> str:
        """The part of the scale in the quantity's intervals, "" where it is not worth a word."""
        doubt = (self.statistics.relative_uncertainty if self.statistics else self.scale_doubt) or 0.0
        return "scale" if doubt >= LEAST_DOUBT and (quantity.power or quantity.scaled) else ""

    # ---- the first screen: _answer.html of the page, figure, page 1 of the PDF -------------------

    @property
    def headlines(self) -> list[Entry]:
        """What particles say first, beside the count: median and nano fraction with its verdict, as far as known; of
        few of them nothing. Of another kind with sizes it is the median alone."""
        if not self.statistics or not self.kept or self.has_few:
            return []
        terms = {"median": "Median size", "fraction_100nm": f"1–100 nm{self.counted_from}"}
        below = {"median": "", "fraction_100nm": self.verdict}
        names = [name for name in terms if name == "median" or self.statistics.fraction_100nm is not None]
        return [
            replace(
                self._with_sure_ends(self.by_number(name)),
                term=terms[name],
                below=below[name] or self.measurand,
                parts=self._parts(name),
                ends_line=self._ends_line(name),
            )
            for name in names
        ]

    @property
    def caption_numbers(self) -> list[Entry]:
        """What a caption says beside the count, and of whose intervals the method speaks."""
        return self.headlines if self.screened else self.leading

    def _parts(self, answer: str) -> list[tuple[str, str, int]]:
        """The contributions to the uncertainty of an answer that are known and worth a word, the largest first: title,
        words, per cent of the largest. None where their total is not known."""
        budget: Mapping[str, Any] = (self.statistics.budget if self.statistics else None) or {}
        if not budget.get(answer, {}).get("ends"):
            return []
        parts = ((row[answer] or 0.0, row["title"]) for row in budget["rows"])
        rows = sorted((part for part in parts if part[0] >= LEAST_DOUBT), reverse=True)
        return [(title, uncertainty_words(part, answer), round(100 * part / rows[0][0])) for part, title in rows]

    @property
    def verdict(self) -> str:
        """Such as "limit 50 %: probably below"; "" where nothing is judged."""
        return verdict_words(self.nano) if self.nano else ""

    @property
    def no_interval(self) -> str:
        """Why the median of the first screen has no interval; "" where it has one."""
        if self.unsure or not self.screened or not self.headlines or self.headlines[0].interval:
            return ""
        return self.interval_note or f"The median has no useful 95 % interval: {self.too_few_words}."

    @property
    def quantities(self) -> list[Entry]:
        """The answers of other kinds than particles, without their interval's basis; all screens show those with a
        value, `known_quantities`."""
        entries = [] if self.screened else answers(self.stored_quantities)
        if not self._by_image or self.interval_note:
            return entries
        names = {entry.name for entry in entries if known_number(entry.name).of_amount}  # these never have an interval
        names |= {entry.name for entry in entries if not entry.number.value or entry.unit.startswith("px")}
        return [replace(entry, caution="" if entry.name in names else self.too_few_words) for entry in entries]

    @property
    def known_quantities(self) -> list[Entry]:
        """The answers that have a value: `_quantities.html` of the page lists them all."""
        return [
            self._with_sure_ends(self.with_basis(entry)) for entry in self.quantities if entry.number.value is not None
        ]

    @property
    def leading(self) -> list[Entry]:
        """Of other kinds than particles, in place of `headlines`: at most three answers, the first, the median (else
        the second) and the last; of classes four fractions or three others. Where some objects have no size, the first
        says how many."""
        quantities = [entry for entry in self.known_quantities if not is_special(entry)] or self.known_quantities
        count = quantities[0].number.value or 0.0 if quantities and quantities[0].kind == "integer" else 0.0
        if 0 < self.kept < count:
            quantities[0] = replace(quantities[0], below=WHOLE.format(self.kept, count - self.kept))
        if quantities and OF in quantities[0].name:
            measure = quantities[0].name.partition("_")[0]
            shown = 4 if quantities[0].kind == "fraction" else 3
            return [quantity for quantity in quantities if quantity.name.startswith(measure)][:shown]
        if len(quantities) <= 3:
            return quantities
        median = next((quantity for quantity in quantities[1:-1] if quantity.name.endswith("_median")), quantities[1])
        return [quantities[0], median, quantities[-1]]

    def notices_of(self, flags: Iterable[Flag], *, pooled: bool = False) -> list[Flag]:
        """What there is to say beside the numbers, the gravest first: doubts, of one image what is left out and counts
        by one click, if most were left out for that reason, notes. Page, report and workbook show `first_notices`; an
        unknown scale is said where it stands."""
        usual = [str(reason) for reason in BY_OTHERS if reason != Reason.HIDDEN]  # those the measurand leaves out
        main_reason, listed = max(self.set_aside, key=lambda line: line.count, default=None), []
        if main_reason is not None and main_reason.reason in usual and not pooled:
            listed = [Flag(f"{main_reason.count:,} left out: {main_reason.reason}.", reason=main_reason.reason)]
        return ranked([*listed, *(flag for flag in flags if flag.text != NO_SCALE)])

    def first_notices(self, flags: Iterable[Flag], *, pooled: bool = False) -> list[Flag]:
        """Those of `notices_of` that stand beside the numbers."""
        return beside_numbers(self.notices_of(flags, pooled=pooled))

    # ---- the list of numbers: _sizes.html of the page, page 2 of the PDF, sheet Summary ----------

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
        if self.statistics.fit and self.kept >= LEAST:
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

    # ---- what was left out: _aside.html of the page, annex of the PDF ----------------------------

    @property
    def set_aside(self) -> list[Aside]:
        """How many were set aside, by reason, in the order of judging."""
        reasons = {str(reason): reason.definition for reason in Reason}
        counts = self.statistics.set_aside if self.statistics else {}
        return [Aside(reason, count, reasons.get(reason, OTHER_REASON)) for reason, count in counts.items()]

    @property
    def edge_line(self) -> str:
        """How what touches the frame is allowed for."""
        weighted = self.statistics is not None and self.statistics.edge == "weight"
        others = ", and the others are weighted for it (Miles–Lantuéjoul)" if weighted else ""
        cut = self.screened or (self.statistics is not None and Reason.FRAME in self.statistics.set_aside)
        return f"Sizes leave out {self.things} that touch the frame{others}." if cut else ""

    @property
    def without_filter(self) -> str:
        """What would be counted without the filter; "" where it removed nothing."""
        other = self.statistics.without_filter if self.statistics else None
        if not other:
            return ""
        assert self.statistics is not None
        share = other["fraction_100nm"]
        nano = "" if share is None else f", {per_cent(share)} of 1–100 nm"
        median = f"{significant(other['median'])} {self.statistics.unit}"
        return f"Without the filter: {other['n']:,} counted, median {median}{nano}."

    # ---- uncertainty: _convergence.html and _budget.html of the page, annex of the PDF -----------

    @property
    def enough(self) -> str:
        """Whether the median is known well enough, and how many more objects or images it takes; "" where not known."""
        convergence = self.statistics.convergence if self.statistics and self.kept else None
        if not convergence:
            return ""
        assert self.statistics is not None
        if instead := self._instead_of_counting:
            return instead
        target, more, doubt = convergence["wanted"], convergence["more"], self.statistics.relative_uncertainty
        scope = f" ({self.convergence_holds})" if self.by_number("median").total else ""
        if convergence.get("by") == "image":
            advice = capital(more_images_words(more, target, doubt, self._better_than_images(target)))
            return f"{advice}{scope if more is not None and more <= FEASIBLE else ''}."
        aim = f"± {per_cent(target)}{scope}"
        if more is None and (scale := scale_in_the_way(self.things, target, doubt)):
            return f"{capital(scale)}."
        if more is None:
            return f"There are too few {self.things} to predict how many would bring the median to {aim}."
        if more <= 0:
            return f"{self.kept:,} {self.things} are enough for the median to {aim}."
        things = self.thing if more == 1 else self.things
        return f"About {round(more, 2 - len(str(more))):,} more {things} would bring the median to {aim}."

    @property
    def convergence_holds(self) -> str:
        """What the intervals of its curve include: what that of the sentence does, where the curve ends with it."""
        median, curve = self.by_number("median"), self.statistics.convergence if self.statistics else None
        ends = (curve["low"][-1], curve["high"][-1]) if curve else None
        return median.includes if median.total == ends else median.holds

    def _better_than_images(self, target: float) -> str:
        """What makes the median more certain where the parts that no further image reduces are too large for
        `target`; "" where they are not, or not known."""
        budget: Mapping[str, Any] = (self.statistics.budget if self.statistics else None) or {}
        rows: Sequence[Mapping[str, Any]] = budget.get("rows", ())
        systematic = [row for row in rows if row["median"] and not row["name"].startswith("sampling_")]
        if not systematic or Z95 * hypot(*(row["median"] for row in systematic)) < target:
            return ""
        return str(max(systematic, key=lambda row: row["median"])["remedy"])

    @property
    def _instead_of_counting(self) -> str:
        """What helps more than to count more, where another part of the median's uncertainty is larger; else ""."""
        budget: Mapping[str, Any] = (self.statistics.budget if self.statistics else None) or {}
        if not budget.get("median", {}).get("ends"):
            return ""
        row = next(row for row in budget["rows"] if row["name"] == budget["median"]["largest"])
        if row["name"] == "sampling_within" or (self._by_image and row["name"] == "sampling_between"):
            return ""
        if self.kept < LEAST_JUDGED and not self._by_image:
            return f"No: count at least {LEAST_JUDGED} {self.things}."
        return f"For the median, counting more hardly helps. Better: {row['remedy']}"

    @property
    def budget(self) -> BudgetTable | None:
        """The uncertainty budget as a table; None where there is none, as of sizes in px."""
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

    def _ends_line(self, answer: str) -> str:
        """Why the ends of an answer's total uncertainty are unlike; "" where they are not, or there are none."""
        budget = self.statistics.budget if self.statistics else None
        return ends_words(budget, answer) if budget else ""

    @property
    def unknown_parts(self) -> str:
        """Which contributions to the totals of the headlines are not known, as a sentence after another, or ""."""
        without = [title for headline in self.headlines if headline.parts for title in headline.unknown]
        listed = "; ".join(map(uncapital, dict.fromkeys(without)))
        return f" Not included, because not known: {listed}." if listed else ""

    # ---- further numbers: _weighted.html and _arrangement.html of the page, annex of the PDF -----

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
        if not fit or self.kept < LEAST:
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

    # ---- the table of all numbers: sheet Details, annex of the PDF -------------------------------

    def every(self) -> Iterator[Entry]:
        """All numbers in the order of reading, for a table of them: each with its group. Kinds that answer with
        `quantities` have their counts among these."""
        quantities = [] if self.screened else answers(self.stored_quantities, every=True)
        yield from (replace(entry, group="quantities") for entry in quantities)
        if self.statistics is None:
            return
        yield from [] if quantities else self.counts
        weighted = [self._entry_by(name, by) for by in self.weightings for name in FIGURES]
        yield from (replace(entry, term=NUMBERS[entry.name].label) for entry in weighted)
        yield from (replace(entry, group="other sizes") for entry in self._others(self.statistics))
        if fit := self.statistics.fit:
            for term, value, text in (
                ("median", Value(fit["median"], unit=self.statistics.unit), ""),
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
        counted: Mapping[str, Any] = self.statistics.agglomerates or {}
        for name, title in names.items() if counted else ():
            yield Entry(name, title, Value(counted[name]), kind="integer", group="agglomerates")
        for group, entries in (
            ("arrangement", self.arrangement),
            ("shape classes", self.shape_classes),
            ("rods", self.rods),
        ):
            yield from (replace(entry, group=group) for entry in entries)
        if measured := self.statistics.arrangement:
            yield Entry("pairs", "compared with chance", text=measured["sentence"], group="arrangement")
        for name, spread in self.statistics.shape.items():
            for figure, number in spread.items():
                yield Entry(name, f"{COLUMNS[name].label}, {NUMBERS[figure].label}", Value(number), group="shape")

    def _others(self, statistics: Statistics) -> Iterator[Entry]:
        """Sizes and shares that the weighted figures do not hold."""
        if statistics.size != "ecd":
            yield replace(self.by_number("ecd_median"), term="median equivalent circular diameter")
        if not statistics.screened:
            return
        counted = f", of {self.things}{counted_from(statistics.nano)}" if statistics.nano else ""
        yield replace(self.by_number("fraction_100nm"), term=f"fraction by number from 1 to 100 nm{counted}")
        for name in DOUBTFUL_FRACTIONS:  # where it is another
            if (share := getattr(statistics, name)) not in (None, statistics.fraction_100nm):
                yield replace(Entry.of(name, Value(share)), term=NUMBERS[name].label)
        if statistics.recommendation is not None:
            vssa = Value(statistics.recommendation["vssa"], unit="m²/cm³")
            yield Entry("vssa", "volume-specific surface area", vssa)
