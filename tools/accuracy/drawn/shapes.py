"""Compares the measures of drawn discs, ellipses, squares, rectangles and triangles with their true values.

python -m tools.accuracy.drawn.shapes [--trials 40]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from math import cos, hypot, pi, sin, sqrt

import numpy as np
from scipy.special import ellipe

from segmentation.core.measure.shape.shapes import measure

SIZES = (5, 10, 20, 30, 50, 100, 200, 400)
MEASURES = ("area", "ecd", "min_feret", "max_feret", "perimeter")
SHOWN = ("area", "min_feret", "max_feret", "perimeter")  # on the page
Truth = dict[str, float]
Shape = Callable[[float], tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], Truth]]


def ellipse(aspect: float) -> Shape:
    """The shape of an ellipse whose size is its short axis. aspect: long axis / short axis."""

    def shape(size: float):
        long, short = aspect * size / 2, size / 2
        truth = {"area": pi * long * short, "min_feret": size, "max_feret": aspect * size}
        truth["perimeter"] = 4 * long * ellipe(1 - (short / long) ** 2)
        return lambda x, y: (x / long) ** 2 + (y / short) ** 2 <= 1, truth

    return shape


def rectangle(aspect: float) -> Shape:
    """The shape of a rectangle whose size is its short side. aspect: long side / short side."""

    def shape(size: float):
        truth = {"area": aspect * size**2, "min_feret": size, "max_feret": hypot(size, aspect * size)}
        truth["perimeter"] = 2 * (1 + aspect) * size
        return lambda x, y: (abs(x) <= aspect * size / 2) & (abs(y) <= size / 2), truth

    return shape


def triangle(size: float):
    """An equilateral triangle of this height: a function that tells whether points are inside, and its true
    measures."""
    side = 2 * size / sqrt(3)
    truth = {"area": side * size / 2, "min_feret": size, "max_feret": side, "perimeter": 3 * side}

    def inside(x, y):
        y = y + size / 3
        return (y >= 0) & (y <= size - abs(x) * sqrt(3))

    return inside, truth


SHAPES: dict[str, Shape] = {
    "disc": ellipse(1),
    "ellipse 2:1": ellipse(2),
    "square": rectangle(1),
    "rectangle 3:1": rectangle(3),
    "triangle": triangle,
}


def errors(shape: Shape, size: float, *, oblique: bool, trials: int, seed: int = 0) -> dict[str, np.ndarray]:
    """For each column (trials,) the measured minus the true value in px or px^2. Shifts below a pixel, sizes
    within 0.5 px of `size` and, if oblique, angles are random."""
    rng = np.random.default_rng([round(size), seed, oblique])
    deviations: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _ in range(trials):
        inside, truth = shape(size + rng.uniform(-0.5, 0.5))
        truth["ecd"] = sqrt(4 * truth["area"] / pi)
        angle = rng.uniform(0, 2 * pi) if oblique else 0.0
        side = int(1.4 * truth["max_feret"]) + 8
        y, x = np.mgrid[:side, :side] - side / 2 + rng.uniform(-0.5, 0.5, 2)[:, None, None]
        labels = inside(x * cos(angle) + y * sin(angle), y * cos(angle) - x * sin(angle)).astype(np.int32)
        table = measure(labels, labels.astype(np.uint8), np.ones(1, np.float32), None, side)
        for name in MEASURES:
            deviations[name].append(float(table.length(name)[0]) - truth[name])
    return {name: np.array(values) for name, values in deviations.items()}


def truths(shape: Shape, size: float) -> Truth:
    truth = shape(size)[1]
    return truth | {"ecd": sqrt(4 * truth["area"] / pi)}


def lines(trials: int = 40, *, sizes: tuple[int, ...] = SIZES, columns: tuple[str, ...] = MEASURES) -> Iterator[str]:
    """A table in Markdown: mean error in per cent (px below 20 px, but for the area) and its scatter."""
    yield "| shape | size (px) | " + " | ".join(columns) + " |"
    yield "|---|---" + "|---" * len(columns) + "|"
    for name, shape in SHAPES.items():
        for oblique in (False, True) if name != "disc" else (True,):
            for size in sizes:
                deviations = errors(shape, size, oblique=oblique, trials=trials if size < 200 else max(trials // 4, 1))
                cells = (
                    _cell(deviations[column], truths(shape, size)[column.split()[0]], column, size)
                    for column in columns
                )
                how = "" if name == "disc" else " at any angle" if oblique else " upright"
                yield f"| {name}{how} | {size} | " + " | ".join(cells) + " |"


def _cell(error: np.ndarray, truth: float, name: str, size: float) -> str:
    if size < 20 and name != "area":
        return f"{error.mean():+.2f} px ({error.std():.2f})"
    return f"{100 * error.mean() / truth:+.2f} % ({100 * error.std() / truth:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=40)
    for line in lines(parser.parse_args().trials):
        print(line, flush=True)


if __name__ == "__main__":
    main()
