"""Classifies outlines as round, rod, square, triangle, hexagon or irregular, with a probability.

Templates (ellipses, rectangles, triangles and hexagons of many aspect ratios) are fitted to the
convex outline; their corners are rounded as fits best. A small classifier turns the misfits of the
templates, the aspect ratio, the solidity and the size in pixels into the probability of each class.
It was trained on drawn outlines (`python -m tools.accuracy.drawn.outlines`). An outline does not
show heights: a square one may be a cube, or a plate seen from above.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...labels.bands import Ids
from ..objects.by_object import by_object, shifts_of
from ..outlines.polygons import ObjectOutlines, Polygons
from ..pixels.hulls import Hulls, find_hulls, hull_areas, hull_perimeters
from ..pixels.runs import Runs, find_runs
from ..quantities import COLUMNS
from ..results import SHAPES, Extent, Rods, ShapeShare
from ..sizes.distribution import Edge, Floats, WeightedSizes, figures
from ..table import Table
from ..uncertainty.bootstrap import median_interval, why_no_intervals
from ..uncertainty.fractions import wilson
from ..uncertainty.pooled_fields import share_ends
from .convex_outline import convex_outlines

FILE = Path(__file__).with_name("shape_classes.json")
ANGLES = np.linspace(0, 2 * np.pi, 64, endpoint=False)  # of the support functions
ROTATIONS = 256  # of each template
NOISE_PX = 0.3  # SD of an outline's place
RATIOS = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)  # length / width of the templates
ROD_RATIO = 1.5  # least length / width of a rod; an outline of this ratio has no COMPACT class
COMPACT = [SHAPES.index(name) for name in ("round", "square", "hexagon")]
RATIO_COLUMN = 5  # of ln(length / width) among the features
LEAST_PX = 4.0  # minimum Feret diameter of outlines that get a class


def class_shares(tables: Sequence[Table]) -> dict[str, ShapeShare]:
    """The share by number of each class among the counted particles of one image or of several; {}
    where none has a class.

    The interval is Wilson's; with several images it is at least as wide as Student's over the
    images, by the jackknife (`share_ends`). It does not contain the errors of the classifier
    (docs/method/arrangement.md).
    """
    classes = [table["shape"][table.kept].astype(str) for table in tables if "shape" in table.columns]
    counts = np.array([[(shapes == name).sum() for name in SHAPES] for shapes in classes])
    total = counts.sum()
    if not total:
        return {}
    shares: dict[str, ShapeShare] = {}
    for number, name in enumerate(SHAPES):
        n = int(counts[:, number].sum())
        low, high = share_ends(counts[:, number], counts.sum(1), *wilson(n, total)) or (None, None)
        shares[name] = ShapeShare(n=n, share=n / total, low=low, high=high)
    return shares


def rods(tables: Sequence[Table], edge: Edge, uncertainty: float, seed: int) -> Rods | None:
    """Length, width and their ratio of the counted rods of one image or of several; None without
    any.

    edge: the border correction. uncertainty: relative, of the calibration. seed: of the draws.
    """
    rod_tables = [
        table.judged(np.where(table["shape"] == "rod", table.reasons, "no rod"))
        for table in tables
        if "shape" in table.columns
    ]
    if not any(table.kept.any() for table in rod_tables):
        return None
    length, width, ratio = (
        _extent(rod_tables, name, edge, uncertainty * COLUMNS[name].power, seed)
        for name in ("length", "width", "slenderness")
    )
    return Rods(n=sum(int(table.kept.sum()) for table in rod_tables), length=length, width=width, ratio=ratio)


def _extent(tables: Sequence[Table], by: str, edge: Edge, uncertainty: float, seed: int) -> Extent:
    """Percentiles of the measure `by`, and the interval of its median."""
    sizes = WeightedSizes.of(*tables, edge=edge, by=by)
    percentiles = figures(sizes.size, sizes.weights["number"])
    d10, median, d90 = (float(percentiles[name] or 0.0) for name in ("d10", "d50", "d90"))
    limits = None if why_no_intervals(sizes) else median_interval(sizes, np.random.default_rng(seed), uncertainty)
    return Extent(d10=d10, median=median, d90=d90, interval=limits)


class Fits(NamedTuple):
    """The fits of the templates to n outlines. features: (n, features), the input of the
    classifier. width, length: (n,) of the convex outlines in px."""

    features: Floats
    width: Floats
    length: Floats


def with_shapes(
    table: Table, labels: NDArray[np.int32], ids: Ids | None = None, outlines: ObjectOutlines | None = None
) -> Table:
    """The table with the columns length, width, slenderness, shape and shape_chance (the
    probability of the shape). Outlines under LEAST_PX, and outlines that touch the frame, get no
    shape: "" and NaN.

    labels: (H, W) with the ids (n,), or 1..n, in the order of the table. outlines: as for `shapes.measure`.
    """
    outlines = outlines or ObjectOutlines(labels)

    def misfits(labels: NDArray[np.int32], runs: Runs) -> dict[str, Floats]:
        outlines_here = outlines.in_image(labels, shifts_of(labels, runs))
        width, length = sides_of(outlines_here.hulls)
        return {**misfits_of_pixels(outlines_here.along_pixels, runs), "true width": width, "true length": length}

    measured = by_object(f"misfits {outlines.shifts.checksum}", labels, ids, misfits)
    width, length = measured.pop("true width"), measured.pop("true length")
    fits = _fits(measured)
    probabilities = classify(fits.features)
    is_classed = (table.rescaled(None)["min_feret_px"] >= LEAST_PX) & ~table["touches_frame"].astype(bool)
    return table.with_measures(
        shape=np.where(is_classed, np.array(SHAPES)[probabilities.argmax(1)], "") if len(table) else np.zeros(0, "U9"),
        shape_chance=np.where(is_classed, probabilities.max(1, initial=0.0), np.nan),
        length=length,
        width=width,
        slenderness=length / np.maximum(width, 1e-9),
    )


def fit_templates(labels: NDArray[np.int32]) -> Fits:
    """The fits of the objects 1..n of labels (H, W)."""
    return _fits(misfits_of_pixels(ObjectOutlines(labels).along_pixels, find_runs(labels)))


def misfits_of_pixels(plain: Polygons, runs: Runs) -> dict[str, Floats]:
    """The measures of n objects for the classifier, which was taught on outlines that follow pixels: those of their
    convex outlines (`misfits_of`), and their solidity and convexity. plain: their outlines. runs: their pixels."""
    hulls, area = find_hulls(runs), np.bincount(runs.particle, runs.length).astype(np.float64)
    convex = convex_outlines(hulls)
    perimeter = np.maximum(plain.perimeters(len(area)), np.sqrt(4 * np.pi * area))
    shares = {"solidity": area / np.maximum(hull_areas(hulls), 1e-9)}
    shares["convexity"] = np.minimum(hull_perimeters(convex) / np.maximum(perimeter, 1e-9), 1.0)
    return {**misfits_of(convex), **shares}


def misfits_of(outlines: Hulls) -> dict[str, Floats]:
    """The measures of n convex outlines for the classifier. misfits: (n, templates). uneven: (n,) how
    much the outline differs from a circle. noise: (n,) of its place, relative to its radius. width, length: (n,)
    px."""
    n = len(outlines.count)
    reach = np.zeros((n, len(ANGLES)))  # the support function: how far it reaches at each angle, px
    if n:
        origin = outlines.vertices[outlines.starts]
        from_origin = outlines.vertices - np.repeat(origin, outlines.count, axis=0)
        along = from_origin @ np.stack([np.cos(ANGLES), np.sin(ANGLES)])
        reach = np.maximum.reduceat(along, outlines.starts, axis=0)
    width, length = sides_of(outlines)
    mean = reach.mean(1, keepdims=True)
    waves = np.fft.rfft(reach / np.where(mean > 0, mean, 1.0), axis=1)
    waves[:, :2] = 0  # these are the size and the place of the outline
    noise = NOISE_PX / np.maximum(mean[:, 0], 1e-9)
    misfits = np.stack([_misfit(waves, _waves(name)) for name in TEMPLATES], axis=1)
    uneven = np.sqrt((np.abs(waves) ** 2).sum(1)) / len(ANGLES)
    return {"misfits": misfits, "uneven": uneven, "noise": noise, "width": width, "length": length}


def _fits(outline_misfits: dict[str, Floats]) -> Fits:
    """The fits from the columns of `misfits_of_pixels`."""
    misfits, uneven, noise, width, length, solidity, convexity = outline_misfits.values()
    ratio = np.maximum(length / np.maximum(width, 1e-9), 1.0)
    features = np.column_stack(
        [
            np.log(np.sqrt(misfits**2 + noise[:, None] ** 2)),
            np.log(np.hypot(uneven, noise)),
            np.log(ratio),  # RATIO_COLUMN: the four templates and `uneven` come before
            np.log(1.0 - np.minimum(solidity, 1.0) + 0.02),
            np.log(1.0 - np.minimum(convexity, 1.0) + 0.02),
            np.log(np.maximum(width, 1.0)),
        ]
    )
    return Fits(features, width, length)


def sides_of(outlines: Hulls) -> tuple[Floats, Floats]:
    """(n,) the least width of each outline, and (n,) its extent at a right angle to this width, both in
    px."""
    width, length = np.zeros(len(outlines.count)), np.zeros(len(outlines.count))
    for members, corners in outlines.of_equal_count():
        edges = np.roll(corners, -1, axis=1) - corners
        edges /= np.maximum(np.linalg.norm(edges, axis=-1, keepdims=True), 1e-9)
        normals = np.stack([-edges[..., 1], edges[..., 0]], axis=-1)
        across, along = (np.ptp(directions @ corners.transpose(0, 2, 1), axis=2) for directions in (normals, edges))
        least, rows = across.argmin(1), np.arange(len(members))
        width[members], length[members] = across[rows, least], along[rows, least]
    return width, length


def _misfit(waves: NDArray[np.complex128], templates: NDArray[np.complex128]) -> Floats:
    """(n,) the root mean square difference between each outline and its best template, relative to
    the mean reach. The template is rotated and rounded as fits best: a template with rounder
    corners is the same template with a smaller departure from a circle, by one factor.

    waves, templates: Fourier coefficients of support functions.
    """
    power, least = 2 * (np.abs(waves) ** 2).sum(1), np.full(len(waves), np.inf)
    for template in templates:
        overlap = np.fft.irfft(waves * template.conj(), ROTATIONS, axis=1).max(1, initial=0.0) * ROTATIONS
        strength = 2 * (np.abs(template) ** 2).sum()
        sharpness = np.clip(overlap / strength, 0.3, 1.0) if strength > 1e-9 else np.ones(len(waves))
        least = np.minimum(least, power + sharpness**2 * strength - 2 * sharpness * overlap)
    return np.asarray(np.sqrt(np.maximum(least, 0.0)) / len(ANGLES), np.float64)


def _polygon(corners: int, stretch: float = 1.0) -> Floats:
    """(corners, 2) the corners of a regular polygon, stretched by `stretch` along one axis."""
    angle = 2 * np.pi * (np.arange(corners) + 0.5) / corners
    return np.stack([np.cos(angle), stretch * np.sin(angle)], axis=1)


TEMPLATES: dict[str, list[Floats]] = {
    "ellipse": [_polygon(96, 1 / ratio) for ratio in RATIOS],
    "rectangle": [_polygon(4) * (1, 1 / ratio) for ratio in RATIOS],
    "triangle": [_polygon(3, stretch) for stretch in (0.8, 0.9, 1.0, 1.1, 1.25)],
    "hexagon": [_polygon(6, stretch) for stretch in (0.8, 0.9, 1.0, 1.1, 1.25)],
}


@cache
def _waves(name: str) -> NDArray[np.complex128]:
    """The Fourier coefficients of the support functions of the templates `name`."""
    reach = np.stack([(points @ np.stack([np.cos(ANGLES), np.sin(ANGLES)])).max(0) for points in TEMPLATES[name]])
    waves = np.fft.rfft(reach / reach.mean(1, keepdims=True), axis=1)
    waves[:, :2] = 0
    return np.asarray(waves, np.complex128)


@cache
def classifier() -> dict[str, Floats]:
    """The arrays of the trained classifier by name: "first" and "second", the weights of its two
    layers, and "mean" and "sd" of the features in its training data."""
    stored: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: np.asarray(values, np.float64) for name, values in stored.items()}


def classify(features: Floats) -> Floats:
    """(n, classes) the probability of each class, in the order of SHAPES. features: see `Fits`."""
    layers = classifier()
    ones = np.ones((len(features), 1))
    hidden = np.tanh(np.hstack([(features - layers["mean"]) / layers["sd"], ones]) @ layers["first"])
    score = np.hstack([hidden, ones]) @ layers["second"]
    is_long = features[:, RATIO_COLUMN] >= np.log(ROD_RATIO)
    score[np.ix_(is_long, COMPACT)] = -np.inf
    score[~is_long, SHAPES.index("rod")] = -np.inf
    probability = np.exp(score - score.max(1, keepdims=True, initial=-np.inf)) if len(score) else score
    return np.asarray(probability / np.maximum(probability.sum(1, keepdims=True), 1e-300), np.float64)
