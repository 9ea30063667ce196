"""Compares two results: which numbers differ by how much, and which objects are not the same.

Two outlinings of one image show the same objects, so their difference is paired: groups of objects that belong
together (a pair, a split object with its pieces, an object that only one side has) are drawn with replacement, and
both sides are computed of each draw. Results of different images are independent: the interval of the difference
follows from the intervals of both numbers (`intervals.of_difference`).
"""

from __future__ import annotations

import numpy as np

from ..measure.bins import FEWEST_BINS_COMPARED, LEAST_SIZES, auto_edges
from ..measure.distribution import Floats, mean_and_deviation, nano_share, quantiles
from ..measure.matching import Indices
from ..measure.resampling import REPEATS
from . import results
from .agreement import Shared, agree, groups, shared
from .distance import distance
from .results import OUTCOMES, Agreement, Comparison, Curves, Difference, How, Limits, Objects, of_difference
from .sides import COUNT, FRACTION, NUMBERS, OF_SIZES, Side, Sizes

SEED = 0
Paired = tuple[Shared, Indices, Indices]  # the overlaps, and the group of each object of the first and second side
NOTHING = Sizes(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
MOST_DRAWN = 20_000_000  # sizes that are drawn in all: of very many objects fewer draws are enough
LEAST_REPEATS = 400
FEW = f"Intervals of paired differences need at least {LEAST_SIZES} groups of outlines."
NO_LABELS = "Outlines cannot be paired: that needs two results of one image, with stored outlines of the same size."


def compare(first_side: Side, second_side: Side) -> Comparison:
    """The comparison in plain JSON types; both sides have the same unit and the same measure as size."""
    how: How = "paired" if len(first_side.images) == len(second_side.images) == 1 else "shared"
    if not set(first_side.images) & set(second_side.images):
        how = "independent"
    agreement, paired_objects, notes = None, None, []
    if how == "paired":
        agreement, paired_objects = _pair_objects(first_side, second_side)
        notes = [] if agreement else [NO_LABELS]
    sized = first_side.sizes is not None and second_side.sizes is not None
    one, other = first_side.sizes or NOTHING, second_side.sizes or NOTHING
    curves = None
    if sized and len(one.size) and len(other.size):
        edges = auto_edges(np.concatenate([one.size, other.size]), first_side.unit, fewest=FEWEST_BINS_COMPARED)
        shares = [
            np.histogram(sizes.size, edges, weights=sizes.weight)[0] / sizes.weight.sum() for sizes in (one, other)
        ]
        curves = Curves(edges=edges.tolist(), first=shares[0].tolist(), second=shares[1].tolist())
    sampled, rng = len(first_side.images) > 1 or len(second_side.images) > 1, np.random.default_rng(SEED)
    return Comparison(
        how=how,
        size=first_side.size,
        unit=first_side.unit,
        differences=_differences(first_side, second_side, how, paired_objects, notes),
        distance=distance(one, other, how, first_side.unit, rng, sampled=sampled) if sized else None,
        curves=curves,
        agreement=agreement,
        notes=notes,
    )


def _pair_objects(first_side: Side, second_side: Side) -> tuple[Agreement | None, Paired | None]:
    """How far two results of one image agree, and which of their objects belong together. Classes of pixels have no
    objects; without stored outlines of one size there is neither."""
    if (
        first_side.classes is not None
        and second_side.classes is not None
        and first_side.classes.shape == second_side.classes.shape
    ):
        analysed = (first_side.classes >= 0) & (second_side.classes >= 0)  # analysed in both
        same = float((first_side.classes == second_side.classes)[analysed].mean()) if analysed.any() else 0.0
        nothing = {outcome: Objects(first=[], second=[]) for outcome in OUTCOMES}
        return Agreement(scores=[], mean_iou=None, places=nothing, pixels=same), None
    if first_side.labels is None or second_side.labels is None or first_side.labels.shape != second_side.labels.shape:
        return None, None
    common = shared(first_side.labels, second_side.labels)
    object_groups = groups(common)
    return agree(common, *object_groups), (common, *object_groups)


def _differences(
    first_side: Side, second_side: Side, how: How, paired_objects: Paired | None, notes: list[str]
) -> list[Difference]:
    """The numbers that both sides have, with the interval of their difference. Adds to `notes` what there is to say of
    the intervals."""
    limits: dict[str, Limits | None] = {}
    if how == "paired" and paired_objects and first_side.sizes and second_side.sizes:
        limits = _paired_intervals(
            first_side.sizes, second_side.sizes, *paired_objects, of_fraction=FRACTION in first_side.values
        )
        notes += [] if limits else [FEW]
    elif how == "independent":
        limits = {name: _of_independent(name, first_side, second_side) for name in NUMBERS if name != COUNT}
    differences = []
    for name in (name for name in NUMBERS if name in first_side.values and name in second_side.values):
        one, other, (low, high) = (
            first_side.values[name].value,
            second_side.values[name].value,
            limits.get(name) or (None, None),
        )
        difference = None if one is None or other is None else float(other) - float(one)
        differences.append(Difference(name=name, first=one, second=other, difference=difference, low=low, high=high))
    return differences


def _of_independent(name: str, first_side: Side, second_side: Side) -> Limits | None:
    """The interval of a number's difference where the sides share no image."""
    one, other = first_side.values.get(name), second_side.values.get(name)
    if one is None or other is None:
        return None
    return of_difference(*results.with_like_intervals(one, other))


def _paired_intervals(
    first_sizes: Sizes,
    second_sizes: Sizes,
    common: Shared,
    first_group: Indices,
    second_group: Indices,
    *,
    of_fraction: bool,
) -> dict[str, Limits | None]:
    """Percentile intervals of the differences over draws of groups; {} for too few groups. first_group, second_group:
    the group of each object of a side, in the order of `of.first_ids` and `of.second_ids`."""
    n_groups = int(max(first_group.max(initial=-1), second_group.max(initial=-1))) + 1
    if n_groups < LEAST_SIZES or not len(first_sizes.size) or not len(second_sizes.size):
        return {}
    sides = [
        _in_order_of_size(first_sizes, first_group[np.searchsorted(common.first_ids, first_sizes.label)]),
        _in_order_of_size(second_sizes, second_group[np.searchsorted(common.second_ids, second_sizes.label)]),
    ]
    counts = [np.bincount(group, minlength=n_groups) for group in (first_group, second_group)]
    rng, drawn = np.random.default_rng(SEED), []
    repeats = min(REPEATS, max(LEAST_REPEATS, MOST_DRAWN // (len(first_sizes.size) + len(second_sizes.size))))
    for _ in range(repeats):
        often = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)  # how often each group is drawn
        numbers = [_numbers(*side, often, of_fraction=of_fraction) for side in sides]
        if None not in numbers:
            drawn.append([float(often @ counts[1] - often @ counts[0]), *np.subtract(numbers[1], numbers[0])])  # type: ignore[arg-type]
    if len(drawn) < LEAST_REPEATS:
        return {}
    names = (COUNT, *OF_SIZES, FRACTION) if of_fraction else (COUNT, *OF_SIZES)
    ends = np.percentile(drawn, [2.5, 97.5], axis=0).T.tolist()
    return {name: (low, high) for name, (low, high) in zip(names, ends, strict=True)}


def _in_order_of_size(sizes: Sizes, group: Indices) -> tuple[Floats, Floats, Indices]:
    order = np.argsort(sizes.size, kind="stable")
    return sizes.size[order], sizes.weight[order], group[order]


def _numbers(size: Floats, weight: Floats, group: Indices, often: Indices, *, of_fraction: bool) -> list[float] | None:
    """OF_SIZES, and where wanted the fraction from 1 to 100 nm, of one draw; None where it has too few sizes."""
    times = often[group]
    sizes, weights = np.repeat(size, times), np.repeat(weight, times)
    mean, deviation = mean_and_deviation(sizes, weights) if len(sizes) > 1 else (0.0, None)
    if deviation is None:
        return None
    d10, median, d90 = quantiles(sizes, weights, (0.1, 0.5, 0.9)).tolist()
    return [median, mean, deviation, d10, d90, *([nano_share(sizes, weights)] if of_fraction else [])]
