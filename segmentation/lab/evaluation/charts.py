"""Line and step charts as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

Range = tuple[float, float]
Place = Callable[[float, float], tuple[float, float]]
WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 44


@dataclass(frozen=True)
class Line:
    """points: (x, y); those with a None y are left out. bars: (low, high) of each point. dots: marks, no line."""

    name: str
    colour: str
    points: Sequence[tuple[float, float | None]]
    bars: Sequence[tuple[float, float]] = ()
    dots: bool = False
    dashed: bool = False


def chart(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    x_range: Range = (0.0, 1.0),
    y_range: Range = (0.0, 1.0),
    mark: tuple[float, str] | None = None,
) -> str:
    """An SVG chart. mark: an x to point out with a vertical line, and its name."""

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_range[0]) / ((x_range[1] - x_range[0]) or 1)
        up = (y - y_range[0]) / ((y_range[1] - y_range[0]) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{y_label} against {x_label}")}">']
    parts += _axes(at, x_range, y_range, x_label, y_label)
    if mark:
        (x, low), (_, high) = at(mark[0], y_range[0]), at(mark[0], y_range[1])
        parts.append(f'<line class="mark" x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}"/>')
        parts.append(f'<text x="{x + 4:.1f}" y="{low - 6:.1f}">{escape(mark[1])}</text>')
    for line in lines:
        parts += _drawn(line, at)
    return "".join(parts) + "</svg>" + legend([(line.name, line.colour) for line in lines])


def rounded_up(value: float) -> float:
    """The next number whose fifth is a round one: an end of an axis that carries five steps."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if step * power >= value * (1 - 1e-9))


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Names beside squares of their colours, as HTML."""
    items = [f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for name, colour in entries]
    return f'<p class="legend">{"".join(items)}</p>'


def _axes(at: Place, x_range: Range, y_range: Range, x_label: str, y_label: str) -> list[str]:
    parts = []
    for step in range(6):
        x = x_range[0] + step / 5 * (x_range[1] - x_range[0])
        y = y_range[0] + step / 5 * (y_range[1] - y_range[0])
        (column, bottom), (left, row) = at(x, y_range[0]), at(x_range[0], y)
        parts.append(f'<text class="tick" x="{column:.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{x:.3g}</text>')
        parts.append(f'<text class="tick" x="{left - 6:.1f}" y="{row + 4:.1f}" text-anchor="end">{y:.3g}</text>')
        parts.append(f'<line class="grid" x1="{left:.1f}" y1="{row:.1f}" x2="{WIDTH - RIGHT}" y2="{row:.1f}"/>')
        parts.append(f'<line class="grid" x1="{column:.1f}" y1="{TOP}" x2="{column:.1f}" y2="{bottom:.1f}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    upright = f'transform="translate(14 {(HEIGHT - BOTTOM + TOP) / 2}) rotate(-90)"'
    parts.append(f'<text {upright} text-anchor="middle">{escape(y_label)}</text>')
    return parts


def _drawn(line: Line, at: Place) -> list[str]:
    places = [(*at(x, y), x) for x, y in line.points if y is not None]
    parts = []
    for (x, _, _), (low, high) in zip(places, line.bars, strict=False):
        ends = at(0, low)[1], at(0, high)[1]
        parts.append(f'<line stroke="{line.colour}" x1="{x:.1f}" y1="{ends[0]:.1f}" x2="{x:.1f}" y2="{ends[1]:.1f}"/>')
    if line.dots:
        return parts + [f'<circle fill="{line.colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y, _ in places]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    return [*parts, f'<polyline fill="none" stroke-width="2" stroke="{line.colour}"{dash} points="{points}"/>']
