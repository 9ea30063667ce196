"""Computes what the page of a result shows at once after a correction: the changed objects, preliminary
numbers, and doubtful outlines. Only changed objects are measured here; a worker measures all objects
afterwards (`steps`).

The state of the objects after the corrections is called the standing of the result.
"""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple
from uuid import UUID

from ....core import tasks
from ....core.labels.corrections.operations import Corrections
from ....core.measure.objects.tilt import Stretch, Tilt
from ....core.measure.review.similarity import CONTACT, CONTRAST, SHAPES, similarity
from ....core.report.corrected import corrected_objects as core
from ....core.report.corrected import in_words
from ....core.report.corrected.offers import CorrectionPattern, Offer, offer_of, offers_in_words, pattern_of
from ....core.report.corrected.quick_numbers import QuickNumbers
from ....core.report.exports.viewer import MOST_DOUBTS
from ....models import Artifact, Job
from ...ground import bundles, tables
from ...ground.refusal import Refused
from .edits import NO_OUTLINES, Recent, corrections_of

logger = logging.getLogger(__name__)
# An outlines.json that contains the texts about its objects begins so.
WORDED_START = f'{{"{in_words.CELLS}":'.encode()
MOST_CACHED = 3  # results whose objects stay in memory between two requests
MOST_OTHERS = 50  # other images of a sample that are examined
MOST_SHOWN = 8  # objects of each such image that the page shows
SEARCH_SECONDS = 5.0  # for the search in other images; further images are left out
MOST_KEPT = 16  # answers of such searches that are kept
NOT_MEASURED = "The objects of this result are not measured one by one, so none can be compared with another."


@dataclass(frozen=True)
class Standing:
    """The state of a result's objects after its corrections, before all objects are measured again.

    rows: the changed objects as rows of outlines.json, with their cells in the unit of that file;
    {"id", "gone": True} for a removed object; "pieces": the number of its pieces if there are
    several. states: as in outlines.json. numbers: text by name, as in `QuickNumbers`. unit: of the
    lengths in these texts. few: the sizes as texts, if there are too few objects for a median.
    cuts: by the place of a possible cut, the id of the object that it still divides. doubts: the
    doubtful outlines that change the numbers most, as in outlines.json, at most MOST_DOUBTS of
    doubt_count. examples: {"id", "title", "size"} of objects shown beside the numbers. offer: further
    objects to which the last corrections could be applied, None without any. regions: those to
    ignore, as lists of corners [x, y].
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    unit: str = ""
    few: list[str] = field(default_factory=list)
    cuts: dict[int, int] = field(default_factory=dict)
    doubts: list[dict[str, Any]] = field(default_factory=list)
    doubt_count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)
    offer: Offer | None = None
    regions: Sequence[Any] = ()


class OfferInImage(NamedTuple):
    """The effect that the corrections of one image would have in another image (`job`) of the sample.
    base: the number of the last edit of `job`. shown: {"id", "outline"} of the most similar objects,
    at most MOST_SHOWN."""

    job: Job
    base: int
    offer: Offer
    shown: list[dict[str, Any]]


# The objects of results as stored and after corrections, by the name of their file. Reading a large file takes longer
# than a correction may take.
_recent = Recent[tuple[core.StoredObjects, core.CorrectedObjects | None]](MOST_CACHED)
# By the id of a result: the offer in it, and its most similar objects.
FoundOffers = dict[UUID, tuple[Offer, list[dict[str, Any]]]]
# By the state of all results that a search has read.
_kept_offers: dict[tuple[Any, ...], FoundOffers] = {}


def standing(job: Job, since: int) -> Standing:
    """The standing of a result. Its rows are the objects that corrections after number `since` changed.
    Raises Refused as `corrections_of` does, and if the result has no stored objects."""
    corrections = corrections_of(job)
    state = _state_of(job, corrections)
    quick = _quick_numbers(job, state, corrections)
    cuts = state.cuts_after(corrections.now)
    doubts = quick.doubts(cuts)
    pattern = pattern_of(corrections, quick)
    rows = state.changed_since(corrections, since)
    columns = in_words.object_cells(rows, state.conditions.task.size, in_words.length_unit(quick))
    words = [{name: cells[index] for name, cells in columns.items()} for index in range(len(rows))]
    return Standing(
        rows=[row if "gone" in row else {**row, in_words.CELLS: cells} for row, cells in zip(rows, words, strict=True)],
        states=in_words.state_counts(quick.table.reasons.tolist()),
        numbers=quick.numbers,
        unit=quick.unit,
        few=quick.few_sizes,
        cuts=cuts,
        doubts=in_words.doubts_in_words(doubts[:MOST_DOUBTS]),
        doubt_count=len(doubts),
        examples=[example._asdict() for example in quick.examples],
        offer=pattern and offer_of(pattern, quick),
        regions=corrections.now.regions,
    )


def offers_in_sample(job: Job, user: Any, visitor: UUID | None) -> tuple[str, list[OfferInImage]]:
    """The effect that the last corrections of a result would have in other images of its sample. Returns
    (a sentence, "" for no effect; an offer for each image with an effect).

    At most MOST_OTHERS results that the caller may correct are examined, without versions (signed,
    shared or named results), for SEARCH_SECONDS at most. The answer is kept for the present step of all
    these results. Raises Refused as `standing` does.
    """
    if job.segmentation_id is None:
        raise Refused(NO_OUTLINES, 409)
    if job.sample is None:
        return "", []
    others = job.sample.members.filter(state=Job.State.DONE, fixed=False).exclude(micrograph=job.micrograph_id)
    others = others.exclude(segmentation=None).select_related("micrograph", "segmentation").order_by("created", "pk")
    others = others.defer("summary", "settings")  # of which only a new search reads something
    changeable = [other for other in others[:MOST_OTHERS] if other.is_changeable_by(user, visitor)]
    content = tuple((row.pk, row.attempt, row.step, row.edit_count) for row in (job, *changeable))
    offers_found = _kept_offers.get(content)
    if offers_found is None:
        offers_found = _kept_offers[content] = _search_offers(job, changeable)
        while len(_kept_offers) > MOST_KEPT:
            with suppress(KeyError, RuntimeError):  # another thread has removed it
                _kept_offers.pop(next(iter(_kept_offers)))
    offers = [
        OfferInImage(other, other.edit_count, *offers_found[other.pk])
        for other in changeable
        if other.pk in offers_found
    ]
    task = tasks.find(job.get_settings().task)
    return offers_in_words([offer.offer for offer in offers], len(changeable), task.thing, task.things), offers


def _search_offers(job: Job, others: Sequence[Job]) -> FoundOffers:
    """What the last corrections of a result would do in each of the others."""
    corrections, offers_found = corrections_of(job), FoundOffers()
    pattern = pattern_of(corrections, _quick_numbers(job, _state_of(job, corrections), corrections))
    end = time.monotonic() + SEARCH_SECONDS
    for other in others if pattern else ():
        if time.monotonic() > end:
            break
        with suppress(Refused):  # its outlines cannot be read
            offers_found |= {row.job.pk: (row.offer, row.shown) for row in _offer_in(other, pattern)}
    return offers_found


def _offer_in(job: Job, pattern: CorrectionPattern) -> list[OfferInImage]:
    """The effect that the corrections of another image (`pattern`) would have on the present objects of a
    result; [] for no effect."""
    corrections = None if job.is_measured else corrections_of(job)
    if corrections:
        state = _state_of(job, corrections)
    else:  # the stored file has all corrections, so the label image need not be read
        file = job.artifact(tables.OUTLINES_FILE)
        if file is None:
            raise Refused(NO_OUTLINES, 409)
        state = core.CorrectedObjects(_stored(file), _conditions_of(job), {})
    offer = offer_of(pattern, _quick_numbers(job, state, corrections))
    if not offer.ids:
        return []
    rows = [state.rows.get(number) or state.stored.row(number) for number in offer.ids[:MOST_SHOWN]]
    shown = [{name: row[name] for name in ("id", "outline")} for row in rows]
    return [OfferInImage(job, job.edit_count, offer, shown)]


def similarities(job: Job, ids: Sequence[int]) -> dict[int, float]:
    """By the id of each present object, its similarity to the most similar of the objects `ids` (as
    `core.measure.similar` computes it); the most similar first.

    Raises Refused (409 this kind does not measure single objects, 422 there is no such object).
    """
    size = tasks.find(job.get_settings().task).size
    if not size:
        raise Refused(NOT_MEASURED, 409)
    corrections = corrections_of(job) if job.edit_count else None
    quick = _quick_numbers(job, _state_of(job, corrections), corrections)
    rows = {number: row for row, number in enumerate(quick.present.ids.tolist())}
    if missing := [number for number in ids if number not in rows]:
        raise Refused(f"There is no object {missing[0]}.", 422)
    measures = (size, "area", *SHAPES, CONTRAST, CONTACT)
    columns = {name: quick.column(name) for name in measures}
    values = similarity(columns, [rows[number] for number in ids], size).tolist()
    return dict(sorted(zip(rows, values, strict=True), key=lambda pair: (-pair[1], pair[0])))


def open_with_words(file: Artifact) -> IO[bytes]:
    """The stored file outlines.json of a result, open for reading. Raises OSError.

    Files of earlier releases lack the texts about the objects; they are added if the file can be read.
    """
    opened = bundles.open_file(file)
    start = opened.read(len(WORDED_START))
    opened.seek(0)
    if start == WORDED_START:
        return opened
    try:
        content = json.load(opened)
        quick = _quick_numbers(file.job, core.CorrectedObjects(_stored(file), _conditions_of(file.job), {}))
    except (ValueError, Refused):
        opened.seek(0)
        return opened
    opened.close()
    return io.BytesIO(json.dumps(in_words.with_page_words(content, quick, tables.OBJECTS_KEY, MOST_DOUBTS)).encode())


def _state_of(job: Job, corrections: Corrections | None) -> core.CorrectedObjects:
    """The objects of a result after these corrections; raises Refused. None: its stored objects, for which the label
    image is not read."""
    file, conditions = _file_of(job), _conditions_of(job)
    stored, state = _recent.get(file.file.name) or (_stored(file), None)
    if corrections is not None:
        if state is None or not state.is_continued_by(corrections, conditions):
            state = core.CorrectedObjects.of(stored, corrections.original, conditions)
        state = state.with_corrections(corrections)
    _recent.keep(file.file.name, (stored, state))
    return core.CorrectedObjects(stored, conditions, {}) if corrections is None or state is None else state


def _quick_numbers(job: Job, state: core.CorrectedObjects, corrections: Corrections | None = None) -> QuickNumbers:
    """The preliminary numbers of a result with these objects. corrections: None for stored
    objects."""
    stored = job.stored
    return QuickNumbers(state, corrections and corrections.now, stored.statistics, stored.quantities)


def _conditions_of(job: Job) -> core.MeasuringConditions:
    """Kind, settings and tilt with which the objects of a result are measured."""
    settings = job.get_settings()
    task = tasks.find(settings.task)
    measuring = task.effective(settings.measurement)
    tilt = Tilt.to_correct(measuring, job.micrograph.metadata)
    return core.MeasuringConditions(task, measuring, job.stored.is_refused, Stretch.of(tilt) if tilt else None)


def _file_of(job: Job) -> Artifact:
    """The stored file with the objects of a result before all corrections; raises Refused."""
    file = job.artifact(tables.UNCORRECTED_FILE) or job.artifact(tables.OUTLINES_FILE)
    if file is None:
        raise Refused(NO_OUTLINES, 409)
    return file


def _stored(file: Artifact) -> core.StoredObjects:
    """The objects in a stored file; raises Refused."""
    try:
        with bundles.open_file(file) as content:
            return core.StoredObjects.of(tables.read_in_parts(content), tables.OBJECTS_KEY)
    except (OSError, EOFError, ValueError, KeyError) as error:
        logger.warning("The outlines of job %s cannot be read.", file.job_id, exc_info=True)
        raise Refused(NO_OUTLINES, 409) from error
