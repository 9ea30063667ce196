"""Stores what a worker's attempt at a job or a sample has made.

An attempt stores the segmentation as soon as it is found, so that a later attempt only needs to
measure. At the end it stores files and numbers, or the reason of its failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ...core.analysis import AnalysisSettings
from ...core.labels.segmentation import Provenance
from ...core.report.exports import content_type_of
from ...core.stored import StoredResult
from ...models import (
    REQUEUE_FIELDS,
    RESTART_FIELDS,
    Artifact,
    Attempted,
    ExportJob,
    Job,
    Micrograph,
    Sample,
    SampleArtifact,
    Segmentation,
    Training,
)
from ...quality.control_charts import points as control
from ..access.webhooks import announce
from ..ground import bundles
from ..ground.bundles import SEGMENTATION_FILE
from ..ground.files import LocalFile, remove_folder, undo_on_failure
from ..ground.queue import enqueue_after_commit
from ..ground.tables import UNCORRECTED_FILE
from .pooling import refresh_after_commit

# Time before a postponed attempt; doubled each time.
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(seconds=30)


def store_segmentation(
    *, job: Job, file: Path, provenance: Provenance, parent: Segmentation | None = None
) -> Segmentation:
    """Store the file with the segmentation of a job; returns the new row. Raises `Superseded` if the job
    no longer belongs to this attempt.

    parent: the segmentation from which it was made by corrections, None without corrections.
    """
    row = Segmentation(
        micrograph_id=job.micrograph_id,
        parent=parent,
        task=provenance.task,
        model_name=provenance.model,
        weights=provenance.weights,
        provenance=provenance.as_dict(),
        size=file.stat().st_size,
    )
    row.file.name = f"{row.folder}/{SEGMENTATION_FILE}"
    row.save(force_insert=True)  # first, so that a file left by a crash belongs to a row, which `tidy` finds

    def remove() -> None:
        remove_folder(row.folder)
        with suppress(DatabaseError):
            row.delete()

    with undo_on_failure(remove):
        with file.open("rb") as opened:
            default_storage.save(row.file.name, LocalFile(opened))
        job.change(segmentation=row, model_name=row.model_name)
    job.segmentation = row
    return row


def segmentation_for(job: Job, settings: AnalysisSettings) -> Segmentation | None:
    """The segmentation of a job if the network would find the same with these settings; otherwise None."""
    present = job.get_settings()
    return job.segmentation if (present.task, present.segmentation) == (settings.task, settings.segmentation) else None


def publish(*, job: Job, files: dict[str, Path], summary: dict[str, Any]) -> None:
    """Store the files of a result and its numbers (`summary`), set its job done, and pool its
    sample anew.

    Raises `Superseded` if the job no longer belongs to this attempt; the files are then removed
    again.
    """
    segmentation = job.segmentation
    artifacts = []
    if segmentation is not None and SEGMENTATION_FILE not in files:
        row = {"job": job, "attempt": job.attempt, "name": SEGMENTATION_FILE, "file": segmentation.file.name}
        artifacts = [Artifact(**row, size=segmentation.size, content_type="application/octet-stream")]

    with _publishing(job, Artifact, files, artifacts):
        # "unread": the data bar was not read yet when the result was measured.
        if unread := StoredResult.read(summary).unread:
            Micrograph.objects.locked(job.micrograph_id)  # it may be read at this moment
        job.finish("done", summary=summary, early={})
        if unread:
            apply_bar_reading(Job.objects.filter(pk=job.pk))

    refresh_after_commit(job.sample_id)


def apply_bar_reading(jobs: QuerySet) -> None:
    """Compare the data bar of an image, which has just been read, with finished results that were
    measured before.

    If the bar contradicts the scale of a result, the result is measured again with all its files
    (`publish_export`); signed results do not change. Call it in a transaction that has locked the
    image.
    """
    unread = jobs.filter(state="done", signature_hash="").with_stored("unread").filter(unread=True)
    for job in unread.select_related("micrograph"):
        if not job.micrograph.is_finished:
            continue
        scale = job.scale
        scale_changed = scale.before_measurement.in_use.nm_per_pixel != scale.in_use.nm_per_pixel
        cut_off = any(flag.kind == "bar" for flag in job.stored.flags)  # the reading before this one
        if cut_off or scale.disagreements() or scale_changed:
            export, _ = ExportJob.objects.get_or_create(job=job, defaults={"asked": False})
            # `publish_export` calls this function again for a running export.
            ended = ("done", "failed")
            ExportJob.objects.filter(pk=export.pk, state__in=ended).update(**RESTART_FIELDS, asked=False)
        else:
            Job.objects.filter(pk=job.pk).update(summary={**job.summary, "unread": False})
        # A worker may have had their message already, and left them (`ExportJob.objects.waiting`).
        for pk in ExportJob.objects.filter(job=job, state="queued").values_list("pk", flat=True):
            enqueue_after_commit(pk, ExportJob, again=True)


def publish_sample(*, sample: Sample, files: dict[str, Path], pooled: dict[str, Any]) -> None:
    """Store the files and numbers of a pooling and set the sample done, as `publish` does for a
    job."""
    with _publishing(sample, SampleArtifact, files):
        sample.finish("done", pooled=pooled)


def store_picture(*, micrograph: Micrograph, picture: Path, tiles: Path) -> None:
    """Store the picture of an image for the viewer of its page: the complete picture, and a file with
    tiles of it."""
    size = picture.stat().st_size + tiles.stat().st_size
    names = {}
    for field, path in {"viewer_image": picture, "viewer_tiles": tiles}.items():
        name = f"{micrograph.folder}/{path.name}"
        default_storage.delete(name)  # a killed attempt may have left it
        with path.open("rb") as opened:
            names[field] = default_storage.save(name, LocalFile(opened))
    Micrograph.objects.filter(pk=micrograph.pk).update(**names, viewer_size=size)


@transaction.atomic
def fail_row(*, row: Attempted, sentence: str, **fields: Any) -> None:
    """Set the row of an attempt failed, with a sentence for its user. Webhooks get a message, and the
    sample is pooled. Raises `Superseded`."""
    row.finish("failed", error=sentence, **fields, **({"early": {}} if isinstance(row, Job) else {}))
    row.error = sentence
    if isinstance(row, Job | Sample | Training):
        announce(row, f"{row._meta.model_name}.failed")
    if isinstance(row, Job):
        refresh_after_commit(row.sample_id)


def postpone_row(*, row: Attempted, why: str) -> None:
    """Put the row of an attempt back into the queue for later, because of a fault of the machine.

    This is not counted as a death of the process. why: the fault, for the page. Raises `Superseded`.
    """
    wait = min(FIRST_WAIT * 2 ** min(row.faults, 10), LONGEST_WAIT)
    row.change(**{**REQUEUE_FIELDS, "stage": why}, faults=row.faults + 1, due=timezone.now() + wait)


def requeue_row(*, row: Attempted) -> None:
    """Put a row back into the queue after the process that worked on it died, and count the death;
    raises `Superseded`."""
    row.change(**REQUEUE_FIELDS, deaths=row.deaths + 1)


@contextmanager
def _publishing(row: Job | Sample, file_model: Any, files: dict[str, Path], more: Sequence[Any] = ()) -> Iterator[None]:
    """A block that sets a row done. Before it the files are stored; after it control charts and webhooks
    are updated, and the files of earlier attempts are replaced.

    file_model: the model of the rows of files. more: rows of further files that are stored already.
    """
    folder, owner = f"{row.folder}/{row.attempt}", {file_model.owner: row}
    with undo_on_failure(partial(remove_folder, folder)):
        artifacts = [
            file_model(**owner, attempt=row.attempt, **store_file(folder, path, files)) for path in files.values()
        ]
        with transaction.atomic():
            yield
            control.add_to_charts(row)
            announce(row, f"{row._meta.model_name}.done")
            file_model.objects.filter(**owner).exclude(name=UNCORRECTED_FILE).delete()
            file_model.objects.bulk_create([*more, *artifacts])
    for attempt in range(1, row.attempt):
        remove_folder(f"{row.folder}/{attempt}")


def store_file(folder: str, source: Path, files: dict[str, Path], *, keep: bool = False) -> dict[str, Any]:
    """Put the file `source` into a folder of the storage; returns the fields of its row. files: all files
    of its result, by name.

    The file is moved if possible; with `keep` it is copied.
    """
    size = source.stat().st_size
    if source.name in bundles.ARCHIVE_FILES:
        plan = ContentFile(bundles.plan_of(source, files))
        prefix = "" if source.name == bundles.BUNDLE_FILE else f"{source.name}."
        name = default_storage.save(f"{folder}/{prefix}{bundles.PLAN_SUFFIX}", plan)
    elif source.suffix in bundles.TEXT_SUFFIXES:
        packed = ContentFile(bundles.compressed(source.read_bytes()))
        name = default_storage.save(f"{folder}/{source.name}{bundles.COMPRESSED_SUFFIX}", packed)
    else:
        with source.open("rb") as opened:
            name = default_storage.save(f"{folder}/{source.name}", File(opened) if keep else LocalFile(opened))
    return {"name": source.name, "file": name, "size": size, "content_type": content_type_of(source.name)}
