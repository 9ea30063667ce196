"""Several images as one sample, for kinds of analysis without a size distribution.

A task defines its numbers for all images together (`PoolFields`). Their intervals use Student's t and the standard
error of the jackknife, which leaves out one image at a time (Tukey 1958; for medians Shao and Wu 1989). For a fraction
and images of equal area this is the spread between fields of ASTM E562. What is only ever above zero, such as a length
or a density, has its interval on the logarithm, so that a function of it has an interval that agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, hypot
from typing import Any

import numpy as np

from .distribution import FEWEST_IMAGES, Edge, Floats, WeightedSizes
from .drawn import WIDEST_BY_IMAGE, Z95, t95
from .quantities import OF, Quantity, Unit, Value, number
from .table import Table

OTHER_NUMBERS = "Its model has other classes than the model of the first image."
NO_NUMBER = "It has no numbers; its page says why."
COARSER = 1.5  # times the finest pixel, from which on an image shows clearly fewer small objects


def reason_and_warning(excluded: str, warning: str) -> tuple[str, str]:
    """Why an image does not count, and its warning: of one without numbers the warning says why."""
    return (warning, "") if excluded == NO_NUMBER and warning else (excluded, warning)


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """One image of several.

    table: of its judged objects or classes. values: its numbers by name, lengths in the unit of the table; None if
    there is no value. area: the analysed area, in that unit squared. edge: the treatment of objects that touch the
    frame. settings: the settings of the analysis, by name.
    """

    table: Table
    values: Mapping[str, float | None]
    area: float
    edge: Edge = "exclude"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def rescaled(self, factor: float) -> FieldOfView:
        """The same image with a pixel size larger by this factor."""
        values = {
            name: None if value is None else value * factor ** number(name).power for name, value in self.values.items()
        }
        size = self.table.nm_per_pixel
        table = self.table if size is None else self.table.rescaled(size * factor)
        return replace(self, table=table, values=values, area=self.area * factor**2)


PoolFields = Callable[[Sequence[FieldOfView]], Mapping[str, float | None]]


def by_area(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """Counts are added up; every other number is averaged, weighted by the analysed area of each image."""
    areas = [field.area for field in fields]
    return {
        name: sum(field.values[name] or 0.0 for field in fields)
        if number(name).kind == "integer"
        else averaged([field.values[name] for field in fields], areas)
        for name in fields[0].values
        if all(name in field.values for field in fields)
    }


def averaged(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """The weighted mean of the known values; None if there are none."""
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    whole = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / whole if whole else None


def pooled_mean(tables: Sequence[Table], by: str, edge: Edge) -> float | None:
    """Mean of a measure over the kept objects of all tables, by number; None without any."""
    sizes = WeightedSizes.of(*tables, edge=edge, by=by)
    return float(np.average(sizes.size, weights=sizes.weights["number"])) if len(sizes) else None


def jackknife_error(without: Floats) -> Floats:
    """The standard error (n,) of n figures from their values (m, n) without each of m parts."""
    parts = len(without)
    error: Floats = np.sqrt((parts - 1) / parts * ((without - without.mean(0)) ** 2).sum(0))
    return error


def ends_between(parts: Floats, wholes: Floats, low: float, high: float) -> list[float]:
    """The ends of the share of `parts` (m,) in `wholes` (m,) of m images; where FEWEST_IMAGES have a whole they are at
    least as far away as those of Student's interval over the images, by the jackknife."""
    parts, wholes = parts[wholes > 0], wholes[wholes > 0]
    if len(parts) < FEWEST_IMAGES:
        return [low, high]
    without = (parts.sum() - parts) / (wholes.sum() - wholes)
    low, high = widened(low, high, parts.sum() / wholes.sum(), without)
    return [max(0.0, low), min(1.0, high)]


def widened(low: float, high: float, value: float, without: Floats) -> tuple[float, float]:
    """The ends of the interval of a value, at least as far away as those of Student's interval by the jackknife, from
    its values (m,) without each of m images."""
    half = t95(len(without) - 1) * float(jackknife_error(without[:, None])[0])
    return min(low, value - half), max(high, value + half)


def reasons_not_to_pool(fields: Sequence[FieldOfView]) -> list[str]:
    """For each image "" or a sentence that says why it cannot be combined with the others. An image that an earlier
    version measured may lack some figures of every class."""
    has_numbers = [any(value is not None for value in field.values.values()) for field in fields]
    reference = next((field.values for field, has_any in zip(fields, has_numbers, strict=True) if has_any), {})
    return [
        NO_NUMBER if not has_any else "" if _alike(field.values, reference) else OTHER_NUMBERS
        for field, has_any in zip(fields, has_numbers, strict=True)
    ]


def _alike(one: Mapping[str, float | None], other: Mapping[str, float | None]) -> bool:
    """Whether the figures that both have are of the same classes."""
    figures = {name.partition(OF)[0] for name in one} & {name.partition(OF)[0] for name in other}
    names_of_one, names_of_other = (
        {name for name in values if name.partition(OF)[0] in figures} for values in (one, other)
    )
    return names_of_one == names_of_other


def pooled_quantities(
    fields: Sequence[FieldOfView], pool: PoolFields, unit: Unit, uncertainty: float
) -> dict[str, Value]:
    """The numbers of three or more images together, with their 95 % intervals.

    pool: computes the numbers of a list of images. unit: of their lengths. uncertainty: the relative standard
    uncertainty of the calibration, shared by all. Its effect on a number, or on its logarithm, is half the difference
    between those with pixels exp(±uncertainty) times as long (GUM 5.1.3). There is no interval for a count,
    for a number that stays equal whichever image is left out, and for a number on the logarithm with an end that is
    further away than the factor WIDEST_BY_IMAGE (of areas and densities its power).
    """
    whole = pool(fields)
    longer, shorter = (pool([field.rescaled(exp(u)) for field in fields]) for u in (uncertainty, -uncertainty))
    others = [pool([*fields[:index], *fields[index + 1 :]]) for index in range(len(fields))]
    values = {}
    for name, value in whole.items():
        quantity, without = number(name), [pooled[name] for pooled in others]
        values[name] = Value(value, unit=quantity.unit(unit))
        is_unscaled = unit == "px" and quantity.power  # as of one image, no interval that looks like a measurement
        if value is None or None in without or quantity.of_amount or is_unscaled:
            continue
        by_scale = [value if numbers[name] is None else numbers[name] for numbers in (longer, shorter)]
        figures = np.array([value, *by_scale, *without], float)
        if ends := _useful_ends(quantity, figures):
            values[name] = replace(values[name], low=ends[0], high=ends[1])
    return with_ordered_ends(values)


def within_images(whole: Value, images: Sequence[Value], weights: Sequence[float]) -> Value:
    """A number of two images together, with its 95 % interval from theirs, because two cannot show how fields differ:
    the mean of the reaches on each side, weighted (by area), as both share the scale. None if one has none."""
    ends = [(image.value, image.low, image.high) for image in images]
    if whole.value is None or any(None in image for image in ends):
        return whole
    part = np.array(weights) / sum(weights)
    middle, low, high = np.array(ends, float).T
    down, up = (float((part * reach).sum()) for reach in (middle - low, high - middle))
    return replace(whole, low=whole.value - down, high=whole.value + up)


def _useful_ends(quantity: Quantity, figures: Floats) -> tuple[float, float] | None:
    """The ends of the 95 % interval of a quantity from its `figures` (3 + m,), see `_ends`; None where it stays the
    same without each image, and where the interval on the logarithm is too wide to say anything."""
    is_share = quantity.kind == "fraction"
    in_logs = not is_share and not quantity.signed and bool((figures > 0).all())
    low, high = map(float, np.exp(_ends(np.log(figures))) if in_logs else _ends(figures))
    low, high = low if quantity.signed else max(0.0, low), min(1.0, high) if is_share else high
    value, without = float(figures[0]), figures[3:]
    is_wide = in_logs and max(high / value, value / low) > WIDEST_BY_IMAGE ** max(1, abs(quantity.power))
    return None if is_wide or len(set(without.tolist())) == 1 else (low, high)


def _ends(figures: Floats) -> Floats:
    """(2,) Student's 95 % interval of figures (3 + m,): the number, with longer and with shorter pixels, and without
    each of m images."""
    middle, longer, shorter, *without = figures.tolist()
    spread = float(jackknife_error(np.array(without)))
    half = hypot(t95(len(without) - 1) * spread, Z95 * (longer - shorter) / 2)
    return np.array([middle - half, middle + half])


def with_ordered_ends(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values, with wider intervals where D10 could seem above D90: a low end is never above that of the number
    which `Quantity.above` puts higher, nor a high end above its high end."""
    wider, pairs = dict(values), [(number(name).above, name) for name in values if number(name).above in values]
    for below, above in (*pairs, *reversed(pairs)):
        one, other = wider[below], wider[above]
        if one.low is not None and one.high is not None and other.low is not None and other.high is not None:
            wider[below] = replace(one, low=min(one.low, other.low))
            wider[above] = replace(other, high=max(one.high, other.high))
    return wider
