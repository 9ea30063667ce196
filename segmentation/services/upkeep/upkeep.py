"""Regular upkeep: it puts work whose worker was lost back into the queue, and removes old rows and
files."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.utils import timezone

from ... import models
from ...models.jobs import count_workers
from ..access.webhooks import remove_old_deliveries
from ..ground import staff_log
from ..ground.files import release_side_files
from ..ground.limits import AN_HOUR
from ..ground.queue import ANALYSES, INSPECTIONS, TRAINING, WORK_KINDS, enqueue, notify_workers
from ..ground.space import record_free_space, with_disk_reserve
from ..ground.stored import bytes_of, side_bytes
from ..results.corrections.signing import signed_jobs
from ..results.exports import remove_unrequested
from ..results.jobs import delete_jobs
from ..results.pooling import stuck_samples
from ..results.publishing import fail_row, requeue_row

MAX_DEATHS = 3  # after so many deaths of its process a row fails
# A row that lost its worker for the second time waits so long; doubled each further time.
LOST_WAIT = timedelta(seconds=2)
LOST_STAGE = "The server was interrupted"
ABANDONED_AFTER = timedelta(days=1)  # after this time an upload without an analysis is removed
# Unused rows that are younger are searched for at each `tidy`, older ones once a day.
RECENT_ROWS = timedelta(days=2)
MESSAGE_LOST_AFTER = timedelta(minutes=10)  # if no message was sent for so long, earlier ones may be lost
IDLE_FOR = timedelta(seconds=5)  # a worker takes a message within so long, if it is idle
AT_ONCE = {ANALYSES: settings.DEEPSEGM_CONCURRENCY, INSPECTIONS: 4, TRAINING: 1}  # rows that one worker works on
MESSAGES_AT_ONCE = 100  # messages that are sent again at once
ROWS_AT_ONCE = 20  # rows that one transaction of the tidying deletes
IDS_AT_ONCE = 10_000  # ids of rows that the tidying reads at once
# For each row of these kinds a message is sent. An upload has none: `notify_workers` is called for all.
WITH_MESSAGES = tuple(kind for kind in WORK_KINDS if kind is not models.Micrograph)
REVOKED_STAY = timedelta(days=30)  # so long a script that sends a revoked token gets the reason
RESULTS = (models.Job, models.Sample)
_all_rows_due = 0.0  # when `tidy` searches all rows again, by the monotonic clock of this process


class Purged(NamedTuple):
    """What was deleted or would be deleted: numbers of jobs and uploads, and bytes of their files."""

    jobs: int
    uploads: int
    bytes: int

    def plus(self, other: Purged, sign: int = 1) -> Purged:
        """The sum; with sign -1 the difference."""
        return Purged(*(mine + sign * theirs for mine, theirs in zip(self, other, strict=True)))


class HeartbeatWatch:
    """Finds running rows of one kind whose heartbeat has not changed for too long.

    The time is measured by the monotonic clock of this process, because the clocks of workers and server may jump.
    Time without access to the database does not count, because then no worker could write a heartbeat.
    """

    # Seconds between two calls; after a longer gap the database was not reachable meanwhile.
    LONGEST_GAP = 15.0

    def __init__(self) -> None:
        # By id: the heartbeat, and when this process first read it.
        self._since: dict[Any, tuple[Any, float]] = {}
        self._last_call = 0.0

    def silent(self, kind: type[models.Attempted], seconds: float, now: float) -> list[Any]:
        """The ids of running rows whose heartbeat has not changed for `seconds`. now: the time of the
        monotonic clock."""
        beats = dict(kind.objects.running().values_list("pk", "heartbeat"))
        unchanged = {pk: since for pk, since in self._since.items() if pk in beats and since[0] == beats[pk]}
        self._since = {pk: unchanged.get(pk, (beat, now)) for pk, beat in beats.items()}
        if now - self._last_call > self.LONGEST_GAP:
            self._since = {pk: (beat, now) for pk, beat in beats.items()}
        self._last_call = now
        return [pk for pk, (_, since) in self._since.items() if now - since >= seconds]


_watches: dict[type[models.Attempted], HeartbeatWatch] = {}


def rescue(*, died: Collection[type[models.Attempted]] = ()) -> int:
    """Put rows back into the queue if their worker was silent for DEEPSEGM_SILENCE_SECONDS, and
    send messages again for rows that no worker took. Returns the number of rows put back.

    One process calls this every few seconds. died: kinds whose workers are known to have ended. A
    row that loses its worker repeatedly waits longer each time, because it may be the cause. Too many
    messages do no harm: a worker that gets one finds nothing to do.
    """
    states = _states()  # empty sets while nothing waits or runs
    rescued = sum(_rescue(kind, kind in died) for kind in WORK_KINDS if "running" in states[kind])
    if models.Sample.State.WAITING in states[models.Sample]:
        stuck_samples().update(state=models.Sample.State.QUEUED, enqueued=None)
    states = _states() if any(states.values()) else states
    queued = [kind for kind in WORK_KINDS if "queued" in states[kind]]
    for kind in queued:
        if kind in WITH_MESSAGES:
            _send_again(kind)
    to_inspect = [models.Removal.objects.all()]
    to_inspect += [models.Micrograph.objects.waiting()] if models.Micrograph in queued else []
    to_inspect += [models.Job.imports.waiting()] if models.Job in queued else []
    reading = models.Micrograph.objects.running().count()
    if (
        any(rows.exists() for rows in to_inspect)
        and reading < max(1, count_workers(INSPECTIONS)) * AT_ONCE[INSPECTIONS]
    ):
        notify_workers(INSPECTIONS)
    return rescued


def _states() -> dict[type[models.Attempted], set[str]]:
    """The states that occur among the unfinished rows, by kind."""
    with connection.cursor() as cursor:
        cursor.execute(*_query_of_states())
        unfinished = set(cursor.fetchall())
    return {kind: {state for name, state in unfinished if name == kind.__name__} for kind in WORK_KINDS}


@cache
def _query_of_states() -> tuple[str, tuple[Any, ...]]:
    """SQL and parameters of the query in `_states`, cached because making them takes longer than the
    query."""
    states = [
        kind.objects.filter(finished=None).order_by().values_list(Value(kind.__name__), "state").distinct()
        for kind in WORK_KINDS
    ]
    sql, params = states[0].union(*states[1:]).query.sql_with_params()
    return sql, params


def _rescue(kind: type[models.Attempted], died: bool) -> int:
    """Put silent rows of one kind back into the queue; returns how many. A row whose heartbeat comes
    meanwhile stays running.

    died: whether all workers of the kind have ended.
    """
    seconds = float(settings.DEEPSEGM_SILENCE_SECONDS)
    silent = _watches.setdefault(kind, HeartbeatWatch()).silent(kind, seconds, time.monotonic())
    rows = kind.objects.running() if died else kind.objects.running().filter(pk__in=silent)
    count = 0
    for row in list(rows.only("pk", "attempt", "heartbeat", "faults")):
        unchanged = kind.objects.filter(pk=row.pk, state="running", attempt=row.attempt, heartbeat=row.heartbeat)
        try:
            with transaction.atomic():
                count += unchanged.update(**_after_a_loss(row))
        except DatabaseError:  # such as a full disk: heartbeats cannot be written either, so start again
            _watches.pop(kind, None)
            raise
    return count


def _after_a_loss(row: models.Attempted) -> dict[str, Any]:
    """The new fields of a row whose worker was lost. From the second loss on the row waits, each time
    twice as long."""
    fields = {**models.REQUEUE_FIELDS, "faults": row.faults + 1}
    if not row.faults:
        return fields
    wait = min(LOST_WAIT * 2 ** min(row.faults - 1, 20), models.LONGEST_DUE)
    return {**fields, "stage": LOST_STAGE, "due": timezone.now() + wait}


def requeue_after_death(*, kind: type[models.Attempted], message: str, too_long: bool = False) -> None:
    """Queue a row again after the worker's child process for it died; after MAX_DEATHS deaths the row
    fails.

    message: the id of the message for which the process worked. too_long: whether the process was
    killed because it took too long; then the row fails at once. A death before the first stage does
    not count. Nothing happens if the row was deleted or belongs to another attempt.
    """
    row = kind.objects.running().filter(message=message).first()
    if row is None:
        return
    with suppress(models.Superseded):
        if too_long:
            fail_row(row=row, sentence=WORK_KINDS[kind].too_long())
        elif row.stage == models.STARTING:
            row.change(**_after_a_loss(row))
        elif row.deaths < MAX_DEATHS - 1:
            requeue_row(row=row)
        else:
            fail_row(row=row, sentence=WORK_KINDS[kind].gave_up(MAX_DEATHS))


def requeue_running() -> int:
    """Queue all running rows again when the embedded worker ends, without counting a death; returns
    the number of rows. They run after the next start."""
    return sum(kind.objects.running().update(**models.REQUEUE_FIELDS) for kind in WORK_KINDS)


def enqueue_all() -> int:
    """Send a message for each waiting row; returns how many. Called when the site starts with an empty
    broker."""
    if models.Micrograph.objects.waiting().exists():
        notify_workers(INSPECTIONS)
    return sum(_enqueue(kind.objects.waiting()) for kind in WITH_MESSAGES)


def _enqueue(rows: QuerySet) -> int:
    """Send a message for each row, also for those that had one; returns how many."""
    return enqueue(list(rows.values_list("pk", flat=True)), rows.model, again=True)


def never_over() -> bool:
    """The default of `is_over` below: the work is never stopped early."""
    return False


def purge(*, older_than: timedelta, dry_run: bool = False, is_over: Callable[[], bool] = never_over) -> Purged:
    """Delete finished jobs and unused uploads that are older than `older_than`; returns what was
    deleted. A sample is deleted only as a whole.

    Signed results, the results from which they were made, and their samples stay. dry_run: only
    count. is_over: called before each transaction, which deletes ROWS_AT_ONCE rows; if it returns
    True, nothing more is deleted.
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
        has_old_job = Exists(jobs.filter(micrograph=OuterRef("pk")))
        uploads = models.Micrograph.objects.filter(Q(created__lt=limit) | has_old_job, ~Exists(staying), sample=None)
        pooled = models.SampleArtifact.objects.filter(sample__in=samples.values("pk"))
        return _counted(jobs, uploads).plus(Purged(0, 0, bytes_of(pooled)))
    purged = Purged(0, 0, 0)
    for pks in _portions(samples, is_over, 1):
        # The jobs of the samples become single jobs, which the next loop deletes.
        purged = purged.plus(_delete_samples(samples.filter(pk__in=pks)))
    for pks in _portions(single_jobs, is_over):
        purged = purged.plus(_delete_jobs(single_jobs.filter(pk__in=pks)))
    for pks in _portions(unused.filter(jobs=None), is_over):
        purged = purged.plus(_delete_uploads(unused.filter(pk__in=pks, jobs=None)))
    return purged


def _portions(rows: QuerySet, is_over: Callable[[], bool], size: int = 0) -> Iterator[list[Any]]:
    """The ids of rows, in portions, for a caller that deletes these rows. Each id comes once, even if
    its row is not deleted.

    size: number of ids in a portion, 0 for ROWS_AT_ONCE.
    """
    ids, size = rows.order_by("pk").values_list("pk", flat=True), size or ROWS_AT_ONCE
    pks = list(ids[:IDS_AT_ONCE])
    while pks:
        for start in range(0, len(pks), size):
            if is_over():
                return
            yield pks[start : start + size]
        pks = list(ids.filter(pk__gt=pks[-1])[:IDS_AT_ONCE])


def _counted(jobs: QuerySet, uploads: QuerySet) -> Purged:
    """The numbers of these jobs and uploads, and the bytes of their files."""
    results = models.Artifact.objects.filter(job__in=jobs.values("pk"))
    return Purged(jobs.count(), uploads.count(), bytes_of(results) + bytes_of(uploads))


def _delete_samples(samples: QuerySet) -> Purged:
    """Delete samples but not their jobs; returns the bytes of the files of the samples."""
    with transaction.atomic():
        pks = list(samples.select_for_update().values_list("pk", flat=True))
        size = bytes_of(models.SampleArtifact.objects.filter(sample__in=pks))
        models.Job.objects.filter(sample__in=pks).update(sample=None)
        models.Sample.objects.filter(pk__in=pks).only("pk").delete()
    return Purged(0, 0, size)


def _delete_jobs(jobs: QuerySet) -> Purged:
    """Delete jobs, and images that no other job uses; returns what was deleted."""
    pks = list(jobs.values_list("pk", flat=True))
    images = list(models.Micrograph.objects.filter(jobs__in=pks).distinct().values_list("pk", flat=True))
    rows = models.Job.objects.filter(pk__in=pks), models.Micrograph.objects.filter(pk__in=images)
    before = _counted(*rows)
    delete_jobs(pks)
    return before.plus(_counted(*rows), -1)


def _delete_uploads(uploads: QuerySet) -> Purged:
    """Delete uploads that nothing uses; returns what was deleted."""
    with transaction.atomic():
        counted = Purged(0, uploads.count(), bytes_of(uploads))
        uploads.only("pk").delete()
    return counted


@with_disk_reserve
def tidy(is_over: Callable[[], bool] = never_over) -> Purged:
    """Delete results older than DEEPSEGM_RETENTION_DAYS (`purge`), and useless rows and files. Called
    regularly; returns what was deleted.

    Useless are uploads that have no analysis after a day, remains of uploads that a crash
    interrupted, old messages of webhooks, rows of killed workers, expired sessions, files that were
    written in advance and not used, and segmentations that no job uses. At the first call and then
    once a day, uploads and segmentations of any age are searched, otherwise only RECENT_ROWS.
    is_over: as in `purge`.
    """
    global _all_rows_due
    optimise()
    record_free_space()
    now, begin = timezone.now(), time.monotonic()
    an_hour_ago, a_day_ago = now - AN_HOUR, now - ABANDONED_AFTER
    looks_at_all = begin >= _all_rows_due
    lately = Q() if looks_at_all else Q(created__gte=now - RECENT_ROWS)
    broken = models.Micrograph.objects.filter(state=models.Micrograph.State.RECEIVING, finished=None)
    for pks in _portions(broken.filter(created__lt=an_hour_ago), is_over):
        _delete_uploads(broken.filter(pk__in=pks))
    unmeasured = models.Segmentation.objects.filter(lately, created__lt=an_hour_ago, jobs=None)
    for pks in _portions(unmeasured, is_over):
        # A separate query for parents: in one query SQLite would read the whole table for each row.
        parents = set(models.Segmentation.objects.filter(parent__in=pks).values_list("parent", flat=True))
        with transaction.atomic():
            unmeasured.filter(pk__in=set(pks) - parents).only("pk").delete()
    models.Arrival.objects.filter(created__lt=a_day_ago).delete()
    remove_unrequested(an_hour_ago)
    models.WorkerProcess.objects.filter(seen__lt=a_day_ago).delete()
    SessionStore.clear_expired()
    remove_old_deliveries()
    models.Token.objects.filter(revoked__lt=now - REVOKED_STAY).delete()
    _remove_rows_of_gone_visitors(a_day_ago)
    _release_lost_side_files()
    days = settings.DEEPSEGM_RETENTION_DAYS
    purged = purge(older_than=timedelta(days=days), is_over=is_over) if days else Purged(0, 0, 0)
    unused = models.Micrograph.objects.filter(created__lt=a_day_ago, jobs=None, sample=None)
    # The row of an archive has what the user requested, so it stays until its images are unpacked.
    abandoned = unused.exclude(is_archive=True, state__in=models.Micrograph.UNFINISHED)
    for pks in _portions(abandoned.filter(lately), is_over):
        purged = purged.plus(_delete_uploads(abandoned.filter(pk__in=pks)))
    if looks_at_all and not is_over():
        _all_rows_due = begin + ABANDONED_AFTER.total_seconds()
    return purged


def _remove_rows_of_gone_visitors(limit: datetime) -> None:
    """Remove what visitors made before `limit` beside their results, once these are deleted: reference
    materials of a browser without results, and the log of changes of a deleted result."""
    references = models.Reference.objects.filter(owner=None, created__lt=limit)
    has_result = [Exists(kind.objects.filter(owner=None, visitor=OuterRef("visitor"))) for kind in RESULTS]
    references.filter(*(~result for result in has_result)).delete()
    kinds = [str(kind._meta.verbose_name) for kind in RESULTS]
    rows = models.StaffAction.objects.filter(account=staff_log.NO_ACCOUNT, kind__in=kinds, created__lt=limit)
    targets = {UUID(target) for target in rows.order_by().values_list("target", flat=True).distinct()}
    for kind in RESULTS:
        targets -= set(kind.objects.filter(pk__in=targets).values_list("pk", flat=True))
    rows.filter(target__in=map(str, targets)).delete()


def _release_lost_side_files() -> None:
    """Remove side files whose image is deleted. (While an update runs, an earlier version of the site
    may delete images without their side files.)"""
    gone = ~Exists(models.Micrograph.objects.filter(pk=OuterRef("micrograph")))
    with transaction.atomic():
        release_side_files(set(models.SideFile.objects.filter(gone).values_list("micrograph", flat=True)))


def optimise() -> None:
    """Let SQLite update its statistics, by which it chooses indexes. Other databases do that
    themselves."""
    if connection.vendor == "sqlite":
        # If another process is writing, the next call does it.
        with suppress(OperationalError), connection.cursor() as cursor:
            # Rows of an index that are counted: counting all takes seconds.
            cursor.execute("PRAGMA analysis_limit = 1000")
            cursor.execute("PRAGMA optimize")


def storage_used() -> int:
    """The bytes of all images, results, datasets and trainings, without previews (a few kB each)."""
    kinds = models.Micrograph, models.Artifact, models.SampleArtifact, models.DatasetImage, models.TrainingFile
    images = models.Micrograph.objects.all()
    further_bytes = bytes_of(images, "viewer_size") + side_bytes(images)
    return further_bytes + sum(bytes_of(kind.objects.all()) for kind in kinds)


def _send_again(kind: type[models.Attempted]) -> None:
    """Send messages for queued rows that had none, and for other queued rows if their messages may be lost.

    Any message makes a worker take the next row. While a worker is idle beside waiting rows, messages
    are missing: one is sent for each idle process. Otherwise, if a message was sent lately, rows wait
    for their turn and need no new message.
    """
    now, waiting, queue = timezone.now(), kind.objects.waiting(), WORK_KINDS[kind].queue
    running = sum(row.objects.running().count() for row in WORK_KINDS if WORK_KINDS[row].queue == queue)
    idle = count_workers(queue) * AT_ONCE[queue] - running
    if idle > 0 and not settings.DEEPSEGM_EMBEDDED:
        said_lately = Q(enqueued__gt=now - IDLE_FOR, enqueued__lte=now)
        _enqueue(waiting.exclude(said_lately).exclude(enqueued=None).order_by("enqueued")[:idle])
    elif not (running and settings.DEEPSEGM_EMBEDDED):
        limit = now - (MESSAGE_LOST_AFTER if running else timedelta(seconds=settings.DEEPSEGM_SILENCE_SECONDS))
        if not waiting.filter(enqueued__gt=limit, enqueued__lte=now).exists():
            _enqueue(waiting.exclude(enqueued=None)[:MESSAGES_AT_ONCE])
    enqueue(list(waiting.filter(enqueued=None).values_list("pk", flat=True)), kind)
