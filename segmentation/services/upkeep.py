"""What keeps the house in order: rescue of jobs and samples whose worker died, removal of what is old."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from ..models import Artifact, Job, Sample, SampleArtifact, StoredFile, Upload
from . import bundles
from .doorbell import ring, ring_next
from .jobs import delete_job
from .pooling import stuck
from .samples import delete_sample

MAX_LOSSES = 3
ABANDONED = timedelta(days=1)
POOLING_GAVE_UP = (
    "The pooling stopped {losses} times without finishing, most likely because the computer ran out of memory: "
    "exclude images, or ask the administrator."
)
GAVE_UP = (
    "The analysis stopped {losses} times without finishing, most likely because the computer ran out of memory: "
    "try a smaller or cropped image, or ask the administrator."
)


class Purged(NamedTuple):
    jobs: int
    uploads: int
    bytes: int


def rescue(*, silence: timedelta | None = None) -> int:
    """Put jobs whose worker has been silent too long back into the queue, and ring for jobs that nobody heard.

    silence: how long is too long; DEEPSEGM_SILENCE_SECONDS by default. After three lost workers a job fails.
    A second doorbell for one job is harmless, as `claim` gives it to one worker only. Returns the number of rescued.
    """
    limit = timezone.now() - (timedelta(seconds=settings.DEEPSEGM_SILENCE_SECONDS) if silence is None else silence)
    silent = Job.objects.filter(state=Job.State.RUNNING, heartbeat__lte=limit)
    silent.filter(losses__gte=MAX_LOSSES - 1).update(
        state=Job.State.FAILED, error=GAVE_UP.format(losses=MAX_LOSSES), finished=timezone.now()
    )
    rescued = _queue(silent, losses=F("losses") + 1)
    ring(_unheard(limit).values_list("pk", flat=True))
    return rescued + _rescue_samples(limit)


def put_back() -> int:
    """Queue all that runs again, for the embedded worker's end: the next start takes it up. No loss counts."""
    samples = _queue(Sample.objects.filter(state=Sample.State.RUNNING))
    return _queue(Job.objects.filter(state=Job.State.RUNNING)) + samples


def ring_all() -> int:
    """Ring for every queued job and sample: at a start, when nothing can still be ringing."""
    waiting = Job.objects.filter(state=Job.State.QUEUED)
    rung = ring(waiting.filter(sample=None).order_by("queued").values_list("pk", flat=True))
    waiting.exclude(sample=None).update(rung=None)
    stuck().update(state=Sample.State.QUEUED)
    rung += _ring_images()
    return rung + ring(Sample.objects.filter(state=Sample.State.QUEUED).values_list("pk", flat=True), Sample)


def _rescue_samples(limit: object) -> int:
    """The same for poolings, and for samples whose last image ended unnoticed."""
    silent = Sample.objects.filter(state=Sample.State.RUNNING, heartbeat__lte=limit)
    silent.filter(losses__gte=MAX_LOSSES - 1).update(
        state=Sample.State.FAILED, error=POOLING_GAVE_UP.format(losses=MAX_LOSSES), finished=timezone.now()
    )
    rescued = _queue(silent, losses=F("losses") + 1)
    stuck().update(state=Sample.State.QUEUED, rung=None)
    _ring_images()
    unheard = Sample.objects.filter(Q(rung=None) | Q(rung__lte=limit), state=Sample.State.QUEUED)
    ring(list(unheard.values_list("pk", flat=True)), Sample)
    return rescued


def _ring_images() -> int:
    """For every sample with images that wait unrung, the next ones."""
    waiting = Job.objects.filter(state=Job.State.QUEUED, rung=None, sample__isnull=False)
    return sum(ring_next(pk) for pk in set(waiting.values_list("sample", flat=True)))


def purge(*, older_than: timedelta, dry_run: bool = False) -> Purged:
    """Delete finished jobs older than that, and uploads as old that no job uses; a sample goes as a whole."""
    limit = timezone.now() - older_than
    old = Job.objects.exclude(state__in=Job.UNFINISHED).filter(finished__lt=limit)
    young = Job.objects.filter(sample=OuterRef("pk")).exclude(pk__in=old)
    samples = Sample.objects.filter(~Exists(young), created__lt=limit)
    jobs = old.filter(Q(sample=None) | Q(sample__in=samples))
    kept = Job.objects.exclude(pk__in=jobs)
    uploads = Upload.objects.filter(created__lt=limit).exclude(pk__in=kept.values("upload"))
    pooled = _bytes(SampleArtifact.objects.filter(sample__in=samples))
    size = _bytes(Artifact.objects.filter(job__in=jobs)) + _bytes(uploads) + pooled
    found = Purged(jobs.count(), uploads.count(), size)
    if not dry_run:
        for sample in samples:
            delete_sample(sample=sample)
        for job in jobs.filter(sample=None).select_related("upload"):
            delete_job(job=job)
        with transaction.atomic():
            Upload.objects.filter(created__lt=limit, jobs=None).delete()
    return found


def tidy() -> Purged:
    """The scheduled purge: by DEEPSEGM_RETENTION_DAYS, and uploads that were never analysed after a day."""
    if settings.DEEPSEGM_RETENTION_DAYS:
        return purge(older_than=timedelta(days=settings.DEEPSEGM_RETENTION_DAYS))
    abandoned = Upload.objects.filter(created__lt=timezone.now() - ABANDONED, jobs=None)
    found = Purged(0, abandoned.count(), _bytes(abandoned))
    with transaction.atomic():
        abandoned.delete()
    return found


def storage_used() -> int:
    """Bytes of all micrographs and results (previews, a few kB each, left out)."""
    return sum(_bytes(kind.objects.all()) for kind in (Upload, Artifact, SampleArtifact))


def _queue(rows: QuerySet, **fields: object) -> int:
    return rows.update(state=Job.State.QUEUED, rung=None, stage="", progress=0.0, started=None, **fields)


def _unheard(limit: object) -> QuerySet:
    """Queued jobs whose doorbell was lost: never rung, or rung long ago while no worker is busy or others overtook."""
    overtaken = Job.objects.filter(queued__gt=OuterRef("queued"), started__gt=OuterRef("rung"))
    lost = Q(rung__lte=limit) & Exists(overtaken)
    if not Job.objects.filter(state=Job.State.RUNNING).exists():
        lost |= Q(rung__lte=limit)
    unrung = Q(rung=None, sample=None) & (Q(queued__lte=timezone.now() - timedelta(seconds=2)) | Q(attempt__gt=0))
    return Job.objects.filter(unrung | lost, state=Job.State.QUEUED).order_by("queued")


def _bytes(rows: QuerySet) -> int:
    """What the rows take in the storage; of a bundle only its plan lies there, which is next to nothing."""
    if issubclass(rows.model, StoredFile):
        rows = rows.exclude(file__endswith=bundles.PLAN)
    return rows.aggregate(total=Sum("size"))["total"] or 0
