"""Synthetic label images and analyses, for the tests of every room behind the network."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.flags import Flag
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.measure.objects.filters import judge
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.uncertainty.budget import Conditions
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.tasks import particles

METADATA = Calibration(7.34375, "metadata", "Zeiss tag 34118, Image Pixel Size", 0.02)


def disc_labels(n: int, shape: tuple[int, int], seed: int = 0) -> NDArray[np.int32]:
    """(H, W) int32 with discs 1..n of random size on a jittered grid; none touches another."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    columns = max(1, int(np.ceil(np.sqrt(n * shape[1] / shape[0]))))
    lines = max(1, -(-n // columns))
    cell = min(shape[0] / lines, shape[1] / columns)
    for i in range(n):
        radius = cell * rng.uniform(0.18, 0.42)
        free = max(cell / 2 - radius - 1, 0.0)
        y = (i // columns + 0.5) * shape[0] / lines + rng.uniform(-free, free)
        x = (i % columns + 0.5) * shape[1] / columns + rng.uniform(-free, free)
        _stamp(labels, i + 1, y, x, radius)
    return labels


def _stamp(labels: NDArray[np.int32], value: int, y: float, x: float, radius: float) -> None:
    top, left = max(int(y - radius) - 1, 0), max(int(x - radius) - 1, 0)
    part = labels[top : int(y + radius) + 3, left : int(x + radius) + 3]
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    part[np.hypot(rows + top - y, columns + left - x) <= radius] = value


def grey_of(labels: NDArray[np.int32], seed: int = 0) -> NDArray[np.uint8]:
    """(H, W) uint8: bright particles on a dark, noisy ground."""
    noise = np.random.default_rng(seed).normal(0, 12, labels.shape)
    return np.clip(70 + 90 * (labels > 0) + noise, 0, 255).astype(np.uint8)


def segmentation_of(
    labels: NDArray[np.int32],
    confidence: NDArray[np.float32] | None = None,
    rows: int | None = None,
    *,
    card: dict[str, object] | None = None,
    **used: object,
) -> Segmentation:
    """Particles 1..n of `labels` (H, W) as a model would have found them."""
    n = int(labels.max(initial=0))
    defaults = {"threshold": 0.5, "polarity": "bright", "scale": 1.0, "clarity": 1.0, "second_scale": 1.0}
    named = {"name": "particles", "title": "Particles", "version": "1.0", "sha256": "cd" * 32}
    return Segmentation(
        labels,
        np.arange(1, n + 1, dtype=np.int32),
        np.zeros(n, np.int32),
        ("particle",),
        np.full(n, 0.9, np.float32) if confidence is None else confidence,
        labels.shape[0] if rows is None else rows,
        Provenance("ab" * 32, "particles", AnalysisSettings.of().segmentation.model_dump(), card or named),
        {**defaults, "expected": 1.0, "dropped": 0, **used},
    )


def analysis_of(
    labels: NDArray[np.int32],
    *,
    pixels: NDArray[np.uint8] | None = None,
    confidence: NDArray[np.float32] | None = None,
    calibration: Calibration = METADATA,
    rows: int | None = None,
    filter: bool = False,
    name: str = "sample.tif",
) -> Analysis:
    """What the pipeline would give for `labels` (H, W) with 1..n."""
    n = int(labels.max(initial=0))
    rows = labels.shape[0] if rows is None else rows
    pixels = grey_of(labels) if pixels is None else pixels
    confidence = np.full(n, 0.95, np.float32) if confidence is None else confidence
    table = judge(measure(labels, pixels, confidence, calibration.nm_per_pixel, rows), filter)
    statistics = summarise(table, Conditions(filter=filter))
    return Analysis(
        micrograph=Micrograph(pixels, name, "ab" * 32, calibration, {"instrument": "ZEISS Sigma"}),
        settings=AnalysisSettings.of(filter=filter),
        calibration=calibration,
        segmentation=segmentation_of(labels, confidence, rows),
        table=table,
        statistics=statistics,
        quantities={name: statistics.value(name) for name in particles.TASK.quantities},
        timings={"segmenting": 1.25},
        flags=(Flag.doubtful("The calibration has not been checked.", "Calibration not checked"),),
    )


@cache
def make_analysis(
    n: int = 12,
    shape: tuple[int, int] = (192, 256),
    *,
    data_bar: int = 0,
    calibration: Calibration = METADATA,
    filter: bool = False,
    name: str = "sample.tif",
) -> Analysis:
    """An analysis of n discs above `data_bar` rows; two at the frame, one a slip, from n = 8 on. It is made once, so
    its arrays cannot be written to."""
    labels = np.zeros(shape, np.int32)
    labels[: shape[0] - data_bar] = disc_labels(n, (shape[0] - data_bar, shape[1]))
    if n >= 8:
        _spoil(labels, shape[0] - data_bar)
    pixels = grey_of(labels)
    pixels[shape[0] - data_bar :] = 0
    made = analysis_of(
        labels, pixels=pixels, calibration=calibration, rows=shape[0] - data_bar, filter=filter, name=name
    )
    for array in (labels, pixels, *made.table.columns.values()):
        array.setflags(write=False)
    return made


def _spoil(labels: NDArray[np.int32], rows: int) -> None:
    """Particle 1 grows to the top of the frame, n to its bottom, and 4 shrinks to a slip."""
    n = int(labels.max())
    for value in (1, n):
        y, x = np.nonzero(labels == value)
        reach = slice(0, int(y.mean())) if value == 1 else slice(int(y.mean()), rows)
        labels[reach, int(x.mean()) : int(x.mean()) + 2] = value
    y, x = np.nonzero(labels == 4)
    labels[labels == 4] = 0
    labels[int(y.mean()), int(x.mean()) : int(x.mean()) + 3] = 4


def renamed(analysis: Analysis, name: str) -> Analysis:
    return replace(analysis, micrograph=replace(analysis.micrograph, name=name))


def refound(
    analysis: Analysis,
    *,
    card: dict[str, object] | None = None,
    settings: dict[str, object] | None = None,
    **used: object,
) -> Analysis:
    """The analysis as if its outlines had been found with another card, other settings or other values."""
    segmentation = analysis.segmentation
    origin = segmentation.provenance
    origin = replace(origin, card=card or origin.card, settings={**origin.settings, **(settings or {})})
    return replace(analysis, segmentation=replace(segmentation, provenance=origin, used={**segmentation.used, **used}))


def drawn_under(ax, legend):
    """The bars, and the points of lines, that lie under a legend."""
    box = legend.get_window_extent()
    bars = [bar for bar in ax.patches if ax.containers and bar.get_window_extent().overlaps(box)]
    lines = [line.get_transform().transform(line.get_path().interpolated(20).vertices) for line in ax.lines]
    return [*bars, *(point for line in lines for point in line if box.contains(*point))]


def discs_at(
    places: NDArray[np.float64], diameters: NDArray[np.float64], shape: tuple[int, int] = (300, 340)
) -> NDArray[np.int32]:
    """(H, W) int32 with discs 1..n around places (n, 2), row and column."""
    labels = np.zeros(shape, np.int32)
    for number, ((row, column), diameter) in enumerate(zip(places, diameters, strict=True), start=1):
        _stamp(labels, number, row, column, diameter / 2)
    return labels


def core_shells(
    outer: float,
    ratio: float,
    *,
    core: float = 90.0,
    noise: float = 5.0,
    touching: bool = False,
    shape: tuple[int, int] = (300, 340),
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """(H, W) uint8: bright cores in fainter shells on a dark ground, and their places (n, 2). ratio: core over shell.
    core: how much brighter than the shell it is. touching: in pairs."""
    rng, pitch = np.random.default_rng(4), 1.6 * outer
    rows, columns = np.mgrid[outer : shape[0] - outer : pitch, outer : shape[1] - outer : pitch]
    places = np.stack([rows.ravel(), columns.ravel()], axis=1) + rng.uniform(-2, 2, (rows.size, 2))
    if touching:
        places = places[: 2 * (len(places) // 2)]
        places[1::2] = places[::2] + np.array([0.0, outer])
    y, x = np.mgrid[: shape[0], : shape[1]]
    grey = np.full(shape, 40.0)
    for row, column in places:
        away = np.hypot(y - row, x - column) / (outer / 2)
        grey += 60 * np.clip(1 - away**2, 0, 1) ** 0.3 + core * np.clip(1 - (away / ratio) ** 2, 0, 1) ** 0.3
    grey = _blurred(grey) + rng.normal(0, noise, shape)
    return np.clip(grey, 0, 255).astype(np.uint8), places


def _blurred(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """As by a point spread of 1, 2, 1 along each axis."""
    for axis in (0, 1):
        grey = (np.roll(grey, 1, axis) + 2 * grey + np.roll(grey, -1, axis)) / 4
    return grey


def micrograph_of(pixels: np.ndarray, name: str = "image.png") -> Micrograph:
    """(H, W) uint8 as read, also where no file may be so small."""
    return Micrograph(pixels, name, hashlib.sha256(pixels.tobytes()).hexdigest(), Calibration.absent(), {"kind": "PNG"})
