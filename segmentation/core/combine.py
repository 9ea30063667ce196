"""Combine many analyses of one specimen into one result, for the worker and the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from . import tasks
from .flags import DO_NOT_USE, TWO_SCALES, Flag
from .measure.arrangement import pooled as arrangement
from .measure.bins import auto_edges
from .measure.budget import HIDDEN, Conditions, Effect, Evidence, effect
from .measure.distribution import Edge, WeightedSizes
from .measure.filters import by_reason
from .measure.mats import poisson
from .measure.pooled_fields import FieldOfView, cannot_join, pooled_quantities
from .measure.pooling import alone, find_outliers, notes_on, pool, without_scale
from .measure.quantities import POISSON, Value, number
from .measure.results import PooledStatistics, Statistics
from .measure.table import Table, aligned
from .micrograph.crosscheck import Source
from .micrograph.pairing import rank
from .micrograph.types import Calibration, common_calibration
from .sample import LeftOut, Member, SampleAnalysis, SampleImage, calibration_of

SEED = 0
MOST_NAMED = 5  # images whose numbers are in doubt


def combine(
    name: str,
    members: Sequence[Member],
    *,
    edge: Edge = "exclude",
    filter: bool = False,
    field_spread: float = 0.0,
    left_out: Sequence[LeftOut] = (),
) -> SampleAnalysis:
    """Pool the members, at least one. The same members in any order give the same result.

    edge, filter, field_spread: of the members' settings, see `pool`. The largest uncertainty of their calibrations
    counts once for all, because images of one instrument share its error. left_out: images that the files name but
    that do not count; a command passes each failed file as `LeftOut.failed(path.name, sentence)`, with its SHA-256 if
    known. `Member.of` records how the particles were found; a member made by hand needs its `record`.
    """
    members = sorted(members, key=lambda image: rank(image.name, image.sha256))
    left_out = sorted(left_out, key=lambda image: rank(image.name, image.sha256))
    names = unique_names([*(member.name for member in members), *(image.name for image in left_out)])
    tables = aligned([member.table for member in members])
    members = [replace(member, table=table) for member, table in zip(members, tables, strict=True)]
    task, fields = tasks.find(members[0].record.task), [_field(member, edge) for member in members]
    refused = [bool(task.pool_fields) and set(field.values.values()) <= {None} for field in fields]
    excluded = without_scale(tables, refused)
    if task.pool_fields:
        places = [number for number, why in enumerate(excluded) if not why]
        for number, why in zip(places, cannot_join([fields[number] for number in places]), strict=True):
            excluded[number] = why
    used = [number for number, why in enumerate(excluded) if not why]
    counted = [members[number] for number in used]
    calibration = common_calibration([member.calibration for member in counted or members])
    sizes, pooled = [member.sized for member in members], None
    outliers = [""] * len(members)
    if len(counted) == 1 and counted[0].statistics:
        pooled = alone(counted[0].statistics, excluded)
    elif task.screened or (task.size and any(sizes[number].kept.any() for number in used)):
        conditions = Conditions(
            size=task.size,
            screened=task.screened,
            edge=edge,
            seed=SEED,
            calibration=calibration,
            filter=filter,
            field_spread=field_spread,
            evidence=_evidence(counted),
            obstacle=_unchecked(counted),
        )
        pooled = replace(pool(sizes, conditions, excluded), **_of_tables(counted, calibration))
        of_images = WeightedSizes.of(*(sizes[number] for number in used), edge=edge, by=task.size)
        for number, outlier in zip(used, find_outliers(of_images, len(used)), strict=True):
            outliers[number] = outlier
    images = [
        SampleImage(title, member.sha256, member, outlier, why)
        for title, member, outlier, why in zip(names, members, outliers, excluded, strict=False)
    ]
    images += [
        SampleImage(title, image.sha256, image.member, excluded=image.reason)
        for title, image in zip(names[len(members) :], left_out, strict=True)
    ]
    notes = notes_on(tables, excluded, task.things, task.screened)
    sample = SampleAnalysis(
        name,
        tuple(members),
        pooled,
        None,
        calibration_of(members),
        (*notes, *_from_one(members, names, used, task.screened), *_flags_of(members, names, used)),
        filter,
        tuple(images),
        quantities=_numbers(members, fields, used, pooled, calibration),
    )
    if pooled is None:
        return sample
    pooled = replace(pooled, images=sample.rows[: len(members)], notes=[flag.text for flag in notes])
    return replace(sample, pooled=pooled, histogram=histogram_of(sizes, pooled, sample.pixel_size))


def _of_tables(counted: Sequence[Member], calibration: Calibration) -> dict[str, Any]:
    """The fields of pooled statistics that come from all objects. The other fields come from objects with a size."""
    tables = [member.table for member in counted]
    if not tables:
        return {}
    return {
        "n_set_aside": sum(int((~table.kept).sum()) for table in tables),
        "set_aside": by_reason(tables),
        "arrangement": arrangement(tables, [_frame(member) for member in counted], calibration),
    }


def _numbers(
    members: Sequence[Member],
    fields: Sequence[FieldOfView],
    used: Sequence[int],
    pooled: PooledStatistics | None,
    calibration: Calibration,
) -> dict[str, Value]:
    """The numbers of all images together: figures of the pooled sizes, or what its kind of analysis makes of fields."""
    task = tasks.find(members[0].record.task)
    if not task.pool_fields:
        return {name: pooled.value(name) for name in task.quantities} if pooled else {}
    if len(used) < 2:
        scaled = [one for one, why in zip(members, without_scale([m.table for m in members]), strict=True) if not why]
        values = dict(members[used[0]].quantities) if used else dict.fromkeys(scaled[0].quantities, Value(None))
    else:
        chosen = [fields[number] for number in used]
        uncertainty = calibration.standard_uncertainty or 0.0
        values = pooled_quantities(chosen, task.pool_fields, chosen[0].table.unit, uncertainty)
        counts = {name: value.value for name, value in values.items() if number(name).interval == POISSON}
        values |= {name: poisson(count) for name, count in counts.items() if count is not None}
    figures = task.figures if pooled else {}
    return values | {name: pooled.value(figure) for name, figure in figures.items() if pooled and name in values}


def _field(member: Member, edge: Edge) -> FieldOfView:
    record, values = member.record, {name: quantity.value for name, quantity in member.quantities.items()}
    width, rows = _frame(member)
    area = rows * width * (member.table.nm_per_pixel or 1.0) ** 2
    return FieldOfView(member.table, values, float(area), edge, record.settings)


def _frame(member: Member) -> tuple[int, int]:
    """Width and height of the analysed area in px, 0 where they are not known."""
    record = member.record
    return record.width or 0, (record.height if record.data_bar is None else record.data_bar) or 0


def _evidence(members: Sequence[Member]) -> Evidence:
    """The evidence for the budget of all images together; a value unknown for one image is unknown for all."""
    cards = {card.get("sha256"): card for card in (member.record.card for member in members)}
    scores = [list(card.get("scores", ())) for card in cards.values()]
    return Evidence(
        [score for one_score in scores for score in one_score] if all(scores) else [],
        _largest(members, "repeatability"),
        _effects(members, "threshold"),
        _largest(members, "between_operators"),
        unresolved=_effects(members, HIDDEN),
    )


def _unchecked(members: Sequence[Member]) -> Flag | None:
    """What must be done before a verdict where the scale of some images is probably wrong."""
    of_images = [member.flags for member in members]
    is_wrong = any(flag.level == DO_NOT_USE for flags in of_images for flag in flags)
    count = is_wrong * sum(
        any(flag.level == DO_NOT_USE or flag.short == TWO_SCALES for flag in flags) for flags in of_images
    )
    images = "1 image" if count == 1 else f"{count} images"
    text = f"A checked scale of {images}: two sources of it contradict each other."
    return Flag.doubtful(text, f"the scale of {images} is to be checked") if count else None


def _effects(members: Sequence[Member], name: str) -> list[tuple[int, Effect]]:
    """The number of particles and the effect of a contribution, of each image with particles."""
    budgets = [(image.table.kept, image.statistics.budget if image.statistics else None) for image in members]
    return [(int(kept.sum()), effect(budget, name)) for kept, budget in budgets if kept.any()]


def _largest(members: Sequence[Member], setting: str) -> float | None:
    """The largest value of a setting in per cent, as a fraction; None unless all images have one."""
    values = [number for member in members if (number := member.record.settings.get(setting)) is not None]
    return max(values) / 100 if len(values) == len(members) else None


def unique_names(names: Sequence[str]) -> list[str]:
    """Unique names: two images may have the same name, then the second "a.tif" becomes "a.tif (2)"."""
    unique: dict[str, None] = {}
    for name in names:
        others = (f"{name} ({number})" for number in count(2))
        unique[name if name not in unique else next(other for other in others if other not in unique)] = None
    return list(unique)


def histogram_of(tables: Sequence[Table], pooled: Statistics, pixel_size: float) -> dict[str, Any] | None:
    """The histogram of the sizes in every image, with common bins."""
    sizes = [table.length(pooled.size)[table.kept] if table.unit == pooled.unit else np.zeros(0) for table in tables]
    everything = np.concatenate(sizes) if sizes else np.zeros(0)
    if not len(everything):
        return None
    edges = auto_edges(everything, pooled.unit, pixel_size)
    return {"edges": edges.tolist(), "counts": [np.histogram(size, edges)[0].tolist() for size in sizes]}


def _from_one(members: Sequence[Member], names: Sequence[str], used: Sequence[int], screened: bool) -> Iterator[Flag]:
    """Notes on numbers that only one of the images that count has, although others could."""
    alone: dict[int, list[str]] = {}
    for name in members[used[0]].quantities if len(used) > 1 and not screened else ():
        having = [index for index in used if members[index].value(name).value is not None]
        if len(having) == 1:
            alone.setdefault(having[0], []).append(number(name).label)
    for index, labels in alone.items():
        yield Flag(f"Only {names[index]} gives a value for: {', '.join(labels)}.", ids=(index + 1,))


def _flags_of(members: Sequence[Member], names: Sequence[str], used: Sequence[int]) -> Iterator[Flag]:
    """Flags about the sources of the scales and about doubtful images, of which the first are named. used: indices of
    the images that count; no other image has a flag here."""
    sources = calibration_of([members[number] for number in used])["sources"]
    if len(sources) > 1:
        listed = ", ".join(f"{number} {Source(source).words}" for source, number in sorted(sources.items()))
        yield Flag(f"The scale is not known in the same way for all images: {listed}.")
    doubts = {number + 1: of for number in used if (of := [flag for flag in members[number].flags if flag.doubt])}
    if len(doubts) > 1:
        have, gravest = f"{len(doubts)} images have warnings", [_gravest(of) for of in doubts.values()]
        shorts = {flag.short for flag in gravest}
        some = f"{DO_NOT_USE}: {have}" if any(flag.level == DO_NOT_USE for flag in gravest) else have
        short = some if len(shorts) > 1 else shorts.pop()
        yield Flag.doubtful(f"{have} that put the numbers in doubt.", short, ids=tuple(doubts))
    for image, of in list(doubts.items())[:MOST_NAMED]:
        text = f"{names[image - 1]}: {' '.join(flag.text for flag in of)}"
        yield Flag.doubtful(text, _gravest(of).short, ids=(image,))
    if len(doubts) > MOST_NAMED:
        yield Flag(f"The pages of the other {len(doubts) - MOST_NAMED} images show their warnings.")


def _gravest(of: Sequence[Flag]) -> Flag:
    return min(of, key=lambda flag: flag.lightness)
