"""The parts of a validation report, from a study of precision: selectivity, range, trueness, precision, uncertainty and
robustness of the method. The report also states what was not measured.

Each result of a study is a stored dict (Row): name, version of the method, value, low and high (95 % interval) in the
unit of the study, labels (condition -> label), n, d10 and d90 (None for a kind without sizes), corrected and confirmed
(numbers of outlines that people changed and confirmed), reference (the sentence of a comparison with a certificate, or
"") and departures. bias: relative, from a certified value, None without one. waits: what speaks against counting it, ""
if nothing does; agreed_by: who said yes to it then.

The stored outcome of a study is the dict of `study_as_dict`. `worker.analysis.studying` adds the entry "robustness":
"tested", a
list with the dict of each `Robustness`, and "left_out", a half sentence for each image that could not be tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..measure.quantities import number, significant
from .fitness import Requirements, checks_of, conclusion
from .robustness import TITLES, Robustness, change_words, sentences
from .study import Study, nested_study

Row = Mapping[str, Any]
CONDITIONS = {  # name -> title, the outermost condition first
    "instrument": "Instrument",
    "day": "Day",
    "operator": "Operator",
    "preparation": "Preparation",
}


class ReportTable(NamedTuple):
    """A table of the report. head: titles of the columns. rows: the texts; all columns but the first are numbers."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]

    @property
    def cells(self) -> list[list[tuple[str, str]]]:
        """The rows, each text with the title of its column."""
        return [list(zip(self.head, row, strict=True)) for row in self.rows]


class Part(NamedTuple):
    """The part of the report about one characteristic of the method. is_measured: whether the study measured it. lines:
    sentences."""

    title: str
    is_measured: bool
    lines: list[str]
    table: ReportTable | None = None


def unit_of(quantity: str) -> str:
    """The unit in which a study gives a number; "" for a number without a unit."""
    info = number(quantity)
    return "%" if info.kind == "fraction" else info.unit("nm")


def study_of(names: Sequence[str], rows: Sequence[Row]) -> Study:
    """The analysis of variance of the results (`nested_study`). names: the conditions that changed. Raises
    ValueError."""
    labels = {name: [row["labels"][name] for row in rows] for name in names}
    return nested_study([row["value"] for row in rows], labels)


def study_as_dict(study: Study, unit: str) -> dict[str, Any]:
    """The outcome of a study in plain JSON types. unit: of the results."""
    precisions = {name: {**vars(getattr(study, name))} for name in ("repeatability", "intermediate")}
    components = [{**vars(part), "sd": part.sd} for part in study.components]
    outcome = {"n": study.n, "mean": study.mean, "is_balanced": study.is_balanced, "components": components}
    relative = {"relative_intermediate": study.relative_intermediate} if study.mean else {}
    return {**outcome, **precisions, **relative, "sentences": study.sentences(unit)}


def parts_of(
    quantity: str, rows: Sequence[Row], result: Mapping[str, Any], requirements: Mapping[str, Any] | None = None
) -> list[Part]:
    """The parts of the validation report, in order. result: the outcome from `study_as_dict`. requirements: of the
    method's use, as `fitness.Requirements` in plain JSON types."""
    unit, label = unit_of(quantity), number(quantity).label
    required = Requirements.read(requirements or {})
    checks = {check.name: check for check in checks_of(required, result, rows)}
    parts = [
        _selectivity(rows),
        _range(rows, unit, label),
        _trueness(rows),
        Part("Precision", True, [*result["sentences"], *_unchanged(rows)], _components(result["components"], unit)),
        _uncertainty(rows),
        _robustness(quantity, result.get("robustness")),
    ]
    of_part = {"Precision": "intermediate", "Trueness": "bias", "Uncertainty": "uncertainty"}
    parts = [
        part._replace(lines=[*part.lines, check.sentence])
        if (check := checks.get(of_part.get(part.title, ""))) and check.required is not None
        else part
        for part in parts
    ]
    is_decided = any(check.is_met is not None for check in checks.values())
    return [*parts, Part("Fitness for use", is_decided, list(conclusion(required, list(checks.values()))))]


def _unchanged(rows: Sequence[Row]) -> list[str]:
    """A sentence on the conditions that never changed, with their label where it is known; [] if all changed."""
    words = []
    for name in CONDITIONS:
        labels = {row["labels"].get(name, "") for row in rows}
        if len(labels) == 1:
            label = labels.pop()
            words.append(f"{name} ({label or 'not stated'})")
    return [f"Never changed, so nothing is known of their effect: {', '.join(words)}."] if words else []


def _components(components: Sequence[Row], unit: str) -> ReportTable:
    square, deviation = (f" ({words})" if unit else "" for words in (f"{unit}²", unit))
    head = ("Condition", "Groups", "Degrees of freedom", f"Mean square{square}", f"Standard deviation{deviation}")
    lines = [
        (
            row["name"],
            str(row["groups"]),
            str(row["free"]),
            *(significant(row[name], 3) for name in ("mean_square", "sd")),
        )
        for row in components
    ]
    return ReportTable(head, lines)


def _robustness(quantity: str, stored: Row | None) -> Part:
    if not stored or not stored["tested"]:
        left_out = stored["left_out"] if stored else []
        why = f" {sentences(quantity, [], left_out)[0]}" if left_out else ""
        return Part("Robustness", False, [f"Not measured: no image was analysed again in another form.{why}"])
    tested = [Robustness(**entry) for entry in stored["tested"]]
    lines = [
        (
            title,
            *(
                change_words(quantity, image.value, image.moved[form]) if form in image.moved else "–"
                for image in tested
            ),
        )
        for form, title in TITLES.items()
    ]
    table = ReportTable(("Form", *(image.name for image in tested)), lines)
    return Part("Robustness", True, sentences(quantity, tested, stored["left_out"]), table)


def _selectivity(rows: Sequence[Row]) -> Part:
    inspected = [row for row in rows if row["corrected"] or row["confirmed"]]
    if not inspected:
        return Part("Selectivity", False, ["Not measured: nobody corrected or confirmed outlines of these results."])
    changed, confirmed = (sum(row[name] for row in inspected) for name in ("corrected", "confirmed"))
    line = f"In {len(inspected)} of {len(rows)} results people changed {changed:,} outlines and confirmed {confirmed:,}"
    lines = [f"{line}.", *(["The other results were not looked through."] if len(inspected) < len(rows) else [])]
    return Part("Selectivity", True, lines)


def _range(rows: Sequence[Row], unit: str, label: str) -> Part:
    low, high = (significant(end(row["value"] for row in rows), 3) for end in (min, max))
    lines = [f"The {label} of the results lies between {low} and {high} {unit}.".replace(" .", ".")]
    if sizes := [(row["d10"], row["d90"]) for row in rows if row["d10"] is not None]:
        smallest, largest = min(low for low, _ in sizes), max(high for _, high in sizes)
        lines.append(
            f"Their sizes lie between {significant(smallest, 3)} nm (smallest D10) and {significant(largest, 3)} nm"
        )
        lines[-1] += " (largest D90)."
    return Part("Range", True, [*lines, "Outside of this nothing was measured."])


def _trueness(rows: Sequence[Row]) -> Part:
    lines = [f"{row['name']}: {row['reference']}" for row in rows if row["reference"]]
    if not lines:
        return Part("Trueness", False, ["Not measured: no result of the study is one of a reference material."])
    return Part("Trueness", True, lines)


def _uncertainty(rows: Sequence[Row]) -> Part:
    half_widths = [
        max(row["high"] - row["value"], row["value"] - row["low"]) / abs(row["value"])
        for row in rows
        if row["low"] is not None and row["high"] is not None and row["value"]
    ]
    if not half_widths:
        return Part("Uncertainty", False, ["Not stated: no result of the study has an interval."])
    least, greatest = (significant(100 * end(half_widths), 2) for end in (min, max))
    line = (
        f"The 95 % intervals of {len(half_widths)} of {len(rows)} results reach ±{least} to ±{greatest} % of the number"
    )
    further = "What each one includes stands in the uncertainty budget of the result."
    return Part("Uncertainty", True, [f"{line}.", further])
