"""The content of the histogram on a page: bars, axes and texts, for the choices of the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, isfinite, log10
from typing import Any

import numpy as np

from ..core.measure.histograms import Bars, Choice, Population, bars_of, json_numbers
from ..core.measure.quantities import Quantity, Unit, nanometre_in, significant
from ..core.measure.results import Fit
from ..core.measure.shape.descriptors import DESCRIPTORS
from ..core.measure.sizes import bins
from ..core.measure.sizes.fitting import density, log_normal, why_no_curve
from ..core.report.entries import known_column
from ..core.report.wording import per_cent
from ..core.tasks.base import Task

UNITS: dict[str, Unit] = {"nm": "nm", "um": "µm"}  # value of the page's field for the unit -> unit
NOT_A_NUMBER = "Type a number above 0, or leave the field empty."
NO_RANGE = "Type two numbers, the smaller one first, or leave a field empty."
TOO_MANY = f"That would be more than {bins.MOST_TYPED_BINS} bars; choose wider ones."
TOO_WIDE = "Such bars would not fit on any axis; choose narrower ones."
REFUSALS = {"": "", "many": TOO_MANY, "wide": TOO_WIDE}
LEAST_SHARE = 0.0005  # the smallest share that a per cent with one decimal shows: 0.1 %
DIGITS = 6  # significant digits of a typed number after a change of its unit, and of the points of a curve
FIT_POINTS = 121  # points of the curve of the fit
MARGIN = 0.02  # of the range of the bars: the empty axis beyond them
MOST_EMPTY = 0.35  # share of a linear axis that may stay empty so that it begins at 0
LEAST_SIZE = 1e-4  # share of the largest size: used instead of 0, where the fit has no value


@dataclass(frozen=True)
class _Axis:
    """The axis of sizes. unit: the unit that is shown. factor: by which sizes in the unit of the population are
    multiplied."""

    quantity: Quantity
    unit: str
    factor: float

    @classmethod
    def of(cls, name: str, length: Unit, unit_name: str | None) -> _Axis:
        """The axis of the measure `name`. length: the unit of lengths of the population. unit_name: a key of UNITS."""
        quantity, axis_unit = known_column(name), "px" if length == "px" else UNITS.get(unit_name or "", "nm")
        return cls(quantity, quantity.unit(axis_unit), nanometre_in(axis_unit) ** quantity.power)

    def range_words(self, low: str, high: str) -> str:
        """A range in words. low, high: its ends as texts, "" for an open end."""
        words = f"{low} to {high}" if low and high else f"from {low}" if low else f"below {high}" if high else "all"
        return f"{words} {self.unit}".rstrip()


def histogram_content(population: Population, chosen: Mapping[str, str], task: Task) -> dict[str, Any]:
    """The content of a histogram, as plain JSON types.

    chosen: the reader's choices. "measure" and "weighting" by name; "log" (logarithmic axis) and "all" (also objects
    that are left out) if not empty; "unit": "nm" or "um". "bins": the width of a bar, or on a logarithmic axis the
    bars per decade, "" for automatic bins, typed in "bins_unit". A range of sizes is "from" and "to" as typed, "" for
    no limit, or "low" and "high", two of "bounds". Unknown values are ignored.

    The entries of the result:

    measures, weightings: the names that can be chosen. pixels: whether lengths are in px. unit: of the axis. x, y,
        title: titles of both axes and of the chart. n: number of objects.
    edges: (k + 1,) of the bars in `unit`; empty without an object, and then the entries from axis to limit are missing.
        axis: both ends of the axis. bounds: the edges in the unit of the stored objects. ends: the edges as texts.
        words: (k,) the text of each bar.
    heights, aside, doubtful, shares, cumulative: (k,), as in `Bars`. counts: (k,) its `expected_counts`.
    fit: the heights of bars by the log-normal fit, at FIT_POINTS sizes from one end of the axis to the other, in equal
        steps (on a logarithmic axis in equal ratios); or null. unfit: why no fit is drawn, else "". limit: the line at
        100 nm, or null.
    problem: what is wrong with the fields that `wrong` names, else "". bins: the text of the field of bars.
    range: null without a chosen range; otherwise its ends low and high in the unit of the stored objects (null for an
        open end), their texts from and to, `ends` of its visible part, its count and share, its name and words.
    """
    measure = _one_of(list(population.columns), chosen.get("measure"))
    weighting = _one_of(population.weightings, chosen.get("weighting"))
    axis, log = _Axis.of(measure, population.unit, chosen.get("unit")), bool(chosen.get("log"))
    width, field_text, problem = _typed_width(chosen, axis, log)
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
        "bins": field_text,
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
        "heights": json_numbers(bars.heights),
        "aside": json_numbers(bars.left_out),
        "doubtful": json_numbers(bars.doubtful),
        "counts": json_numbers(bars.expected_counts),
        "shares": bars.shares.tolist(),
        "cumulative": bars.cumulative.tolist(),
        **_fit(bars, axis, choice),
        "limit": _limit(axis, population.unit),
        "problem": problem or no_range,
        "wrong": ["bins"] if problem else ["from", "to"] if no_range else [],
        "range": span,
    }


def _one_of(allowed: Sequence[str], requested: str | None) -> str:
    """The requested name if it is allowed, else the first allowed one."""
    return requested if requested in allowed else allowed[0]


def _number(text: str) -> float:
    """A typed number, whose decimal sign may be a comma; NaN if the text is not a number."""
    try:
        return float(re.sub(r"\s", "", text).replace(",", "."))
    except ValueError:
        return float("nan")


def _divided(number: float, factor: float) -> float:
    """A typed number in the unit of the population, without rounding errors: 0.07 µm is exactly 70 nm."""
    return float(f"{number / factor:.12g}")


def _typed_width(chosen: Mapping[str, str], axis: _Axis, log: bool) -> tuple[float | None, str, str]:
    """Three values: the width of a bar in the unit of the population (or the number of bars per decade), None for
    automatic bins; the text for its field, in the unit of the axis; and what is wrong with the typed text, else ""."""
    text = chosen.get("bins", "").strip()
    if not text:
        return None, "", ""
    number, typed_in = _number(text), chosen.get("bins_unit", chosen.get("unit", ""))
    if not 0 < number < inf:
        return None, text, NOT_A_NUMBER
    if log or axis.unit.startswith("px"):
        return number, text, ""
    factor = nanometre_in(UNITS.get(typed_in, "nm")) ** axis.quantity.power
    width = _divided(number, factor)
    return width, text if factor == axis.factor else f"{width * axis.factor:.{DIGITS}g}", ""


def _words(bars: Bars, axis: _Axis, weighting: str, task: Task) -> dict[str, list[str]]:
    """The texts of the edges, "ends" (k + 1,), and of the bars, "words" (k,)."""
    edges = (axis.factor * bars.edges).tolist()
    places = [_decimals(high - low) for low, high in pairwise(edges)]
    words = []
    for i, decimals in enumerate(places):
        name = axis.range_words(_fixed(edges[i], decimals), _fixed(edges[i + 1], decimals))
        count, share = _count(float(bars.expected_counts[i]), task), _share(float(bars.shares[i]))
        parts = [f"{name}: {count}, {share} by {weighting}", f"{_share(float(bars.cumulative[i]))} up to here"]
        words.append("; ".join([*parts, *(["pale: perhaps several"] if bars.doubtful[i] else [])]))
    ends = [_fixed(edge, decimals) for edge, decimals in zip(edges, [*places, places[-1]], strict=True)]
    return {"ends": ends, "words": words}


def _decimals(width: float) -> int:
    """How many decimals are needed to tell two edges apart that are `width` from each other."""
    return min(8, max(0, ceil(round(-log10(width), 6)) + 1)) if width > 0 else 8


def _fixed(value: float, decimals: int) -> str:
    """A number with so many decimals; from 10,000 on with commas between thousands, as `significant` writes it."""
    text = f"{value:,.{decimals}f}"
    return text if abs(value) >= 10_000 else text.replace(",", "")


def _count(expected: float, task: Task) -> str:
    """A number of objects in words; an expected number, which need not be whole, has one decimal."""
    whole = round(expected)
    if abs(expected - whole) < 1e-9:
        return task.count(whole)
    return f"about {_fixed(expected, 1) if expected >= 0.1 else significant(expected, 1)} {task.things}"


def _share(share: float) -> str:
    """A share in whole per cent, with one decimal near 0 and 100 %. Only exactly 0 and 1 become 0 % and 100 %."""
    share = round(share, 9)  # without the rounding errors of a sum
    if 0 < share < LEAST_SHARE or LEAST_SHARE > 1 - share > 0:
        return "under 0.1 %" if share < LEAST_SHARE else "over 99.9 %"
    return per_cent(share, 2 if share in (0, 1) or 0.01 <= share <= 0.99 else 3)


def _fit(bars: Bars, axis: _Axis, choice: Choice) -> dict[str, Any]:
    """The entries fit and unfit: the curve of the log-normal fit of the sizes in the bars, or why it is not drawn."""
    fit = log_normal(bars.size, bars.contribution)
    # Sizes that are log-normal by number are so by area and volume, too. There a few large particles have most of the
    # weight, so a bad fit may not show: the fit by number is tested as well.
    poor = why_no_curve(log_normal(bars.size, bars.weight)) or why_no_curve(fit)
    is_no_size = choice.measure in (*DESCRIPTORS, "edge_weight")
    curve = _curve(bars, axis, choice.log, fit) if fit and not poor and not is_no_size else None
    # With objects that are left out these are two populations, of which no fit is expected.
    reason = "" if is_no_size or choice.left_out else poor
    return {"fit": curve, "unfit": reason}


def _ends(bars: Bars, axis: _Axis, log: bool) -> list[float]:
    """Both ends of the axis of sizes; a linear axis begins at 0 if little of it stays empty then."""
    low, high = (axis.factor * float(bars.edges[i]) for i in (0, -1))
    if log:
        return [low, high]
    margin = MARGIN * (high - low)
    return [min(0.0, low) if low < MOST_EMPTY * high else low - margin, high + margin]


def _curve(bars: Bars, axis: _Axis, log: bool, fit: Fit) -> list[float]:
    """(FIT_POINTS,) the heights that bars would have by the fit."""
    low, high = (end / axis.factor for end in _ends(bars, axis, log))
    size = np.geomspace(low, high, FIT_POINTS) if log else np.linspace(low, high, FIT_POINTS)
    positive = np.maximum(size, LEAST_SIZE * high)  # the density of a log-normal law needs sizes above 0
    width = positive * np.log(bars.edges[1] / bars.edges[0]) if log else bars.edges[1] - bars.edges[0]
    heights = float(bars.contribution.sum()) * width * density(positive, fit)
    return [float(f"{height:.{DIGITS}g}") for height in heights.tolist()]


def _limit(axis: _Axis, length: Unit) -> dict[str, Any] | None:
    """The line at the limit of nanomaterials, 100 nm, on an axis of lengths in nm; else None."""
    if length == "px" or axis.quantity.power != 1:
        return None
    return {"at": axis.factor * bins.NANO_NM, "name": f"{bins.NANO_NM:g} nm"}


def _range(
    bars: Bars, axis: _Axis, chosen: Mapping[str, str], weighting: str, task: Task
) -> tuple[dict[str, Any] | None, str]:
    """The entry range, None without a chosen one; and what is wrong with its typed ends, else ""."""
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
    name = axis.range_words(*texts)
    content = {
        "ends": [axis.factor * min(max(end, float(bars.edges[0])), float(bars.edges[-1])) for end in (low, high)],
        "low": low if isfinite(low) else None,
        "high": high if isfinite(high) else None,
        "from": texts[0],
        "to": texts[1],
        "count": json_numbers([count])[0],
        "share": share,
        "name": name,
        "words": f"{name}: {_count(count, task)}, {_share(share)} by {weighting}",
    }
    return content, ""


def _end(size: float, bars: Bars, axis: _Axis) -> str:
    """The text of an end of a range in the unit of the axis: that of an edge of the bars if it is one."""
    edge_numbers = (bars.edges == size).nonzero()[0]
    if not len(edge_numbers):
        return f"{axis.factor * size:.{DIGITS}g}"
    bar = min(int(edge_numbers[0]), len(bars.edges) - 2)
    return _fixed(axis.factor * size, _decimals(axis.factor * float(bars.edges[bar + 1] - bars.edges[bar])))
