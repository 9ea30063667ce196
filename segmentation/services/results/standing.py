"""What a result answers to a correction at once: the changed objects, the numbers that follow, and what waits for a
look. Only what was corrected is measured."""

from __future__ import annotations

import io
import json
import logging
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import IO, Any, NamedTuple
from uuid import UUID

from ...core import tasks
from ...core.labels.operations import Corrections
from ...core.measure import similar
from ...core.measure.quantities import Value
from ...core.measure.results import Statistics
from ...core.measure.tilt import Stretch, Tilt
from ...core.report import corrected_objects as core
from ...core.report import in_words
from ...core.report.exports.viewer import MOST_DOUBTS
from ...core.report.offers import Lesson, Offer, lesson_of, offer_of, offers_in_words
from ...core.report.quick_numbers import QuickNumbers
from ...models import Artifact, Job
from ..ground import bundles, tables
from ..ground.refusal import Refused
from .edits import NO_OUTLINES, corrections_of

logger = logging.getLogger(__name__)
WORDED = f'{{"{in_words.CELLS}":'.encode()  # how a file begins that has the words of its objects
MOST_CACHED = 3  # results whose objects stay in memory between two requests
MOST_OTHERS = 50  # images of a sample that are looked at together
MOST_SHOWN = 8  # objects of each of them that are shown
NOT_MEASURED = "The objects of this result are not measured one by one, so none can be compared with another."


@dataclass(frozen=True)
class Standing:
    """The objects of a result as its corrections leave them, before everything is measured anew.

    rows: the changed objects as rows of outlines.json, with their cells in the unit of that file; {"id", "gone": True}
    of one that is gone; "pieces": of how many it is, where these are several. states: as in that file. numbers: words
    by name, as `QuickNumbers` has them. unit: of the lengths in these words. few: the sizes of fewer
    objects than a median needs, in words. cuts: the object that each possible cut still divides, by its place. doubts:
    what waits for a look, most effect first, as in that file, MOST_DOUBTS at most of doubt_count. examples: {"id",
    "title", "size"} of what is shown beside the numbers. offer: what the last corrections would do with further
    objects.
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


class OfferElsewhere(NamedTuple):
    """What the corrections of one image would do in another one of its sample. base: the number of the last edit of its
    result. shown: {"id", "outline"} of the objects that are most alike, MOST_SHOWN at most."""

    job: Job
    base: int
    offer: Offer
    shown: list[dict[str, Any]]


class _Recent:
    """The objects of the results that were asked for last, by the file that holds them, and how the corrections of each
    left them: to read a large file takes longer than a correction may."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_file = OrderedDict[str, tuple[core.StoredObjects, core.CorrectedObjects | None]]()

    def cached(self, file: str) -> tuple[core.StoredObjects, core.CorrectedObjects | None] | None:
        with self._lock:
            return self._by_file.get(file)

    def keep(self, file: str, stored: core.StoredObjects, state: core.CorrectedObjects | None) -> None:
        with self._lock:
            self._by_file[file] = stored, state
            self._by_file.move_to_end(file)
            while len(self._by_file) > MOST_CACHED:
                self._by_file.popitem(last=False)


_recent = _Recent()


def standing(job: Job, since: int) -> Standing:
    """The objects of a result after its corrections, and of those that corrections after number `since` touched the
    rows; raises Refused as `corrections_of`, and where the result has no stored objects."""
    corrections = corrections_of(job)
    state = _state_of(job, corrections)
    quick = _quick_numbers(job, state, corrections)
    cuts = state.cuts_after(corrections.now)
    doubts = quick.doubts(cuts)
    lesson = lesson_of(corrections, quick)
    rows = state.changed_since(corrections, since)
    columns = in_words.cells(rows, state.terms.task.size, in_words.length_unit(quick))
    words = [{name: cells[at] for name, cells in columns.items()} for at in range(len(rows))]
    return Standing(
        rows=[row if "gone" in row else {**row, in_words.CELLS: cells} for row, cells in zip(rows, words, strict=True)],
        states=in_words.state_counts(quick.table.reasons.tolist()),
        numbers=quick.numbers,
        unit=quick.unit,
        few=quick.few,
        cuts=cuts,
        doubts=in_words.questions(doubts[:MOST_DOUBTS]),
        doubt_count=len(doubts),
        examples=[example._asdict() for example in quick.examples],
        offer=lesson and offer_of(lesson, quick),
    )


def offers_elsewhere(job: Job, user: Any, visitor: UUID | None) -> tuple[str, list[OfferElsewhere]]:
    """What the last corrections of a result would do in the other images of its sample, MOST_OTHERS at most: in words,
    "" for nothing, and for each image where they would do something.

    Only results that the caller may correct are looked at: what is signed, shared or named stays as it is. Raises
    Refused as `standing`.
    """
    corrections = corrections_of(job)
    lesson = lesson_of(corrections, _quick_numbers(job, _state_of(job, corrections), corrections))
    if lesson is None or job.sample is None:
        return "", []
    others = job.sample.members.filter(state=Job.State.DONE, fixed=False).exclude(micrograph=job.micrograph_id)
    others = others.exclude(segmentation=None).select_related("micrograph", "segmentation").order_by("created", "pk")
    mine = [other for other in others[:MOST_OTHERS] if other.is_changeable_by(user, visitor)]
    offers = []
    for other in mine:
        with suppress(Refused):  # its outlines cannot be read
            offers += _offer_in(other, lesson)
    task = tasks.find(job.get_settings().task)
    return offers_in_words([each.offer for each in offers], len(mine), task.thing, task.things), offers


def _offer_in(job: Job, lesson: Lesson) -> list[OfferElsewhere]:
    """What the lesson of another image would do with the objects of a result that stand; none where nothing."""
    corrections = None if job.is_measured else corrections_of(job)
    if corrections:
        state = _state_of(job, corrections)
    else:  # the file has all corrections, so that no label image is read
        file = job.artifact(tables.OUTLINES)
        if file is None:
            raise Refused(NO_OUTLINES, 409)
        state = core.CorrectedObjects(_stored(file), _terms_of(job), {})
    offer = offer_of(lesson, _quick_numbers(job, state, corrections))
    if not offer.ids:
        return []
    rows = [state.rows.get(number) or state.stored.row(number) for number in offer.ids[:MOST_SHOWN]]
    shown = [{name: row[name] for name in ("id", "outline")} for row in rows]
    return [OfferElsewhere(job, job.edit_count, offer, shown)]


def alike_in(job: Job, ids: Sequence[int]) -> dict[int, float]:
    """How alike each object that stands is to the nearest of these, the most alike first, by its id.

    Raises Refused where there is no such object, or nothing is measured object by object.
    """
    size = tasks.find(job.get_settings().task).size
    if not size:
        raise Refused(NOT_MEASURED, 409)
    corrections, state = _state_now(job)
    quick = _quick_numbers(job, state, corrections)
    places = {number: at for at, number in enumerate(quick.ids.tolist())}
    if missing := [number for number in ids if number not in places]:
        raise Refused(f"There is no object {missing[0]}.", 422)
    measures = (size, "area", *similar.SHAPES, similar.CONTRAST, similar.CONTACT)
    columns = {name: quick.column(name) for name in measures}
    values = similar.alike(columns, [places[number] for number in ids], size).tolist()
    return dict(sorted(zip(places, values, strict=True), key=lambda pair: (-pair[1], pair[0])))


def opened_in_words(file: Artifact) -> IO[bytes]:
    """The stored file outlines.json of a result, from its start; one that an earlier version left behind with the words
    that it lacks, if it can be read. Raises OSError."""
    opened = bundles.opened(file)
    begin = opened.read(len(WORDED))
    opened.seek(0)
    if begin == WORDED:
        return opened
    try:
        content = json.load(opened)
        quick = _quick_numbers(file.job, core.CorrectedObjects(_stored(file), _terms_of(file.job), {}))
    except (ValueError, Refused):
        opened.seek(0)
        return opened
    opened.close()
    return io.BytesIO(json.dumps(in_words.worded(content, quick, tables.OBJECTS, MOST_DOUBTS)).encode())


def _state_of(job: Job, corrections: Corrections) -> core.CorrectedObjects:
    file = _file_of(job)
    stored, state = _recent.cached(file.file.name) or (_stored(file), None)
    if state is None or not state.is_before(corrections):
        state = core.CorrectedObjects.of(stored, corrections.original, _terms_of(job))
    state = state.followed_by(corrections)
    _recent.keep(file.file.name, stored, state)
    return state


def _state_now(job: Job) -> tuple[Corrections | None, core.CorrectedObjects]:
    """The corrections of a result, and how they leave it; None, and the result, where there are none: then no label
    image is read."""
    if job.edit_count:
        corrections = corrections_of(job)
        return corrections, _state_of(job, corrections)
    file = _file_of(job)
    stored, state = _recent.cached(file.file.name) or (_stored(file), None)
    _recent.keep(file.file.name, stored, state)
    return None, core.CorrectedObjects(stored, _terms_of(job), {})


def _quick_numbers(job: Job, state: core.CorrectedObjects, corrections: Corrections | None = None) -> QuickNumbers:
    statistics, summary = job.summary.get("statistics"), job.summary
    quantities = {name: Value.from_dict(summary["quantities"][name]) for name in summary.get("order", ())}
    before = Statistics.from_dict(statistics) if statistics else None
    return QuickNumbers(state, corrections and corrections.now, before, quantities)


def _terms_of(job: Job) -> core.Terms:
    settings = job.get_settings()
    task = tasks.find(settings.task)
    measuring = task.effective(settings.measurement)
    tilt = Tilt.to_correct(measuring, job.micrograph.metadata)
    return core.Terms(task, measuring, bool(job.summary.get("refused")), Stretch.of(tilt) if tilt else None)


def _file_of(job: Job) -> Artifact:
    file = job.artifact(tables.UNCORRECTED) or job.artifact(tables.OUTLINES)
    if file is None:
        raise Refused(NO_OUTLINES, 409)
    return file


def _stored(file: Artifact) -> core.StoredObjects:
    try:
        with bundles.opened(file) as content:
            return core.StoredObjects.of(tables.parts(content), tables.OBJECTS)
    except (OSError, EOFError, ValueError, KeyError) as error:
        logger.warning("The outlines of job %s cannot be read.", file.job_id, exc_info=True)
        raise Refused(NO_OUTLINES, 409) from error
