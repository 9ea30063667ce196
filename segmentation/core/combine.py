"""Combine many analyses of one specimen into one result, for the worker and the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import cos, radians
from typing import Any

from . import tasks
from .flags import DO_NOT_USE, LONGEST, TWO_SCALES, Flag, is_unusable
from .measure.arrangement import pooled as arrangement
from .measure.budget import UNRESOLVED_CONTACTS, Conditions, Effect, Evidence, effect
from .measure.distribution import FEWEST_IMAGES, Edge, WeightedSizes
from .measure.drawn import with_outlines
from .measure.filters import by_reason
from .measure.histograms import Population, bars_of, numbers
from .measure.mats import poisson
from .measure.pooled_fields import FieldOfView, pooled_quantities, reasons_not_to_pool, within_images
from .measure.pooling import find_outliers, notes_on, pool, statistics_of_only_image, without_scale
from .measure.quantities import POISSON, Value, number
from .measure.results import PooledStatistics, Statistics, images_words
from .measure.table import Table, aligned
from .micrograph.pairing import rank
from .micrograph.sources import Source
from .micrograph.types import Calibration, common_calibration
from .sample import Member, SampleAnalysis, SampleImage, pixel_sizes_of
from .tasks.base import Task

SEED = 0
MOST_NAMED = 5  # images whose numbers are in doubt


@dataclass(eq=False)
class _Image:
    """An image that was analysed. number: from 1 on. title: unique. sizes: objects of the size distribution. excluded:
    "" or why it does not count. outlier: "" or why it may not belong."""

    number: int
    title: str
    member: Member
    field: FieldOfView
    sizes: Table
    excluded: str = ""
    outlier: str = ""


def combine(
    name: str,
    members: Sequence[Member],
    *,
    edge: Edge = "exclude",
    filter: bool = False,
    left_out: Sequence[SampleImage] = (),
) -> SampleAnalysis:
    """Pool the members, at least one. The same members in any order give the same result.

    edge, filter: of the members' settings (`Conditions`). The largest uncertainty of their calibrations
    counts once for all, because images of one instrument share its error. left_out: images that the files name but
    that do not count; a command passes each failed file as `SampleImage.failed(path.name, sentence)`, with its SHA-256
    if known. `Member.of` records how the particles were found; a member made by hand needs its `record`.
    """
    members = sorted(members, key=lambda member: rank(member.name, member.sha256))
    left_out = sorted(left_out, key=lambda image: rank(image.name, image.sha256))
    titles = unique_names([*(member.name for member in members), *(image.name for image in left_out)])
    tables = aligned([member.table for member in members])
    members = [replace(member, table=table) for member, table in zip(members, tables, strict=True)]
    images = [
        _Image(at, title, member, _field_of_view(member, edge), member.sized)
        for at, (title, member) in enumerate(zip(titles, members, strict=False), 1)
    ]
    task = tasks.find(members[0].record.task)
    _exclude(images, task)
    included = [image for image in images if not image.excluded]
    calibration = common_calibration([image.member.calibration for image in included or images])
    conditions = Conditions(
        size=task.size,
        screened=task.screened,
        edge=edge,
        seed=SEED,
        calibration=calibration,
        filter=filter,
        tilt=max((image.member.tilt for image in included), default=0.0),
    )
    pooled = _pooled_statistics(images, task, conditions)
    listed = [
        SampleImage(chosen.title, chosen.member.sha256, chosen.member, chosen.outlier, chosen.excluded)
        for chosen in images
    ]
    listed += [replace(image, name=title) for title, image in zip(titles[len(images) :], left_out, strict=True)]
    quantities = _numbers(images, task, pooled, calibration)
    notes = notes_on(tables, [image.excluded for image in images], task.things, task.screened)
    sample = SampleAnalysis(
        name=name,
        members=tuple(members),
        pooled=pooled,
        histogram=None,
        calibration=pixel_sizes_of(members),
        flags=(*notes, *_notes_on_lone_values(included, {} if task.screened else quantities), *_flags_of(included)),
        filter=filter,
        images=tuple(listed),
        quantities=quantities,
    )
    if pooled is None:
        return sample
    pooled = replace(pooled, images=sample.rows[: len(members)], notes=[flag.text for flag in notes])
    histogram = histogram_of(
        [image.sizes for image in images],
        pooled,
        sample.pixel_size,
        pieces=_pieces(images),
        excluded=[image.excluded for image in images],
    )
    return replace(sample, pooled=pooled, histogram=histogram)


def _exclude(images: Sequence[_Image], task: Task) -> None:
    """Set `excluded` of the images that cannot be combined with the others: why they do not count."""
    fields = [image.field for image in images]
    refused = [bool(task.pool_fields) and set(field.values.values()) <= {None} for field in fields]
    for image, why in zip(images, without_scale([field.table for field in fields], refused), strict=True):
        image.excluded = why
    if task.pool_fields:
        scaled = [image for image in images if not image.excluded]
        for image, why in zip(scaled, reasons_not_to_pool([image.field for image in scaled]), strict=True):
            image.excluded = why


def _pooled_statistics(images: Sequence[_Image], task: Task, conditions: Conditions) -> PooledStatistics | None:
    """The statistics of all sizes, None without any. Sets `outlier` of the images that may not belong."""
    included, excluded = [image for image in images if not image.excluded], [image.excluded for image in images]
    members = [image.member for image in included]
    if len(members) == 1 and members[0].statistics:
        return statistics_of_only_image(members[0].statistics, excluded)
    if not task.screened and not (task.size and any(image.sizes.kept.any() for image in included)):
        return None
    conditions, obstacle = replace(conditions, evidence=_evidence(members)), _obstacle_to_verdict(members)
    tables, firm = [image.sizes for image in images], _firm_verdict(included, conditions) if obstacle else ""
    measurands = {member.statistics.counted for member in members if member.statistics}
    measurand = measurands.pop() if len(measurands) == 1 else ""
    conditions = replace(conditions, pieces=_pieces(images), counted=measurand)
    pooled = pool(tables, replace(conditions, obstacle=None if firm else obstacle), excluded)
    if firm and (pooled.nano is None or pooled.nano["verdict"] != firm):
        pooled = pool(tables, replace(conditions, obstacle=obstacle), excluded)
    of_images = WeightedSizes.of(*(image.sizes for image in included), edge=conditions.edge, by=task.size)
    for image, outlier in zip(included, find_outliers(of_images, len(included)), strict=True):
        image.outlier = outlier
    return replace(pooled, **_of_tables(members, conditions.calibration))


def _pieces(images: Sequence[_Image]) -> list[Table | None]:
    """What the outlines of each image may be instead; none where no image has such pieces."""
    pieces = [image.member.pieces for image in images]
    return pieces if any(table is not None for table in pieces) else []


def _of_tables(members: Sequence[Member], calibration: Calibration) -> dict[str, Any]:
    """The fields of pooled statistics that come from all objects. The other fields come from objects with a size."""
    tables = [member.table for member in members]
    if not tables:
        return {}
    return {
        "n_set_aside": sum(int((~table.kept).sum()) for table in tables),
        "set_aside": by_reason(tables),
        "arrangement": arrangement(tables, [member.record.frame for member in members], calibration),
    }


def _numbers(
    images: Sequence[_Image], task: Task, pooled: PooledStatistics | None, calibration: Calibration
) -> dict[str, Value]:
    """The numbers of all images together: figures of the pooled sizes, or what its kind of analysis makes of fields."""
    if not task.pool_fields:
        return {name: pooled.value(name) for name in task.quantities} if pooled else {}
    included = [image for image in images if not image.excluded]
    if not included:
        scales = without_scale([image.member.table for image in images])
        scaled = next(image.member for image, why in zip(images, scales, strict=True) if not why)
        values = dict.fromkeys(scaled.quantities, Value(None))
    elif len(included) == 1:
        values = dict(included[0].member.quantities)
    else:
        fields, uncertainty = [image.field for image in included], calibration.standard_uncertainty or 0.0
        if len(fields) < FEWEST_IMAGES:
            unit, areas = fields[0].table.unit, [field.area for field in fields]
            values = {
                name: within_images(
                    Value(value, unit=number(name).unit(unit)),
                    [image.member.quantities.get(name, Value(None)) for image in included],
                    areas,
                )
                for name, value in task.pool_fields(fields).items()
            }
        else:
            values = pooled_quantities(fields, task.pool_fields, fields[0].table.unit, uncertainty)
        counts = {name: value.value for name, value in values.items() if number(name).interval == POISSON}
        values |= {name: poisson(count) for name, count in counts.items() if count is not None}
    figures = task.figures if pooled else {}
    values |= {name: pooled.value(figure) for name, figure in figures.items() if pooled and name in values}
    cards = {card.get("sha256"): card for card in (image.member.record.card for image in included)}
    return with_outlines(values, [score for card in cards.values() for score in card.get("scores", ())])


def _field_of_view(member: Member, edge: Edge) -> FieldOfView:
    record, values = member.record, {name: quantity.value for name, quantity in member.quantities.items()}
    width, rows = record.frame
    part = (1 - record.ignored_share) / cos(radians(member.tilt))
    area = part * rows * width * (member.table.nm_per_pixel or 1.0) ** 2
    return FieldOfView(member.table, values, float(area), edge, record.settings)


def _evidence(members: Sequence[Member]) -> Evidence:
    """The evidence for the budget of all images together; a value unknown for one image is unknown for all."""
    cards = {card.get("sha256"): card for card in (member.record.card for member in members)}
    scores = [list(card.get("scores", ())) for card in cards.values()]
    measurands = {member.statistics.counted for member in members if member.statistics}
    of_card = [card.get("options", {}).get("outline_error") for card in cards.values()]
    names = (
        [f"{measurand}{suffix}" for measurand in measurands for suffix in ("", "_share")]
        if len(measurands) == 1 and all((*measurands, *of_card))
        else []
    )
    return Evidence(
        [score for one_score in scores for score in one_score] if all(scores) else [],
        _largest(members, "repeatability"),
        _effects(members, "threshold"),
        _largest(members, "between_operators"),
        unresolved=_effects(members, UNRESOLVED_CONTACTS),
        repeatability_source=_common(members, "repeatability_source"),
        outline_error=tuple(max(suffix[name] for suffix in of_card) for name in names) or None,
    )


def _obstacle_to_verdict(members: Sequence[Member]) -> Flag | None:
    """What must be done before a verdict where the scale of some images is probably wrong, or their outlines are."""
    of_images = [member.flags for member in members]
    if any(map(is_unusable, of_images)):
        count = sum(is_unusable(flags) or any(flag.short == TWO_SCALES for flag in flags) for flags in of_images)
        subject = f"the scale of {images_words(count, count)}"
        text = f"A check of {subject}, because two sources of it contradict each other."
        return Flag.doubtful(text, f"{subject} is to be checked")
    count = sum(any(flag.doubt and flag.short != TWO_SCALES for flag in flags) for flags in of_images)
    subject = f"the outlines of {images_words(count, count)}"
    return Flag.doubtful(f"A check of {subject}.", f"{subject} are to be checked") if count else None


def _firm_verdict(included: Sequence[_Image], conditions: Conditions) -> str:
    """The verdict of the images without a doubt alone; "" where it is undecided, unless they are most of all, and
    where the numbers of an image must not be used."""
    sure = [image for image in included if not any(flag.doubt for flag in image.member.flags)]
    if 2 * len(sure) <= len(included) or any(is_unusable(image.member.flags) for image in included):
        return ""
    sure_conditions = replace(conditions, evidence=_evidence([image.member for image in sure]), pieces=_pieces(sure))
    nano = pool([image.sizes for image in sure], sure_conditions).nano
    return nano["verdict"] if nano and nano["verdict"] != "undecided" else ""


def _effects(members: Sequence[Member], name: str) -> list[tuple[int, Effect]]:
    """The number of particles and the effect of a contribution, of each image with particles."""
    budgets = [(member.table.kept, member.statistics.budget if member.statistics else None) for member in members]
    return [(int(kept.sum()), effect(budget, name)) for kept, budget in budgets if kept.any()]


def _largest(members: Sequence[Member], setting: str) -> float | None:
    """The largest value of a setting in per cent, as a fraction; None unless all images have one."""
    values = [per_cent for member in members if (per_cent := member.record.settings.get(setting)) is not None]
    return max(values) / 100 if len(values) == len(members) else None


def _common(members: Sequence[Member], setting: str) -> str:
    """The text of a setting that all images have; "" where they differ."""
    texts = {member.record.settings.get(setting) or "" for member in members}
    return texts.pop() if len(texts) == 1 else ""


def unique_names(names: Sequence[str]) -> list[str]:
    """Unique names: two images may have the same name, then the second "a.tif" becomes "a.tif (2)"."""
    unique: dict[str, None] = {}
    for name in names:
        others = (f"{name} ({number})" for number in count(2))
        unique[name if name not in unique else next(other for other in others if other not in unique)] = None
    return list(unique)


def histogram_of(
    tables: Sequence[Table],
    pooled: Statistics,
    pixel_size: float,
    *,
    pieces: Sequence[Table | None] = (),
    excluded: Sequence[str] = (),
) -> dict[str, Any] | None:
    """The bars of the sizes by number as they are stored: "edges", and "counts", the part of the heights that each
    image has, a list each. None without objects that count.

    tables, pieces: see `Population`. excluded: of each image why it does not count, or "". The bars of an image that
    does not count lie on the axis of the others, as far as its sizes do.
    """
    alike = [at for at, table in enumerate(tables) if table.unit == pooled.unit]
    population = Population.of(
        [tables[at] for at in alike],
        [pieces[at] for at in alike] if pieces else (),
        size=pooled.size,
        edge=pooled.edge,
        unit=pooled.unit,
        pixel_size=pixel_size,
    )
    bars = bars_of(population, axis=[place for place, at in enumerate(alike) if not (excluded and excluded[at])])
    if bars is None:
        return None
    nothing = [0] * len(bars.heights)
    of_images = {at: numbers(bars.of_image(place)) for place, at in enumerate(alike)}
    return {"edges": bars.edges.tolist(), "counts": [of_images.get(at, nothing) for at in range(len(tables))]}


def _notes_on_lone_values(included: Sequence[_Image], quantities: Mapping[str, Value]) -> Iterator[Flag]:
    """Notes on numbers of all images together, `quantities`, that only one of the images that count has."""
    labels_by_image: dict[int, list[str]] = {}
    for name, pooled in quantities.items() if len(included) > 1 else ():
        having = [index for index, image in enumerate(included) if image.member.value(name).value is not None]
        if len(having) == 1 and pooled.value is not None:
            labels_by_image.setdefault(having[0], []).append(number(name).label)
    for index, labels in labels_by_image.items():
        image = included[index]
        yield Flag(f"Only {image.title} gives a value of {', '.join(labels)}.", ids=(image.number,))


def _flags_of(included: Sequence[_Image]) -> Iterator[Flag]:
    """Flags about the sources of the scales and about doubtful images, of which the first are named. Only images
    that count have flags here."""
    sources = pixel_sizes_of([image.member for image in included])["sources"]
    if len(sources) > 1:
        listed = ", ".join(f"{times} {Source(source).words}" for source, times in sorted(sources.items()))
        yield Flag(f"The scale is not known in the same way for all images: {listed}.")
    titles = {image.number: image.title for image in included}
    doubts = {
        image.number: flags for image in included if (flags := [flag for flag in image.member.flags if flag.doubt])
    }
    if len(doubts) > 1:
        have, gravest = f"{len(doubts)} images have warnings", [_gravest(flags) for flags in doubts.values()]
        shorts = {flag.short for flag in gravest}
        wrong = sum(flag.level == DO_NOT_USE for flag in gravest)  # only a scale is so grave
        for_all = f"{DO_NOT_USE}: scale of {images_words(wrong, wrong)} wrong?" if wrong else have
        short = for_all if len(shorts) > 1 else _of_some(shorts.pop(), len(doubts), len(included))
        listed = "; ".join(dict.fromkeys(flag.headline for flag in gravest))
        text, by = f"{have}: {listed}{'' if listed.endswith('?') else '.'}", len(doubts) / len(included)
        yield Flag.doubtful(text, short, ids=tuple(doubts), moves="all", by=by)
    for at, flags in list(doubts.items())[:MOST_NAMED]:
        text = f"{titles[at]}: {' '.join(flag.text for flag in flags)}"
        yield Flag.doubtful(text, _of_some(_gravest(flags).short, 1, len(included)), ids=(at,))
    if len(doubts) > MOST_NAMED:
        yield Flag(f"The pages of the other {len(doubts) - MOST_NAMED} images show their warnings.")


def _of_some(short: str, concerned: int, images: int) -> str:
    """The short form of a warning that holds of some images, as far as there is room to say so."""
    words = f"{concerned} of {images} images: {short[0].lower() + short[1:]}"
    return words if concerned < images and len(words) <= LONGEST and not short.startswith(DO_NOT_USE) else short


def _gravest(flags: Sequence[Flag]) -> Flag:
    return min(flags, key=lambda flag: flag.rank_key)
