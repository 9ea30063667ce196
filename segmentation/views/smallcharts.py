"""The small charts of a result as numbers that a template draws: they need no JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from ..core.measure.quantities import LONG_NM
from .words import per_cent, significant

THRESHOLD = 0.5
TITLES = {
    "above": "Above 50 %",
    "below": "Below 50 %",
    "undecided": "Undecided",
}
TICKS = 5


@dataclass(frozen=True)
class Reading:
    """A fraction with its interval: in words, and as places on an axis from 0 to 100 %."""

    name: str
    value: str
    interval: str
    n: int | None
    at: float
    left: float
    right: float

    @classmethod
    def of(cls, found: dict[str, Any], name: str = "") -> Reading | None:
        """None where the fraction is unknown."""
        fraction, low, high = found.get("fraction"), found.get("low"), found.get("high")
        if fraction is None:
            return None
        low, high = fraction if low is None else low, fraction if high is None else high
        return cls(
            name or str(found.get("name", "")),
            f"{per_cent(fraction)} %",
            f"{per_cent(low)}–{per_cent(high)} %",
            found.get("n"),
            _hundred(fraction),
            _hundred(low),
            _hundred(high),
        )


def _hundred(fraction: float) -> float:
    return round(100 * fraction, 2)


@dataclass(frozen=True)
class NanoCard:
    """The number fraction from 1 to 100 nm, the verdict on it, and what it depends on."""

    title: str
    verdict: str
    reading: Reading | None
    sentence: str = ""
    decides: str = ""
    asked: str = ""
    points: tuple[dict[str, str], ...] = ()
    sensitivity: tuple[Reading, ...] = ()

    @classmethod
    def of(cls, statistics: dict[str, Any]) -> NanoCard | None:
        """The card of a result, of its interval alone where the result is an older one; None without particles."""
        stored = statistics.get("nano")
        if stored:
            rows = [Reading.of(each) for each in stored.get("sensitivity") or []]
            title, reason = TITLES.get(stored["verdict"], stored["verdict"]), stored.get("reason")
            return cls(
                f"{title}: {reason}" if reason else title,
                stored["verdict"],
                Reading.of(stored),
                stored.get("sentence", ""),
                stored.get("decides", ""),
                stored.get("asked", ""),
                tuple((statistics.get("recommendation") or {}).get("points", ())),
                tuple(row for row in rows if row),
            )
        fraction, low, high = (statistics.get(f"fraction_{end}") for end in ("100nm", "low", "high"))
        if fraction is None or low is None or high is None:
            return None
        verdict = "above" if low >= THRESHOLD else "below" if high < THRESHOLD else "undecided"
        found = {"fraction": fraction, "low": low, "high": high, "n": statistics["n_kept"]}
        return cls(TITLES[verdict], verdict, Reading.of(found))


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in per cent of its length, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True)
class Point:
    """The median of the first n particles with its interval, as places in per cent and in words."""

    x: float
    y: float
    low: float
    high: float
    words: str


@dataclass(frozen=True)
class Convergence:
    """How the median settles as particles are added. x goes right from 0, y down from the top, both in per cent."""

    points: tuple[Point, ...]
    band_top: float
    band_height: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    sentence: str
    unit: str
    wanted: str

    @classmethod
    def of(cls, statistics: dict[str, Any], things: str) -> Convergence | None:
        """None where the result has no such curve. Lengths are in µm where the last median is 1 µm or more."""
        found = statistics.get("convergence")
        if not found or len(found["n"]) < 2 or None in found["median"]:
            return None
        unit = statistics["unit"]
        if unit == "nm" and found["median"][-1] >= LONG_NM:
            unit = "µm"
            found = found | {name: [each and each / 1000 for each in found[name]] for name in ("median", "low", "high")}
        last, wanted = found["median"][-1], found.get("wanted") or 0.05
        lows = [median if low is None else low for low, median in zip(found["low"], found["median"], strict=True)]
        highs = [median if high is None else high for high, median in zip(found["high"], found["median"], strict=True)]
        bottom, top = _room(min(*lows, last * (1 - wanted)), max(*highs, last * (1 + wanted)))
        most = max(found["n"])

        def down(value: float) -> float:
            return round(100 * (top - value) / (top - bottom), 2)

        points = tuple(
            Point(
                round(100 * n / most, 2),
                down(median),
                down(low),
                down(high),
                f"{n} {things}: median {significant(median)} {unit}, {significant(low)}–{significant(high)} {unit}",
            )
            for n, median, low, high in zip(found["n"], found["median"], lows, highs, strict=True)
        )
        band = down(last * (1 + wanted)), down(last * (1 - wanted))
        return cls(
            points,
            band[0],
            round(band[1] - band[0], 2),
            tuple(Tick(round(100 * n / most, 2), f"{n:g}") for n in _round_steps(0, most)),
            tuple(Tick(down(size), f"{size:g}") for size in _round_steps(bottom, top)),
            more_words(found.get("more"), wanted, statistics["n_kept"], things),
            unit,
            per_cent(wanted),
        )

    @property
    def outline(self) -> str:
        """The interval as a closed path."""
        there = [f"{point.x} {point.low}" for point in self.points]
        back = [f"{point.x} {point.high}" for point in reversed(self.points)]
        return "M" + " L".join([*there, *back]) + " Z"

    @property
    def line(self) -> str:
        """The median as a path."""
        return "M" + " L".join(f"{point.x} {point.y}" for point in self.points)


def more_words(more: int | None, wanted: float, n: int, things: str) -> str:
    """How many more objects would give the median to within `wanted` of it."""
    aim = f"± {per_cent(wanted)} %"
    if more is None:
        return f"There are too few {things} to predict how many give the median within {aim}."
    if more <= 0:
        return f"{n} {things} are enough to know the median within {aim}."
    about = round(more, 2 - len(str(more)))
    return f"About {about:,} more {things} would give the median within {aim}."


def _room(low: float, high: float) -> tuple[float, float]:
    room = 0.06 * (high - low) or abs(high) or 1.0
    return max(0.0, low - room), high + room


def _round_steps(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, about TICKS of them."""
    rough = (high - low) / TICKS
    power = 10.0 ** floor(log10(rough))
    step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough * 0.7)
    return [float(f"{number * step:.12g}") for number in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
