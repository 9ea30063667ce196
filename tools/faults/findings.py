"""Checks a site after an attack: every row has ended, every file has a row, and every row has its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from segmentation.models import (
    Artifact,
    Attempted,
    DatasetImage,
    ExportJob,
    Job,
    Micrograph,
    Sample,
    SampleArtifact,
    Segmentation,
    TrainingFile,
)
from segmentation.services.ground import files
from segmentation.services.ground.queue import WORK_KINDS
from segmentation.services.upkeep import upkeep
from tests.worker.fake import FILES
from worker import scratch

from .senders import Sender


def rows_of(kind: type[Attempted]) -> Any:
    """All rows of a kind, without waiting files that nobody asked for: they are given up after a jump of the clock."""
    rows = kind.objects.all()
    return rows.exclude(asked=False, state="queued") if kind is ExportJob else rows


def unfinished() -> int:
    """The number of rows of all kinds that still wait or run."""
    return sum(rows_of(kind).filter(state__in=("queued", "running", "waiting")).count() for kind in WORK_KINDS)


def lost(senders: list[Sender]) -> Iterator[str]:
    """A line for each row that was promised in an answer, and does not exist or is not done."""
    states = {str(pk): state for pk, state in Job.objects.values_list("pk", "state")}
    for sender in senders:
        for pk in sender.jobs:
            if states.get(pk) != "done":
                error = Job.objects.filter(pk=pk).values_list("error", flat=True).first()
                yield f"job {pk}: {states.get(pk, 'not there')}, {error}"
        for pk, images in sender.samples.items():
            sample = Sample.objects.filter(pk=pk).first()
            if sample is None or sample.state != "done" or len(sample.pooled.get("of", [])) != images:
                yield f"sample {pk}: {sample and (sample.state, sample.error)}"
    for kind in WORK_KINDS:
        for row in rows_of(kind).exclude(state__in=("done", "cancelled")):
            if not isinstance(row, Job):
                yield f"{kind.__name__} {row.pk}: {row.state}, {row.error}"


def doubled(senders: list[Sender]) -> Iterator[str]:
    """A line for each job that nobody asked for, and for each result that was published twice."""
    sent_jobs = {pk for sender in senders for pk in sender.jobs} | {pk for sender in senders for pk in sender.gone}
    for job in Job.objects.exclude(pk__in=sent_jobs).exclude(
        sample__in=[pk for sender in senders for pk in sender.samples]
    ):
        yield f"job {job.pk}: {job.state}, asked for by nobody"
    for job in Job.objects.prefetch_related("artifacts", "edits"):
        names = Counter(artifact.name for artifact in job.artifacts.all())
        if job.state == "done" and (max(names.values(), default=0) > 1 or not {*FILES} <= set(names)):
            yield f"job {job.pk}: files {dict(names)}"
    for sender in senders:
        for pk, edits in sender.jobs.items():
            if Job.objects.filter(pk=pk).exclude(edit_count=edits).exists():
                yield f"job {pk}: {edits} corrections were answered"


def left_behind() -> Iterator[str]:
    """A line for each file that no row names, and for each missing file, after the regular upkeep."""
    upkeep.AN_HOUR = upkeep.ABANDONED_AFTER = timedelta()
    scratch.YOUNG_SECONDS = 0.0
    upkeep.tidy()
    while files.remove_leftover_folders():
        pass
    scratch.sweep()
    storage = Path(settings.STORAGES["default"]["OPTIONS"]["location"])
    named = {name for row in Micrograph.objects.all() for name in _files_of(row)}
    for kind in (Artifact, SampleArtifact, Segmentation, TrainingFile):
        named |= set(kind.objects.values_list("file", flat=True))
    for row in DatasetImage.objects.all():
        named |= {row.image.name, row.labels.name, row.preview.name}
    for file in storage.rglob("*"):
        if file.is_file() and str(file.relative_to(storage)) not in named:
            yield f"file {file.relative_to(storage)}"
    for name in sorted(named - {""}):
        if not (storage / name).is_file():
            yield f"missing: {name}"
    temporary = Path(settings.FILE_UPLOAD_TEMP_DIR)
    yield from (f"temporary {file.name}" for file in temporary.iterdir())


def _files_of(row: Micrograph) -> set[str]:
    """The names of the stored files of an upload."""
    side = {entry["file"] for entry in row.side}
    return {row.file.name, row.preview.name, row.viewer_image.name, row.viewer_tiles.name, *side}
