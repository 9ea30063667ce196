"""Corrections of the outlines of a result. A caller sends an operation; a step is its effect (the
patch and the patch that undoes it); an edit is the row of the log that stores a step. Workers
measure the corrected outlines later (`steps`)."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from threading import Lock, Thread
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import F, TextField
from django.db.models.functions import Cast, Length

from ....core.labels.corrections.operations import REDO, Corrections, Step, replay_steps
from ....core.labels.corrections.patches import BadEdit
from ....core.labels.corrections.stored_outlines import StoredMap, open_outlines
from ....core.labels.corrections.time_limit import TooLong, check_time, time_limit
from ....core.labels.corrections.working import WorkingLabels
from ....core.labels.segmentation import Segmentation, UnusableSegmentation
from ....location import COMMAND
from ....models import Edit, Job
from ....models.edits import HASH_BEFORE_FIRST, chain_faults, steps_of
from ....plain import storable
from ...ground import bounds
from ...ground.callers import submission_id
from ...ground.refusal import Refused
from ..growing import check_not_closed
from ..jobs import GONE

MOST_OPERATIONS = 1000  # operations of one request
# A page is a part of the log that one answer contains: most edits, and most bytes of their patches.
MOST_PAGE_EDITS, MOST_PAGE_BYTES = 100, 4_000_000
LONGEST_SECONDS = 10.0  # for the operations of one request
MOST_RUNS = 500_000  # in all patches of one request (a patch is run-length coded)
MAPS_THREAD = "maps of the network"  # name of the thread of `preload_maps`
MOST_CACHED = 2  # results whose corrected outlines stay in memory between two requests
UNREADABLE = (UnusableSegmentation, FileNotFoundError)
NOT_DONE = "Only a finished result can be corrected."
FIXED = "This result has become a version, which stays as it is. Load the page again to correct a further version."
NO_OUTLINES = "The outlines of this result are not stored: analyse the image again, then correct that result."
ALTERED = f"The log of corrections was altered, so the corrected outlines are not known: see `{COMMAND} audit verify`."
TOO_LONG = f"These operations take more than {LONGEST_SECONDS:g} s: send fewer at once."
TOO_LARGE = "These operations change too much at once: send fewer objects in one operation."
OTHER_EDITS = "This Idempotency-Key belongs to other corrections of this result: use a new key."
OUTDATED = "Somebody corrected this result at the same time: look at the newer edits, then repeat yours."


class Outdated(Refused):
    """The caller does not know the latest edits.

    edits: the edits that the caller does not know, at most a page. base: the number of the last of
    these.
    """

    def __init__(self, job: Job, base: int) -> None:
        super().__init__(OUTDATED, 409)
        self.edits = page_of_edits(job, base)
        self.base = self.edits[-1].sequence if self.edits else job.edit_count


Value = TypeVar("Value")


class CachedCorrections(NamedTuple):
    """The corrections of a result up to the edit with this hash. The object is never changed, so several
    requests may use it at once."""

    hash: str
    corrections: Corrections

    @property
    def count(self) -> int:
        """The number of edits."""
        return len(self.corrections.steps)


class Recent(Generic[Value]):
    """The values that were kept last, at most so many, by their keys."""

    def __init__(self, limit: int = MOST_CACHED) -> None:
        self._lock, self.entries, self.limit = Lock(), OrderedDict[Any, Value](), limit

    def get(self, key: Any) -> Value | None:
        with self._lock:
            return self.entries.get(key)

    def keep(self, key: Any, value: Value) -> None:
        with self._lock:
            self.entries[key] = value
            self.entries.move_to_end(key)
            while len(self.entries) > self.limit:
                self.entries.popitem(last=False)


# By job: reading the file of outlines takes longer than an edit.
_recent = Recent[CachedCorrections]()


def corrections_of(job: Job) -> Corrections:
    """The outlines of a job with all its corrections; do not change the returned object. Raises Refused
    (409) if the outlines or the log cannot be read."""
    cached = _recent.get(job.pk)
    if cached and (cached.count, cached.hash) != (job.edit_count, job.edit_hash) and cached.count >= job.edit_count:
        cached = None  # of another log
    rows = _rows_after(job, cached.count) if cached else []
    if cached is None or (rows and rows[0].previous != cached.hash):
        cached, rows = CachedCorrections(HASH_BEFORE_FIRST, Corrections(_outlines(job))), _rows_after(job, 0)
    try:
        corrections = cached.corrections.followed_by(steps_of(rows, cached.corrections.steps))
    except BadEdit as error:
        raise Refused(ALTERED, 409) from error
    _recent.keep(job.pk, CachedCorrections(job.edit_hash, corrections))
    return corrections


def preload_maps(corrections: Corrections) -> None:
    """Start a thread that reads the maps of the network, which the first split or added object needs."""
    maps = [soft_map for soft_map in corrections.original.maps.values() if isinstance(soft_map, StoredMap)]

    def read() -> None:
        with suppress(UnusableSegmentation, OSError):  # the operation that needs the map reports it
            for soft_map in maps:
                soft_map.read()

    Thread(target=read, name=MAPS_THREAD, daemon=True).start()


def _rows_after(job: Job, count: int) -> list[Edit]:
    """The edits of a job after number `count`."""
    return list(job.edits.filter(sequence__gt=count, sequence__lte=job.edit_count))


def load_corrected_segmentation(job: Job, count: int) -> Segmentation:
    """The complete segmentation of a job after its first `count` edits; raises Refused (409) as
    `corrections_of` does."""
    if job.segmentation is None:
        raise Refused(NO_OUTLINES, 409)
    try:
        with job.segmentation.file.open("rb") as file:
            original = Segmentation.load(file, job.segmentation.get_provenance(), alternatives=not count)
    except UNREADABLE as error:
        raise Refused(NO_OUTLINES, 409) from error
    return apply_edits(job, original, count)


def apply_edits(job: Job, original: Segmentation, count: int) -> Segmentation:
    """Apply the first `count` edits of a job to the segmentation `original`; returns the new one. Raises
    Refused (409 the log was altered)."""
    try:
        return replay_steps(original, steps_of(job.edits.filter(sequence__lte=count)))
    except BadEdit as error:
        raise Refused(ALTERED, 409) from error


def steps_made(job: Job, rows: Sequence[Edit]) -> list[Step]:
    """The steps of consecutive edits of a job; raises Refused as `corrections_of` does."""
    return corrections_of(_refreshed(job)).steps[rows[0].sequence - 1 : rows[-1].sequence]


def _outlines(job: Job) -> WorkingLabels:
    """The stored outlines of a job before all corrections; raises Refused."""
    if job.segmentation is None:
        raise Refused(NO_OUTLINES if job.is_done else NOT_DONE, 409)
    file = job.segmentation.file
    try:
        outlines = open_outlines(lambda: file.storage.open(file.name, "rb"), job.segmentation.get_provenance())
        # `Job.settings` has the present regions: those of before the corrections where none of these changes them.
        return replace(outlines, regions=job.get_settings().as_dict()["ignore"])
    except UNREADABLE as error:
        raise Refused(NO_OUTLINES, 409) from error


def edit_job(
    *, job: Job, base: int, operations: Sequence[Any], user: Any = None, visitor: UUID | None = None, key: str = ""
) -> list[Edit]:
    """Make corrections in their order, all or none; returns the stored edits.

    base: the number of the last edit that the caller knows. operations: as `Corrections.do` takes
    them. key: an Idempotency-Key: the same request with the same key does nothing and returns the
    earlier edits. Raises Outdated, Refused (409 the result cannot be corrected or the key belongs to
    another request, 422 an operation is impossible).
    """
    if not job.is_done:
        raise Refused(NOT_DONE, 409)
    if job.fixed:
        raise Refused(FIXED, 409)
    if job.sample is not None:
        check_not_closed(job.sample)
    operations = _clean_operations(operations)
    submission = submission_id("edits", user, visitor, token="", key=key, content="") if key else ""
    if earlier := _earlier_edits(job, submission, base, operations):
        return earlier
    if base != job.edit_count:
        raise Outdated(job, base)
    author = user.get_username() if user is not None and user.is_authenticated else ""
    who = {"author": author, "visitor": visitor, "submission": submission}
    try:
        with time_limit(time.monotonic() + LONGEST_SECONDS):
            return _add_edits(job, base, operations, **who)
    except TooLong:
        raise Refused(TOO_LONG, 422) from None


def _add_edits(job: Job, base: int, operations: list[Any], **who: Any) -> list[Edit]:
    """Store the edits of these operations and return them, unless another request was faster: this is
    decided by one conditional UPDATE of the number of edits."""
    corrections = corrections_of(job).followed_by([])  # a copy
    steps = _steps_of(corrections, operations)
    rows = list[Edit]()
    for number, step in enumerate(steps, 1):
        previous = rows[-1].hash if rows else job.edit_hash or HASH_BEFORE_FIRST
        patch, before = ({}, {}) if step.undoes else (step.patch.as_dict(), step.before.as_dict())
        changes = {"patch": patch, "before": before, "undoes": step.undoes}
        row = Edit(job=job, sequence=base + number, previous=previous, operation=step.operation, **changes, **who)
        row.hash = row.computed_hash()
        rows.append(row)
    size = sum(row.size for row in rows)
    bounds.ask(Edit, size=size, **job.maker)
    with transaction.atomic():
        unchanged = Job.objects.filter(pk=job.pk, state=Job.State.DONE, edit_count=base, fixed=False)
        counts = {"edit_count": F("edit_count") + len(rows), "edit_bytes": F("edit_bytes") + size}
        job.settings = {**job.settings, "ignore": corrections.now.regions}
        changed = unchanged.update(**counts, edit_hash=rows[-1].hash, settings=job.settings)
        if changed:
            Edit.objects.bulk_create(rows)
    if not changed:
        if _refreshed(job).fixed:
            raise Refused(FIXED, 409)
        if earlier := _earlier_edits(_refreshed(job), who["submission"], base, operations):
            return earlier
        raise Outdated(job, base)
    job.edit_count, job.edit_hash = base + len(rows), rows[-1].hash
    _recent.keep(job.pk, CachedCorrections(job.edit_hash, corrections))
    return rows


def _earlier_edits(job: Job, submission: str, base: int, operations: list[Any]) -> list[Edit]:
    """The edits of an earlier request with the same key; [] without one. Raises Refused if that request
    had other content."""
    rows = list(job.edits.filter(submission=submission)) if submission else []
    # A redo is stored as the operation that it makes again.
    is_other = len(rows) != len(operations) or any(
        sent not in (row.operation, {"op": REDO}) for row, sent in zip(rows, operations, strict=False)
    )
    if rows and (rows[0].sequence != base + 1 or is_other):
        raise Refused(OTHER_EDITS, 409)
    return rows


def _steps_of(corrections: Corrections, operations: list[Any]) -> list[Step]:
    """Apply operations to `corrections`, which is changed; returns their steps. Raises Refused."""
    steps = list[Step]()
    runs = 0
    for number, operation in enumerate(operations, 1):
        try:
            steps.append(corrections.do(operation))
        except BadEdit as problem:
            raise Refused(f"Operation {number}: {problem}", 422) from problem
        except UNREADABLE as problem:  # a map of the network is read when it is first needed
            raise Refused(NO_OUTLINES, 409) from problem
        runs += len(steps[-1].patch.runs) + len(steps[-1].before.runs)
        if runs > MOST_RUNS:
            raise Refused(TOO_LARGE, 422)
        check_time()
    return steps


def _refreshed(job: Job) -> Job:
    """The job, read again; raises Refused (404) if it is deleted."""
    try:
        job.refresh_from_db()
    except Job.DoesNotExist:
        raise Refused(GONE, 404) from None
    return job


def _clean_operations(operations: Sequence[Any]) -> list[Any]:
    """The operations in the form in which each database returns them (`_clean`); raises Refused
    (422)."""
    cleaned = list[Any]()
    try:
        for operation in operations:
            cleaned.append(_clean(operation))
    except BadEdit as problem:
        raise Refused(f"Operation {len(cleaned) + 1}: {problem}", 422) from problem
    return cleaned


def _clean(operation: Any) -> Any:
    """An operation in the form in which each database returns it, because its hash must stay valid:
    whole numbers become integers, and NUL characters are removed. Raises BadEdit for NaN or
    infinity."""
    if isinstance(operation, dict):
        return {str(storable(name)): _clean(value) for name, value in operation.items()}
    if isinstance(operation, list):
        return [_clean(value) for value in operation]
    if isinstance(operation, float):
        if not math.isfinite(operation):
            raise BadEdit("A number is infinite or no number.")
        return int(operation) if operation.is_integer() else operation
    return storable(operation)


class LogState(NamedTuple):
    """A part of the log of a job, and the state after all edits, for the editor.

    base: the number of the last edit. edits: the requested edits, at most a page. objects: the
    present data of each object that an edit changed, by id, as in a patch. next_id: the next free
    id; None without stored outlines. standing: the number of edits that can be undone.
    """

    base: int
    edits: list[Edit]
    objects: dict[str, Any]
    next_id: int | None
    standing: int


def log_state(job: Job, since: int = 0) -> LogState:
    """The edits of a job after number `since`, and the state of the outlines after all edits."""
    rows = list(job.edits.values_list("sequence", "undoes", "patch__objects", "patch__next"))
    base = rows[-1][0] if rows else 0
    undone = {undoes for _, undoes, *_ in rows}
    restored_by_undo = dict(job.edits.filter(sequence__in=undone - {None}).values_list("sequence", "before__objects"))
    objects: dict[str, Any] = {}
    for _, undoes, touched, _ in rows:
        touched = touched or restored_by_undo.get(undoes)
        objects |= touched if isinstance(touched, dict) else {}  # an altered log may contain other types
    standing = sum(undoes is None and number not in undone for number, undoes, *_ in rows)
    next_id = max((number or 0 for *_, number in rows), default=None)
    if not rows:
        with suppress(Refused):
            next_id = corrections_of(job).now.next_id
    return LogState(base, page_of_edits(job, since), objects, next_id, standing)


def page_of_edits(job: Job, since: int) -> list[Edit]:
    """The edits after number `since`: at most MOST_PAGE_EDITS of them, and MOST_PAGE_BYTES in all
    unless the first alone has more."""
    rows = job.edits.filter(sequence__gt=since)
    patches = (Length(Cast(name, TextField())) for name in ("patch", "before"))
    sizes = rows.annotate(size=sum(patches)).values_list("sequence", "size")[:MOST_PAGE_EDITS]
    totals = accumulate(size for _, size in sizes)
    last = [number for (number, _), total in zip(sizes, totals, strict=True) if total <= MOST_PAGE_BYTES]
    return list(rows.filter(sequence__lte=last[-1]) if last else rows[:1])


def broken_edits(job: Job) -> list[str]:
    """The faults of a job's log, a sentence each; [] for an unaltered log."""
    faults = _chain_faults(job)
    # An edit that is added during the first check looks like a fault.
    return _chain_faults(_refreshed(job)) if faults else faults


def _chain_faults(job: Job) -> list[str]:
    """The faults of the hash chain of a job's edits, a sentence each."""
    rows = job.edits.filter(sequence__lte=max(job.edit_count, 1))
    return list(chain_faults(rows, "Edit", job.edit_hash, job.edit_count))
