"""Regular upkeep: rescues jobs and samples that lost their worker, and removes old rows and files."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.utils import timezone

from ... import models
from ..access.webhooks import forget_deliveries
from ..ground.files import release_side_files
from ..ground.limits import AN_HOUR
from ..ground.queue import INSPECTIONS, KINDS, enqueue, ring
from ..ground.space import frees_room, note_free
from ..results.exports import forget_unasked
from ..results.jobs import delete_jobs
from ..results.pooling import stuck
from ..results.publishing import fail, requeue
from ..results.signing import signed_jobs
from ..results.usage import bytes_of, side_bytes

MAX_DEATHS = 3
LOST_WAIT = timedelta(seconds=2)
LOST = "The server was interrupted"
ABANDONED, LATELY = timedelta(days=1), timedelta(days=2)
FORGOTTEN = timedelta(minutes=10)
FEW = 100  # messages
PORTION, MANY = 20, 10_000  # rows that one transaction of the tidying deletes; ids that it reads at once
# Each row of these kinds has a message of its own; an upload has none.
WITH_MESSAGES = tuple(kind for kind in KINDS if kind is not models.Micrograph)
_whole_look_due = 0.0  # by the monotonic clock of this process


class Purged(NamedTuple):
    """What was deleted, or would be; bytes: of the files."""

    jobs: int
    uploads: int
    bytes: int

    def plus(self, other: Purged, sign: int = 1) -> Purged:
        return Purged(*(mine + sign * theirs for mine, theirs in zip(self, other, strict=True)))


class Watch:
    """Finds running rows that have been silent for too long, as seen by this process.

    A row is silent as long as its heartbeat does not change. The time is measured by this process' own monotonic
    clock, because the clocks of workers and server may jump. Time without access to the database does not count,
    because then nobody could write a heartbeat.
    """

    LONGEST_GAP = 15.0  # seconds between two looks, from which on the database was away

    def __init__(self) -> None:
        self._since: dict[Any, tuple[Any, float]] = {}
        self._looked = 0.0

    def silent(self, kind: type[models.Attempted], seconds: float, now: float) -> list[Any]:
        """The ids of the running rows of a kind that have shown no sign of life for so many seconds."""
        beats = dict(kind.objects.running().values_list("pk", "heartbeat"))
        unchanged = {pk: since for pk, since in self._since.items() if pk in beats and since[0] == beats[pk]}
        self._since = {pk: unchanged.get(pk, (beat, now)) for pk, beat in beats.items()}
        if now - self._looked > self.LONGEST_GAP:
            self._since = {pk: (beat, now) for pk, beat in beats.items()}
        self._looked = now
        return [pk for pk, (_, since) in self._since.items() if now - since >= seconds]


_watches: dict[type[models.Attempted], Watch] = {}


def rescue(*, died: Collection[type[models.Attempted]] = ()) -> int:
    """Put rows back into the queue if their worker was silent too long, and enqueue rows that nobody took.

    Called every few seconds by one process, which `Watch`es the heartbeats; the limit is DEEPSEGM_SILENCE_SECONDS.
    died: kinds whose workers are known to be gone. This is not the row's fault, but a row that loses its worker
    repeatedly waits longer each time, so that others can finish.
    A message too many is harmless: it finds nothing to do. Returns the number rescued.
    """
    states = _states()  # a site at rest has none
    rescued = sum(_rescue(kind, kind in died) for kind in KINDS if "running" in states[kind])
    if models.Sample.State.WAITING in states[models.Sample]:
        stuck().update(state=models.Sample.State.QUEUED, enqueued=None)
    states = _states() if any(states.values()) else states
    queued = [kind for kind in KINDS if "queued" in states[kind]]
    for kind in queued:
        if kind in WITH_MESSAGES:
            _send_again(kind)
    to_inspect = [models.Removal.objects.all()]
    to_inspect += [models.Micrograph.objects.waiting()] if models.Micrograph in queued else []
    to_inspect += [models.Job.imports.waiting()] if models.Job in queued else []
    if any(rows.exists() for rows in to_inspect) and not models.Micrograph.objects.running().exists():
        ring(INSPECTIONS)
    return rescued


def _states() -> dict[type[models.Attempted], set[str]]:
    """The states of the rows of each kind that are not finished."""
    with connection.cursor() as cursor:
        cursor.execute(*_query_of_states())
        unfinished = set(cursor.fetchall())
    return {kind: {state for name, state in unfinished if name == kind.__name__} for kind in KINDS}


@cache
def _query_of_states() -> tuple[str, tuple[Any, ...]]:
    """Its SQL and parameters, made once: a site at rest would spend most of its time on making it."""
    states = [
        kind.objects.filter(finished=None).order_by().values_list(Value(kind.__name__), "state").distinct()
        for kind in KINDS
    ]
    sql, params = states[0].union(*states[1:]).query.sql_with_params()
    return sql, params


def _rescue(kind: type[models.Attempted], died: bool) -> int:
    """One kind of row; a heartbeat that came meanwhile keeps its row running."""
    seconds = float(settings.DEEPSEGM_SILENCE_SECONDS)
    silent = _watches.setdefault(kind, Watch()).silent(kind, seconds, time.monotonic())
    rows = kind.objects.running() if died else kind.objects.running().filter(pk__in=silent)
    count = 0
    for row in list(rows.only("pk", "attempt", "heartbeat", "faults")):
        same = kind.objects.filter(pk=row.pk, state="running", attempt=row.attempt, heartbeat=row.heartbeat)
        try:
            with transaction.atomic():
                count += same.update(**_after_a_loss(row))
        except DatabaseError:  # a full disk can be read: no heartbeat could be written either
            _watches.pop(kind, None)
            raise
    return count


def _after_a_loss(row: models.Attempted) -> dict[str, Any]:
    """The fields of a row that has lost its worker: from the second time on it waits, twice as long each time."""
    again = {**models.AGAIN, "faults": row.faults + 1}
    if not row.faults:
        return again
    wait = min(LOST_WAIT * 2 ** min(row.faults - 1, 20), models.LONGEST_DUE)
    return {**again, "stage": LOST, "due": timezone.now() + wait}


def child_died(*, kind: type[models.Attempted], message: str, too_long: bool = False) -> None:
    """A process of a worker's pool died while it worked on a row: queue the row again, and fail it the third time.

    message: id of the message that the process worked on. A death before the first stage does not count, because the
    work on the row had not begun. too_long: the process was killed because it took too long; this fails the row.
    Nothing happens if the row was deleted or belongs to another attempt.
    """
    row = kind.objects.running().filter(message=message).first()
    if row is None:
        return
    with suppress(models.Superseded):
        if too_long:
            fail(row=row, sentence=KINDS[kind].too_long())
        elif row.stage == models.STARTING:
            row.change(**_after_a_loss(row))
        elif row.deaths < MAX_DEATHS - 1:
            requeue(row=row)
        else:
            fail(row=row, sentence=KINDS[kind].gave_up(MAX_DEATHS))


def put_back() -> int:
    """Queue all running rows again when the embedded worker ends, for the next start. It counts as no death."""
    return sum(kind.objects.running().update(**models.AGAIN) for kind in KINDS)


def enqueue_all() -> int:
    """Send a message for every row that waits: at a start, when no message can still be there."""
    if models.Micrograph.objects.waiting().exists():
        ring(INSPECTIONS)
    return sum(_enqueue(kind.objects.waiting()) for kind in WITH_MESSAGES)


def _enqueue(rows: QuerySet) -> int:
    return enqueue(list(rows.values_list("pk", flat=True)), rows.model, again=True)


def never() -> bool:
    """Nobody asks to stop."""
    return False


def purge(*, older_than: timedelta, dry_run: bool = False, is_over: Callable[[], bool] = never) -> Purged:
    """Delete finished jobs older than that, and equally old unused uploads; a sample is deleted as a whole.

    Signed results stay, and so do those on which they rest, and their samples. Of the rows only ids are read, and each
    PORTION goes in a transaction of its own. is_over: asked before each; once it is true, the rest stays.
    """
    limit = timezone.now() - older_than
    ended = set(models.Job.State.values) - set(models.Job.UNFINISHED)
    old = Q(state__in=ended, finished__lt=limit) & ~Q(pk__in=signed_jobs())
    young = models.Job.objects.filter(~old, sample=OuterRef("pk"))
    arriving = models.Micrograph.objects.filter(sample=OuterRef("pk"))
    samples = models.Sample.objects.filter(~Exists(young), ~Exists(arriving), created__lt=limit)
    single_jobs = models.Job.objects.filter(old, sample=None)
    jobs = models.Job.objects.filter(old, Q(sample=None) | Q(sample__in=samples))
    unused = models.Micrograph.objects.filter(created__lt=limit, sample=None)
    if dry_run:
        staying = models.Job.objects.filter(~Q(pk__in=jobs.values("pk")), micrograph=OuterRef("pk"))
        theirs = Exists(jobs.filter(micrograph=OuterRef("pk")))
        uploads = models.Micrograph.objects.filter(Q(created__lt=limit) | theirs, ~Exists(staying), sample=None)
        pooled = models.SampleArtifact.objects.filter(sample__in=samples.values("pk"))
        return _counted(jobs, uploads).plus(Purged(0, 0, bytes_of(pooled)))
    purged = Purged(0, 0, 0)
    for pks in _portions(samples, is_over, 1):
        purged = purged.plus(_dissolved(samples.filter(pk__in=pks)))  # its jobs are among the next
    for pks in _portions(single_jobs, is_over):
        purged = purged.plus(_deleted(single_jobs.filter(pk__in=pks)))
    for pks in _portions(unused.filter(jobs=None), is_over):
        purged = purged.plus(_removed(unused.filter(pk__in=pks, jobs=None)))
    return purged


def _portions(rows: QuerySet, is_over: Callable[[], bool], size: int = 0) -> Iterator[list[Any]]:
    """The ids of rows, some at a time, for whoever deletes them; each comes once, also one that stays."""
    ids, size = rows.order_by("pk").values_list("pk", flat=True), size or PORTION
    pks = list(ids[:MANY])
    while pks:
        for start in range(0, len(pks), size):
            if is_over():
                return
            yield pks[start : start + size]
        pks = list(ids.filter(pk__gt=pks[-1])[:MANY])


def _counted(jobs: QuerySet, uploads: QuerySet) -> Purged:
    results = models.Artifact.objects.filter(job__in=jobs.values("pk"))
    return Purged(jobs.count(), uploads.count(), bytes_of(results) + bytes_of(uploads))


def _dissolved(samples: QuerySet) -> Purged:
    """Delete samples, whose jobs become single ones; the bytes of their files."""
    with transaction.atomic():
        pks = list(samples.select_for_update().values_list("pk", flat=True))
        size = bytes_of(models.SampleArtifact.objects.filter(sample__in=pks))
        models.Job.objects.filter(sample__in=pks).update(sample=None)
        models.Sample.objects.filter(pk__in=pks).only("pk").delete()
    return Purged(0, 0, size)


def _deleted(jobs: QuerySet) -> Purged:
    """Delete jobs, and say what went with them."""
    pks = list(jobs.values_list("pk", flat=True))
    images = list(models.Micrograph.objects.filter(jobs__in=pks).distinct().values_list("pk", flat=True))
    concerned = models.Job.objects.filter(pk__in=pks), models.Micrograph.objects.filter(pk__in=images)
    before = _counted(*concerned)
    delete_jobs(pks)
    return before.plus(_counted(*concerned), -1)


def _removed(uploads: QuerySet) -> Purged:
    """Delete uploads that nothing uses, and say what went."""
    with transaction.atomic():
        counted = Purged(0, uploads.count(), bytes_of(uploads))
        uploads.only("pk").delete()
    return counted


@frees_room
def tidy(is_over: Callable[[], bool] = never) -> Purged:
    """The scheduled purge: by DEEPSEGM_RETENTION_DAYS. It also removes uploads not analysed after a day, remains of
    uploads interrupted by a crash, old messages of webhooks, workers that were killed, sessions that have ended, files
    that were written ahead for nobody, and segmentations that no job or correction has.

    Rows that nothing uses are looked for among those made LATELY; at a start, and then once a day, among all. is_over:
    as of `purge`.
    """
    global _whole_look_due
    optimise()
    note_free()
    now, begin = timezone.now(), time.monotonic()
    an_hour_ago, a_day_ago = now - AN_HOUR, now - ABANDONED
    is_whole = begin >= _whole_look_due
    lately = Q() if is_whole else Q(created__gte=now - LATELY)
    broken = models.Micrograph.objects.filter(state=models.Micrograph.State.RECEIVING, finished=None)
    for pks in _portions(broken.filter(created__lt=an_hour_ago), is_over):
        _removed(broken.filter(pk__in=pks))
    unmeasured = models.Segmentation.objects.filter(lately, created__lt=an_hour_ago, jobs=None)
    for pks in _portions(unmeasured, is_over):
        # Parents are asked for apart, or SQLite reads the whole table for each of them.
        parents = set(models.Segmentation.objects.filter(parent__in=pks).values_list("parent", flat=True))
        with transaction.atomic():
            unmeasured.filter(pk__in=set(pks) - parents).only("pk").delete()
    models.Arrival.objects.filter(created__lt=a_day_ago).delete()
    forget_unasked(an_hour_ago)
    models.WorkerProcess.objects.filter(seen__lt=a_day_ago).delete()
    SessionStore.clear_expired()
    forget_deliveries()
    _let_go_of_lost_sides()
    days = settings.DEEPSEGM_RETENTION_DAYS
    purged = purge(older_than=timedelta(days=days), is_over=is_over) if days else Purged(0, 0, 0)
    unused = models.Micrograph.objects.filter(created__lt=a_day_ago, jobs=None, sample=None)
    # What was asked of an archive stands on it until its images are there.
    abandoned = unused.exclude(is_archive=True, state__in=models.Micrograph.UNFINISHED)
    for pks in _portions(abandoned.filter(lately), is_over):
        purged = purged.plus(_removed(abandoned.filter(pk__in=pks)))
    if is_whole and not is_over():
        _whole_look_due = begin + ABANDONED.total_seconds()
    return purged


def _let_go_of_lost_sides() -> None:
    """The files beside images that the version before deleted while both served the site."""
    gone = ~Exists(models.Micrograph.objects.filter(pk=OuterRef("micrograph")))
    with transaction.atomic():
        release_side_files(set(models.SideFile.objects.filter(gone).values_list("micrograph", flat=True)))


def optimise() -> None:
    """Let SQLite count its rows again where there are many more or fewer, because it chooses indexes by their numbers.
    Other databases do that by themselves."""
    if connection.vendor == "sqlite":
        with suppress(OperationalError), connection.cursor() as cursor:  # while another process writes: the next time
            cursor.execute("PRAGMA analysis_limit = 1000")  # rows of an index; of all it takes seconds
            cursor.execute("PRAGMA optimize")


def storage_used() -> int:
    """Bytes of all micrographs, results, datasets and trainings (previews, a few kB each, left out)."""
    kinds = models.Micrograph, models.Artifact, models.SampleArtifact, models.DatasetImage, models.TrainingFile
    images = models.Micrograph.objects.all()
    beside = bytes_of(images, "viewer_size") + side_bytes(images)
    return beside + sum(bytes_of(kind.objects.all()) for kind in kinds)


def _send_again(kind: type[models.Attempted]) -> None:
    """Send messages for the queued rows that had none, and for some where the messages of their kind may be lost.

    A message makes a worker take the next row. While a worker is busy, or messages were sent lately, rows wait for
    their turn and need no new message. Otherwise FEW messages are sent, so that they do not pile up.
    """
    now, waiting = timezone.now(), kind.objects.waiting()
    is_busy = any(row.objects.running().exists() for row in KINDS if KINDS[row].queue == KINDS[kind].queue)
    if not (is_busy and settings.DEEPSEGM_EMBEDDED):  # elsewhere one worker's being busy does not say that another is
        limit = now - (FORGOTTEN if is_busy else timedelta(seconds=settings.DEEPSEGM_SILENCE_SECONDS))
        if not waiting.filter(enqueued__gt=limit, enqueued__lte=now).exists():
            _enqueue(waiting.exclude(enqueued=None)[:FEW])
    enqueue(list(waiting.filter(enqueued=None).values_list("pk", flat=True)), kind)
