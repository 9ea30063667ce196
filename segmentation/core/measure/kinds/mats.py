"""The numbers of a mat of fibres: diameters weighted by length, directions, pores, crossings, and
how many fibres the World Health Organization (WHO) would count as respirable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from ...micrograph.types import Calibration
from ..fields import (
    BLOCKS,
    areas_of_blocks,
    block_of,
    interval_if_enough,
    mean_of,
    per_area,
    pixel_sums_in_blocks,
    ratio,
    value_over_blocks,
)
from ..objects.filters import Reason
from ..objects.regions import CountedArea
from ..quantities import NUMBERS, Unit, Value
from ..sizes.distribution import DECILES, WEIGHTINGS, WeightedSizes, figures
from ..table import Table
from ..uncertainty.bootstrap import intervals
from ..uncertainty.figure_draws import with_scale_uncertainty
from ..uncertainty.pooled_fields import with_ordered_ends
from .fibres import FibreMeasures

Floats = NDArray[np.float64]
# Limits of a fibre that the WHO counts.
WHO_LENGTH_NM, WHO_DIAMETER_NM = 5000.0, 3000.0  # longer, and thinner
WHO_ASPECT = 3.0  # least length / diameter
FEWEST_PORES = 10  # for an interval of their median
# Name of the number: name of the figure in `distribution.figures`.
FIGURES_BY_LENGTH = {"fibre_diameter_by_length": "mean"} | {f"fibre_{name}_by_length": name for name in DECILES}


def numbers_of(
    table: Table,
    measures: FibreMeasures,
    labels: NDArray[np.int32],
    calibration: Calibration,
    seed: int,
    field: CountedArea,
) -> dict[str, Value]:
    """The numbers of a mat by name.

    table: of its fibres. measures: of the same fibres. labels: (H, W) of the analysed rows. seed:
    of the random draws. field: the area that counts; the part of a fibre in a region to ignore does
    not count.
    """
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

    def number_with_interval(name: str, figure: Callable[[Floats], float], sums: Floats) -> Value:
        """The number `name` from the sums (blocks, k), with the uncertainty of the scale."""
        quantity = NUMBERS[name]
        highest = 1.0 if quantity.kind == "fraction" else np.inf
        value = interval_if_enough(value_over_blocks(figure, sums, highest=highest), table, quantity.unit(table.unit))
        return with_scale_uncertainty(value, calibration.standard_uncertainty, quantity.power)

    sizes = diameters_by_length(table.length("fibre_diameter")[counted], lengths, table.unit)
    # A fibre has one diameter, however long it is: intervals are computed from diameters by number.
    rng = np.random.default_rng(seed)
    by_weighting = dict.fromkeys(WEIGHTINGS, figures(sizes.size, sizes.weights["number"]))
    limits_of = intervals(sizes, by_weighting, rng, calibration.standard_uncertainty or 0.0)["number"]
    length_weighted = {name: Value(value, unit=table.unit) for name, value in figures_by_length(sizes).items()}
    for name, figure in FIGURES_BY_LENGTH.items():
        if limits := limits_of[figure]:
            length_weighted[name] = replace(length_weighted[name], low=limits[0], high=limits[1])
    terms = (steps * np.cos(2 * angles), steps * np.sin(2 * angles), steps)  # see `order_parameter`
    direction_sums = np.stack([np.bincount(block, term, BLOCKS**2) for term in terms], 1).astype(float)
    areas = areas_of_blocks(field)
    covered = np.stack([pixel_sums_in_blocks(field.without(labels > 0)), areas], 1).astype(float)
    whole = only_with_length(table)
    has_fibres = len(counted) > 0
    return {
        **with_ordered_ends(length_weighted),
        "whole_fibres": Value(float(whole.kept.sum())),
        "fibre_length_mean": mean_of(whole, "fibre_length", "exclude", calibration),
        "order_parameter": number_with_interval("order_parameter", order_parameter, direction_sums)
        if has_fibres
        else Value(None),
        "porosity": value_over_blocks(lambda sums: 1 - ratio(*sums), covered, highest=1.0)
        if has_fibres
        else Value(None),
        "pore_diameter": pore_diameter(labels, calibration, field.ignored),
        "crossing_density": per_area("crossing_density", table, field, calibration, measures.over.astype(float)),
        "fibre_length_density": number_with_interval(
            "fibre_length_density", lambda sums: ratio(*sums), np.stack([direction_sums[:, 2], areas * px**2], 1)
        ),
        "who_fibres": who_fibres(table),
    }


def diameters_by_length(diameters: Floats, lengths: Floats, unit: Unit) -> WeightedSizes:
    """The distribution of the diameters (n,) of fibres, weighted by their lengths (n,)."""
    order = np.argsort(diameters, kind="stable")
    weights = lengths[order] / max(float(lengths.mean()), 1e-9) if len(lengths) else lengths
    return WeightedSizes(unit, diameters[order], diameters[order], dict.fromkeys(WEIGHTINGS, weights))


def figures_by_length(sizes: WeightedSizes) -> dict[str, float | None]:
    """Mean and percentiles of `diameters_by_length` by the names of the numbers. D10 is the smallest diameter
    that at least 10 % of the length do not exceed (ISO 9276-2)."""
    # All weightings of `diameters_by_length` have the lengths as weights; with "area" percentiles are not
    # interpolated.
    values = figures(sizes.size, sizes.weights["area"], "area")
    return {name: values[figure] for name, figure in FIGURES_BY_LENGTH.items()}


def only_with_length(table: Table) -> Table:
    """The table in which fibres without a known length are left out: the frame or another fibre hides
    an end."""
    is_cut = table.kept & np.isnan(table.length("fibre_length"))
    return table.judged(np.where(is_cut, str(Reason.FRAME), table.reasons))


def order_parameter(sums: Floats) -> float:
    """The order parameter |Σ L exp(2iθ)| / Σ L from the sums (3,) of L cos 2θ, L sin 2θ and L over
    stretches of length L and direction θ; NaN without a length."""
    return float(np.minimum(1.0, np.hypot(sums[0], sums[1]) / sums[2])) if sums[2] else np.nan


def pores(labels: NDArray[np.int32], ignored: NDArray[np.bool_] | None = None) -> Floats:
    """(n,) the diameters of the pores in px. A pore is a connected part of the background that
    fibres enclose and no ignored pixel touches; its diameter is the diameter of the largest circle in it.

    labels: (H, W) of the fibres. ignored: (H, W).
    """
    background, count = ndimage.label(labels == 0)
    if not count:
        return np.zeros(0)
    depth = ndimage.distance_transform_edt(np.pad(background, 1, mode="edge"))[1:-1, 1:-1]
    largest = ndimage.maximum(depth, background, np.arange(1, count + 1))
    sides = (background[0], background[-1], background[:, 0], background[:, -1])
    at_edge = np.unique(np.concatenate(sides))
    if ignored is not None:
        at_edge = np.union1d(at_edge, background[ignored])
    enclosed = np.setdiff1d(np.arange(1, count + 1), at_edge)
    diameters = 2 * np.asarray(largest, float)[enclosed - 1] - 1
    return np.asarray(diameters[diameters >= 3], np.float64)


def pore_diameter(
    labels: NDArray[np.int32], calibration: Calibration, ignored: NDArray[np.bool_] | None = None
) -> Value:
    """The median diameter of the pores (`pores`) with its 95 % interval between order statistics,
    which includes the uncertainty of the scale."""
    sizes = np.sort(pores(labels, ignored)) * (calibration.nm_per_pixel or 1.0)
    unit = "px" if calibration.nm_per_pixel is None else "nm"
    if not len(sizes):
        return Value(None, unit=unit)
    middle = float(np.median(sizes))
    if len(sizes) < FEWEST_PORES:
        return Value(middle, unit=unit)
    # Ranks of the ends: n / 2 -+ 1.96 sqrt(n) / 2.
    half = 0.98 * np.sqrt(len(sizes))
    ranks = (int(np.clip(round(len(sizes) / 2 + off), 0, len(sizes) - 1)) for off in (-half - 0.5, half))
    low, high = (float(sizes[rank]) for rank in ranks)
    return with_scale_uncertainty(Value(middle, low, high, unit), calibration.standard_uncertainty, 1)


def who_fibres(table: Table) -> Value:
    """The number of fibres that the WHO counts: longer than 5 µm, thinner than 3 µm, and over three
    times as long as wide; None for a table in px. Each end in view counts as half a fibre."""
    if table.nm_per_pixel is None:
        return Value(None)
    length, diameter = table.length("visible_length"), table.length("fibre_diameter")
    is_who = table.kept & (length > WHO_LENGTH_NM) & (diameter < WHO_DIAMETER_NM)
    is_who &= length > WHO_ASPECT * diameter
    return poisson(float(table["ends_seen"][is_who].sum() / 2))


def poisson(count: float) -> Value:
    """A count with the 95 % interval of a Poisson number (Garwood 1936)."""
    # gammaincinv gives half of a quantile of chi squared: the digits of scipy.stats, which loads
    # for 0.8 s.
    low = float(special.gammaincinv(count, 0.025)) if count else 0.0
    return Value(count, low, float(special.gammaincinv(count + 1, 0.975)))
