"""The numbers of a size distribution, of one image or of a sample, in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .words import per_cent, significant

DEFINITIONS = {
    "size": "the smallest distance between two parallel lines that touch a particle.",
    "median": "Half of the particles, by number, are smaller and half are larger. The same as D50.",
    "mean": "The sum of the sizes divided by their number; large particles pull it up.",
    "sd": "Sample standard deviation (divided by n − 1) of the sizes: how widely they spread around the mean.",
    "d10": "One particle in ten, by number, is smaller than this size.",
    "d50": "Half of the amount lies in smaller particles. By number it is the median.",
    "d90": "Nine particles in ten, by number, are smaller than this size.",
    "span": "(D90 − D10) / D50: the width of the distribution beside its middle.",
    "mode": "The most frequent size: the peak of the smoothed distribution.",
    "geometric_mean": "The size whose logarithm is the mean of the logarithms of the sizes.",
    "geometric_sd": "The factor by which sizes spread around the geometric mean; 1 means that all are equal.",
    "nano": (
        "Share by number of particles whose minimum Feret diameter is from 1 to 100 nm, with its 95 % interval."
        " The EU recommendation 2022/C 229/01 calls a material a nanomaterial from 50 % on."
    ),
    "ecd_median": "Median of the equivalent circular diameter: of the disc with the particle's area.",
    "fit": "Whether the sizes follow a log-normal law; its median, spread and distance are under “All numbers”.",
    "groups": "Groups of kept particles whose outlines touch. Every size here is that of a single particle.",
    "circularity": "4π × area / perimeter²: 1 for a disc, less for anything longer or more ragged.",
    "aspect_ratio": "Minimum Feret diameter / maximum Feret diameter.",
    "solidity": "Area / area of the convex hull: less than 1 where the outline has hollows.",
    "convexity": "Perimeter of the convex hull / perimeter: less than 1 where the outline is ragged.",
    "compactness": "Equivalent circular diameter / maximum Feret diameter.",
    "extent": "Area / (minimum Feret diameter × maximum Feret diameter).",
    "ellipse_ratio": "Short axis / long axis of the ellipse with the particle's second moments.",
    "elongation": "Width / length of the rectangle with the particle's area and perimeter.",
}
WEIGHTED = (
    ("mean", "Mean"),
    ("sd", "SD"),
    ("d10", "D10"),
    ("d50", "D50"),
    ("d90", "D90"),
    ("span", "Span"),
    ("mode", "Mode"),
    ("geometric_mean", "Geometric mean"),
    ("geometric_sd", "Geometric SD"),
)
RATIOS = ("span", "geometric_sd")
WEIGHTINGS = ("number", "area", "volume")


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
    scale = f", with the calibration's uncertainty of {significant(100 * doubt, 2)} %" if doubt else ""
    return f"Beside each number its 95 % interval: bootstrap over the {basis}{scale}."


def main_sizes(statistics: dict[str, Any]) -> list[Measure]:
    """The size distribution by number, in the lines that everybody reads; none where nothing was kept."""
    if not statistics["n_kept"]:
        return []
    named = [
        ("Median", "median", "median"),
        ("Mean", "mean", "mean"),
        ("SD (sample)", "sd", "sd"),
        ("D10", "d10", "d10"),
        ("D90", "d90", "d90"),
        ("Median ECD", "ecd_median", "ecd_median"),
    ]
    return [*(_size(statistics, *each) for each in named), *_nano(statistics), *_beside(statistics)]


def _beside(statistics: dict[str, Any]) -> list[Measure]:
    """The law and the groups in a word each; older results have neither."""
    found = []
    if fit := statistics.get("fit"):
        found.append(Measure("Log-normal law", f"{fit['word']} fit", "", DEFINITIONS["fit"]))
    if groups := statistics.get("agglomerates"):
        found.append(Measure("Groups that touch", str(groups["groups"]), "", DEFINITIONS["groups"]))
    return found


def _size(statistics: dict[str, Any], term: str, name: str, definition: str) -> Measure:
    value = statistics.get(name)
    return Measure(
        term,
        significant(value),
        statistics["unit"] if value is not None else "",
        DEFINITIONS[definition],
        interval=between((statistics.get("intervals") or {}).get(name)),
    )


def _nano(statistics: dict[str, Any]) -> list[Measure]:
    fraction, low, high = (statistics.get(f"fraction_{end}") for end in ("100nm", "low", "high"))
    if fraction is None or low is None or high is None:
        return []
    interval = f"{per_cent(low)}–{per_cent(high)}"
    return [Measure("Number 1–100 nm", per_cent(fraction), "%", DEFINITIONS["nano"], interval=interval)]


def weighted_table(statistics: dict[str, Any]) -> list[Row]:
    """Each measure by number, area and volume; none where an older result knows no weights."""
    weighted = statistics.get("weighted")
    if not weighted or not statistics["n_kept"]:
        return []
    return [
        Row(term, DEFINITIONS[name], [_weighted(weighted.get(by, {}), name, statistics) for by in WEIGHTINGS])
        for name, term in WEIGHTED
    ]


def weighted_notes(statistics: dict[str, Any]) -> list[str]:
    """Why some of the weighted figures have no interval, each sentence once."""
    notes = [of.get("note") for of in (statistics.get("weighted") or {}).values()]
    return [note for note in dict.fromkeys(notes) if note and statistics["n_kept"]]


def _weighted(of: dict[str, Any], name: str, statistics: dict[str, Any]) -> Measure:
    value = of.get(name)
    unit = statistics["unit"] if value is not None and name not in RATIOS else ""
    found = between((of.get("intervals") or {}).get(name))
    lone = value is not None and not found and not of.get("note")
    return Measure(name, significant(value), unit, interval="not defined" if lone else found)


def shape_table(statistics: dict[str, Any]) -> list[Row]:
    """Median, D10 and D90 of every descriptor of shape."""
    return [
        Row(
            name.replace("_", " ").capitalize(),
            DEFINITIONS.get(name, ""),
            [Measure(end, _hundredths(of.get(end))) for end in ("d10", "median", "d90")],
        )
        for name, of in (statistics.get("shape") or {}).items()
        if of.get("median") is not None
    ]


def _hundredths(value: float | None) -> str:
    return significant(value) if value is None else f"{value:.2f}"


def fit_words(statistics: dict[str, Any]) -> str:
    """The log-normal law and how well it fits, in a sentence or two."""
    fit = statistics.get("fit")
    if not fit:
        return ""
    unit = statistics["unit"]
    law = f"A log-normal law with median {significant(fit['median'])} {unit} and geometric SD {significant(fit['gsd'])}"
    said = f"{law}: {fit['word']} fit"
    return f"{said} (greatest distance of the cumulative curves {significant(fit['ks'], 2)}{_chance(fit.get('p'))})."


def _chance(p: float | None) -> str:
    if p is None:
        return ""
    return ", p < 0.001" if p < 0.001 else f", p = {significant(p, 2)}"


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
