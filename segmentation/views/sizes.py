"""The numbers of a size distribution, of one image or of a sample, in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..core.measure.budget_table import answers_of, lines, said
from ..core.measure.descriptors import DESCRIPTORS, measures_of
from ..core.measure.fitting import chance_words
from ..core.measure.quantities import (
    COLUMNS,
    DOUBTFUL_FRACTIONS,
    LONG_NM,
    NUMBERS,
    Quantity,
    UnknownQuantity,
    Value,
    in_micrometres,
    number,
    readable,
)
from ..core.micrograph.types import NO_INTERVALS
from .smallcharts import Convergence, NanoCard
from .words import LEAST_DOUBT, capital, per_cent, significant

MAIN = ("median", "mean", "sd", "d10", "d90", "ecd_median", "fraction_100nm")
WEIGHTED = ("mean", "sd", "d10", "d50", "d90", "span", "mode", "geometric_mean", "geometric_sd")
WEIGHTINGS = ("number", "area", "volume")
SHAPE_ENDS = ("d10", "median", "d90")
FEW = 10  # particles from which on curves say more than the sizes themselves


@dataclass(frozen=True)
class Measure:
    """One line of numbers: a term, its value, unit and interval, its definition, and a line below. holds: what the
    interval holds. whole: the uncertainty by all that is known."""

    term: str
    value: str
    unit: str = ""
    definition: str = ""
    below: str = ""
    indent: bool = False
    interval: str = ""
    holds: str = ""
    whole: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a table: its term with its definition, and its cells."""

    term: str
    definition: str
    cells: list[Measure] = field(default_factory=list)


def between(interval: Any, digits: int = 3) -> str:
    """An interval as low–high, "" where there is none."""
    if not interval or None in interval:
        return ""
    return f"{significant(interval[0], digits)}–{significant(interval[1], digits)}"


def answers(quantities: dict[str, dict[str, Any]], *, every: bool = False) -> list[Measure]:
    """The numbers that an analysis answers with, by name as in its summary; fractions only where they are known, unless
    every one is wanted."""
    return [
        _answer(known(name), found)
        for name, found in quantities.items()
        if every or known(name).kind != "fraction" or found["value"] is not None
    ]


def known(name: str) -> Quantity:
    """The quantity of this name, also where the kind of analysis that measured it is gone."""
    try:
        return number(name)
    except UnknownQuantity:
        return Quantity(name, capital(name.replace("_", " ")), "")


def known_column(name: str) -> Quantity:
    """The quantity of a column, also where the kind of analysis that measured it is gone."""
    return COLUMNS.get(name) or Quantity(name, capital(name.replace("_", " ")), "", 1)


def _answer(quantity: Quantity, found: dict[str, Any]) -> Measure:
    shown = readable(Value(found["value"], found["low"], found["high"], found["unit"]))
    value, low, high = shown.value, shown.low, shown.high
    title, definition = quantity.title, quantity.definition
    if quantity.kind == "fraction":
        ends = "" if None in (low, high) else f"{per_cent(low)}–{per_cent(high)}"
        return Measure(title, per_cent(value), "%", definition, interval=ends)
    unit = shown.unit if value is not None else ""
    whole = quantity.kind == "integer" and value is not None
    words = f"{value:,.0f}" if whole else significant(value)
    return Measure(title, words, unit, definition, interval=between((low, high)))


@dataclass(frozen=True)
class Budget:
    """The uncertainty budget: contributions, their sources and effects on both answers, and what they come to."""

    rows: list[tuple[str, str, list[str]]]
    sentences: list[str]


class Sizes:
    """The numbers of an image or of a sample.

    statistics: as a worker stored them, of earlier versions with less in them; {} where there is no size distribution.
    screened: whether the objects are judged as nanomaterials. size: which of their measures is the size.
    """

    things = "objects"

    def __init__(self, statistics: dict[str, Any]) -> None:
        self.statistics = statistics
        self.screened: bool = statistics.get("screened", True)
        self.size = known_column(statistics.get("size", "min_feret"))
        if statistics.get("unit") == "px":  # without what looks like a measurement
            none = {"intervals": {}, "note": NO_INTERVALS}
            weighted = {way: {**of, **none} for way, of in (statistics.get("weighted") or {}).items()}
            nothing = dict.fromkeys(("nano", "budget", "convergence"))
            said = {"intervals": {}, "interval_note": NO_INTERVALS, "weighted": weighted}
            self.statistics = {**statistics, **nothing, **said}

    @property
    def kept(self) -> int:
        return self.statistics.get("n_kept", 0)

    @property
    def sizes(self) -> list[Measure]:
        """The size distribution by number, in the lines that everybody reads; none where nothing was kept."""
        if not self.kept:
            return []
        *lengths, fraction = MAIN if self.kept > 1 else ("median", "ecd_median", "fraction_100nm")
        if self.size.name == "ecd":
            lengths.remove("ecd_median")
        shares = answers({fraction: self._by_number(fraction)})
        found = answers({name: self._by_number(name) for name in lengths})
        found += [replace(each, term=f"{each.term}{self._counted}", below=self._doubtful) for each in shares]
        if (fit := self.statistics.get("fit")) and self.kept >= FEW:
            found.append(Measure(NUMBERS["fit"].title, f"{fit['word']} fit", "", NUMBERS["fit"].definition))
        if groups := self.statistics.get("agglomerates"):
            found.append(Measure(NUMBERS["groups"].title, str(groups["groups"]), "", NUMBERS["groups"].definition))
        return found

    @property
    def headlines(self) -> list[Measure]:
        """What the first screen says beside the count: median and nano fraction with its verdict, as far as known."""
        if not self.kept:
            return []
        names = ("median", "fraction_100nm")
        found = answers({name: self._by_number(name) for name in names})
        every = zip(names, found, strict=False)
        median, *fraction = (replace(each, holds=self._holds(name), whole=self._whole(name)) for name, each in every)
        below = self.nano.title if self.nano else ""
        median = replace(median, term="Median min. Feret")
        return [median, *(replace(each, term=f"1–100 nm{self._counted}", below=below) for each in fraction)]

    def _holds(self, answer: str) -> str:
        """What the interval of an answer holds: "counting only"."""
        known, doubt = self.statistics, self.statistics.get("relative_uncertainty")
        more = ["scale"] * bool(doubt and doubt >= LEAST_DOUBT)
        if known.get("interval_basis") == "by image":
            return " and ".join(["differences between images", *more])
        rows = {row["name"]: row for row in (known.get("budget") or {}).get("rows", ())}
        assumed = (rows.get("sampling_between") or {}).get(answer)
        more += ["fields"] * bool(assumed and answer == "fraction_100nm")
        return ", ".join(["counting", *more]) if more else "counting only"

    def _whole(self, answer: str) -> str:
        """An answer with its whole expanded uncertainty: "143–291 nm (± 34 %)"; "" where there is no budget."""
        found = (self.statistics.get("budget") or {}).get(answer)
        if not found:
            return ""
        value, off = found["value"], found["expanded"]
        if answer == "median":
            ends = between((max(0.0, value * (1 - off)), value * (1 + off)))
            return f"{ends} {self.statistics['unit']} (± {per_cent(float(f'{off:.2g}'))} %)"
        low, high = max(0.0, value - off), min(1.0, value + off)
        return f"{per_cent(low)}–{per_cent(high)} %"

    @property
    def _doubtful(self) -> str:
        """The nano fraction with or without doubtful outlines, whichever was not analysed, where it is another."""
        own = self.statistics.get("fraction_100nm")
        shares = {words: self.statistics.get(name) for name, words in DOUBTFUL_FRACTIONS.items()}
        others = (f"{words} {per_cent(share)} %" for words, share in shares.items() if share not in (None, own))
        return ", ".join(others)

    @property
    def _counted(self) -> str:
        """From which size on particles are in the fraction; older results do not say."""
        least = (self.statistics.get("nano") or {}).get("least_nm")
        return "" if least is None else f", of ≥ {significant(least)} nm"

    def _by_number(self, name: str) -> dict[str, Any]:
        """A figure as a quantity: results of earlier versions have no others."""
        known = self.statistics
        nano = name == "fraction_100nm"
        ends = (known.get("fraction_low"), known.get("fraction_high")) if nano else None
        low, high = ends or (known.get("intervals") or {}).get(name) or (None, None)
        return asdict(self._shown(Value(known.get(name), low, high, NUMBERS[name].unit(known["unit"]))))

    def _shown(self, value: Value) -> Value:
        """All lengths in one unit."""
        return in_micrometres(value) if self.is_large else value

    def length(self, value: float | None) -> str:
        """A length with its unit."""
        shown = self._shown(Value(value, unit=self.statistics.get("unit", "px")))
        return f"{significant(shown.value)} {shown.unit}"

    @property
    def is_large(self) -> bool:
        """Whether lengths are shown in µm: the median is 1 µm or more."""
        return self.statistics.get("unit") == "nm" and (self.statistics.get("median") or 0.0) >= LONG_NM

    @property
    def _few(self) -> str:
        """Why a figure by number may have no interval."""
        return f"too few {'images' if self.statistics.get('interval_basis') == 'by image' else self.things}"

    @property
    def interval_line(self) -> str:
        """What the intervals beside the numbers are, or why there are none; older results say nothing."""
        known = self.statistics
        if "intervals" not in known or not self.kept:
            return ""
        if note := known.get("interval_note"):
            return str(note)
        basis = "images" if known.get("interval_basis") == "by image" else self.things
        doubt = known.get("relative_uncertainty")
        told = doubt and doubt >= LEAST_DOUBT
        scale = f", including {significant(100 * doubt, 2)} % uncertainty of the scale" if told else ""
        beside = f"Each number has its 95 % interval; of sizes by resampling the {basis}{scale}."
        return " ".join([beside, *known.get("cautions", ())])

    @property
    def nano(self) -> NanoCard | None:
        return NanoCard.of(self.statistics) if self.kept else None

    @property
    def measures(self) -> list[Quantity]:
        """What the histogram may show, the size first."""
        return [known_column(name) for name in measures_of(self.size.name)]

    @property
    def shapes(self) -> list[Quantity]:
        """The descriptors of shape, as columns of the table of objects."""
        return [known_column(name) for name in DESCRIPTORS]

    @property
    def size_line(self) -> str:
        """What the sizes are."""
        definition = self.size.definition
        which = "" if self.screened else f" of the whole {self.things}"
        return f"Sizes{which} are {self.size.label}s, by number: {definition[:1].lower()}{definition[1:]}"

    @property
    def budget(self) -> Budget | None:
        """None of pixels, and of older results."""
        told = self.statistics.get("budget")
        if not told:
            return None
        names = answers_of(self.statistics.get("nano"))
        rows = [(title, source, list(map(said, effects, names))) for title, source, *effects in lines(told)]
        return Budget(rows, [told[answer]["sentence"] for answer in names])

    @property
    def convergence(self) -> Convergence | None:
        """How the median settles; None where there are too few points for a curve."""
        return Convergence.of(self.statistics, self.things) if self.kept else None

    @property
    def weighted(self) -> list[Row]:
        """Each measure by number, area and volume; none where an older result knows no weights."""
        known = self.statistics.get("weighted")
        if not known or not self.kept:
            return []
        measures = (NUMBERS[name] for name in WEIGHTED)
        return [
            Row(
                each.title,
                each.definition,
                [self._weighted(known.get(by, {}), each, self._few if by == "number" else "") for by in WEIGHTINGS],
            )
            for each in measures
        ]

    def _weighted(self, of: dict[str, Any], quantity: Quantity, few: str) -> Measure:
        """One cell of the table. few: the reason to show where the interval is missing, or ""."""
        name, ends = quantity.name, (of.get("intervals") or {}).get(quantity.name) or (None, None)
        shown = self._shown(Value(of.get(name), *ends, unit=quantity.unit(self.statistics["unit"])))
        found = between((shown.low, shown.high))
        lone = shown.value is not None and not found and not of.get("note")
        unit = "" if shown.value is None else shown.unit
        return Measure(name, significant(shown.value), unit, interval=few if lone else found)

    @property
    def weighted_notes(self) -> list[str]:
        """Why some of the weighted figures have no interval, each sentence once."""
        notes = [of.get("note") for of in (self.statistics.get("weighted") or {}).values()]
        return [note for note in dict.fromkeys(notes) if note and self.kept]

    @property
    def shape(self) -> list[Row]:
        """Median, D10 and D90 of every descriptor of shape."""
        return [
            Row(COLUMNS[name].title, COLUMNS[name].definition, [_hundredths(of, end) for end in SHAPE_ENDS])
            for name, of in (self.statistics.get("shape") or {}).items()
            if of.get("median") is not None and name in COLUMNS and self.kept
        ]

    @property
    def fit(self) -> str:
        """The log-normal law and how well it fits, in a sentence or two."""
        fit = self.statistics.get("fit")
        if not fit or self.kept < FEW:
            return ""
        median = f"median {self.length(fit['median'])}"
        law = f"A log-normal law with {median} and geometric SD {significant(fit['gsd'])}: {fit['word']} fit"
        chance = f", {chance_words(fit['p'])}" if fit.get("p") is not None else ""
        return f"{law} (greatest distance of the cumulative curves {significant(fit['ks'], 2)}{chance})."

    @property
    def groups(self) -> str:
        """Primary particles and the groups in which they touch."""
        found = self.statistics.get("agglomerates")
        if not found or not self.kept:
            return ""
        if not found["groups"]:
            return "No two particles touch."
        groups = "1 group" if found["groups"] == 1 else f"{found['groups']} groups"
        largest = f" The largest has {found['largest']}." if found["groups"] > 1 else ""
        touching = f"{found['primaries_in_groups']} particles touch others, in {groups}"
        return f"{touching}; {found['singles']} stand alone.{largest}"


def _hundredths(of: dict[str, Any], end: str) -> Measure:
    value = of.get(end)
    return Measure(end, significant(value) if value is None else f"{value:.2f}")
