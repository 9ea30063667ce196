"""The statistics as rows for tables: the same names and order in every file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..flags import shorts
from ..measure.distribution import FIGURES
from ..measure.quantities import COLUMNS, DOUBTFUL_FRACTIONS, NUMBERS, number
from ..measure.statistics import Statistics
from ..sample import SampleAnalysis
from .wording import counted_from

WEIGHTINGS = {"number": "by number", "area": "by area", "volume": "by volume"}


class Row(NamedTuple):
    """One number and its 95 % interval, None where undefined; unit "" where it has none."""

    group: str
    name: str
    value: float | int | str | None
    unit: str
    low: float | None
    high: float | None


def rows(sample: SampleAnalysis) -> list[Row]:
    """Every number of the statistics, in the order of reading."""
    found, things = sample.pooled, sample.task.things
    warnings = [Row("warning", each, None, "", None, None) for each in shorts(sample.flags)]
    own = [
        Row("quantities", number(name).title, each.value, each.unit, each.low, each.high)
        for name, each in sample.quantities.items()
        if not sample.task.screened
    ]
    if found is None:
        return warnings + own
    counts = [] if own else _counts(found, things)
    return [*warnings, *own, *counts, *_sizes(found), *_others(found, things), *_shapes(found)]


def pair(interval: Any) -> tuple[float | None, float | None]:
    """The ends of an interval, both None where there is none."""
    return (None, None) if interval is None else (interval[0], interval[1])


def _counts(found: Statistics, things: str) -> Iterator[Row]:
    yield Row(things, "kept", found.n_kept, "", None, None)
    yield Row(things, "set aside", found.n_set_aside, "", None, None)
    for reason, count in found.set_aside.items():
        yield Row("set aside", reason, count, "", None, None)


def _sizes(found: Statistics) -> Iterator[Row]:
    for weighting, words in WEIGHTINGS.items():
        figures = found.weighted[weighting]
        for name in FIGURES:
            quantity, ends = NUMBERS[name], pair(figures["intervals"][name])
            group = f"{COLUMNS[found.size].label} {words}"
            yield Row(group, quantity.label, figures[name], quantity.unit(found.unit), *ends)


def _others(found: Statistics, things: str) -> Iterator[Row]:
    ecd = pair(found.intervals["ecd_median"])
    if found.size != "ecd":
        yield Row("other sizes", "median equivalent circular diameter", found.ecd_median, found.unit, *ecd)
    nano = (found.fraction_100nm, "", found.fraction_low, found.fraction_high)
    counted = f", of {things}{counted_from(found.nano)}" if found.nano else ""
    if found.screened:
        yield Row("other sizes", f"fraction by number from 1 to 100 nm{counted}", *nano)
    for name in DOUBTFUL_FRACTIONS if found.screened else ():
        yield Row("other sizes", NUMBERS[name].label, getattr(found, name), "", *pair(found.intervals.get(name)))
    if found.recommendation is not None:
        vssa = found.recommendation["vssa"]
        yield Row("other sizes", "volume-specific surface area", vssa, "m²/cm³", None, None)
    if found.fit is not None:
        fit = found.fit
        yield Row("log-normal fit", "median", fit["median"], found.unit, None, None)
        yield Row("log-normal fit", "geometric standard deviation", fit["gsd"], "", None, None)
        yield Row("log-normal fit", "greatest distance of the cumulative curves", fit["ks"], "", None, None)
        yield Row("log-normal fit", "p", fit["p"] if fit["p"] >= 0.001 else "< 0.001", "", None, None)
        yield Row("log-normal fit", "fit", fit["word"], "", None, None)
    names = {
        "groups": f"groups of touching {things}",
        "singles": f"{things} that touch no other",
        "primaries_in_groups": f"{things} in groups",
        "largest": f"{things} in the largest group",
    }
    for name, count in (found.agglomerates or {}).items():
        yield Row("agglomerates", names[name], count, "", None, None)


def _shapes(found: Statistics) -> Iterator[Row]:
    for name, values in found.shape.items():
        for of, value in values.items():
            yield Row("shape", f"{COLUMNS[name].label}, {NUMBERS[of].label}", value, "", None, None)
