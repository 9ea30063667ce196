"""The bars of the page's histogram, for the choices of its reader, with all words that stand in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, isfinite, log10
from typing import Any

import numpy as np

from ..core.measure import bins
from ..core.measure.descriptors import DESCRIPTORS
from ..core.measure.fitting import density, log_normal, unfit
from ..core.measure.histograms import Bars, Choice, Population, bars_of, numbers
from ..core.measure.quantities import Quantity, Unit, nanometre_in, significant
from ..core.measure.results import Fit
from ..core.report.entries import known_column
from ..core.report.wording import per_cent
from ..core.tasks.base import Task

UNITS: dict[str, Unit] = {"nm": "nm", "um": "µm"}  # by the names of the control
NOT_A_NUMBER = "Type a number above 0, or leave the field empty."
NO_RANGE = "Type two numbers, the smaller one first, or leave a field empty."
TOO_MANY = f"That would be more than {bins.MOST_TYPED_BINS} bars; choose wider ones."
TOO_WIDE = "Such bars would not fit on any axis; choose narrower ones."
REFUSALS = {"": "", "many": TOO_MANY, "wide": TOO_WIDE}
LEAST_SHARE = 0.0005  # that one decimal of a per cent still shows
DIGITS = 6  # of what was typed, in another unit, and of a curve
FIT_POINTS = 121
ROOM = 0.02  # of the axis beyond the bars
WASTED = 0.35  # of an axis that may be empty so that it begins at 0
LEAST_SIZE = 1e-4  # of the greatest, for a curve that begins at 0


@dataclass(frozen=True)
class _Axis:
    """The axis of sizes as it is shown. factor: what a size in the unit of the population is multiplied by."""

    quantity: Quantity
    unit: str
    factor: float

    @classmethod
    def of(cls, name: str, length: Unit, chosen: str | None) -> _Axis:
        """The axis of a measure whose lengths are in `length`, in the unit of this name."""
        quantity, shown = known_column(name), "px" if length == "px" else UNITS.get(chosen or "", "nm")
        return cls(quantity, quantity.unit(shown), nanometre_in(shown) ** quantity.power)

    def named(self, low: str, high: str) -> str:
        """A range in words, its ends as texts, "" where it has none."""
        words = f"{low} to {high}" if low and high else f"from {low}" if low else f"below {high}" if high else "all"
        return f"{words} {self.unit}".rstrip()


def answer(population: Population, chosen: Mapping[str, str], task: Task) -> dict[str, Any]:
    """The histogram that was chosen, as plain JSON types.

    chosen: "measure" and "weighting" by name; "log" and "all" (include objects set aside) if not empty; "unit": "nm" or
    "um". "bins": the width of a bar, or on a logarithmic axis the bars per decade, "" for automatic bins, typed in
    "bins_unit". A range of sizes is "from" and "to" as typed, "" for no limit, or "low" and "high", two of "bounds".
    Unknown values are ignored.

    measures, weightings: those that can be chosen. pixels: whether lengths are in px. unit: of what is shown. x, y,
        title: of both axes and of all, in words. n: objects.
    edges: (k + 1,) in `unit`, empty without an object; then all that follows is missing. axis: the ends of what is
        drawn. bounds: the same in the unit
        of the stored objects. ends: their texts. words: (k,) what is said of a bar.
    heights, aside, doubtful, shares, cumulative: (k,), see `Bars`. counts: (k,) its `expected_counts`.
    fit: the bars that the log-normal law alone would give at FIT_POINTS sizes from one end of the axis to the other, in
        even steps (of a logarithmic axis in even ratios), or null. unfit: why it is not drawn, else "". limit: the line
        at 100 nm or null.
    problem: what is wrong with the fields named by `wrong`, else "". bins: what stands in the field.
    range: null, or its ends low and high in the unit of the stored objects (null without a limit), their texts from
        and to, the `ends` of what is seen of it, its count and share, its name and words.
    """
    measure = _one_of(list(population.columns), chosen.get("measure"))
    weighting = _one_of(population.weightings, chosen.get("weighting"))
    axis, log = _Axis.of(measure, population.unit, chosen.get("unit")), bool(chosen.get("log"))
    width, typed, problem = _typed_width(chosen, axis, log)
    choice = Choice(measure, weighting, log, width, bool(chosen.get("all")))
    bars = bars_of(population, choice)
    things = f"{task.things}, edge-weighted" if population.edge_weight is not None else task.things
    content = {
        "measures": list(population.columns),
        "weightings": list(population.weightings),
        "pixels": population.unit == "px",
        "unit": axis.unit,
        "x": f"{axis.quantity.title}, {axis.unit}" if axis.unit else axis.quantity.title,
        "y": f"Number of {things}" if weighting == "number" else f"Share by {weighting}, %",
        "bins": typed,
    }
    if bars is None:
        return {**content, "n": 0, "edges": [], "problem": "", "wrong": [], "range": None}
    span, no_range = _range(bars, axis, chosen, weighting, task)
    problem = problem or REFUSALS[bars.refusal]
    return {
        **content,
        "n": bars.expected_total,
        "title": f"Histogram: {axis.quantity.label} of {task.count(bars.expected_total)}, by {weighting}.",
        "axis": _ends(bars, axis, log),
        "edges": (axis.factor * bars.edges).tolist(),
        "bounds": bars.edges.tolist(),
        **_words(bars, axis, weighting, task),
        "heights": numbers(bars.heights),
        "aside": numbers(bars.left_out),
        "doubtful": numbers(bars.doubtful),
        "counts": numbers(bars.expected_counts),
        "shares": bars.shares.tolist(),
        "cumulative": bars.cumulative.tolist(),
        **_law(bars, axis, choice),
        "limit": _limit(axis, population.unit),
        "problem": problem or no_range,
        "wrong": ["bins"] if problem else ["from", "to"] if no_range else [],
        "range": span,
    }


def _one_of(allowed: Sequence[str], requested: str | None) -> str:
    return requested if requested in allowed else allowed[0]


def _number(text: str) -> float:
    """A typed number, whose decimal sign may be a comma; NaN where it is none."""
    try:
        return float(re.sub(r"\s", "", text).replace(",", "."))
    except ValueError:
        return float("nan")


def _divided(number: float, factor: float) -> float:
    """A typed number in the unit of the population, without the digits of rounding: 0.07 µm are 70 nm."""
    return float(f"{number / factor:.12g}")


def _typed_width(chosen: Mapping[str, str], axis: _Axis, log: bool) -> tuple[float | None, str, str]:
    """The width of a bar in the unit of the population (bars per decade have none), None for automatic bins; what
    stands in its field, in the unit that is shown; and what is wrong with it. It stays as long as it was typed."""
    text = chosen.get("bins", "").strip()
    if not text:
        return None, "", ""
    number, typed_in = _number(text), chosen.get("bins_unit", chosen.get("unit", ""))
    if not 0 < number < inf:
        return None, text, NOT_A_NUMBER
    if log or axis.unit.startswith("px"):
        return number, text, ""
    factor = nanometre_in(UNITS.get(typed_in, "nm")) ** axis.quantity.power
    stored = _divided(number, factor)
    return stored, text if factor == axis.factor else f"{stored * axis.factor:.{DIGITS}g}", ""


def _words(bars: Bars, axis: _Axis, weighting: str, task: Task) -> dict[str, list[str]]:
    """The texts of the edges, (k + 1,), and what is said of each bar, (k,)."""
    edges = (axis.factor * bars.edges).tolist()
    places = [_decimals(high - low) for low, high in pairwise(edges)]
    words = []
    for at, decimals in enumerate(places):
        name = axis.named(_fixed(edges[at], decimals), _fixed(edges[at + 1], decimals))
        many, share = _count(float(bars.expected_counts[at]), task), _share(float(bars.shares[at]))
        parts = [f"{name}: {many}, {share} by {weighting}", f"{_share(float(bars.cumulative[at]))} up to here"]
        words.append("; ".join([*parts, *(["pale: perhaps several"] if bars.doubtful[at] else [])]))
    ends = [_fixed(edge, decimals) for edge, decimals in zip(edges, [*places, places[-1]], strict=True)]
    return {"ends": ends, "words": words}


def _decimals(width: float) -> int:
    """Decimals that tell two edges apart which are `width` from each other, but for rounding."""
    return min(8, max(0, ceil(round(-log10(width), 6)) + 1)) if width > 0 else 8


def _fixed(value: float, decimals: int) -> str:
    """A number with so many decimals; from 10,000 on the thousands are parted by commas, as `significant` does."""
    text = f"{value:,.{decimals}f}"
    return text if abs(value) >= 10_000 else text.replace(",", "")


def _count(expected: float, task: Task) -> str:
    """So many objects in words; of an expected distribution to one decimal."""
    whole = round(expected)
    if abs(expected - whole) < 1e-9:
        return task.count(whole)
    return f"about {_fixed(expected, 1) if expected >= 0.1 else significant(expected, 1)} {task.things}"


def _share(share: float) -> str:
    """A share in whole per cent, near both ends with one decimal; what is not all or nothing does not read so."""
    share = round(share, 9)  # sums of fractions
    if 0 < share < LEAST_SHARE or LEAST_SHARE > 1 - share > 0:
        return "under 0.1 %" if share < LEAST_SHARE else "over 99.9 %"
    return per_cent(share, 2 if share in (0, 1) or 0.01 <= share <= 0.99 else 3)


def _law(bars: Bars, axis: _Axis, choice: Choice) -> dict[str, Any]:
    """The log-normal law of the sizes in the bars, where it is drawn, and else why it is not."""
    fit = log_normal(bars.size, bars.contribution)
    # The law by number is one by area and volume, too, where the few largest sizes hide that they do not follow it.
    poor = unfit(log_normal(bars.size, bars.weight)) or unfit(fit)
    of_shape = choice.measure in (*DESCRIPTORS, "edge_weight")
    law = _curve(bars, axis, choice.log, fit) if fit and not poor and not of_shape else None
    # What was left out is another population: why it follows no law is not asked.
    why = "" if of_shape or choice.left_out else poor
    return {"fit": law, "unfit": why}


def _ends(bars: Bars, axis: _Axis, log: bool) -> list[float]:
    """The ends of the axis of sizes; one that is not logarithmic begins at 0 where that wastes little."""
    low, high = (axis.factor * float(bars.edges[at]) for at in (0, -1))
    if log:
        return [low, high]
    room = ROOM * (high - low)
    return [min(0.0, low) if low < WASTED * high else low - room, high + room]


def _curve(bars: Bars, axis: _Axis, log: bool, fit: Fit) -> list[float]:
    low, high = (end / axis.factor for end in _ends(bars, axis, log))
    size = np.geomspace(low, high, FIT_POINTS) if log else np.linspace(low, high, FIT_POINTS)
    positive = np.maximum(size, LEAST_SIZE * high)  # where the density is 0
    width = positive * np.log(bars.edges[1] / bars.edges[0]) if log else bars.edges[1] - bars.edges[0]
    heights = float(bars.contribution.sum()) * width * density(positive, fit)
    return [float(f"{height:.{DIGITS}g}") for height in heights.tolist()]


def _limit(axis: _Axis, length: Unit) -> dict[str, Any] | None:
    """The line of nanomaterials on an axis of lengths."""
    if length == "px" or axis.quantity.power != 1:
        return None
    return {"at": axis.factor * bins.NANO_NM, "name": f"{bins.NANO_NM:g} nm"}


def _range(
    bars: Bars, axis: _Axis, chosen: Mapping[str, str], weighting: str, task: Task
) -> tuple[dict[str, Any] | None, str]:
    """What the chosen range holds, None without one, and what is wrong with what was typed."""
    if "low" in chosen and "high" in chosen:
        low, high = _number(chosen["low"]), _number(chosen["high"])
        texts = [_end(end, bars, axis) for end in (low, high)]
    else:
        texts = [chosen.get(name, "").strip() for name in ("from", "to")]
        if not any(texts):
            return None, ""
        low, high = (
            _divided(_number(text), axis.factor) if text else limit
            for text, limit in zip(texts, (-inf, inf), strict=True)
        )
    if not low < high:
        return None, NO_RANGE
    count, share = bars.within(low, high)
    name = axis.named(*texts)
    content = {
        "ends": [axis.factor * min(max(end, float(bars.edges[0])), float(bars.edges[-1])) for end in (low, high)],
        "low": low if isfinite(low) else None,
        "high": high if isfinite(high) else None,
        "from": texts[0],
        "to": texts[1],
        "count": numbers([count])[0],
        "share": share,
        "name": name,
        "words": f"{name}: {_count(count, task)}, {_share(share)} by {weighting}",
    }
    return content, ""


def _end(size: float, bars: Bars, axis: _Axis) -> str:
    """The text of an end of a range, in the unit that is shown."""
    at = (bars.edges == size).nonzero()[0]
    if not len(at):
        return f"{axis.factor * size:.{DIGITS}g}"
    bar = min(int(at[0]), len(bars.edges) - 2)
    return _fixed(axis.factor * size, _decimals(axis.factor * float(bars.edges[bar + 1] - bars.edges[bar])))
