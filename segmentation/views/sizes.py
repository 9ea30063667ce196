"""The numbers of a size distribution, of one image or of a sample, in words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..core.measure.budget import ANSWERS, lines, said
from ..core.measure.fitting import chance_words
from ..core.measure.quantities import COLUMNS, NUMBERS, Quantity, UnknownQuantity, number
from ..core.micrograph.types import NO_INTERVALS
from .smallcharts import NanoCard
from .words import LEAST_DOUBT, capital, per_cent, significant

MAIN = ("median", "mean", "sd", "d10", "d90", "ecd_median", "fraction_100nm")
WEIGHTED = ("mean", "sd", "d10", "d50", "d90", "span", "mode", "geometric_mean", "geometric_sd")
WEIGHTINGS = ("number", "area", "volume")
FEW = 10  # particles from which on curves say more than the sizes themselves


@dataclass(frozen=True)
class Measure:
    """One line of numbers: a term, its value, unit and interval, its definition, and a line below."""

    term: str
    value: str
    unit: str = ""
    definition: str = ""
    below: str = ""
    indent: bool = False
    interval: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a table: its term with its definition, and its cells."""

    term: str
    definition: str
    cells: list[Measure] = field(default_factory=list)


def shown(statistics: dict[str, Any]) -> dict[str, Any]:
    """The statistics of a result; of pixels without what looks like a measurement, as older results hold it, too."""
    if statistics.get("unit") != "px":
        return statistics
    weighted = statistics.get("weighted") or {}
    none = {"intervals": {}, "note": NO_INTERVALS}
    return {
        **statistics,
        "intervals": {},
        "interval_note": NO_INTERVALS,
        "nano": None,
        "budget": None,
        "convergence": None,
        "weighted": {way: {**of, **none} for way, of in weighted.items()},
    }


def between(interval: Any, digits: int = 3) -> str:
    """An interval as low–high, "" where there is none."""
    if not interval or None in interval:
        return ""
    return f"{significant(interval[0], digits)}–{significant(interval[1], digits)}"


def interval_line(statistics: dict[str, Any]) -> str:
    """What the intervals beside the numbers are, or why there are none; older results say nothing."""
    if "intervals" not in statistics or not statistics["n_kept"]:
        return ""
    if note := statistics.get("interval_note"):
        return str(note)
    basis = "images" if statistics.get("interval_basis") == "by image" else "particles"
    doubt = statistics.get("relative_uncertainty")
    known = doubt and doubt >= LEAST_DOUBT
    scale = f", with the calibration's uncertainty of {significant(100 * doubt, 2)} %" if known else ""
    said = f"Beside each number its 95 % interval: bootstrap over the {basis}{scale}."
    return " ".join([said, *statistics.get("cautions", ())])


def main_sizes(statistics: dict[str, Any]) -> list[Measure]:
    """The size distribution by number, in the lines that everybody reads; none where nothing was kept."""
    if not statistics["n_kept"]:
        return []
    *lengths, fraction = MAIN
    sizes = answers({name: _by_number(statistics, name) for name in lengths})
    shares = answers({fraction: _by_number(statistics, fraction)})
    return [
        *sizes,
        *(replace(each, term=f"{each.term}{_counted(statistics)}") for each in shares),
        *_beside(statistics),
    ]


def headlines(statistics: dict[str, Any]) -> list[Measure]:
    """Median and nano fraction with its verdict, as far as they are known."""
    if not statistics["n_kept"]:
        return []
    median, *fraction = answers({name: _by_number(statistics, name) for name in ("median", "fraction_100nm")})
    card = NanoCard.of(statistics)
    median = replace(median, term="Median min. Feret")
    below = card.title if card else ""
    return [median, *(replace(each, term=f"1–100 nm{_counted(statistics)}", below=below) for each in fraction)]


def _counted(statistics: dict[str, Any]) -> str:
    """From which size on particles are in the fraction; older results do not say."""
    least = (statistics.get("nano") or {}).get("least_nm")
    return "" if least is None else f", of ≥ {least:.3g} nm"


def answers(quantities: dict[str, dict[str, Any]]) -> list[Measure]:
    """The numbers that an analysis answers with, by name as in its summary; fractions only where they are known."""
    known = {name: _known(name) for name in quantities}
    return [
        _answer(known[name], found)
        for name, found in quantities.items()
        if known[name].kind != "fraction" or found["value"] is not None
    ]


def _known(name: str) -> Quantity:
    """The quantity of this name, also where the kind of analysis that measured it is gone."""
    try:
        return number(name)
    except UnknownQuantity:
        return Quantity(name, capital(name.replace("_", " ")), "")


def _answer(quantity: Quantity, found: dict[str, Any]) -> Measure:
    value, low, high = found["value"], found["low"], found["high"]
    title, definition = quantity.title, quantity.definition
    if quantity.kind == "fraction":
        ends = "" if None in (low, high) else f"{per_cent(low)}–{per_cent(high)}"
        return Measure(title, per_cent(value), "%", definition, interval=ends)
    unit = found["unit"] if value is not None else ""
    return Measure(title, significant(value), unit, definition, interval=between((low, high)))


def _by_number(statistics: dict[str, Any], name: str) -> dict[str, Any]:
    """A figure as a quantity: results of earlier versions have no others."""
    nano = name == "fraction_100nm"
    ends = (statistics.get("fraction_low"), statistics.get("fraction_high")) if nano else None
    low, high = ends or (statistics.get("intervals") or {}).get(name) or (None, None)
    return {"value": statistics.get(name), "low": low, "high": high, "unit": NUMBERS[name].unit(statistics["unit"])}


def _beside(statistics: dict[str, Any]) -> list[Measure]:
    """The law and the groups in a word each; older results have neither."""
    found = []
    if (fit := statistics.get("fit")) and statistics["n_kept"] >= FEW:
        found.append(Measure(NUMBERS["fit"].title, f"{fit['word']} fit", "", NUMBERS["fit"].definition))
    if groups := statistics.get("agglomerates"):
        found.append(Measure(NUMBERS["groups"].title, str(groups["groups"]), "", NUMBERS["groups"].definition))
    return found


@dataclass(frozen=True)
class Budget:
    """The uncertainty budget: contributions, their sources and effects on both answers, and what they come to."""

    rows: list[tuple[str, str, str, str]]
    sentences: list[str]

    @classmethod
    def of(cls, statistics: dict[str, Any]) -> Budget | None:
        """None of pixels, and of older results."""
        told = statistics.get("budget")
        if not told:
            return None
        rows = [(title, source, said(u), said(v, "fraction_100nm")) for title, source, u, v in lines(told)]
        return cls(rows, [told[answer]["sentence"] for answer in ANSWERS])


def weighted_table(statistics: dict[str, Any]) -> list[Row]:
    """Each measure by number, area and volume; none where an older result knows no weights."""
    weighted = statistics.get("weighted")
    if not weighted or not statistics["n_kept"]:
        return []
    return [
        Row(each.title, each.definition, [_weighted(weighted.get(by, {}), each, statistics) for by in WEIGHTINGS])
        for each in (NUMBERS[name] for name in WEIGHTED)
    ]


def weighted_notes(statistics: dict[str, Any]) -> list[str]:
    """Why some of the weighted figures have no interval, each sentence once."""
    notes = [of.get("note") for of in (statistics.get("weighted") or {}).values()]
    return [note for note in dict.fromkeys(notes) if note and statistics["n_kept"]]


def _weighted(of: dict[str, Any], quantity: Quantity, statistics: dict[str, Any]) -> Measure:
    name, value = quantity.name, of.get(quantity.name)
    unit = "" if value is None else quantity.unit(statistics["unit"])
    found = between((of.get("intervals") or {}).get(name))
    lone = value is not None and not found and not of.get("note")
    return Measure(name, significant(value), unit, interval="too few particles" if lone else found)


def shape_table(statistics: dict[str, Any]) -> list[Row]:
    """Median, D10 and D90 of every descriptor of shape."""
    return [
        Row(
            COLUMNS[name].title,
            COLUMNS[name].definition,
            [Measure(end, _hundredths(of.get(end))) for end in ("d10", "median", "d90")],
        )
        for name, of in (statistics.get("shape") or {}).items()
        if of.get("median") is not None and name in COLUMNS
    ]


def _hundredths(value: float | None) -> str:
    return significant(value) if value is None else f"{value:.2f}"


def fit_words(statistics: dict[str, Any]) -> str:
    """The log-normal law and how well it fits, in a sentence or two."""
    fit = statistics.get("fit")
    if not fit or statistics["n_kept"] < FEW:
        return ""
    unit = statistics["unit"]
    law = f"A log-normal law with median {significant(fit['median'])} {unit} and geometric SD {significant(fit['gsd'])}"
    said = f"{law}: {fit['word']} fit"
    chance = f", {chance_words(fit['p'])}" if fit.get("p") is not None else ""
    return f"{said} (greatest distance of the cumulative curves {significant(fit['ks'], 2)}{chance})."


def group_words(statistics: dict[str, Any]) -> str:
    """Primary particles and the groups in which they touch."""
    found = statistics.get("agglomerates")
    if not found or not statistics["n_kept"]:
        return ""
    if not found["groups"]:
        return "No two particles touch."
    groups = "1 group" if found["groups"] == 1 else f"{found['groups']} groups"
    largest = f" The largest has {found['largest']}." if found["groups"] > 1 else ""
    return (
        f"{found['primaries_in_groups']} particles touch others, in {groups}; {found['singles']} stand alone.{largest}"
    )
