"""Compares two results: the differences of their numbers and sizes, and, for one image, of their objects.

Two results of one image show the same objects, so their differences are paired, and the intervals come from a
bootstrap: groups of objects that belong together (a pair, a split object with its parts, an object that only one side
has) are drawn with replacement, and the numbers of both sides are computed from the same draw. Results of different
images are independent: the interval of the difference follows from the intervals of both numbers
(`results.difference_interval`).
"""

from __future__ import annotations

import numpy as np

from ..measure.objects.matching import Indices
from ..measure.sizes.bins import FEWEST_BINS_COMPARED, LEAST_SIZES, auto_edges
from ..measure.sizes.distribution import Floats, mean_and_deviation, nano_share, quantiles
from ..measure.uncertainty.resampling import REPEATS
from . import results
from .agreement import Overlaps, agree, group_objects, overlaps_of
from .distance import distance
from .results import (
    OUTCOMES,
    Agreement,
    Comparison,
    Curves,
    Difference,
    DifferenceInterval,
    How,
    Objects,
    difference_interval,
)
from .sides import COUNT, FRACTION, NUMBERS, SIZE_NUMBERS, Side, Sizes

SEED = 0  # of random numbers: the same results give the same comparison
Paired = tuple[Overlaps, Indices, Indices]  # the overlaps, and the group of each object of the first and second side
NO_SIZES = Sizes(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
MOST_DRAWN_SIZES = 20_000_000  # sizes in all draws together: with very many objects there are fewer draws, to save time
LEAST_REPEATS = 400  # draws that an interval needs
# Notes for the user.
FEW = f"Intervals of paired differences need at least {LEAST_SIZES} groups of outlines."
NO_LABELS = "Outlines cannot be paired: that needs two results of one image, with stored outlines of the same size."


def compare(first_side: Side, second_side: Side) -> Comparison:
    """The comparison in plain JSON types. Both sides must have the same unit and the same measure as size."""
    how: How = "paired" if len(first_side.images) == len(second_side.images) == 1 else "shared"
    if not set(first_side.images) & set(second_side.images):
        how = "independent"
    agreement, paired_objects, notes = None, None, []
    if how == "paired":
        agreement, paired_objects = _pair_objects(first_side, second_side)
        notes = [] if agreement else [NO_LABELS]
    have_sizes = first_side.sizes is not None and second_side.sizes is not None
    one, other = first_side.sizes or NO_SIZES, second_side.sizes or NO_SIZES
    curves = None
    if have_sizes and len(one.size) and len(other.size):
        edges = auto_edges(np.concatenate([one.size, other.size]), first_side.unit, fewest=FEWEST_BINS_COMPARED)
        shares = [
            np.histogram(sizes.size, edges, weights=sizes.weight)[0] / sizes.weight.sum() for sizes in (one, other)
        ]
        curves = Curves(edges=edges.tolist(), first=shares[0].tolist(), second=shares[1].tolist())
    any_sample, rng = len(first_side.images) > 1 or len(second_side.images) > 1, np.random.default_rng(SEED)
    return Comparison(
        how=how,
        size=first_side.size,
        unit=first_side.unit,
        differences=_differences(first_side, second_side, how, paired_objects, notes),
        distance=distance(one, other, how, first_side.unit, rng, any_sample=any_sample) if have_sizes else None,
        curves=curves,
        agreement=agreement,
        notes=notes,
    )


def _pair_objects(first_side: Side, second_side: Side) -> tuple[Agreement | None, Paired | None]:
    """How far two results of one image agree, and which of their objects belong together (None if the results have
    classes of pixels). Both are None if outlines are not stored, or differ in size."""
    if (
        first_side.classes is not None
        and second_side.classes is not None
        and first_side.classes.shape == second_side.classes.shape
    ):
        analysed = (first_side.classes >= 0) & (second_side.classes >= 0)  # analysed in both
        same = float((first_side.classes == second_side.classes)[analysed].mean()) if analysed.any() else 0.0
        no_objects = {outcome: Objects(first=[], second=[]) for outcome in OUTCOMES}
        return Agreement(scores=[], mean_iou=None, places=no_objects, pixels=same), None
    if first_side.labels is None or second_side.labels is None or first_side.labels.shape != second_side.labels.shape:
        return None, None
    common = overlaps_of(first_side.labels, second_side.labels)
    object_groups = group_objects(common)
    return agree(common, *object_groups), (common, *object_groups)


def _differences(
    first_side: Side, second_side: Side, how: How, paired_objects: Paired | None, notes: list[str]
) -> list[Difference]:
    """The numbers that both sides have, each with the difference and its interval. If there are too few objects for
    intervals, a sentence about it is added to `notes`."""
    limits: dict[str, DifferenceInterval | None] = {}
    if how == "paired" and paired_objects and first_side.sizes and second_side.sizes:
        limits = _paired_intervals(
            first_side.sizes, second_side.sizes, *paired_objects, with_fraction=FRACTION in first_side.values
        )
        notes += [] if limits else [FEW]
    elif how == "independent":
        limits = {name: _independent_interval(name, first_side, second_side) for name in NUMBERS if name != COUNT}
    differences = []
    for name in (name for name in NUMBERS if name in first_side.values and name in second_side.values):
        one, other = first_side.values[name].value, second_side.values[name].value
        low, high = limits.get(name) or (None, None)
        difference = None if one is None or other is None else float(other) - float(one)
        differences.append(Difference(name=name, first=one, second=other, difference=difference, low=low, high=high))
    return differences


def _independent_interval(name: str, first_side: Side, second_side: Side) -> DifferenceInterval | None:
    """The interval of the difference of a number, if the sides share no image."""
    one, other = first_side.values.get(name), second_side.values.get(name)
    if one is None or other is None:
        return None
    return difference_interval(*results.with_like_intervals(one, other))


def _paired_intervals(
    first_sizes: Sizes,
    second_sizes: Sizes,
    common: Overlaps,
    first_group: Indices,
    second_group: Indices,
    *,
    with_fraction: bool,
) -> dict[str, DifferenceInterval | None]:
    """95 % bootstrap intervals of the differences, by drawing groups of objects; {} if there are too few groups.

    first_group, second_group: the group of each object, in the order of `common.first_ids` and `common.second_ids`.
    with_fraction: whether the fraction from 1 to 100 nm gets an interval, too.
    """
    n_groups = int(max(first_group.max(initial=-1), second_group.max(initial=-1))) + 1
    if n_groups < LEAST_SIZES or not len(first_sizes.size) or not len(second_sizes.size):
        return {}
    sides = [
        _in_order_of_size(first_sizes, first_group[np.searchsorted(common.first_ids, first_sizes.label)]),
        _in_order_of_size(second_sizes, second_group[np.searchsorted(common.second_ids, second_sizes.label)]),
    ]
    counts = [np.bincount(group, minlength=n_groups) for group in (first_group, second_group)]
    rng, differences = np.random.default_rng(SEED), []
    repeats = min(REPEATS, max(LEAST_REPEATS, MOST_DRAWN_SIZES // (len(first_sizes.size) + len(second_sizes.size))))
    for _ in range(repeats):
        times = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)  # how often each group is drawn
        numbers = [_numbers(*side, times, with_fraction=with_fraction) for side in sides]
        if None not in numbers:
            differences.append([float(times @ counts[1] - times @ counts[0]), *np.subtract(numbers[1], numbers[0])])  # type: ignore[arg-type]
    if len(differences) < LEAST_REPEATS:
        return {}
    names = (COUNT, *SIZE_NUMBERS, FRACTION) if with_fraction else (COUNT, *SIZE_NUMBERS)
    ends = np.percentile(differences, [2.5, 97.5], axis=0).T.tolist()
    return {name: (low, high) for name, (low, high) in zip(names, ends, strict=True)}


def _in_order_of_size(sizes: Sizes, group: Indices) -> tuple[Floats, Floats, Indices]:
    """Sizes, weights and groups of the objects, the smallest first."""
    order = np.argsort(sizes.size, kind="stable")
    return sizes.size[order], sizes.weight[order], group[order]


def _numbers(
    size: Floats, weight: Floats, group: Indices, times: Indices, *, with_fraction: bool
) -> list[float] | None:
    """The SIZE_NUMBERS of one draw and, if `with_fraction`, the fraction from 1 to 100 nm; None for too few sizes.

    times: (groups,) how often each group is drawn.
    """
    repeats = times[group]
    sizes, weights = np.repeat(size, repeats), np.repeat(weight, repeats)
    mean, deviation = mean_and_deviation(sizes, weights) if len(sizes) > 1 else (0.0, None)
    if deviation is None:
        return None
    d10, median, d90 = quantiles(sizes, weights, (0.1, 0.5, 0.9)).tolist()
    return [median, mean, deviation, d10, d90, *([nano_share(sizes, weights)] if with_fraction else [])]
