"""Combines the analyses of several images of one specimen into one result; for the worker and the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import cos, radians
from typing import Any

from . import tasks
from .errors import UserError
from .flags import DO_NOT_USE, LONGEST_SHORT_FORM, Flag, is_unusable
from .measure.arrangement.pattern import pooled_arrangement as arrangement
from .measure.histograms import Population, bars_of, json_numbers
from .measure.kinds.mats import poisson
from .measure.objects.filters import by_reason
from .measure.pooling import find_outliers, notes_on, pool, statistics_of_only_image, without_scale
from .measure.quantities import POISSON, Value, number
from .measure.results import PooledStatistics, Statistics, images_words
from .measure.sizes.distribution import FEWEST_IMAGES, Edge, WeightedSizes
from .measure.table import Table, with_equal_columns
from .measure.uncertainty.budget import UNRESOLVED_CONTACTS, Conditions, Effect, Evidence, effect
from .measure.uncertainty.figure_draws import with_outline_errors
from .measure.uncertainty.pooled_fields import FieldOfView, pooled_quantities, reasons_not_to_pool, with_mean_interval
from .micrograph.calibration.sources import Source
from .micrograph.pairing import sort_key
from .micrograph.types import Calibration, common_calibration
from .sample import NOT_TO_USE, Member, SampleAnalysis, SampleImage, pixel_sizes_of
from .tasks.base import Task

NONE_TO_USE = "No image counts: the warnings of all of them say “Do not use”. Check their scales first."
SEED = 0  # of random numbers, so that the same members give the same intervals
MOST_NAMED = 5  # images with warnings that have a flag of their own


@dataclass(eq=False)
class _Image:
    """An analysed image while it is combined with others.

    number: its place in the sample, from 1. title: its name, made unique. sizes: the table of `member`, in which only
    the objects of the size distribution count. excluded: why the image is left out, "" if it counts. outlier: why its
    sizes may not belong to those of the other images, or "".
    """

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
    count_unusable: bool = False,
) -> SampleAnalysis:
    """Pool the members (at least one) into one result. Their order does not matter.

    edge, filter: as in the members' settings (`Conditions`). left_out: images that do not count, but that the files of
    the result list; a command passes each failed file as `SampleImage.failed(path.name, sentence)`. The members need
    their `record`, as `Member.of` makes it. Images of one instrument share the error of its calibration, so the
    largest uncertainty of their calibrations is included once. count_unusable: whether images count whose warning says
    "Do not use"; a person must have agreed. Raises UserError if no image is left.
    """
    members = list(members)
    held = [] if count_unusable else [member for member in members if is_unusable(member.flags)]
    left_out = [*left_out, *(SampleImage.waiting(member, f"{NOT_TO_USE}.") for member in held)]
    members = [member for member in members if member not in held]
    if not members:
        raise UserError(NONE_TO_USE)
    members = sorted(members, key=lambda member: sort_key(member.name, member.sha256))
    left_out = sorted(left_out, key=lambda image: sort_key(image.name, image.sha256))
    titles = unique_names([*(member.name for member in members), *(image.name for image in left_out)])
    tables = with_equal_columns([member.table for member in members])
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
    """Set `excluded` of the images that cannot be combined with the others."""
    fields = [image.field for image in images]
    refused = [bool(task.pool_fields) and set(field.values.values()) <= {None} for field in fields]
    for image, why in zip(images, without_scale([field.table for field in fields], refused), strict=True):
        image.excluded = why
    if task.pool_fields:
        scaled = [image for image in images if not image.excluded]
        for image, why in zip(scaled, reasons_not_to_pool([image.field for image in scaled]), strict=True):
            image.excluded = why


def _pooled_statistics(images: Sequence[_Image], task: Task, conditions: Conditions) -> PooledStatistics | None:
    """The statistics of the sizes of all images together, None without sizes. Sets `outlier` of the images."""
    included, excluded = [image for image in images if not image.excluded], [image.excluded for image in images]
    members = [image.member for image in included]
    if len(members) == 1 and members[0].statistics:
        return statistics_of_only_image(members[0].statistics, excluded)
    if not task.screened and not (task.size and any(image.sizes.kept.any() for image in included)):
        return None
    conditions, obstacle = replace(conditions, evidence=_evidence(members)), _obstacle_to_verdict(members)
    tables, firm_verdict = [image.sizes for image in images], _firm_verdict(included, conditions) if obstacle else ""
    measurands = {member.statistics.counted for member in members if member.statistics}
    measurand = measurands.pop() if len(measurands) == 1 else ""
    conditions = replace(conditions, pieces=_pieces(images), counted=measurand)
    pooled = pool(tables, replace(conditions, obstacle=None if firm_verdict else obstacle), excluded)
    if firm_verdict and (pooled.nano is None or pooled.nano["verdict"] != firm_verdict):
        pooled = pool(tables, replace(conditions, obstacle=obstacle), excluded)
    weighted_sizes = WeightedSizes.of(*(image.sizes for image in included), edge=conditions.edge, by=task.size)
    for image, outlier in zip(included, find_outliers(weighted_sizes, len(included)), strict=True):
        image.outlier = outlier
    return replace(pooled, **_fields_of_all_objects(members, conditions.calibration))


def _pieces(images: Sequence[_Image]) -> list[Table | None]:
    """For each image the pieces into which possible cuts would divide its outlines, or None; [] if no image has any."""
    pieces = [image.member.pieces for image in images]
    return pieces if any(table is not None for table in pieces) else []


def _fields_of_all_objects(members: Sequence[Member], calibration: Calibration) -> dict[str, Any]:
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
    """The numbers of all images together. They come from the pooled sizes, or from `Task.pool_fields` if the kind of
    analysis has that."""
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
                name: with_mean_interval(
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
    return with_outline_errors(values, [score for card in cards.values() for score in card.get("scores", ())])


def _field_of_view(member: Member, edge: Edge) -> FieldOfView:
    record, values = member.record, {name: quantity.value for name, quantity in member.quantities.items()}
    width, rows = record.frame
    area_factor = record.counted_share / cos(radians(member.tilt))  # a tilted specimen shows more area
    area = area_factor * rows * width * (member.table.nm_per_pixel or 1.0) ** 2
    return FieldOfView(member.table, values, float(area), edge, record.settings)


def _evidence(members: Sequence[Member]) -> Evidence:
    """The evidence for the uncertainty budget of all images together. A value that one image lacks is not known for
    them."""
    cards = {card.get("sha256"): card for card in (member.record.card for member in members)}
    scores = [list(card.get("scores", ())) for card in cards.values()]
    measurands = {member.statistics.counted for member in members if member.statistics}
    outline_errors = [card.get("options", {}).get("outline_error") for card in cards.values()]
    names = (  # keys of a card's outline_error: of the median and of the share
        [f"{measurand}{suffix}" for measurand in measurands for suffix in ("", "_share")]
        if len(measurands) == 1 and all((*measurands, *outline_errors))
        else []
    )
    return Evidence(
        [score for card_scores in scores for score in card_scores] if all(scores) else [],
        _largest(members, "repeatability"),
        _effects(members, "threshold"),
        _largest(members, "between_operators"),
        unresolved=_effects(members, UNRESOLVED_CONTACTS),
        repeatability_source=_common(members, "repeatability_source"),
        outline_error=tuple(max(errors[name] for errors in outline_errors) for name in names) or None,
    )


def _obstacle_to_verdict(members: Sequence[Member]) -> Flag | None:
    """The check that a person must make before there can be a verdict, because the scale or the outlines of some images
    are probably wrong; None if there is none."""
    flags_by_image = [member.flags for member in members]
    if any(map(is_unusable, flags_by_image)):
        count = sum(is_unusable(flags) or any(flag.kind == "two scales" for flag in flags) for flags in flags_by_image)
        subject = f"the scale of {images_words(count, count)}"
        text = f"A check of {subject}, because two sources of it contradict each other."
        return Flag.doubtful(text, f"{subject} is to be checked")
    count = sum(any(flag.doubt and flag.kind != "two scales" for flag in flags) for flags in flags_by_image)
    subject = f"the outlines of {images_words(count, count)}"
    return Flag.doubtful(f"A check of {subject}.", f"{subject} are to be checked") if count else None


def _firm_verdict(included: Sequence[_Image], conditions: Conditions) -> str:
    """The verdict of only those images that have no warning. It is "" if that verdict is undecided, if these images
    are not more than half of all, or if the numbers of any image must not be used."""
    sure = [image for image in included if not any(flag.doubt for flag in image.member.flags)]
    if 2 * len(sure) <= len(included) or any(is_unusable(image.member.flags) for image in included):
        return ""
    sure_conditions = replace(conditions, evidence=_evidence([image.member for image in sure]), pieces=_pieces(sure))
    nano = pool([image.sizes for image in sure], sure_conditions).nano
    return nano["verdict"] if nano and nano["verdict"] != "undecided" else ""


def _effects(members: Sequence[Member], name: str) -> list[tuple[int, Effect]]:
    """For each image with particles: their number, and the effect of one contribution to the uncertainty budget."""
    budgets = [(member.table.kept, member.statistics.budget if member.statistics else None) for member in members]
    return [(int(kept.sum()), effect(budget, name)) for kept, budget in budgets if kept.any()]


def _largest(members: Sequence[Member], setting: str) -> float | None:
    """The largest value of a setting in per cent, as a fraction; None unless all images have one."""
    values = [per_cent for member in members if (per_cent := member.record.settings.get(setting)) is not None]
    return max(values) / 100 if len(values) == len(members) else None


def _common(members: Sequence[Member], setting: str) -> str:
    """The text of a setting; "" if the images differ in it."""
    texts = {member.record.settings.get(setting) or "" for member in members}
    return texts.pop() if len(texts) == 1 else ""


def unique_names(names: Sequence[str]) -> list[str]:
    """The names, made unique: a second "a.tif" becomes "a.tif (2)"."""
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
    """The histogram of the sizes by number, as it is stored; None without objects that count.

    "edges": of the bars, in the unit of `pooled`. "counts": for each image a list, its part of the height of each bar.
    tables, pieces: see `Population`. excluded: for each image why it does not count, or "". The axis fits the images
    that count; of the other images it shows the sizes that lie on this axis.
    """
    in_unit = [index for index, table in enumerate(tables) if table.unit == pooled.unit]
    population = Population.of(
        [tables[index] for index in in_unit],
        [pieces[index] for index in in_unit] if pieces else (),
        size=pooled.size,
        edge=pooled.edge,
        unit=pooled.unit,
        pixel_size=pixel_size,
    )
    bars = bars_of(
        population, axis=[place for place, index in enumerate(in_unit) if not (excluded and excluded[index])]
    )
    if bars is None:
        return None
    no_counts = [0] * len(bars.heights)
    counts = {index: json_numbers(bars.of_image(place)) for place, index in enumerate(in_unit)}
    return {"edges": bars.edges.tolist(), "counts": [counts.get(index, no_counts) for index in range(len(tables))]}


def _notes_on_lone_values(included: Sequence[_Image], quantities: Mapping[str, Value]) -> Iterator[Flag]:
    """Notes on the `quantities` for which only one image has a value."""
    labels_by_image: dict[int, list[str]] = {}
    for name, pooled in quantities.items() if len(included) > 1 else ():
        with_value = [index for index, image in enumerate(included) if image.member.value(name).value is not None]
        if len(with_value) == 1 and pooled.value is not None:
            labels_by_image.setdefault(with_value[0], []).append(number(name).label)
    for index, labels in labels_by_image.items():
        image = included[index]
        yield Flag(f"Only {image.title} gives a value of {', '.join(labels)}.", ids=(image.number,))


def _flags_of(included: Sequence[_Image]) -> Iterator[Flag]:
    """Flags about different sources of the scales, and about the images that have warnings: one for all of them
    together, and one for each of the first MOST_NAMED."""
    sources = pixel_sizes_of([image.member for image in included])["sources"]
    if len(sources) > 1:
        listed = ", ".join(f"{images} {Source(source).words}" for source, images in sorted(sources.items()))
        yield Flag(f"The scale is not known in the same way for all images: {listed}.")
    titles = {image.number: image.title for image in included}
    doubts = {
        image.number: flags for image in included if (flags := [flag for flag in image.member.flags if flag.doubt])
    }
    if len(doubts) > 1:
        subject, gravest = f"{len(doubts)} images have warnings", [_gravest(flags) for flags in doubts.values()]
        wrong = sum(flag.level == DO_NOT_USE for flag in gravest)  # only a wrong scale has this level
        short = f"{DO_NOT_USE}: scale of {images_words(wrong, wrong)} wrong?"
        one = Flag.doubtful("", short, level=DO_NOT_USE, kind="scale") if wrong else Flag.doubtful("", subject)
        if len({flag.short for flag in gravest}) == 1:
            one = _with_count(gravest[0], len(doubts), len(included))
        listed = "; ".join(dict.fromkeys(flag.headline for flag in gravest))
        text, share = f"{subject}: {listed}{'' if listed.endswith('?') else '.'}", len(doubts) / len(included)
        yield replace(one, text=text, ids=tuple(doubts), moves="all", by=share)
    for image_number, flags in list(doubts.items())[:MOST_NAMED]:
        text = f"{titles[image_number]}: {' '.join(flag.text for flag in flags)}"
        one = _with_count(_gravest(flags), 1, len(included))
        yield replace(one, text=text, ids=(image_number,))
    if len(doubts) > MOST_NAMED:
        yield Flag(f"The pages of the other {len(doubts) - MOST_NAMED} images show their warnings.")


def _with_count(flag: Flag, warned: int, images: int) -> Flag:
    """The level, the kind and the short form of a warning that `warned` of `images` images have, such as "2 of 5
    images: ..."; without the numbers if all have it, if the text would be too long, or if they must not be used."""
    words = f"{warned} of {images} images: {flag.short[0].lower() + flag.short[1:]}"
    if warned < images and len(words) <= LONGEST_SHORT_FORM and flag.level != DO_NOT_USE:
        return Flag.doubtful("", words)
    return Flag.doubtful("", flag.short, level=flag.level, kind=flag.kind)


def _gravest(flags: Sequence[Flag]) -> Flag:
    return min(flags, key=lambda flag: flag.rank_key)
