"""Tables, sizes and numbers per area of the objects in one image (field of view), for kinds of
analysis without a verdict (grains, bubbles, loops).

Objects that touch the frame have no known size, so they are left out of the sizes. They count as
halves in numbers per area. The web process imports this module, so scipy is imported inside
functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..labels.segmentation import Segmentation
from ..micrograph.types import Calibration, Micrograph
from ..settings import MeasurementSettings
from .objects.filters import Reason, Signals, by_reason, judge, whole_only
from .objects.regions import CountedArea, are_inside, framed_by_border, masks_by_reason
from .outlines.polygons import ObjectOutlines, Shifts
from .quantities import NUMBERS, Value, column
from .results import Statistics
from .sizes.distribution import Edge, Floats, WeightedSizes, effective_number
from .table import Table
from .uncertainty.bootstrap import why_no_intervals
from .uncertainty.figure_draws import t95, with_scale_uncertainty
from .uncertainty.pooled_fields import jackknife_error

BLOCKS = 4  # along each side; intervals come from the differences between the BLOCKS² parts of a field
FEWEST_OBJECTS = 6  # for an interval


def table_of(
    segmentation: Segmentation,
    micrograph: Micrograph,
    settings: MeasurementSettings,
    calibration: Calibration,
    signals: Signals,
    *,
    too_small: Sequence[Reason] = (),
    **measured: NDArray[Any],
) -> Table:
    """The judged table, with a row for each object; those that touch the frame are counted.

    measured: further columns (n,), lengths in px. signals, too_small: see `judge`, without the signals of regions.
    """
    from .shape import shapes

    labels, nm_per_pixel = segmentation.dense, calibration.nm_per_pixel
    inputs = labels, micrograph.pixels, segmentation.confidence, nm_per_pixel, segmentation.rows
    outlines = ObjectOutlines(labels, Shifts.of(segmentation.maps))
    table = shapes.measure(*inputs, outlines=outlines).with_measures(**measured)
    table = framed_by_border(table, segmentation.used, labels)
    masks = masks_by_reason(segmentation, settings.ignore)
    inside = {reason: are_inside(labels, mask, len(table)) for reason, mask in masks.items()}
    return judge(
        table,
        settings.filter,
        {**signals, **inside},
        person=segmentation,
        faint_limit=settings.faint_limit,
        too_small=too_small,
        screened=False,
    ).with_ids(segmentation.ids)


def distribution(
    table: Table, size: str, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
) -> Statistics:
    """The statistics of the measure `size` over the objects that do not touch the frame. Objects that
    touch it are not listed as left out, because numbers per area include them."""
    from .statistics import seed_of, summarise
    from .uncertainty.budget import Conditions

    edge, seed = settings.border_correction, seed_of(micrograph.sha256)
    conditions = Conditions(size=size, screened=False, calibration=calibration, edge=edge, seed=seed)
    statistics = summarise(whole_only(table), conditions)
    return replace(statistics, n_set_aside=int((~table.kept).sum()), set_aside=by_reason([table]))


def mean_of(table: Table, by: str, edge: Edge, calibration: Calibration) -> Value:
    """The mean by number of the measure `by` over the objects that do not touch the frame, with
    Student's 95 % interval.

    The interval includes the uncertainty of the calibration. It is missing where it is not defined
    (`bootstrap.why_no_intervals`).
    """
    sizes = WeightedSizes.of(whole_only(table), edge=edge, by=by)
    power = column(by).power
    unit, spread = column(by).unit(table.unit), (calibration.standard_uncertainty or 0.0) * power
    if not len(sizes):
        return Value(None, unit=unit)
    weights, n = sizes.weights["number"], effective_number(sizes.weights["number"])
    mean = float(np.average(sizes.size, weights=weights))
    if why_no_intervals(sizes):
        return Value(mean, unit=unit)
    error = float(np.sqrt(np.average((sizes.size - mean) ** 2, weights=weights) / (n - 1)))
    half = t95(int(n) - 1) * np.hypot(error, mean * spread)
    return Value(mean, max(0.0, mean - half), mean + half, unit)


def per_area(
    name: str, table: Table, area: CountedArea, calibration: Calibration, amounts: Floats | None = None
) -> Value:
    """The number of counted objects in a field divided by its area; with `amounts`, such as visible
    lengths, the sum of these divided by the area.

    name: of the quantity. An object at the frame counts half, because the other half belongs to the
    neighbouring field. An amount counts whole, because only its visible part is measured. The 95 %
    interval comes from `value_over_blocks`, with the uncertainty of the scale.
    """
    counts = np.where(table["touches_frame"].astype(bool), 0.5, 1.0) if amounts is None else amounts
    quantity, areas = NUMBERS[name], areas_of_blocks(area) * (table.nm_per_pixel or 1.0) ** 2
    mean = value_over_blocks(
        lambda sums: ratio(sums[0], sums[1]), np.stack([sums_in_blocks(table, area.shape, counts), areas], 1)
    )
    enough = interval_if_enough(mean, table, quantity.unit(table.unit))
    return with_scale_uncertainty(enough, calibration.standard_uncertainty, quantity.power)


def block_of(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.int64]:
    """(n,) the block, 0..BLOCKS² - 1, of a field of `shape` (H, W) in which each place (row,
    column) lies."""
    down, across = (
        np.clip(BLOCKS * place // side, 0, BLOCKS - 1) for place, side in zip((rows, columns), shape, strict=True)
    )
    return np.asarray(BLOCKS * down + across, np.int64)


def pixel_sums_in_blocks(amounts: NDArray[Any]) -> Floats:
    """(BLOCKS²,) the sums of the amounts (H, W) over the pixels of each block."""
    height, width = amounts.shape
    blocks = block_of(np.arange(height)[:, None], np.arange(width)[None], (height, width))
    return np.bincount(blocks.ravel(), amounts.ravel(), BLOCKS**2).astype(float)


def areas_of_blocks(area: CountedArea) -> Floats:
    """(BLOCKS²,) the counted area of each block in px."""
    if area.ignored is None:
        return np.full(BLOCKS**2, area.shape[0] * area.shape[1] / BLOCKS**2)
    return pixel_sums_in_blocks(~area.ignored)


def ratio(part: float, whole: float) -> float:
    """part / whole; NaN if the whole is 0, such as without the only block with objects."""
    return float(part / whole) if whole else float("nan")


def sums_in_blocks(table: Table, shape: tuple[int, int], amounts: Floats) -> Floats:
    """(BLOCKS²,) the sums of the amounts (n,) over the counted objects whose centres lie in each
    block."""
    rows, columns = (table[f"centroid_{axis}_px"][table.kept] for axis in "yx")
    return np.bincount(block_of(rows, columns, shape), amounts[table.kept], BLOCKS**2).astype(float)


def value_over_blocks(figure: Callable[[Floats], float], sums: Floats, *, highest: float = np.inf) -> Value:
    """A figure that follows from sums over blocks, such as a ratio, with its 95 % interval; None if
    it is undefined.

    sums: (blocks, k); the blocks are the BLOCKS² parts of a field, or whole images. figure: gets
    the sums (k,) over all blocks. highest: its largest possible value, 1 for a fraction. The
    interval is Student's, with the standard error of the jackknife over the blocks (Tukey 1958).
    For the blocks of one field the interval shows how well this field is known, not how other fields
    differ.
    """
    total = sums.sum(0)
    value = figure(total)
    if not np.isfinite(value):
        return Value(None)
    half = t95(len(sums) - 1) * float(jackknife_error(np.array([[figure(total - block)] for block in sums]))[0])
    return Value(value, max(0.0, value - half), min(highest, value + half)) if np.isfinite(half) else Value(value)


def interval_if_enough(value: Value, table: Table, unit: str = "") -> Value:
    """The value with its unit; without an interval if fewer than FEWEST_OBJECTS objects are counted."""
    return replace(value, unit=unit) if int(table.kept.sum()) >= FEWEST_OBJECTS else Value(value.value, unit=unit)
