"""Combine many analyses of one specimen into one result, for the worker and the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import tasks
from .flags import Flag
from .measure.bins import auto_edges
from .measure.budget import Evidence, effect
from .measure.distribution import Edge
from .measure.pooled_fields import FieldOfView, cannot_join, pooled_quantities
from .measure.pooling import notes_on, pool, row_of, without_scale
from .measure.quantities import Value
from .measure.results import ImageRow, PooledStatistics, Statistics
from .measure.table import aligned
from .micrograph.pairing import place
from .micrograph.types import SOURCES, Calibration
from .sample import LeftOut, Member, SampleAnalysis, SampleImage, calibration_of, common_calibration

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
    members = sorted(members, key=lambda each: place(each.name, each.sha256))
    left_out = sorted(left_out, key=lambda each: place(each.name, each.sha256))
    names = unique_names([*(each.name for each in members), *(each.name for each in left_out)])
    tables = aligned([member.table for member in members])
    members = [replace(member, table=table) for member, table in zip(members, tables, strict=True)]
    counted = [
        each for each in members if each.calibration.is_known
    ] or members  # other members cannot count together with these
    doubtful = common_calibration([each.calibration for each in counted])
    task = tasks.find(members[0].record.task)
    if not task.screened:
        return _of_numbers(name, members, names, left_out, edge, filter, doubtful)
    pooled = _pooled(
        members, names, edge, doubtful, filter=filter, field_spread=field_spread, evidence=_evidence(counted)
    )
    calibration = calibration_of(members)
    counted_tables = [table for table, row in zip(tables, pooled.images, strict=True) if not row["excluded"]]
    notes = notes_on(counted_tables, [row["excluded"] for row in pooled.images], task.things)
    flags = (*notes, *_flags_of(members, names))
    images = [
        *(_image(row, member, pooled.unit) for row, member in zip(pooled.images, members, strict=True)),
        *(_absent(named, each, pooled) for named, each in zip(names[len(members) :], left_out, strict=True)),
    ]
    sample = SampleAnalysis(name, tuple(members), pooled, None, calibration, flags, filter, tuple(images))
    quantities = {name: pooled.value(name) for name in task.quantities}
    return replace(sample, histogram=histogram_of(members, pooled, sample.pixel_size), quantities=quantities)


def _of_numbers(
    name: str,
    members: Sequence[Member],
    names: Sequence[str],
    left_out: Sequence[LeftOut],
    edge: Edge,
    filter: bool,
    calibration: Calibration,
) -> SampleAnalysis:
    """Pool members of a kind of analysis with its own numbers; the parameters are those of `combine`."""
    task, fields = tasks.find(members[0].record.task), [_field(each, edge) for each in members]
    excluded = without_scale([each.table for each in members])
    scaled = [number for number, why in enumerate(excluded) if not why]
    for number, why in zip(scaled, cannot_join([fields[each] for each in scaled]), strict=True):
        excluded[number] = why
    used = [number for number in scaled if not excluded[number]]
    chosen, values = [fields[number] for number in used], dict.fromkeys(members[scaled[0]].quantities, Value(None))
    if len(used) > 1 and task.pool_fields:
        uncertainty = calibration.standard_uncertainty or 0.0
        values = pooled_quantities(chosen, task.pool_fields, chosen[0].table.unit, uncertainty)
    elif used:
        values = dict(members[used[0]].quantities)
    pooled = _distribution(members, names, excluded, edge, calibration)
    if pooled is not None and len(used) > 1:
        values |= {own: pooled.value(figure) for own, figure in task.figures.items() if own in values}
    images = [
        SampleImage(named, each.sha256, each, **each.counts, excluded=why)
        for named, each, why in zip(names, members, excluded, strict=False)
    ]
    for named, each in zip(names[len(members) :], left_out, strict=True):
        counts = {} if each.member is None else each.member.counts
        images.append(SampleImage(named, each.sha256, each.member, **counts, excluded=each.reason))
    known = calibration_of(members)
    said = (*notes_on([each.table for each in chosen], excluded, task.things), *_flags_of(members, names))
    sample = SampleAnalysis(name, tuple(members), pooled, None, known, said, filter, tuple(images), quantities=values)
    return sample if pooled is None else replace(sample, histogram=histogram_of(members, pooled, sample.pixel_size))


def _distribution(
    members: Sequence[Member], names: Sequence[str], excluded: Sequence[str], edge: Edge, calibration: Calibration
) -> PooledStatistics | None:
    """The sizes in all images together; None where there are none."""
    task, tables = tasks.find(members[0].record.task), [each.sized for each in members]
    if not task.size or not any(each.kept.any() and not why for each, why in zip(tables, excluded, strict=True)):
        return None
    return _pooled(members, names, edge, calibration, screened=False, excluded=excluded)


def _pooled(
    members: Sequence[Member], names: Sequence[str], edge: Edge, calibration: Calibration, **more: Any
) -> PooledStatistics:
    """The sizes in all images together; more: of `pool`."""
    task, own = tasks.find(members[0].record.task), names[: len(members)]
    tables = [each.sized for each in members]
    return pool(
        tables, names=own, things=task.things, size=task.size, edge=edge, seed=SEED, calibration=calibration, **more
    )


def _field(member: Member, edge: Edge) -> FieldOfView:
    record, values = member.record, {name: each.value for name, each in member.quantities.items()}
    rows = record.height if record.data_bar is None else record.data_bar
    area = (rows or 0) * (record.width or 0) * (member.table.nm_per_pixel or 1.0) ** 2
    return FieldOfView(member.table, values, float(area), edge, record.settings)


def _evidence(members: Sequence[Member]) -> Evidence:
    """The evidence for the budget of all images together; a value unknown for one image is unknown for all."""
    cards = {card.get("sha256"): card for card in (member.record.card for member in members)}
    scores = [list(card.get("scores", ())) for card in cards.values()]
    return Evidence(
        [score for each in scores for score in each] if all(scores) else [],
        _largest(members, "repeatability"),
        [(int(each.table.kept.sum()), effect(each.budget, "threshold")) for each in members if each.table.kept.any()],
        _largest(members, "between_operators"),
    )


def _largest(members: Sequence[Member], setting: str) -> float | None:
    """The largest value of a setting in per cent, as a fraction; None unless all images have one."""
    given = [each for member in members if (each := member.record.settings.get(setting)) is not None]
    return max(given) / 100 if len(given) == len(members) else None


def _image(row: ImageRow, member: Member, unit: str) -> SampleImage:
    sizes = ("median", "low", "high")
    same = member.table.unit == unit
    said: dict[str, Any] = {name: value for name, value in row.items() if same or name not in sizes}
    return SampleImage(sha256=member.sha256, member=member, **said)


def _absent(name: str, left_out: LeftOut, pooled: PooledStatistics) -> SampleImage:
    member = left_out.member
    if member is None:
        return SampleImage(name, left_out.sha256, excluded=left_out.reason)
    row = row_of(member.table, name, pooled.size, edge=pooled.edge, seed=SEED, excluded=left_out.reason)
    return _image(row, member, pooled.unit)


def unique_names(names: Sequence[str]) -> list[str]:
    """Unique names: two images may have the same name, then the second "a.tif" becomes "a.tif (2)"."""
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return made


def histogram_of(members: Sequence[Member], pooled: Statistics, pixel_size: float) -> dict[str, Any] | None:
    """The histogram of the sizes in every image, with common bins."""
    tables = [each.sized for each in members]
    sizes = [table.length(pooled.size)[table.kept] if table.unit == pooled.unit else np.zeros(0) for table in tables]
    everything = np.concatenate(sizes) if sizes else np.zeros(0)
    if not len(everything):
        return None
    edges = auto_edges(everything, pooled.unit, pixel_size)
    return {"edges": edges.tolist(), "counts": [np.histogram(each, edges)[0].tolist() for each in sizes]}


def _flags_of(members: Sequence[Member], names: Sequence[str]) -> Iterator[Flag]:
    """Flags about the source of the scales and about doubtful images; the first of these are named."""
    sources = calibration_of(members)["sources"]
    if len(sources) > 1:
        listed = ", ".join(f"{number} {SOURCES[source]}" for source, number in sorted(sources.items()))
        yield Flag(f"The scale is not known in the same way for all images: {listed}.")
    doubts = [
        (name, " ".join(flag.text for flag in member.flags if flag.doubt))
        for name, member in zip(names, members, strict=False)
        if any(flag.doubt for flag in member.flags)
    ]
    if doubts:
        have = "1 image has a warning" if len(doubts) == 1 else f"{len(doubts)} images have warnings"
        yield Flag.doubtful(f"{have} that put{'s' * (len(doubts) == 1)} the numbers in doubt.", have)
    yield from (Flag(f"{name}: {sentences}") for name, sentences in doubts[:MOST_NAMED])
    if len(doubts) > MOST_NAMED:
        yield Flag(f"The pages of the other {len(doubts) - MOST_NAMED} images show their warnings.")
