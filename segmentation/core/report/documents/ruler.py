"""`Ruler`: a picture of a number with its interval and its limits on one axis. This module computes
the positions; page and PDF draw them.

All positions are in per cent of the width of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from ...measure.quantities import LONG_NM, Value, number, value_in_micrometres
from ...quality.conformity import Decision, limit_words, number_words
from ...quality.reference import ReferenceMaterial

AXIS_MARGIN = 0.25  # space at each end of the axis, as a share of the range of all points


@dataclass(frozen=True)
class LimitMark:
    """A position on the axis with its text.

    side: which part of the text is at the position, "start", "middle" or "end" (values of SVG's
    text-anchor).
    """

    position: float
    text: str
    side: str


@dataclass(frozen=True)
class Ruler:
    """A number with its interval and its limits, as positions on an axis.

    position: of the number.
    interval: positions of the ends of its interval, () without one.
    inside: from one limit to the other; an open side reaches to the end of the axis.
    accepted: the part of `inside` where a number passes by the decision rule, () for none.
    limits: the marks of the limits.
    words: the picture in words, for people who cannot see.
    """

    position: float
    interval: tuple[float, ...]
    inside: tuple[float, float]
    accepted: tuple[float, ...]
    limits: tuple[LimitMark, ...]
    words: str

    @classmethod
    def of_decision(cls, decision: Decision, value: Value) -> Ruler | None:
        """The picture of a requirement; None if the result does not have the number."""
        limit = decision.limit
        words = f"{limit_words(limit)}; {decision.verdict}"
        return cls._of(limit.quantity, value, (limit.lower, limit.upper), decision.accepted, words)

    @classmethod
    def of_reference(cls, material: ReferenceMaterial, value: Value) -> Ruler | None:
        """The picture of a certified value and its expanded uncertainty; None if the result does
        not have the number."""
        ends = (material.value - material.expanded, material.value + material.expanded)
        words = f"certified value with its expanded uncertainty, of {material.name}"
        return cls._of(material.quantity, value, ends, ends, words)

    @classmethod
    def _of(
        cls,
        name: str,
        value: Value,
        limits: tuple[float | None, float | None],
        accepted: tuple[float, float] | None,
        words: str,
    ) -> Ruler | None:
        if value.value is None:
            return None
        reported, quantity = value.reported, number(name)
        ends = [end for end in (reported.low, reported.high) if end is not None]
        points = [value.value, *ends, *(end for end in limits if end is not None)]
        low, high = _axis(points, greatest=1.0 if quantity.kind == "fraction" else None)

        def position(point: float) -> float:
            return round(min(max(100 * (point - low) / (high - low), 0.0), 100.0), 2)

        factor, unit = _unit(points, value.unit, quantity.kind == "fraction")
        sides = ("middle", "middle") if None in limits else ("end", "start")  # the texts of two limits do not meet
        marks = [
            LimitMark(position(end), f"{factor * end:.10g}{unit}", side)
            for end, side in zip(limits, sides, strict=True)
            if end is not None
        ]
        inside = [position(end if end is not None else edge) for end, edge in zip(limits, (low, high), strict=True)]
        passing = () if accepted is None else tuple(position(end) for end in accepted)
        return cls(
            position(value.value),
            tuple(position(end) for end in ends),
            (inside[0], inside[1]),
            passing,
            tuple(marks),
            f"{quantity.label} {number_words(name, value)}; {words}",
        )


def _axis(points: Sequence[float], greatest: float | None) -> tuple[float, float]:
    """The ends of an axis with a margin around all finite points. greatest: upper limit of the
    axis, or None."""
    finite = [point for point in points if isfinite(point)]
    low, high = min(finite), max(finite)
    margin = AXIS_MARGIN * (high - low) or AXIS_MARGIN * abs(high) or 1.0
    low, high = (max(0.0, low - margin) if low >= 0 else low - margin), high + margin
    return low, min(high, greatest) if greatest is not None and low < greatest else high


def _unit(points: Sequence[float], unit: str, is_fraction: bool) -> tuple[float, str]:
    """The factor from the stored unit to the unit of the texts, and the text of that unit with a
    space before it."""
    if is_fraction:
        return 100.0, " %"
    longest = Value(max(map(abs, points)), unit=unit)
    converted = (
        value_in_micrometres(longest) if unit == "nm" and longest.value and longest.value >= LONG_NM else longest
    )
    factor = converted.value / longest.value if converted.value and longest.value else 1.0
    return factor, f" {converted.unit}".rstrip()
