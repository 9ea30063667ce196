"""The state of the site for its administrator and for monitoring: checks of its parts, queues, failures
and durations."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from celery import current_app
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Count, Min
from django.utils import timezone

from ...checks import why_not_writable
from ...core.stages.pace import time_words
from ...location import COMMAND
from ...models import Job, Micrograph, StaffAction, WorkerProcess
from ...models.upkeep import ALIVE
from ..ground import staff_log
from ..ground.limits import AN_HOUR
from ..ground.queue import TRAINING, WORK_KINDS
from ..ground.space import DAY_SECONDS, WEEK_SECONDS, days_left, free_bytes, is_space_scarce
from ..results import usage
from .upkeep import storage_used

logger = logging.getLogger(__name__)
CHECK_SECONDS = 3  # for all checks together, and the time limit of drivers that have one
REPEATED_AFTER_SECONDS = 5.0  # requests within this time get the last answer
A_WEEK = timedelta(days=7)
MOST_REASONS = 10  # sentences of failures that are listed
LATEST_JOBS = 1000  # jobs from which the mean times of the stages are computed
SQLITE_BYTES = 2 * 10**9  # the size of about 100,000 jobs: docs/operate/production.md
MANY_FAILURES = 5  # in an hour; of fewer nobody is told
HUNG = (
    "A process of the worker {name} gave no sign of life and was ended ({count} so far, the last at {at:%H:%M}). Its"
    " work goes on in another one; the log of the worker names it."
)
OUTGROWN = (
    "The SQLite database has {size:.1f} GB; above {limit:.0f} GB lists get slow. Set DEEPSEGM_RETENTION_DAYS, or "
    "move to PostgreSQL (docs/operate/backup.md)."
)


class Check(NamedTuple):
    """The outcome of one check of the site. ok: whether the part works. why: a sentence if not.
    needed: whether pages fail without the part; otherwise work is only delayed."""

    name: str
    ok: bool
    why: str = ""
    needed: bool = True


class Waiting(NamedTuple):
    """The state of a queue. waiting, running: numbers of rows. oldest: seconds for which the oldest
    waiting row has waited. workers: number of workers that are alive. hung: number of their processes
    that gave no sign of life and were ended."""

    queue: str
    waiting: int
    running: int
    oldest: float
    workers: int
    hung: int


_last_answer: tuple[float, list[Check]] = (0.0, [])
SLOW_SECONDS = 0.1  # the answer of a function that takes longer is cached
REUSE_FACTOR = 20  # it is cached for so many times its duration
STALE_SECONDS = 120.0  # for so long after that it is still returned, while a thread computes a new one


def cached_if_slow(ask: Callable[[], Any]) -> Callable[[], Any]:
    """A decorator for a function that reads complete tables: a slow answer is cached.

    If the function takes longer than SLOW_SECONDS, its answer is cached for REUSE_FACTOR times its
    duration. For STALE_SECONDS after that, callers still get the old answer while a thread computes
    a new one.
    """
    stored: list[tuple[float, Any]] = []  # (time until which it is valid, answer); [] if not cached

    def fresh_answer() -> Any:
        began = time.monotonic()
        answer, now = ask(), time.monotonic()
        stored[:] = [(now + REUSE_FACTOR * (now - began), answer)] if now - began > SLOW_SECONDS else []
        return answer

    def refresh() -> None:
        with suppress(DatabaseError):
            fresh_answer()
        connection.close()

    @wraps(ask)
    def cached_answer() -> Any:
        now, (until, answer) = time.monotonic(), stored[0] if stored else (-2 * STALE_SECONDS, None)
        if now > until + STALE_SECONDS:
            return fresh_answer()
        if now > until:
            stored[:] = [(now + STALE_SECONDS, answer)]  # so that only one thread computes a new one
            threading.Thread(target=refresh, daemon=True).start()
        return answer

    return cached_answer


class Questions:
    """Functions that ask one part of the site (such as its database), called one after another in a
    separate thread, because the part may never answer.

    answers: what they returned so far, by their names. A function that raised an exception is
    missing.
    """

    def __init__(self, questions: Mapping[str, Callable[[], Any]]) -> None:
        self.answers: dict[str, Any] = {}
        self.thread = _started_thread(partial(self._ask, questions))

    def _ask(self, questions: Mapping[str, Callable[[], Any]]) -> None:
        for name, ask in questions.items():
            try:
                self.answers[name] = ask()
            except Exception as error:
                logger.warning("Question for %s: %s: %s", name, type(error).__name__, error)


def _started_thread(work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


_under_way: dict[str, Questions] = {}  # by the name of the part


def questions_to(part: str, questions: Mapping[str, Callable[[], Any]]) -> Questions:
    """Start `Questions` to a part of the site. If earlier ones with the same name are still running,
    these are returned.

    part: a name for the part and its questions. questions: functions by name.
    """
    earlier = _under_way.get(part)
    if earlier is not None and earlier.thread.is_alive():
        return earlier
    _under_way[part] = Questions(questions)
    return _under_way[part]


def answers_in_time(parts: Iterable[Questions], begin: float) -> dict[str, Any]:
    """The answers that come within CHECK_SECONDS after `begin` (of the monotonic clock), by name."""
    answers: dict[str, Any] = {}
    for part in parts:
        part.thread.join(max(begin + CHECK_SECONDS - time.monotonic(), 0.0))
        answers |= dict(part.answers)
    return answers


def readiness() -> list[Check]:
    """The outcomes of all checks. This process makes them at most once in REPEATED_AFTER_SECONDS. A
    check that does not answer in time has failed."""
    global _last_answer
    now = time.monotonic()
    if not _last_answer[1] or now - _last_answer[0] > REPEATED_AFTER_SECONDS:
        parts: dict[str, dict[str, Callable[[], Check]]] = {}
        for name, part, needed, check, broken in _CHECKS:
            parts.setdefault(part, {})[name] = partial(_checked, name, needed, check, broken)
        answers = answers_in_time(
            [questions_to(f"{part}, checks", questions) for part, questions in parts.items()], now
        )
        silent = f"No answer within {CHECK_SECONDS} seconds: it hangs, or the network to it does."
        checks = [answers.get(name) or Check(name, False, silent, needed) for name, _, needed, *_ in _CHECKS]
        _last_answer = now, checks
    return _last_answer[1]


def database_answers() -> bool:
    """Whether the database can be read within CHECK_SECONDS."""
    part = questions_to("database, alive", {"alive": Job.objects.exists})
    return "alive" in answers_in_time([part], time.monotonic())


def site_numbers() -> dict[str, Any]:
    """The numbers for /metrics: "checks", and by the names below the numbers that are known in time."""
    begin = time.monotonic()
    space = questions_to("disk, numbers", {"free": free_bytes, "total": total_bytes})
    of_rows = {
        "queues": queues,
        "ended": count_ended,
        "backup": last_backup,
        "stages": slowest_stages,
        "states": count_states,
    }
    rows = questions_to("database, numbers", {**of_rows, "stored": _stored_bytes})
    checks = readiness()
    return {"checks": checks, **answers_in_time([space, rows], begin)}


def _checked(name: str, needed: bool, check: Callable[[], str], broken: str) -> Check:
    """Make a check; returns its outcome. broken: the sentence if `check` raises an exception."""
    try:
        why = check()
    except Exception as error:
        logger.warning("Check of %s: %s: %s", name, type(error).__name__, error)
        why = f"{broken} The log of this web process has the cause."
    return Check(name, not why, why, needed)


def _database() -> str:
    """The database must store a row."""
    with _short_lock_wait(), transaction.atomic():
        WorkerProcess.objects.create(name=f"probe {uuid4()}", queues="", version="")
        transaction.set_rollback(True)
    return ""


@contextmanager
def _short_lock_wait() -> Iterator[None]:
    """A block in which the database waits at most CHECK_SECONDS for a lock."""
    is_sqlite = settings.DEEPSEGM_SQLITE
    limit = "PRAGMA busy_timeout = {}" if is_sqlite else "SET statement_timeout = {}"
    usual = settings.DATABASES["default"]["OPTIONS"]["timeout"] * 1000 if is_sqlite else "DEFAULT"
    with connection.cursor() as cursor:
        cursor.execute(limit.format(CHECK_SECONDS * 1000))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(limit.format(usual))


def _migrations() -> str:
    """All migrations must be applied."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    noun = "1 migration is" if len(plan) == 1 else f"{len(plan)} migrations are"
    return f"{noun} not applied: run {COMMAND} migrate." if plan else ""


def _storage() -> str:
    """The storage must store a file."""
    name = default_storage.save(f"probe/{uuid4()}", ContentFile(b"probe"))
    default_storage.delete(name)
    return ""


def _disk() -> str:
    """The disk must have free space (DEEPSEGM_MIN_FREE_MB)."""
    sentence = "MB of the disk are free. Uploads are refused and analyses wait. Delete results, or make room."
    return f"Less than {settings.DEEPSEGM_MIN_FREE_MB} {sentence}" if is_space_scarce() else ""


def _days_until_full() -> str:
    """The disk must not become full within a week at its present pace (`space.days_left`)."""
    days = days_left()
    if days is None or days * DAY_SECONDS > WEEK_SECONDS:
        return ""
    return f"At the pace of the last days the disk is full in {days:.0f} days. Delete results, or make room."


def _broker() -> str:
    """The broker must store a small value: a full broker can be reached, but stores nothing."""
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, "socket_timeout": CHECK_SECONDS}
    with current_app.connection_for_write().clone(transport_options=options) as broker:
        broker.ensure_connection(max_retries=1, timeout=CHECK_SECONDS)
        channel = broker.default_channel
        if hasattr(channel, "folder"):
            problem = why_not_writable(channel.folder)
            return f"The folder {channel.folder} cannot be written to ({problem})." if problem else ""
        if broker.transport.driver_type == "redis":
            channel.client.set("deepsegm-probe", "1", ex=60)
    return ""


def database_bytes() -> int | None:
    """The size of an SQLite database with its journal; None for another database."""
    if not settings.DEEPSEGM_SQLITE:
        return None
    file = str(settings.DATABASES["default"]["NAME"])
    return sum(part.stat().st_size for end in ("", "-wal") if (part := Path(file + end)).exists())


def _sqlite_size() -> str:
    """An SQLite database must not be larger than the site was tested with
    (docs/operate/production.md)."""
    size = database_bytes() or 0
    return OUTGROWN.format(size=size / 1e9, limit=SQLITE_BYTES / 1e9) if size > SQLITE_BYTES else ""


def _workers() -> str:
    """Each queue needs a worker; the queue of trainings only while a training waits, because its worker
    is started on request (compose.yaml) or for each training (`up`)."""
    needed = (queue for queue in queues() if queue.waiting or queue.queue != TRAINING)
    idle = [queue.queue for queue in needed if not queue.workers]
    return f"No worker is running for: {', '.join(idle)}. Start one (docs/operate/settings.md)." if idle else ""


def _long_waits() -> str:
    """No row may wait longer than DEEPSEGM_QUEUE_MINUTES. In the sentence a queue has the noun of its
    first kind in WORK_KINDS."""
    limit = settings.DEEPSEGM_QUEUE_MINUTES * 60
    nouns = {kind.queue: kind.noun for kind in reversed(WORK_KINDS.values())}
    late = [
        f"The oldest {nouns[row.queue]} has waited {time_words(row.oldest)}." for row in queues() if row.oldest > limit
    ]
    return f"{' '.join(late)} Start more workers, or read the logs of the workers." if late else ""


def _processes() -> str:
    """No process of a worker may have hung within the last hour."""
    rows = WorkerProcess.objects.filter(hung_at__gt=timezone.now() - AN_HOUR).order_by("-hung_at")
    return " ".join(HUNG.format(name=row.name, count=row.hung, at=timezone.localtime(row.hung_at)) for row in rows)


def _device() -> str:
    """Each living worker must have the device of its settings."""
    rows = WorkerProcess.objects.filter(seen__gt=timezone.now() - ALIVE).exclude(notice="")
    return " ".join(f"{row.name}: {row.notice}" for row in rows)


def _failing() -> str:
    """Of the analyses of the last hour not most may have failed."""
    ended = count_ended()
    done, failed = (ended[str(state)] for state in (Job.State.DONE, Job.State.FAILED))
    if failed < MANY_FAILURES or failed <= done:
        return ""
    return (
        f"In the last hour {failed} analyses failed, and {done} were done: see the reasons and the log of the workers."
    )


_SILENT = "It is not known, because the database does not answer."
NO_DATABASE = "The database cannot be written (read-only, locked, full or not running)."
NO_BROKER = "The message broker accepts nothing (full, read-only or not running). New work waits."
# Name, part of the site that is asked, whether pages fail without it, the check (it returns a
# sentence if something is wrong, otherwise ""), and the sentence if the check raises an exception.
_CHECKS: tuple[tuple[str, str, bool, Callable[[], str], str], ...] = (
    ("database", "database", True, _database, NO_DATABASE),
    ("migrations", "database", True, _migrations, _SILENT),
    ("storage", "storage", True, _storage, "Files cannot be stored (read-only, full or not running)."),
    ("disk", "disk", False, _disk, "The free space cannot be read."),
    ("filling", "disk", False, _days_until_full, "The free space cannot be read."),
    ("broker", "broker", False, _broker, NO_BROKER),
    ("workers", "database", False, _workers, _SILENT),
    ("processes", "database", False, _processes, _SILENT),
    ("device", "database", False, _device, _SILENT),
    ("queue", "database", False, _long_waits, _SILENT),
    ("size", "database", False, _sqlite_size, _SILENT),
    ("failing", "database", False, _failing, _SILENT),
)


def queues() -> list[Waiting]:
    """The states of all queues, counted from the rows in the database. A row that is due later does not
    count as waiting."""
    now = timezone.now()
    workers, hung = Counter[str](), Counter[str]()
    for names, count in WorkerProcess.objects.filter(seen__gt=now - ALIVE).values_list("queues", "hung"):
        workers.update(names.split(","))
        hung.update(dict.fromkeys(names.split(","), count))
    counts: dict[str, list[Any]] = {kind.queue: [0, 0, now] for kind in WORK_KINDS.values()}
    for row, kind in WORK_KINDS.items():
        fields = {field.name for field in row._meta.get_fields()}
        rows = row.objects.waiting().aggregate(
            count=Count("pk"),
            since=Min("queued" if "queued" in fields else "created" if row is Micrograph else "enqueued"),
        )
        queue = counts[kind.queue]  # waiting, running, time of the oldest
        queue[0] += rows["count"]
        queue[1] += row.objects.running().count()
        queue[2] = min(queue[2], rows["since"] or now)
    return [
        Waiting(name, waiting, running, (now - since).total_seconds(), workers[name], hung[name])
        for name, (waiting, running, since) in counts.items()
    ]


@cached_if_slow
def count_states() -> list[tuple[str, str, int]]:
    """The number of rows of each kind in each state: (noun of the kind, state, number)."""
    states = {kind: row.objects.order_by().values_list("state") for row, kind in WORK_KINDS.items()}
    return [(kind.noun, *pair) for kind, rows in states.items() for pair in rows.annotate(count=Count("*"))]


def count_ended() -> dict[str, int]:
    """The numbers of analyses that were done and that failed in the last hour, by state, without those that a
    limit of their sender kept from beginning."""
    states, limit = (Job.State.DONE, Job.State.FAILED), timezone.now() - AN_HOUR
    ended = Job.objects.filter(finished__gt=limit, attempt__gt=0)
    return {str(state): ended.filter(state=state).count() for state in states}


def last_backup() -> float | None:
    """The time of the last backup of this site, in seconds since 1970; if it never made one, that of its first
    migration, so that the alert comes; None without any migration."""
    backups = StaffAction.objects.filter(action=staff_log.BACKUP).order_by("-created").values_list("created", flat=True)
    applied = MigrationRecorder.Migration.objects.using(connection.alias)
    since = backups.first() or applied.aggregate(since=Min("applied"))["since"]
    return since.timestamp() if since else None


def count_failures() -> list[tuple[str, int]]:
    """The error sentences of the jobs that failed in the last week, each with its number of jobs; the
    most frequent first."""
    failed = Job.objects.filter(state=Job.State.FAILED, finished__gt=timezone.now() - A_WEEK)
    counted = failed.order_by().values_list("error").annotate(count=Count("pk")).order_by("-count", "error")
    return list(counted[:MOST_REASONS])


def slowest_stages() -> list[tuple[str, float]]:
    """The mean seconds for each stage of the LATEST_JOBS jobs, the longest first."""
    finished = Job.objects.filter(state=Job.State.DONE).with_stored("timings")
    recent = finished.filter(timings__isnull=False).order_by("-finished")
    seconds_by_stage: Counter[str] = Counter()
    timings = [timing for timing in recent.values_list("timings", flat=True)[:LATEST_JOBS] if timing]
    for timing in timings:
        seconds_by_stage.update(timing)
    return [(stage, seconds / len(timings)) for stage, seconds in seconds_by_stage.most_common()]


_stored_bytes, people = cached_if_slow(storage_used), cached_if_slow(usage.latest_accounts)


def total_bytes() -> int | None:
    """The size of the disk with the data folder; None if there is no such folder."""
    folder = settings.DEEPSEGM_DATA
    return shutil.disk_usage(folder).total if folder.is_dir() else None


def disk_bytes() -> dict[str, int | None]:
    """Bytes of the disk ("free", "total") and of all stored images and results ("stored")."""
    return {"free": free_bytes(), "total": total_bytes(), "stored": _stored_bytes()}
