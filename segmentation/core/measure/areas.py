"""Area fractions, boundaries and intercepts of classes, with intervals from their spread between blocks of an image.

Boundaries are counted, not traced: the number of crossings of test lines along rows, columns and both diagonals from
one class into another gives the length of boundary per area and the mean intercept (Underwood, Quantitative Stereology,
1970).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .pooled_fields import jackknife_error
from .quantities import Value
from .runs import find_runs

GRID = (4, 4)  # blocks down and across
LEAST = 8  # px, side of a block
RESOLVED = 4  # px of a piece; smaller ones are noise
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))  # rows and columns of a step along a test line
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Counts:
    """pixels: (blocks, classes). crossings: (blocks, directions, classes), ends of a class's intercepts on test lines.
    length: (blocks, directions), of test lines in px."""

    pixels: Floats
    crossings: Floats
    length: Floats

    def without(self, block: int) -> Counts:
        """All other blocks."""
        return Counts(*(np.delete(counted, block, axis=0) for counted in (self.pixels, self.crossings, self.length)))


def count(classes: NDArray[np.int32], number: int, grid: tuple[int, int] = GRID) -> Counts:
    """The Counts of classes (H, W) 0..number - 1 (-1: no class), in at most so many blocks down and across."""
    blocks = [
        np.linspace(0, side, max(1, min(limit, side // LEAST)) + 1).astype(int)
        for side, limit in zip(classes.shape, grid, strict=True)
    ]
    counts_of_blocks = [
        _of_block(classes, (top, bottom), (left, right), number)
        for top, bottom in pairwise(blocks[0])
        for left, right in pairwise(blocks[1])
    ]
    return Counts(*(np.stack(parts) for parts in zip(*counts_of_blocks, strict=True)))


def _of_block(
    classes: NDArray[np.int32], rows: tuple[int, int], columns: tuple[int, int], number: int
) -> tuple[Floats, Floats, Floats]:
    """Pixels, crossings and lengths of the steps that begin in a block."""
    inside = classes[slice(*rows), slice(*columns)]
    crossings, length = np.zeros((len(DIRECTIONS), number)), np.zeros(len(DIRECTIONS))
    height, width = classes.shape
    for direction, (down, across) in enumerate(DIRECTIONS):
        left, right = max(columns[0], -across), min(columns[1], width - max(across, 0))
        bottom = min(rows[1], height - down)
        one = classes[rows[0] : bottom, left:right]
        other = classes[rows[0] + down : bottom + down, left + across : right + across]
        classified = (one >= 0) & (other >= 0)
        length[direction] = classified.sum() * np.hypot(down, across)
        passed = classified & (one != other)
        for side in (one, other):
            crossings[direction] += np.bincount(side[passed], minlength=number)
    return np.bincount(inside[inside >= 0], minlength=number).astype(float), crossings, length


def chords(classes: NDArray[np.int32], number: int) -> list[Floats]:
    """(n,) px for each of the classes (H, W) 0..number - 1 (-1: no class): its intercepts on all rows and columns,
    without those that touch the frame, or that end where there is no class."""
    lengths: list[list[NDArray[np.int64]]] = [[] for _ in range(number)]
    for picture in (classes, classes.T):
        runs = find_runs(picture + 1)
        known = np.pad(picture >= 0, ((0, 0), (1, 1)))
        whole = known[runs.row, runs.start] & known[runs.row, runs.stop + 1]
        for index, of_class in enumerate(lengths):
            of_class.append(runs.length[whole & (runs.particle == index)])
    return [np.concatenate(of_class).astype(float) for of_class in lengths]


def fractions(counts: Counts) -> Floats:
    """(classes,) share of the pixels."""
    pixels = counts.pixels.sum(0)
    shares: Floats = pixels / max(pixels.sum(), 1.0)
    return shares


def crossings_per_length(counts: Counts) -> Floats:
    """(classes,) mean over the directions of a class's crossings per px of test line."""
    length = counts.length.sum(0)
    rates = counts.crossings.sum(0) / np.maximum(length, 1.0)[:, None]
    mean: Floats = rates.sum(0) / max(1, int((length > 0).sum()))
    return mean


def boundary_density(counts: Counts) -> Floats:
    """(classes,) length of a class's boundary per area, px per px²: pi / 2 crossings per length."""
    return np.pi / 2 * crossings_per_length(counts)


def mean_intercept(counts: Counts) -> Floats:
    """(classes,) mean length in px of a class's intercepts on test lines; NaN of a class without boundary."""
    per = crossings_per_length(counts)
    lengths: Floats = np.divide(2 * fractions(counts), per, out=np.full(len(per), np.nan), where=per > 0)
    return lengths


def mean_free_path(counts: Counts) -> Floats:
    """(classes,) mean length in px of test lines between one piece of a class and the next: (1 - f) / N with the
    fraction f and N pieces met per length (Fullman 1953; Underwood 1970); NaN of a class without boundary."""
    per = crossings_per_length(counts)
    lengths: Floats = np.divide(2 * (1 - fractions(counts)), per, out=np.full(len(per), np.nan), where=per > 0)
    return lengths


def with_interval(figure: Callable[[Counts], Floats], counts: Counts, highest: float = np.inf) -> list[Value]:
    """A figure of each class in px with its 95 % interval; None for an end where there is but one block or all
    say the same.

    The interval is Student's, its standard error that of the jackknife over the blocks (Tukey 1958), which of equal
    blocks and a fraction is the spread between fields of ASTM E562. It ends at 0 and `most`.
    """
    from scipy import special  # scipy.stats gives the same digits, and takes 0.8 s to load

    whole, blocks = figure(counts), len(counts.pixels)
    if blocks < 2:
        return [Value(_finite_or_none(value)) for value in whole.tolist()]
    without = np.stack([figure(counts.without(block)) for block in range(blocks)])
    reach = special.stdtrit(blocks - 1, 0.975) * jackknife_error(without)
    low, high = np.clip([whole - reach, whole + reach], 0, highest)
    low[reach == 0], high[reach == 0] = np.nan, np.nan  # equal blocks show no spread
    return [
        Value(_finite_or_none(value), _finite_or_none(start), _finite_or_none(end))
        for value, start, end in zip(whole.tolist(), low.tolist(), high.tolist(), strict=True)
    ]


def _finite_or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


@dataclass(frozen=True, eq=False)
class Pieces:
    """The connected pieces of one class of RESOLVED px or more, whose pixels share sides. diameters: (n,) ECD in px of
    those that touch neither the frame nor a region to ignore; number: of all."""

    number: int
    diameters: Floats

    @classmethod
    def of(cls, inside: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None) -> Pieces:
        """Of the pixels (H, W) of a class. ignored: (H, W)."""
        from scipy import ndimage

        pieces, _ = ndimage.label(inside)
        areas = np.bincount(pieces.ravel())
        areas[0], areas[areas < RESOLVED] = 0, 0
        number = int((areas > 0).sum())
        areas[[0, *np.unique(np.concatenate([pieces[[0, -1]].ravel(), pieces[:, [0, -1]].ravel()]))]] = 0
        if ignored is not None:
            areas[np.unique(pieces[ndimage.binary_dilation(ignored)])] = 0
        return cls(number, np.sqrt(4 * areas[areas > 0] / np.pi))

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.diameters, share)) if len(self.diameters) else np.nan
