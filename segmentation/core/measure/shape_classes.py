"""The class of an outline: round, rod, square, triangle, hexagon or irregular, with its chance.

Ellipses, rectangles, triangles and hexagons of many aspect ratios, with corners as round as fits best, are fitted to
the convex outline. A small classifier, taught on drawn outlines (`python -m tests.tools.accuracy.outlines`), turns the
misfits, the aspect ratio, the hollows and the size in pixels into the chance of each class. An outline shows no height:
what is square may be a cube or a plate seen from above.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..labels.bands import Ids
from .bootstrap import median_interval, undefined
from .by_object import by_object
from .convex_outline import convex_outlines
from .distribution import Edge, Floats, WeightedSizes, figures
from .fractions import wilson
from .hulls import Hulls, find_hulls
from .pooled_fields import ends_between
from .quantities import COLUMNS
from .results import SHAPES, Extent, Rods, ShapeShare
from .runs import Runs
from .table import Table

FILE = Path(__file__).with_name("shape_classes.json")
ANGLES = np.linspace(0, 2 * np.pi, 64, endpoint=False)
TURNS = 256  # rotations that are tried
NOISE_PX = 0.3  # of the outline
RATIOS = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
ROD = 1.5  # times as long as wide: from there on a rod, and neither round, square nor hexagon
COMPACT = [SHAPES.index(name) for name in ("round", "square", "hexagon")]
RATIO = 5  # place of ln(length / width) among the features
LEAST_PX = 4.0  # minimum Feret diameter of what has a class


def class_shares(tables: Sequence[Table]) -> dict[str, ShapeShare]:
    """The share of each class among the kept particles of one image or of several; {} where none has a class.

    The interval is Wilson's in one image; of several it is Student's over the images, by the jackknife, and of too few
    there is none. It does not contain the errors of the classes (docs/method/arrangement.md).
    """
    classes = [table["shape"][table.kept].astype(str) for table in tables if "shape" in table.columns]
    counts = np.array([[(shapes == name).sum() for name in SHAPES] for shapes in classes])
    total = counts.sum()
    if not total:
        return {}
    shares: dict[str, ShapeShare] = {}
    for number, name in enumerate(SHAPES):
        n = int(counts[:, number].sum())
        low, high = ends_between(counts[:, number], counts.sum(1), *wilson(n, total)) or (None, None)
        shares[name] = ShapeShare(n=n, share=n / total, low=low, high=high)
    return shares


def rods(tables: Sequence[Table], edge: Edge, uncertainty: float, seed: int) -> Rods | None:
    """Length, width and their ratio of the kept rods of one image or of several; None without any."""
    chosen = [
        table.judged(np.where(table["shape"] == "rod", table.reasons, "no rod"))
        for table in tables
        if "shape" in table.columns
    ]
    if not any(table.kept.any() for table in chosen):
        return None
    length, width, ratio = (
        _extent(chosen, name, edge, uncertainty * COLUMNS[name].power, seed)
        for name in ("length", "width", "slenderness")
    )
    return Rods(n=sum(int(table.kept.sum()) for table in chosen), length=length, width=width, ratio=ratio)


def _extent(tables: Sequence[Table], by: str, edge: Edge, uncertainty: float, seed: int) -> Extent:
    sizes = WeightedSizes.of(*tables, edge=edge, by=by)
    percentiles = figures(sizes.size, sizes.weights["number"])
    d10, median, d90 = (float(percentiles[at] or 0.0) for at in ("d10", "d50", "d90"))
    limits = None if undefined(sizes) else median_interval(sizes, np.random.default_rng(seed), uncertainty)
    return Extent(d10=d10, median=median, d90=d90, interval=limits)


class Fits(NamedTuple):
    """What the classifier looks at, (n, features), and (n,) width and length of the convex outlines in px."""

    features: Floats
    width: Floats
    length: Floats


def with_shapes(table: Table, labels: NDArray[np.int32], ids: Ids | None = None) -> Table:
    """The table with all widths and lengths, and class and chance of outlines of LEAST_PX that do not touch the frame.

    labels: (H, W) with these ids, or 1..n, in the order of the table.
    """

    def misfits(labels: NDArray[np.int32], runs: Runs) -> dict[str, Floats]:
        return misfits_of(convex_outlines(find_hulls(runs)))

    fits = _fits(by_object("misfits", labels, ids, misfits), table["solidity"], table["convexity"])
    chances = classify(fits.features)
    is_classed = (table.rescaled(None)["min_feret_px"] >= LEAST_PX) & ~table["touches_frame"].astype(bool)
    return table.with_measures(
        shape=np.where(is_classed, np.array(SHAPES)[chances.argmax(1)], "") if len(table) else np.zeros(0, "U9"),
        shape_chance=np.where(is_classed, chances.max(1, initial=0.0), np.nan),
        length=fits.length,
        width=fits.width,
        slenderness=fits.length / np.maximum(fits.width, 1e-9),
    )


def fit(outlines: Hulls, solidity: Floats, convexity: Floats) -> Fits:
    """The fits of the convex outlines of n objects, with solidity and convexity (n,) of the objects themselves."""
    return _fits(misfits_of(outlines), solidity, convexity)


def misfits_of(outlines: Hulls) -> dict[str, Floats]:
    """Columns (n, ...) of what follows from each convex outline alone: the misfit of each template, how far it is from
    a circle, the noise of it, width and length."""
    n = len(outlines.count)
    reach = np.zeros((n, len(ANGLES)))  # of the outline from its middle along each angle: its support function
    if n:
        origin = outlines.vertices[outlines.starts]
        away = outlines.vertices - np.repeat(origin, outlines.count, axis=0)
        along = away @ np.stack([np.cos(ANGLES), np.sin(ANGLES)])
        reach = np.maximum.reduceat(along, outlines.starts, axis=0)
    width, length = _sides(outlines)
    mean = reach.mean(1, keepdims=True)
    waves = np.fft.rfft(reach / np.where(mean > 0, mean, 1.0), axis=1)
    waves[:, :2] = 0  # the size, and where the middle is
    noise = NOISE_PX / np.maximum(mean[:, 0], 1e-9)
    misfits = np.stack([_misfit(waves, _waves(name)) for name in TEMPLATES], axis=1)
    uneven = np.sqrt((np.abs(waves) ** 2).sum(1)) / len(ANGLES)
    return {"misfits": misfits, "uneven": uneven, "noise": noise, "width": width, "length": length}


def _fits(of_outlines: dict[str, Floats], solidity: Floats, convexity: Floats) -> Fits:
    misfits, uneven, noise, width, length = of_outlines.values()
    ratio = np.maximum(length / np.maximum(width, 1e-9), 1.0)
    features = np.column_stack(
        [
            np.log(np.sqrt(misfits**2 + noise[:, None] ** 2)),
            np.log(np.hypot(uneven, noise)),
            np.log(ratio),
            np.log(1.0 - np.minimum(solidity, 1.0) + 0.02),
            np.log(1.0 - np.minimum(convexity, 1.0) + 0.02),
            np.log(np.maximum(width, 1.0)),
        ]
    )
    return Fits(features, width, length)


def _sides(outlines: Hulls) -> tuple[Floats, Floats]:
    """(n,) the least width of each outline, and its extent across that."""
    width, length = np.zeros(len(outlines.count)), np.zeros(len(outlines.count))
    for members, corners in outlines.of_equal_count():
        edges = np.roll(corners, -1, axis=1) - corners
        edges /= np.maximum(np.linalg.norm(edges, axis=-1, keepdims=True), 1e-9)
        normals = np.stack([-edges[..., 1], edges[..., 0]], axis=-1)
        across, along = (np.ptp(way @ corners.transpose(0, 2, 1), axis=2) for way in (normals, edges))
        least, rows = across.argmin(1), np.arange(len(members))
        width[members], length[members] = across[rows, least], along[rows, least]
    return width, length


def _misfit(waves: NDArray[np.complex128], templates: NDArray[np.complex128]) -> Floats:
    """(n,) the root mean square difference of the best template, turned and rounded as fits best, relative to the mean
    reach. A rounded corner makes the template's departure from a circle smaller by one factor."""
    power, least = 2 * (np.abs(waves) ** 2).sum(1), np.full(len(waves), np.inf)
    for template in templates:
        overlap = np.fft.irfft(waves * template.conj(), TURNS, axis=1).max(1, initial=0.0) * TURNS
        strength = 2 * (np.abs(template) ** 2).sum()
        sharp = np.clip(overlap / strength, 0.3, 1.0) if strength > 1e-9 else np.ones(len(waves))
        least = np.minimum(least, power + sharp**2 * strength - 2 * sharp * overlap)
    return np.asarray(np.sqrt(np.maximum(least, 0.0)) / len(ANGLES), np.float64)


def _polygon(corners: int, apex: float = 1.0) -> Floats:
    """(corners, 2) a regular polygon, stretched by `apex` along one axis."""
    turn = 2 * np.pi * (np.arange(corners) + 0.5) / corners
    return np.stack([np.cos(turn), apex * np.sin(turn)], axis=1)


TEMPLATES: dict[str, list[Floats]] = {
    "ellipse": [_polygon(96, 1 / ratio) for ratio in RATIOS],
    "rectangle": [_polygon(4) * (1, 1 / ratio) for ratio in RATIOS],
    "triangle": [_polygon(3, stretch) for stretch in (0.8, 0.9, 1.0, 1.1, 1.25)],
    "hexagon": [_polygon(6, stretch) for stretch in (0.8, 0.9, 1.0, 1.1, 1.25)],
}


@cache
def _waves(name: str) -> NDArray[np.complex128]:
    """The Fourier coefficients of the support functions of a kind of template."""
    reach = np.stack([(points @ np.stack([np.cos(ANGLES), np.sin(ANGLES)])).max(0) for points in TEMPLATES[name]])
    waves = np.fft.rfft(reach / reach.mean(1, keepdims=True), axis=1)
    waves[:, :2] = 0
    return np.asarray(waves, np.complex128)


@cache
def classifier() -> dict[str, Floats]:
    """The first and second layer of weights, and mean and sd of the features that it was taught with."""
    stored: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: np.asarray(values, np.float64) for name, values in stored.items()}


def classify(features: Floats) -> Floats:
    """(n, classes) the chance of each class in the order of SHAPES, from features (n, features) of `fit`."""
    by = classifier()
    ones = np.ones((len(features), 1))
    hidden = np.tanh(np.hstack([(features - by["mean"]) / by["sd"], ones]) @ by["first"])
    score = np.hstack([hidden, ones]) @ by["second"]
    long = features[:, RATIO] >= np.log(ROD)
    score[np.ix_(long, COMPACT)] = -np.inf
    score[~long, SHAPES.index("rod")] = -np.inf
    chance = np.exp(score - score.max(1, keepdims=True, initial=-np.inf)) if len(score) else score
    return np.asarray(chance / np.maximum(chance.sum(1, keepdims=True), 1e-300), np.float64)
