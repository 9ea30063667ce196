"""The fibres of a mat together: diameters by length, directions, pores, crossings, fibres as the WHO counts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from ..micrograph.types import Calibration
from .bootstrap import intervals
from .distribution import TENTHS, WEIGHTINGS, WeightedSizes, figures
from .drawn import with_scale
from .fibres import FibreMeasures
from .fields import BLOCKS, areas_of_blocks, block_of, if_enough, mean_of, over_blocks, per_area, per_block, ratio
from .filters import Reason
from .pooled_fields import with_ordered_ends
from .quantities import NUMBERS, Unit, Value
from .regions import CountedArea
from .table import Table

Floats = NDArray[np.float64]
WHO_NM = 5000.0, 3000.0  # length over and diameter under which a fibre counts
WHO_ASPECT = 3.0
MANY = 10  # pores, from which a median has an interval
OF_LENGTH = {"fibre_diameter_by_length": "mean"} | {f"fibre_{name}_by_length": name for name in TENTHS}


def numbers_of(
    table: Table,
    measures: FibreMeasures,
    labels: NDArray[np.int32],
    calibration: Calibration,
    seed: int,
    field: CountedArea,
) -> dict[str, Value]:
    """The numbers of a mat by name. table: of its objects. labels: (H, W) of the analysed rows. seed: of the draws.
    field: what of these rows counts: of a fibre that reaches into a region to ignore the part outside."""
    px, shape = table.nm_per_pixel or 1.0, field.shape
    counted = np.flatnonzero(table.kept)
    is_counted = table.kept[measures.owners]
    if field.ignored is not None:
        down, across = np.floor(measures.points).astype(int).T
        is_counted &= ~field.ignored[np.clip(down, 0, shape[0] - 1), np.clip(across, 0, shape[1] - 1)]
    steps, angles, owners = measures.steps[is_counted] * px, measures.angles[is_counted], measures.owners[is_counted]
    pixels = np.floor(measures.points[is_counted]).astype(int)
    block = block_of(pixels[:, 0], pixels[:, 1], shape)
    lengths = np.bincount(np.searchsorted(counted, owners), steps, len(counted)).astype(float)  # of each counted fibre

    def scaled(name: str, figure: Callable[[Floats], float], sums: Floats) -> Value:
        quantity = NUMBERS[name]
        highest = 1.0 if quantity.kind == "fraction" else np.inf
        value = if_enough(over_blocks(figure, sums, highest=highest), table, quantity.unit(table.unit))
        return with_scale(value, calibration.standard_uncertainty, quantity.power)

    sizes = by_length(table.length("fibre_diameter")[counted], lengths, table.unit)
    # Each fibre has one diameter, however many parts of the image it crosses: intervals as by number.
    rng = np.random.default_rng(seed)
    by_way = dict.fromkeys(WEIGHTINGS, figures(sizes.size, sizes.weights["number"]))
    ends = intervals(sizes, by_way, rng, calibration.standard_uncertainty or 0.0)["number"]
    of_length = {name: Value(value, unit=table.unit) for name, value in figures_by_length(sizes).items()}
    for name, figure in OF_LENGTH.items():
        if limits := ends[figure]:
            of_length[name] = replace(of_length[name], low=limits[0], high=limits[1])
    parts = (steps * np.cos(2 * angles), steps * np.sin(2 * angles), steps)
    turns = np.stack([np.bincount(block, part, BLOCKS**2) for part in parts], 1).astype(float)
    areas = areas_of_blocks(field)
    covered = np.stack([per_block(field.without(labels > 0)), areas], 1).astype(float)
    whole = with_length(table)
    has_fibres = len(counted) > 0
    return {
        **with_ordered_ends(of_length),
        "whole_fibres": Value(float(whole.kept.sum())),
        "fibre_length_mean": mean_of(whole, "fibre_length", "exclude", calibration),
        "order_parameter": scaled("order_parameter", order_parameter, turns) if has_fibres else Value(None),
        "porosity": over_blocks(lambda sums: 1 - ratio(*sums), covered, highest=1.0) if has_fibres else Value(None),
        "pore_diameter": pore_diameter(labels, calibration, field.ignored),
        "crossing_density": per_area("crossing_density", table, field, calibration, measures.over.astype(float)),
        "fibre_length_density": scaled(
            "fibre_length_density", lambda sums: ratio(*sums), np.stack([turns[:, 2], areas * px**2], 1)
        ),
        "who_fibres": who_fibres(table),
    }


def by_length(diameters: Floats, lengths: Floats, unit: Unit) -> WeightedSizes:
    """The diameters (n,) of fibres weighted by their lengths (n,)."""
    order = np.argsort(diameters, kind="stable")
    weights = lengths[order] / max(float(lengths.mean()), 1e-9) if len(lengths) else lengths
    return WeightedSizes(unit, diameters[order], diameters[order], dict.fromkeys(WEIGHTINGS, weights))


def figures_by_length(sizes: WeightedSizes) -> dict[str, float | None]:
    """Mean and percentiles of `by_length` by name: at least so much of the length is no thicker (ISO 9276-2)."""
    by_length = figures(
        sizes.size, sizes.weights["area"], "area"
    )  # lengths are all its weights; "area": not interpolated
    return {name: by_length[figure] for name, figure in OF_LENGTH.items()}


def with_length(table: Table) -> Table:
    """The table with all fibres without a length left out: the frame or another fibre hides an end of them."""
    is_cut = table.kept & np.isnan(table.length("fibre_length"))
    return table.judged(np.where(is_cut, str(Reason.FRAME), table.reasons))


def order_parameter(sums: Floats) -> float:
    """|Σ L exp(2iθ)| / Σ L of the sums (3,) of L cos 2θ, L sin 2θ and L; NaN without a length."""
    return float(np.minimum(1.0, np.hypot(sums[0], sums[1]) / sums[2])) if sums[2] else np.nan


def pores(labels: NDArray[np.int32], ignored: NDArray[np.bool_] | None = None) -> Floats:
    """(n,) px: the diameter of the largest circle in each part of the ground of labels (H, W) that fibres enclose, and
    no region to ignore (H, W) touches."""
    ground, count = ndimage.label(labels == 0)
    if not count:
        return np.zeros(0)
    depth = ndimage.distance_transform_edt(np.pad(ground, 1, mode="edge"))[1:-1, 1:-1]
    largest = ndimage.maximum(depth, ground, np.arange(1, count + 1))
    edge = np.unique(np.concatenate([ground[0], ground[-1], ground[:, 0], ground[:, -1]]))
    if ignored is not None:
        edge = np.union1d(edge, ground[ignored])
    inside = np.setdiff1d(np.arange(1, count + 1), edge)
    diameters = 2 * np.asarray(largest, float)[inside - 1] - 1
    return np.asarray(diameters[diameters >= 3], np.float64)


def pore_diameter(
    labels: NDArray[np.int32], calibration: Calibration, ignored: NDArray[np.bool_] | None = None
) -> Value:
    """The median with the 95 % interval between order statistics, the scale's uncertainty included."""
    sizes = np.sort(pores(labels, ignored)) * (calibration.nm_per_pixel or 1.0)
    unit = "px" if calibration.nm_per_pixel is None else "nm"
    if not len(sizes):
        return Value(None, unit=unit)
    middle = float(np.median(sizes))
    if len(sizes) < MANY:
        return Value(middle, unit=unit)
    off = 0.98 * np.sqrt(len(sizes))
    low, high = (float(sizes[int(np.clip(round(len(sizes) / 2 + d), 0, len(sizes) - 1))]) for d in (-off - 0.5, off))
    return with_scale(Value(middle, low, high, unit), calibration.standard_uncertainty, 1)


def who_fibres(table: Table) -> Value:
    """How many fibres are longer than 5 µm, thinner than 3 µm and over three times as long as wide: half of their ends
    in view; None in pixels."""
    if table.nm_per_pixel is None:
        return Value(None)
    length, diameter = table.length("visible_length"), table.length("fibre_diameter")
    is_who = table.kept & (length > WHO_NM[0]) & (diameter < WHO_NM[1]) & (length > WHO_ASPECT * diameter)
    return poisson(float(table["ends_seen"][is_who].sum() / 2))


def poisson(count: float) -> Value:
    """A count with the 95 % interval of a Poisson number (Garwood 1936)."""
    # Half of a percentile of chi squared; scipy.stats gives the same digits, and takes 0.8 s to load.
    low = float(special.gammaincinv(count, 0.025)) if count else 0.0
    return Value(count, low, float(special.gammaincinv(count + 1, 0.975)))
