"""Measures the errors of the diameters of fibres: the whole analysis, with the shipped model, of drawn mats with known
diameters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial import cKDTree

from segmentation.core import pipeline
from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.lab.training.synthesis.render import random_rendering
from tests.core.builders import micrograph_of
from tests.fibre_mats import mat, true_diameters

SHAPE = 448, 448
PLAIN = {"annotation": "none", "drift": 0.0, "beads": 0.0, "bundles": 0.0, "unevenness": 0.0, "spread": 0.1}
Errors = tuple[np.ndarray, np.ndarray]  # relative errors of the diameters, and px of each fibre


def drawn(diameter: float, seed: int, cover: float = 0.25, noise: float = 6.0) -> Errors:
    """The errors in a mat of the second renderer (tests.fibre_mats)."""
    made = mat(SHAPE, diameter, cover, np.random.default_rng((31, seed)), noise=noise, dark=seed % 2 == 1)
    analysis = _analysed(made.grey)
    return _errors(analysis, true_diameters(made, analysis.segmentation.dense))


def rendered(diameter: float, seed: int, cover: float = 0.25, noise: float = 0.02) -> Errors:
    """The errors in a mat of the renderer of the training, with seeds that no training has used."""
    kind = "transmission" if seed % 2 else "sem"
    fixed = {"family": "fibre", "kind": kind, "diameter": diameter, "cover": cover, "read_noise": noise, **PLAIN}
    made = random_rendering(SHAPE, np.random.default_rng((990077, seed)), fixed)
    analysis = _analysed(made.grey)
    points = np.concatenate([drawing.path for drawing in made.fibres])
    owner = np.repeat(np.arange(len(made.fibres)), [len(drawing.path) for drawing in made.fibres])
    dense = analysis.segmentation.dense
    true = np.full(len(analysis.segmentation), np.nan)
    for number in range(len(true)):
        inside = np.argwhere(dense == number + 1)
        distance, nearest = cKDTree(points).query(inside[:: max(1, len(inside) // 200)])
        fibre = made.fibres[int(np.bincount(owner[nearest]).argmax())]
        true[number] = fibre.diameter if np.median(distance) < fibre.diameter else np.nan
    return _errors(analysis, true)


def _analysed(grey: np.ndarray) -> Analysis:
    return pipeline.analyse(micrograph_of(grey), AnalysisSettings.of("fibres", model="fibres"))


def _errors(analysis: Analysis, true: np.ndarray) -> Errors:
    table = analysis.table
    good = table.kept & ~np.isnan(true)
    return (table.length("fibre_diameter") / true - 1)[good], table.length("visible_length")[good]


def cell(errors: list[Errors]) -> str:
    """A cell of the table: number of fibres; median error; error weighted by length; scatter, in per cent."""
    diameter, length = (np.concatenate(part) for part in zip(*errors, strict=True))
    if not len(diameter):
        return "0"
    low, middle, high = 100 * np.percentile(diameter, [16, 50, 84])
    by_length = 100 * float(np.average(diameter, weights=length))
    return f"{len(diameter)}: {middle:+.1f}; {by_length:+.1f}; {(high - low) / 2:.1f}"


def lines() -> Iterator[str]:
    yield "| mats | training's renderer | second renderer |"
    yield "|---|---|---|"
    ways = rendered, drawn

    def row(words: str, diameter: float, **how: float) -> str:
        # Focus, contrast and shading of mats of the training's renderer are random, so there are more of them.
        made = [[way(diameter, seed, **how) for seed in range(6 if way is rendered else 2)] for way in ways]
        return f"| {words} | " + " | ".join(map(cell, made)) + " |"

    for diameter in (3, 4, 6, 10, 20, 40, 60):
        yield row(f"{diameter} px", diameter)
    for cover in (0.1, 0.5, 0.9):
        yield row(f"12 px, cover {cover}", 12, cover=cover)
    for noise in (0.0, 15.0, 30.0):
        yield f"| 12 px, noise {noise:g} | | {cell([drawn(12, seed, noise=noise) for seed in range(2)])} |"
