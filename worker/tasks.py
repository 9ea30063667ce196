"""What the worker does when rung: claim, analyse, publish.

    claim ──None──> nothing to do: another worker has the job, or it was cancelled or deleted
      │
    fetch the micrograph, read it ─────────────┐
      │                                        │
    analyse, or measure the parent's outlines ─┼──UnreadableImage, UnknownModel, time limit, ...──> fail_job
      │                                        │
    write the files ───────────────────────────┘
      │
    publish (files and state in one transaction)

    Job.Lost, from any report on the way: cancelled, deleted or given to another attempt; stop without a trace.

Everything heavy is imported inside the task, so that torch lives only in the pool's child process, which
`max_tasks_per_child` renews.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError

from segmentation import services
from segmentation.core.instances.segmentation import Segmentation
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from segmentation.core.network import cards
from segmentation.models import Job

from .pulse import Pulse
from .summary import summarise

if TYPE_CHECKING:
    from segmentation.core.analysis import Analysis

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.5
WRITING, STORING = 0.75, 0.97
MEMORY = "The image needs more memory than this computer has free: crop it or save it at a lower resolution."
TOO_LONG = "The analysis took longer than the {time} allowed: crop the image, or ask the administrator."
BROKEN = (
    "Something went wrong in our software, not in your image: try again, and if it happens once more tell the "
    "administrator the number of this analysis, {id}."
)
Progress = Callable[[str, float], None]


@shared_task(name="worker.run_job")
def run_job(pk: str) -> None:
    """Run one job to its end, whatever that is."""
    job = Job.objects.claim(pk)
    if job is None:
        logger.info("Job %s is not waiting any more.", pk)
        return
    logger.info("Job %s: attempt %s begins.", pk, job.attempt)
    try:
        with Pulse(job) as pulse, tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
            _attempt(job, Teller(job, pulse), Path(folder))
        logger.info("Job %s: done.", pk)
    except Job.Lost:
        logger.info("Job %s: attempt %s is over, the job was cancelled, deleted or passed on.", pk, job.attempt)
    except Exception as error:
        _fail(job, error)


@shared_task(name="worker.rescue")
def rescue() -> None:
    """For Celery beat: every few seconds."""
    services.rescue()


@shared_task(name="worker.purge")
def purge() -> None:
    """For Celery beat: every hour."""
    services.tidy()


class Teller:
    """The `progress` of an attempt: every new stage at once, the rest at most twice a second; raises `Job.Lost`."""

    def __init__(self, job: Job, pulse: Pulse) -> None:
        self._job, self._pulse = job, pulse
        self._stage, self._told = "", 0.0

    def __call__(self, stage: str, fraction: float) -> None:
        if self._pulse.lost.is_set():
            raise Job.Lost
        now = time.monotonic()
        if stage == self._stage and now - self._told < EVERY_SECONDS:
            return
        self._stage, self._told = stage, now
        self._job.report(stage=stage, progress=min(max(fraction, 0.0), 1.0))


def _attempt(job: Job, progress: Progress, folder: Path) -> None:
    from segmentation.core import report

    progress("reading the image", 0.0)
    micrograph = _read(job, folder)
    analysis, reused = _analysis(job, micrograph, progress)
    progress("drawing the figure", WRITING)
    out = folder / "results"
    out.mkdir()
    files = report.write_all(
        analysis, out, progress=lambda stage, done: progress(stage, WRITING + (STORING - WRITING) * done)
    )
    progress("storing the results", STORING)
    services.publish(job=job, files=files, summary=summarise(analysis, reused=reused))


def _read(job: Job, folder: Path) -> Micrograph:
    """The job's micrograph, by way of a local copy: the storage may be far away."""
    from segmentation.core.micrograph import read

    copy = folder / PurePosixPath(job.upload.file.name).name
    with job.upload.file.open("rb") as stored, copy.open("wb") as local:
        shutil.copyfileobj(stored, local, 2**20)
    return read(copy, name=job.upload.name, max_pixels=settings.DEEPSEGM_MAX_MEGAPIXELS * 1_000_000)


def _analysis(job: Job, micrograph: Micrograph, progress: Progress) -> tuple[Analysis, bool]:
    """The analysis, and whether the parent's outlines served again."""
    from segmentation.core import pipeline

    recipe = job.get_recipe()
    known = _parents_outlines(job)
    if known is not None:
        return pipeline.remeasure(micrograph, known, recipe, progress), True
    runtime = pipeline.Runtime(settings.DEEPSEGM_DEVICE, settings.DEEPSEGM_PRECISION)
    return pipeline.analyse(micrograph, recipe, progress, runtime=runtime), False


def _parents_outlines(job: Job) -> Segmentation | None:
    """What the parent job found, where this job must find the same: same image, same settings, same weights."""
    parent, recipe = job.parent, job.get_recipe()
    if parent is None or parent.upload_id != job.upload_id or parent.state != Job.State.DONE:
        return None
    stored = parent.artifact("segmentation.npz")
    if stored is None or not recipe.segments_like(parent.get_recipe()):
        return None
    try:
        with stored.file.open("rb") as file:
            known = Segmentation.load(file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        logger.warning("The outlines of job %s cannot be used again.", parent.pk, exc_info=True)
        return None
    return known if known.model_sha256 == cards.find(recipe.model).sha256 else None


def _fail(job: Job, error: Exception) -> None:
    """End the attempt with a sentence; when even that cannot be stored, silence lets `rescue` take over."""
    sentence = _sentence(job, error)
    try:
        services.fail_job(job=job, sentence=sentence)
    except Job.Lost:
        logger.info("Job %s: attempt %s failed after the job had been taken from it.", job.pk, job.attempt)
    except DatabaseError:
        logger.exception("Job %s: the failure could not be stored.", job.pk)


def _sentence(job: Job, error: Exception) -> str:
    """What the user is told; whatever is not the image's or the settings' fault goes to the log as well."""
    if isinstance(error, UnreadableImage):
        return str(error)
    logger.error("Job %s: attempt %s failed.", job.pk, job.attempt, exc_info=error)
    if isinstance(error, (cards.UnknownModel, cards.AlteredWeights)):
        return str(error)
    if isinstance(error, SoftTimeLimitExceeded):
        return TOO_LONG.format(time=_words(settings.DEEPSEGM_SOFT_LIMIT_SECONDS))
    if _is_memory(error):
        return MEMORY
    return BROKEN.format(id=job.pk)


def _words(seconds: int) -> str:
    return f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"


def _is_memory(error: Exception) -> bool:
    """torch reports a failed allocation as RuntimeError."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("not enough memory" in str(error) or "out of memory" in str(error))
    )
