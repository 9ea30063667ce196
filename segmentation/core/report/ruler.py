"""A number with its interval beside limits, on one axis: places in per cent, which page and PDF draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from ..measure.quantities import LONG_NM, Value, in_micrometres, number
from ..quality.conformity import Decision, limit_words, number_words
from ..quality.reference import ReferenceMaterial

ROOM = 0.25  # of what is shown, on each side


@dataclass(frozen=True)
class Mark:
    """A place on the axis, and what stands there. side: "start", "middle" or "end" of its text, which is there."""

    at: float
    text: str
    side: str


@dataclass(frozen=True)
class Ruler:
    """at: of the number. interval: of its ends, () without one. inside: from limit to limit. accepted: the part of it
    where a number passes by the rule, () for none. limits: the ends of `inside` that are limits. words: all of it, for
    those who cannot see it."""

    at: float
    interval: tuple[float, ...]
    inside: tuple[float, float]
    accepted: tuple[float, ...]
    limits: tuple[Mark, ...]
    words: str

    @classmethod
    def of_decision(cls, decision: Decision, value: Value) -> Ruler | None:
        """A requirement; None where the result has no such number."""
        limit = decision.limit
        words = f"{limit_words(limit)}; {decision.verdict}"
        return cls._of(limit.quantity, value, (limit.lower, limit.upper), decision.accepted, words)

    @classmethod
    def of_reference(cls, material: ReferenceMaterial, value: Value) -> Ruler | None:
        """A certified value with its expanded uncertainty; None where the result has no such number."""
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
        shown, quantity = value.reported, number(name)
        ends = [end for end in (shown.low, shown.high) if end is not None]
        points = [value.value, *ends, *(end for end in limits if end is not None)]
        low, high = _axis(points, greatest=1.0 if quantity.kind == "fraction" else None)

        def place(at: float) -> float:
            return round(min(max(100 * (at - low) / (high - low), 0.0), 100.0), 2)

        factor, unit = _unit(points, value.unit, quantity.kind == "fraction")
        sides = ("middle", "middle") if None in limits else ("end", "start")  # the texts of two limits do not meet
        marks = [
            Mark(place(end), f"{factor * end:.10g}{unit}", side)
            for end, side in zip(limits, sides, strict=True)
            if end is not None
        ]
        inside = [place(end if end is not None else edge) for end, edge in zip(limits, (low, high), strict=True)]
        passing = () if accepted is None else tuple(place(end) for end in accepted)
        return cls(
            place(value.value),
            tuple(place(end) for end in ends),
            (inside[0], inside[1]),
            passing,
            tuple(marks),
            f"{quantity.label} {number_words(name, value)}; {words}",
        )


def _axis(points: Sequence[float], greatest: float | None) -> tuple[float, float]:
    """The ends of an axis with room around all finite points. greatest: beyond which there is nothing."""
    finite = [point for point in points if isfinite(point)]
    low, high = min(finite), max(finite)
    room = ROOM * (high - low) or ROOM * abs(high) or 1.0
    low, high = (max(0.0, low - room) if low >= 0 else low - room), high + room
    return low, min(high, greatest) if greatest is not None and low < greatest else high


def _unit(points: Sequence[float], unit: str, is_fraction: bool) -> tuple[float, str]:
    """What a number is multiplied by, and the unit that is written behind it."""
    if is_fraction:
        return 100.0, " %"
    longest = Value(max(map(abs, points)), unit=unit)
    shown = in_micrometres(longest) if unit == "nm" and longest.value and longest.value >= LONG_NM else longest
    factor = shown.value / longest.value if shown.value and longest.value else 1.0
    return factor, f" {shown.unit}".rstrip()
