"""Limits for one sender of requests: size of an image, uploads an hour, unfinished jobs, samples and
trainings, megapixels, bytes of corrections, and requests for corrections at a time. Services ask for them
by `bounds.ask`."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from ...models import Arrival, Job, Micrograph, Quota, Sample, Study, Training
from .refusal import Refused

# Upper bounds of the memory and time of an analysis, measured on two cores with dense images
# (docs/development/engine.md).
BASE_MB = 2300  # memory for libraries, network, its windows and the figure's canvas
BYTES_PER_PIXEL = 40  # memory for pixels, maps, labels (also at other thresholds) and hulls
SECONDS_PER_MEGAPIXEL = 6.0

A_MINUTE, AN_HOUR, A_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DAY_LIMIT_REACHED = (
    "Your limit is {limit:,} megapixels in 24 hours, and {used:,.1f} are used: there is room for this analysis from"
    " {room:%-d %b, %H:%M %Z} on."
)
LARGER_THAN_DAY_LIMIT = (
    "The image has {pixels:,.1f} megapixels, and your limit is {limit:,} in 24 hours: crop it, or ask the staff."
)
CALLER_WAITS_SECONDS = 3.0  # a refused caller keeps its turn for so long; it is told to ask again after 1 s
CALLER_REMEMBERED_SECONDS = 60.0  # after so long without a request a caller counts as new
# Requests for corrections that run at a time. Each uses a processor for up to ten seconds, and pages need one, too.
EDITS_AT_ONCE = 2
OWN_EDIT_RUNS = "Other corrections of yours are still being made: send one request at a time."
OTHER_EDITS_RUN = "Other people's corrections are being made at this moment: send yours again in a second."


def most_pixels() -> int:
    """The largest accepted image in pixels, from the site's limits of time and memory for an
    analysis. A setting of 0 MB is no limit."""
    megabytes = settings.DEEPSEGM_JOB_MEMORY_MB
    by_time = int(settings.DEEPSEGM_SOFT_LIMIT_SECONDS / SECONDS_PER_MEGAPIXEL * 1e6)
    by_memory = max(0, megabytes - BASE_MB) * 2**20 // BYTES_PER_PIXEL if megabytes else by_time
    return min(settings.DEEPSEGM_MAX_MEGAPIXELS * 1_000_000, max(1_000_000, min(by_time, by_memory)))


def check_size(size: int) -> None:
    """Raises Refused (413) if a file of `size` bytes is too large to be uploaded."""
    limit = settings.DEEPSEGM_MAX_UPLOAD_MB
    if size > limit * 2**20:
        megabytes = size / 2**20
        raise Refused(
            f"The file has {megabytes:,.0f} MB and the limit is {limit} MB: save it compressed or crop it.", 413
        )


def check_uploads(*, user: Any, visitor: UUID | None, address: str, **_: Any) -> None:
    """Raises Refused (429) if the sender has reached the number of uploads an hour. The sentence says
    when to try again."""
    limit, now = settings.DEEPSEGM_UPLOADS_PER_HOUR, timezone.now()
    recent = Arrival.objects.filter(filter_for_sender(user, visitor, address), job=None, created__gt=now - AN_HOUR)
    times = list(recent.order_by("-created").values_list("created", flat=True)[:limit])
    if len(times) < limit:
        return
    minutes = max(1, round((times[-1] + AN_HOUR - now).total_seconds() / 60))
    unit = "minute" if minutes == 1 else "minutes"
    raise Refused(f"You have reached the limit of {limit} images an hour: try again in {minutes} {unit}.", 429)


def check_waiting(*, user: Any, visitor: UUID | None, address: str, added: int = 1) -> None:
    """Raises Refused (429) if the sender would have too many unfinished analyses with `added` more: jobs,
    apart from those of samples (`check_samples`), and the analyses of studies."""
    limit = settings.DEEPSEGM_WAITING_JOBS
    mine = filter_for_sender(user, visitor, address)
    waiting = Job.objects.filter(mine, sample=None, state__in=Job.UNFINISHED).count()
    if getattr(user, "pk", None) is not None:
        studies = Study.objects.filter(owner=user, state__in=Study.UNFINISHED, finished=None)
        waiting += studies.aggregate(all=Sum("analyses"))["all"] or 0
    if waiting + added > limit:
        raise Refused(
            f"At most {limit} of your analyses may wait or run at a time: try again when some of them are done.", 429
        )


def check_samples(*, user: Any, visitor: UUID | None, address: str, **_: Any) -> None:
    """Raises Refused (429) if the sender has too many samples with unfinished images."""
    limit = settings.DEEPSEGM_WAITING_SAMPLES
    mine = Sample.objects.filter(filter_for_sender(user, visitor, address))
    jobs = Job.objects.filter(sample__in=mine, state__in=Job.UNFINISHED)
    arriving = Micrograph.objects.filter(sample__in=mine, state__in=Micrograph.UNFINISHED)
    if mine.filter(Q(pk__in=jobs.values("sample")) | Q(pk__in=arriving.values("sample"))).count() >= limit:
        raise Refused(
            f"At most {limit} of your samples may wait or run at a time: try again when one of them is done.", 429
        )


def check_trainings(*, user: Any, **_: Any) -> None:
    """Raises Refused (429) if the account has too many unfinished trainings."""
    limit = settings.DEEPSEGM_WAITING_TRAININGS
    if Training.objects.filter(state__in=Training.UNFINISHED, owner=user).count() >= limit:
        raise Refused(
            f"At most {limit} of your trainings may wait or run at a time: try again when one of them has ended.", 429
        )


def count_megapixels(job: Job) -> None:
    """Count the pixels of a job for the limits of its sender, if they are within these limits.

    Raises Refused (429) if too many megapixels of the sender would wait, or be analysed within 24
    hours. The pixels count for 24 hours, once, even if the job is cancelled, deleted or tried again.
    An image that is not read yet is counted by a later call. A job that only measures existing
    outlines does not count for the 24 hours.
    """
    mine, limit = filter_for_sender(**job.maker), settings.DEEPSEGM_WAITING_MEGAPIXELS
    waiting = Job.objects.filter(mine, ready=True, state__in=Job.UNFINISHED)
    pixels = waiting.aggregate(all=Sum(F("micrograph__width") * F("micrograph__height")))["all"] or 0
    if pixels / 1e6 + job.micrograph.megapixels > limit:
        raise Refused(
            f"At most {limit} megapixels of yours may wait at a time: try again when some of your images are done.", 429
        )
    if not job.needs_network:
        return
    count_pixels(job.pk, job.micrograph.width * job.micrograph.height, **job.maker)


def count_pixels(pk: UUID, pixels: int, *, user: Any, visitor: UUID | None, address: str) -> None:
    """Count `pixels` of a job or study (id) for the 24 hours of its sender; raises Refused (429) if they are
    too many."""
    if limit := quota_of(user).megapixels_a_day:
        mine = filter_for_sender(user, visitor, address)
        _check_day_limit(analyses_of_day(mine).exclude(job=pk), pixels, limit)
    if pixels:
        arrivals = [Arrival(job=pk, pixels=pixels, **Job.fields_of(user, visitor, address))]
        Arrival.objects.bulk_create(arrivals, update_conflicts=True, unique_fields=["job"], update_fields=["created"])


def analyses_of_day(mine: Q) -> QuerySet[Arrival]:
    """The counted analyses of a sender in the last 24 hours, the oldest first. mine: the result of
    `filter_for_sender`."""
    return Arrival.objects.filter(mine, pixels__gt=0, created__gt=timezone.now() - A_DAY).order_by("created")


def _check_day_limit(counted: QuerySet[Arrival], pixels: int, limit: int) -> None:
    """Raises Refused (429) if `pixels` more exceed the limit in megapixels. The sentence says from when
    on they are allowed."""
    rows = list(counted.values_list("created", "pixels"))
    used = sum(size for _, size in rows)
    # An image that is not read yet (0 pixels) needs some room, too.
    excess = used + max(pixels, 1) - limit * 10**6
    if excess <= 0:
        return
    for created, size in rows:
        excess -= size
        if excess <= 0:
            allowed_from = timezone.localtime(created + A_DAY)
            after = ceil((allowed_from - timezone.now()).total_seconds())
            raise Refused(
                DAY_LIMIT_REACHED.format(limit=limit, used=used / 1e6, room=allowed_from + A_MINUTE), 429, after=after
            )
    raise Refused(LARGER_THAN_DAY_LIMIT.format(pixels=pixels / 1e6, limit=limit), 429)


def quota_of(user: Any) -> Quota:
    """The limits of a user, in a `Quota` that is not stored; 0 is no limit. Each value comes from the
    user's own row if it has one, otherwise from the most generous row of the user's groups,
    otherwise from the settings."""
    limits = {"stored_gb": settings.DEEPSEGM_STORED_GB, "megapixels_a_day": settings.DEEPSEGM_DAILY_MEGAPIXELS}
    if user is not None and user.is_authenticated:
        rows = list(Quota.objects.filter(Q(user=user) | Q(group__user=user)).values("user", *limits))
        for name in limits:
            stated = [(row["user"] is not None, row[name] == 0, row[name]) for row in rows if row[name] is not None]
            limits[name] = max(stated)[-1] if stated else limits[name]
    return Quota(**limits)


def sender_key(user: Any, visitor: UUID | None, address: str) -> str:
    """The sender as `AttemptedQuerySet.by_sender` names it."""
    account = getattr(user, "pk", None)
    return str(account) if account is not None else address or str(visitor or "")


def filter_for_sender(user: Any, visitor: UUID | None, address: str) -> Q:
    """A filter for the rows that a sender made. Without an account it finds the rows of the browser
    and of the network address, because cookies are easily deleted."""
    if user is not None and user.is_authenticated:
        return Q(owner=user)
    mine = Q(pk__in=[])
    if visitor:
        mine |= Q(visitor=visitor)
    if address:
        mine |= Q(address=address)
    return Q(owner=None) & mine


def check_edits(*, size: int, user: Any, visitor: UUID | None, address: str) -> None:
    """Raises Refused (422) if `size` more bytes of corrections are too many for all results of a
    sender."""
    limit = settings.DEEPSEGM_EDITS_MB
    mine = Job.objects.filter(filter_for_sender(user, visitor, address), edit_bytes__gt=0)
    if (mine.aggregate(all=Sum("edit_bytes"))["all"] or 0) + size > limit * 2**20:
        raise Refused(f"At most {limit} MB of corrections are stored for each sender: delete results first.", 422)


@contextmanager
def edit_slot(work: str = "edits", *, user: Any, visitor: UUID | None, address: str) -> Iterator[None]:
    """A block in which one request makes corrections (work "edits"), or searches for further objects to correct
    ("offers"). Raises Refused (429) if the request has to wait.

    At most one request of a caller and EDITS_AT_ONCE requests of all callers run at a time; callers
    take turns. A slot is a locked file that contains the name of its caller. All processes of the
    site on this machine share these files; when a process ends, the system unlocks its file.
    Callers without an account are told apart by their network address, because anybody can get a
    new cookie.
    """
    account = getattr(user, "pk", None)
    caller = f"account {account}" if account else address or str(visitor or "")
    with ExitStack() as open_files:
        with (Path(settings.DEEPSEGM_DATA) / f"{work}.lock").open("a+") as turns_file:
            fcntl.flock(turns_file, fcntl.LOCK_EX)
            slots = [open_files.enter_context(Path(f"{turns_file.name}.{n}").open("a+")) for n in range(EDITS_AT_ONCE)]
            free_slots = []
            for slot in slots:
                try:
                    fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    slot.seek(0)
                    if caller and slot.read() == caller:
                        raise Refused(OWN_EDIT_RUNS, 429, after=1) from None
                else:
                    free_slots.append(slot)
            if not _is_in_turn(caller, len(free_slots), turns_file):
                raise Refused(OTHER_EDITS_RUN, 429, after=1)
            for slot in free_slots[1:]:
                slot.close()
            free_slots[0].truncate(0)
            free_slots[0].write(caller)
            free_slots[0].flush()
        yield


def _is_in_turn(caller: str, free_count: int, turns_file: TextIO) -> bool:
    """Whether a caller may take one of `free_count` slots. Waiting callers whose last slot is longer
    ago come first. The call is written into `turns_file`.

    turns_file: JSON, for each caller the times (s since 1970) of the first refused request, of the
    last request and of the last slot.
    """
    now, callers = time.time(), dict[str, tuple[float, float, float]]()
    turns_file.seek(0)
    with suppress(ValueError):  # a process was killed while it wrote the file
        callers = {
            name: times
            for name, times in json.loads(turns_file.read()).items()
            if now - max(times) < CALLER_REMEMBERED_SECONDS
        }
    first_asked, _, last_slot = callers.get(caller, (now, now, 0.0))
    others = (times for name, times in callers.items() if name != caller and now - times[1] < CALLER_WAITS_SECONDS)
    callers_before = 0
    for their_first_asked, their_last_asked, their_last_slot in others:
        still_waits = their_last_asked > their_last_slot
        callers_before += still_waits and (their_last_slot, their_first_asked) < (last_slot, first_asked)
    may_go = callers_before < free_count
    callers[caller] = (now, now, now) if may_go else (first_asked, now, last_slot)
    turns_file.truncate(0)
    turns_file.write(json.dumps(callers))
    turns_file.flush()
    return may_go
