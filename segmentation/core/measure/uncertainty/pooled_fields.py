"""The numbers of several images as one sample, with 95 % intervals, for kinds of analysis without a
size distribution.

A task defines how its numbers follow from all images together (`PoolFields`). The intervals use
Student's t and the standard error of the jackknife, which leaves out one image at a time (Tukey
1958; for medians Shao and Wu 1989). For a fraction and images of equal area this is the spread
between fields of ASTM E562. A number that is always above zero, such as a length or a density, has
its interval on the logarithm: then a power of the number has the same interval, raised to that
power.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, hypot
from typing import Any

import numpy as np

from ..quantities import OF, Quantity, Unit, Value, number
from ..sizes.distribution import FEWEST_IMAGES, Edge, Floats, WeightedSizes
from ..table import Table
from .figure_draws import WIDEST_BY_IMAGE, Z95, t95

OTHER_NUMBERS = "Its model has other classes than the model of the first image."
NO_NUMBER = "It has no numbers; its page says why."
COARSER = 1.5  # times the smallest pixel; an image with larger pixels shows clearly fewer small objects


def reason_and_warning(excluded: str, warning: str) -> tuple[str, str]:
    """Why an image is left out, and its warning, as pages show them. For an image without numbers
    the warning itself is the reason."""
    return (warning, "") if excluded == NO_NUMBER and warning else (excluded, warning)


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """One of several images.

    table: its judged objects or classes. values: its numbers by name, with lengths in the unit of
    the table; None without a value. area: the analysed area in this unit squared. edge: the border
    correction. settings: those of the analysis, by name.
    """

    table: Table
    values: Mapping[str, float | None]
    area: float
    edge: Edge = "exclude"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def rescaled(self, factor: float) -> FieldOfView:
        """The same image with a pixel `factor` times as large."""
        values = {
            name: None if value is None else value * factor ** number(name).power for name, value in self.values.items()
        }
        pixel = self.table.nm_per_pixel
        table = self.table if pixel is None else self.table.rescaled(pixel * factor)
        return replace(self, table=table, values=values, area=self.area * factor**2)


# The numbers of several images together, by name.
PoolFields = Callable[[Sequence[FieldOfView]], Mapping[str, float | None]]


def by_area(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """The numbers of all images together: counts are added up, every other number is averaged,
    weighted by the analysed area of each image."""
    areas = [field.area for field in fields]
    return {
        name: sum(field.values[name] or 0.0 for field in fields)
        if number(name).kind == "integer"
        else weighted_mean([field.values[name] for field in fields], areas)
        for name in fields[0].values
        if all(name in field.values for field in fields)
    }


def weighted_mean(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """The weighted mean of the known values; None if there are none."""
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    whole = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / whole if whole else None


def pooled_mean(tables: Sequence[Table], by: str, edge: Edge) -> float | None:
    """The mean by number of the measure `by` over the counted objects of all tables; None without
    any."""
    sizes = WeightedSizes.of(*tables, edge=edge, by=by)
    return float(np.average(sizes.size, weights=sizes.weights["number"])) if len(sizes) else None


def jackknife_error(without: Floats) -> Floats:
    """(n,) the standard errors of n figures by the jackknife. without: (m, n) their values without
    each of m parts."""
    parts = len(without)
    error: Floats = np.sqrt((parts - 1) / parts * ((without - without.mean(0)) ** 2).sum(0))
    return error


def share_ends(parts: Floats, wholes: Floats, low: float, high: float) -> list[float]:
    """The ends `low` and `high` of the interval of a share, widened for the differences between m
    images: at least as far away as the ends of Student's interval by the jackknife. With fewer than
    FEWEST_IMAGES images they are unchanged.

    parts, wholes: (m,) of each image; the share is the sum of the parts divided by the sum of the
    wholes. Images with the whole 0 are ignored.
    """
    parts, wholes = parts[wholes > 0], wholes[wholes > 0]
    if len(parts) < FEWEST_IMAGES:
        return [low, high]
    without = (parts.sum() - parts) / (wholes.sum() - wholes)
    low, high = widened_ends(low, high, parts.sum() / wholes.sum(), without)
    return [max(0.0, low), min(1.0, high)]


def widened_ends(low: float, high: float, value: float, without: Floats) -> tuple[float, float]:
    """The ends `low` and `high` of the interval of a value, moved at least as far away as the ends of
    Student's interval by the jackknife. without: (m,) the value without each of m images."""
    half = t95(len(without) - 1) * float(jackknife_error(without[:, None])[0])
    return min(low, value - half), max(high, value + half)


def reasons_not_to_pool(fields: Sequence[FieldOfView]) -> list[str]:
    """For each image "", or a sentence that says why it cannot be combined with the others: it has
    no numbers, or its classes are not those of the first image with numbers."""
    has_numbers = [any(value is not None for value in field.values.values()) for field in fields]
    reference = next((field.values for field, has_any in zip(fields, has_numbers, strict=True) if has_any), {})
    return [
        NO_NUMBER if not has_any else "" if _have_equal_classes(field.values, reference) else OTHER_NUMBERS
        for field, has_any in zip(fields, has_numbers, strict=True)
    ]


def _have_equal_classes(one: Mapping[str, float | None], other: Mapping[str, float | None]) -> bool:
    """Whether the figures that both images have are for the same classes. Results of older versions may
    lack some figures."""
    figures = {name.partition(OF)[0] for name in one} & {name.partition(OF)[0] for name in other}
    names_of_one, names_of_other = (
        {name for name in values if name.partition(OF)[0] in figures} for values in (one, other)
    )
    return names_of_one == names_of_other


def pooled_quantities(
    fields: Sequence[FieldOfView], pool: PoolFields, unit: Unit, uncertainty: float
) -> dict[str, Value]:
    """The numbers of three or more images together, with their 95 % intervals.

    pool: computes the numbers of a list of images. unit: of their lengths. uncertainty: relative
    standard uncertainty of the calibration, which all images share. Its effect on a number, or on
    its logarithm, is half the difference between the numbers with pixels exp(±uncertainty) times as
    long (GUM 5.1.3).

    There is no interval for a count, for a number that stays equal whichever image is left out, and
    for an interval on the logarithm with an end further away than the factor WIDEST_BY_IMAGE (for
    areas and densities: its power).
    """
    whole = pool(fields)
    longer, shorter = (pool([field.rescaled(exp(u)) for field in fields]) for u in (uncertainty, -uncertainty))
    others = [pool([*fields[:index], *fields[index + 1 :]]) for index in range(len(fields))]
    values = {}
    for name, value in whole.items():
        quantity, without = number(name), [pooled[name] for pooled in others]
        values[name] = Value(value, unit=quantity.unit(unit))
        if value is None or None in without or quantity.of_amount:
            continue
        by_scale = [value if numbers[name] is None else numbers[name] for numbers in (longer, shorter)]
        figures = np.array([value, *by_scale, *without], float)
        if ends := _useful_ends(quantity, figures):
            values[name] = replace(values[name], low=ends[0], high=ends[1])
    return with_ordered_ends(values)


def with_mean_interval(whole: Value, images: Sequence[Value], weights: Sequence[float]) -> Value:
    """The number `whole` of two images together, with a 95 % interval from their two intervals, because
    two images cannot show how fields differ; without an interval if one image has none.

    The distance to each end is the weighted mean of the distances in the images, because both share
    the error of the scale. weights: of the images, such as their areas.
    """
    ends = [(image.value, image.low, image.high) for image in images]
    if whole.value is None or any(None in image for image in ends):
        return whole
    shares = np.array(weights) / sum(weights)
    middle, low, high = np.array(ends, float).T
    down, up = (float((shares * reach).sum()) for reach in (middle - low, high - middle))
    return replace(whole, low=whole.value - down, high=whole.value + up)


def _useful_ends(quantity: Quantity, figures: Floats) -> tuple[float, float] | None:
    """The ends of the 95 % interval of a quantity; None if its value stays the same without each
    image, or if the interval on the logarithm is too wide to be useful. figures: (3 + m,), see
    `_ends`."""
    is_share = quantity.kind == "fraction"
    in_logs = not is_share and not quantity.signed and bool((figures > 0).all())
    low, high = map(float, np.exp(_ends(np.log(figures))) if in_logs else _ends(figures))
    low, high = low if quantity.signed else max(0.0, low), min(1.0, high) if is_share else high
    value, without = float(figures[0]), figures[3:]
    is_wide = in_logs and max(high / value, value / low) > WIDEST_BY_IMAGE ** max(1, abs(quantity.power))
    return None if is_wide or len(set(without.tolist())) == 1 else (low, high)


def _ends(figures: Floats) -> Floats:
    """(2,) the ends of Student's 95 % interval. figures: (3 + m,) the number; the number with
    longer, and with shorter pixels; the number without each of m images."""
    middle, longer, shorter, *without = figures.tolist()
    spread = float(jackknife_error(np.array(without)))
    half = hypot(t95(len(without) - 1) * spread, Z95 * (longer - shorter) / 2)
    return np.array([middle - half, middle + half])


def with_ordered_ends(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values by name, with intervals widened so that D10 can never seem above D50 or D90. For
    each number and the one above it (`Quantity.above`): the lower end is not above the other's
    lower end, nor the upper end above the other's upper end."""
    wider, pairs = dict(values), [(number(name).above, name) for name in values if number(name).above in values]
    for below, above in (*pairs, *reversed(pairs)):
        one, other = wider[below], wider[above]
        if one.low is not None and one.high is not None and other.low is not None and other.high is not None:
            wider[below] = replace(one, low=min(one.low, other.low))
            wider[above] = replace(other, high=max(one.high, other.high))
    return wider
