"""The kind "grains": outlines the grains in a network's map of boundaries, and gives their sizes and the grain size
number of ASTM E112."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

import numpy as np
from numpy.typing import NDArray

from ..flags import Flag
from ..measure.fields import (
    areas_of_blocks,
    interval_if_enough,
    mean_of,
    per_area,
    pixel_sums_in_blocks,
    value_over_blocks,
)
from ..measure.objects.filters import Reason, whole_only
from ..measure.quantities import Value, register_file
from ..measure.uncertainty.figure_draws import with_scale_uncertainty
from ..measure.uncertainty.pooled_fields import FieldOfView, by_area, pooled_mean, weighted_mean
from ..micrograph.types import Calibration
from . import shared
from .base import Golden

NM2_PER_MM2 = 1e12
METHOD = (
    "For each pixel a convolutional network predicted the probability of a grain boundary. The map was divided by"
    " watershed. Regions with a mean probability below {threshold:.3g} along their border were joined. Borders are 5 px"
    " wide; the regions between them, opened with a square of 3 px, are grains. A grain whose border never bends"
    " inwards is called convex (Xu et al., J. Nucl. Mater. 588, 154813, 2024)."
)
FEW_ARE_CONVEX = (
    "Only {share:.0f} % of the whole grains are convex: boundaries were missed, and grains are joined. Lower the"
    " threshold, or use the numbers of the convex grains only."
)
NO_INTERCEPT = Flag("No mean intercept is given: rows and columns of the image cross too few boundaries.")
# The limits in `is_evident`: the least number of outlines; the largest share of the area that one may have; the largest
# ratio of the median diameter by area to that by number; the least mean probability along boundaries; the least share
# of the area that belongs to convex grains.
FEWEST_GRAINS, LARGEST_SHARE, LARGEST_RATIO, LEAST_PROBABILITY, LEAST_CONVEX = 20, 0.2, 1.6, 0.82, 0.25
FEW_CONVEX = 0.5  # share of the whole grains; if fewer are convex, boundaries were missed


def columns(labels: NDArray[np.int32]) -> dict[str, NDArray[np.bool_]]:
    """The columns (n,) of the table that only grains have."""
    from ..labels.grains import are_convex

    return {"convex": are_convex(labels)}


def is_evident(labels: NDArray[np.int32], boundaries: NDArray[np.uint8]) -> bool:
    """Whether labels (H, W) are surely grains: there are many, none is much larger than the others (a background
    would be), many are convex, and the map of boundaries (H, W) uint8 is high along all of them.

    Measured: true for 11 of 12 drawn polycrystals and 10 of 12 crops of them, for none of 46 pictures of other kinds,
    and for 4 of 86 crops of EMPS, which all show close-packed particles. Such pictures get a warning.
    """
    from ..labels.grains import are_convex

    areas = np.bincount(labels.ravel())[1:]
    if len(areas) < FEWEST_GRAINS:
        return False
    ordered = np.sort(areas)
    median_by_area = ordered[np.searchsorted(np.cumsum(ordered), areas.sum() / 2)]
    is_even = median_by_area <= LARGEST_RATIO**2 * np.median(areas) and ordered[-1] <= LARGEST_SHARE * areas.sum()
    mean_along = float(boundaries[labels == 0].mean()) / 255
    convex_share = float(areas[are_convex(labels)].sum() / areas.sum())
    return bool(is_even and mean_along >= LEAST_PROBABILITY and convex_share >= LEAST_CONVEX)


def numbers(grains: shared.MeasuredObjects) -> tuple[dict[str, Value], list[Flag]]:
    """The numbers of grains beside the diameters, and a warning if many grains are not convex."""
    table, calibration = grains.table, grains.calibration
    is_whole = whole_only(table).kept
    is_convex = is_whole & table["convex"]
    convex = table.judged(np.where(table["convex"], table.reasons, "not convex"))
    density = per_area("grain_density", table, grains.area, calibration)
    values = {
        "whole_grains": Value(float(is_whole.sum())),
        "convex_grains": Value(float(is_convex.sum())),
        "convex_diameter_mean": mean_of(convex, TASK.size, grains.settings.border_correction, calibration),
        "grain_intercept": _mean_intercept(grains, calibration),
        "grain_density": density,
        "grain_number": grain_number(density, calibration.nm_per_pixel),
    }
    share = float(is_convex.sum()) / max(1, int(is_whole.sum()))
    warning = Flag.doubtful(
        FEW_ARE_CONVEX.format(share=100 * share), f"Grains may be joined, only {100 * share:.0f} % are convex"
    )
    flags = [warning] if is_whole.any() and share < FEW_CONVEX else []
    return values, [*flags, NO_INTERCEPT] if table.kept.any() and values["grain_intercept"].value is None else flags


def _mean_intercept(grains: shared.MeasuredObjects, calibration: Calibration) -> Value:
    """The mean intercept of counted grains with its interval, in the table's unit; None if it is longer than the
    picture."""
    from ..labels.grains import crossings, mean_intercept

    table, area, size = grains.table, grains.area, calibration.nm_per_pixel or 1.0
    labels = grains.segmentation.dense[: area.shape[0]]
    is_counted = table.kept | (table.reasons == Reason.IGNORED)  # the part of a grain outside the ignored region counts
    labels = np.append(False, is_counted)[labels] * labels
    sums = np.stack([pixel_sums_in_blocks(area.counted(crossings(labels))), areas_of_blocks(area)], axis=1)
    length = value_over_blocks(lambda parts: size * mean_intercept(*parts), sums)
    if not length.fits(size * max(labels.shape)):
        length = Value(None)
    return with_scale_uncertainty(interval_if_enough(length, table, table.unit), calibration.standard_uncertainty, 1)


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """The numbers of several images together; the mean intercept is the length of all test lines, divided by the number
    of grains that they cross."""
    values, reference = by_area(fields), fields[0]
    tables = [whole_only(field.table) for field in fields]
    convex = [table.judged(np.where(table["convex"], table.reasons, "not convex")) for table in tables]
    values["convex_diameter_mean"] = pooled_mean(convex, "ecd", reference.edge)
    intercepts = [field.values["grain_intercept"] for field in fields]
    # The test lines are all rows and columns: their length is proportional to the area, divided by the pixel size.
    lines = [field.area / (field.table.nm_per_pixel or 1.0) for field in fields]
    crossed = [line / length if length else 0.0 for line, length in zip(lines, intercepts, strict=True)]
    values["grain_intercept"] = weighted_mean(intercepts, crossed)
    values["grain_number"] = grain_number(Value(values["grain_density"]), reference.table.nm_per_pixel).value
    return values


def grain_number(density: Value, nm_per_pixel: float | None) -> Value:
    """The grain size number of ASTM E112, from grains per nm²; None without a scale or grains."""
    if nm_per_pixel is None or not density.value:
        return Value(None)
    value, low, high = (
        3.321928 * log10(end * NM2_PER_MM2) - 2.954 if end else None
        for end in (density.value, density.low, density.high)
    )
    return Value(value, low, high)


def golden() -> Golden:
    """The drawn test case of this kind: eight by eight cells of 23 px between boundaries of 5 px; the outer cells touch
    the frame."""
    y, x = np.mgrid[:196, :196]
    boundary = ((y + 14) % 28 < 5) | ((x + 14) % 28 < 5)
    maps = np.where(boundary, 255, 0).astype(np.uint8)[None]
    counts = {"grains": 64.0, "whole_grains": 36.0, "convex_grains": 36.0}
    answers = {**counts, "grain_diameter_mean": 23 * (4 / np.pi) ** 0.5}
    return Golden(np.where(boundary, 200, 60).astype(np.uint8), maps, 64, answers, 0.03)


TASK = shared.task_of(
    "grain",
    numbers,
    finder="grains.find_grains",
    probabilities="grains.probabilities",
    columns=columns,
    is_evident=is_evident,
    map_name="boundary",
    summary="Outlines the grains between boundaries, measures diameters and intercepts, and counts them per area.",
    quantities=register_file(__file__),
    panels=("image", "boundaries", "segmentation", "sizes"),
    golden=golden,
    bounded=True,
    method=METHOD,
    pool_fields=pool_fields,
)
