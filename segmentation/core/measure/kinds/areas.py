"""Area fractions, boundary lengths and intercepts of the classes of an image, with 95 % intervals
from the differences between blocks of the image.

Boundaries are not traced. Test lines run along rows, columns and both diagonals; how often they
cross from one class into another gives the boundary length per area and the mean intercept
(Underwood, Quantitative Stereology, 1970).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..pixels.runs import find_runs
from ..quantities import Value
from ..uncertainty.pooled_fields import jackknife_error

GRID = (4, 4)  # blocks down and across
LEAST_SIDE = 8  # px, of a block
LEAST_REGION = 4  # px, area; smaller connected regions are noise
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))  # of test lines: rows and columns of one step
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts in the blocks of an image. pixels: (blocks, classes). crossings: (blocks, directions,
    classes), how often test lines enter or leave a class. length: (blocks, directions), px of the
    test lines."""

    pixels: Floats
    crossings: Floats
    length: Floats

    def without(self, block: int) -> Counts:
        """The counts of all other blocks."""
        return Counts(*(np.delete(values, block, axis=0) for values in (self.pixels, self.crossings, self.length)))


def count(classes: NDArray[np.int32], number: int, grid: tuple[int, int] = GRID) -> Counts:
    """The Counts of an image of classes (H, W), divided into at most `grid` blocks down and across.

    number: of the classes, which are 0 to number - 1; -1 is no class.
    """
    blocks = [
        np.linspace(0, side, max(1, min(limit, side // LEAST_SIDE)) + 1).astype(int)
        for side, limit in zip(classes.shape, grid, strict=True)
    ]
    counts_of_blocks = [
        _count_block(classes, (top, bottom), (left, right), number)
        for top, bottom in pairwise(blocks[0])
        for left, right in pairwise(blocks[1])
    ]
    return Counts(*(np.stack(parts) for parts in zip(*counts_of_blocks, strict=True)))


def _count_block(
    classes: NDArray[np.int32], rows: tuple[int, int], columns: tuple[int, int], number: int
) -> tuple[Floats, Floats, Floats]:
    """(classes,) pixels of a block, and of the steps that begin in it (directions, classes)
    crossings and (directions,) lengths in px."""
    block = classes[slice(*rows), slice(*columns)]
    crossings, length = np.zeros((len(DIRECTIONS), number)), np.zeros(len(DIRECTIONS))
    height, width = classes.shape
    for direction, (down, across) in enumerate(DIRECTIONS):
        left, right = max(columns[0], -across), min(columns[1], width - max(across, 0))
        bottom = min(rows[1], height - down)
        start = classes[rows[0] : bottom, left:right]
        end = classes[rows[0] + down : bottom + down, left + across : right + across]
        is_inside = (start >= 0) & (end >= 0)
        length[direction] = is_inside.sum() * np.hypot(down, across)
        is_crossing = is_inside & (start != end)
        for side in (start, end):
            crossings[direction] += np.bincount(side[is_crossing], minlength=number)
    return np.bincount(block[block >= 0], minlength=number).astype(float), crossings, length


def chords(classes: NDArray[np.int32], number: int) -> list[Floats]:
    """For each class of an image (H, W) of classes 0..number - 1 (-1: no class): the lengths (n,)
    in px of its intercepts on all rows and columns, without those that touch the frame or a pixel
    of no class."""
    lengths: list[list[NDArray[np.int64]]] = [[] for _ in range(number)]
    for picture in (classes, classes.T):
        runs = find_runs(picture + 1)
        has_class = np.pad(picture >= 0, ((0, 0), (1, 1)))  # False beyond the frame
        is_whole = has_class[runs.row, runs.start] & has_class[runs.row, runs.stop + 1]
        for index, class_lengths in enumerate(lengths):
            class_lengths.append(runs.length[is_whole & (runs.particle == index)])
    return [np.concatenate(class_lengths).astype(float) for class_lengths in lengths]


def fractions(counts: Counts) -> Floats:
    """(classes,) share of the pixels."""
    pixels = counts.pixels.sum(0)
    shares: Floats = pixels / max(pixels.sum(), 1.0)
    return shares


def crossings_per_length(counts: Counts) -> Floats:
    """(classes,) crossings of each class per px of test line, the mean over the directions."""
    length = counts.length.sum(0)
    rates = counts.crossings.sum(0) / np.maximum(length, 1.0)[:, None]
    mean: Floats = rates.sum(0) / max(1, int((length > 0).sum()))
    return mean


def boundary_density(counts: Counts) -> Floats:
    """(classes,) length of a class's boundary per area, px per px²: pi / 2 crossings per length."""
    return np.pi / 2 * crossings_per_length(counts)


def mean_intercept(counts: Counts) -> Floats:
    """(classes,) mean length in px of a class's intercepts on test lines; NaN of a class without boundary."""
    crossings = crossings_per_length(counts)
    lengths: Floats = np.divide(
        2 * fractions(counts), crossings, out=np.full(len(crossings), np.nan), where=crossings > 0
    )
    return lengths


def mean_free_path(counts: Counts) -> Floats:
    """(classes,) mean length in px of test lines between one region of a class and the next: (1 -
    f) / N with the fraction f and N regions met per length (Fullman 1953; Underwood 1970); NaN of a
    class without boundary."""
    crossings = crossings_per_length(counts)
    lengths: Floats = np.divide(
        2 * (1 - fractions(counts)), crossings, out=np.full(len(crossings), np.nan), where=crossings > 0
    )
    return lengths


def values_with_intervals(figure: Callable[[Counts], Floats], counts: Counts, highest: float = np.inf) -> list[Value]:
    """A figure of each class, in px, with its 95 % interval; the ends are None where there is only
    one block, or where all blocks give the same figure.

    The interval is Student's, with the standard error of the jackknife over the blocks (Tukey
    1958). For a fraction in equal blocks this is the spread between fields of ASTM E562. The
    interval lies within 0 and `highest`.
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
class ClassRegions:
    """The connected regions (pixels that share sides) of one class with LEAST_REGION px or more.

    number: of all these regions. diameters: (n,) ECD in px of the regions that touch neither the
    frame nor a region to ignore."""

    number: int
    diameters: Floats

    @classmethod
    def of(cls, inside: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None) -> ClassRegions:
        """The regions of a class. inside: (H, W) its pixels. ignored: (H, W) pixels to ignore."""
        from scipy import ndimage

        regions, _ = ndimage.label(inside)
        areas = np.bincount(regions.ravel())
        areas[0], areas[areas < LEAST_REGION] = 0, 0
        number = int((areas > 0).sum())
        at_frame = np.concatenate([regions[[0, -1]].ravel(), regions[:, [0, -1]].ravel()])
        areas[[0, *np.unique(at_frame)]] = 0
        if ignored is not None:
            areas[np.unique(regions[ndimage.binary_dilation(ignored)])] = 0
        return cls(number, np.sqrt(4 * areas[areas > 0] / np.pi))

    def quantile(self, share: float) -> float:
        """The diameter in px that this share of the regions does not exceed; NaN without any."""
        return float(np.quantile(self.diameters, share)) if len(self.diameters) else np.nan
