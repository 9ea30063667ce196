"""What an attempt stores: its segmentation at once, so that another attempt needs only to measure; at the end its
files, or a sentence that gives the reason for the failure."""

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
from ...core.micrograph.readings import CUT_OFF
from ...core.report.exports import content_type_of
from ...models import (
    AFRESH,
    AGAIN,
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
from ..access.webhooks import announce
from ..ground import bundles
from ..ground.files import LocalFile, publishing, remove_folder
from ..ground.queue import enqueue_after_commit
from ..ground.tables import UNCORRECTED
from . import control
from .pooling import refresh_after_commit

NAME = "segmentation.npz"
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(seconds=30)


def keep_segmentation(
    *, job: Job, file: Path, provenance: Provenance, parent: Segmentation | None = None
) -> Segmentation:
    """Store what an attempt found as its job's; raises `Superseded` when the job is no longer this attempt's.

    parent: the one that it corrects.
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
    row.file.name = f"{row.folder}/{NAME}"
    row.save(force_insert=True)  # first, so that a file left by a crash belongs to a row, which `tidy` finds

    def remove() -> None:
        remove_folder(row.folder)
        with suppress(DatabaseError):
            row.delete()

    with publishing(remove):
        with file.open("rb") as opened:
            default_storage.save(row.file.name, LocalFile(opened))
        job.change(segmentation=row, model_name=row.model_name)
    job.segmentation = row
    return row


def segmentation_for(job: Job, settings: AnalysisSettings) -> Segmentation | None:
    """The segmentation of a job, if other settings would give the same one: then only measuring is needed."""
    same = job.get_settings()
    return job.segmentation if (same.task, same.segmentation) == (settings.task, settings.segmentation) else None


def publish(*, job: Job, files: dict[str, Path], summary: dict[str, Any]) -> None:
    """Publish the files that are stored with a result, with its segmentation; set it done, and pool its sample anew.

    Raises `Superseded` when the job is no longer this attempt's; these files are then removed again.
    """
    segmentation = job.segmentation
    artifacts = []
    if segmentation is not None and NAME not in files:
        row = {"job": job, "attempt": job.attempt, "name": NAME, "file": segmentation.file.name}
        artifacts = [Artifact(**row, size=segmentation.size, content_type="application/octet-stream")]

    with _publishing(job, Artifact, files, artifacts):
        if unread := summary.get("unread"):
            Micrograph.objects.locked(job.micrograph_id)  # its data bar may be being read
        job.finish("done", summary=summary, early={})
        if unread:
            heed_reading(Job.objects.filter(pk=job.pk))

    refresh_after_commit(job.sample_id)


def heed_reading(jobs: QuerySet) -> None:
    """Let finished results that were measured before the data bar of their image was read say what it says.

    Such a result is measured again, with all its files (`publish_export`), if the bar contradicts its scale. Within a
    transaction that has locked the image. A signed result stays as it was signed.
    """
    for job in jobs.filter(state="done", summary__unread=True, signature_hash="").select_related("micrograph"):
        if not job.micrograph.is_finished:
            continue
        scale = job.scale
        is_another = scale.before_measurement.in_use.nm_per_pixel != scale.in_use.nm_per_pixel
        cut_off = CUT_OFF in job.summary.get("warnings", ())  # the reading before this one
        if cut_off or scale.disagreements() or is_another:
            export, _ = ExportJob.objects.get_or_create(job=job, defaults={"asked": False})
            ended = ("done", "failed")  # one that is under way is written once more when it ends
            ExportJob.objects.filter(pk=export.pk, state__in=ended).update(**AFRESH, asked=False)
        else:
            Job.objects.filter(pk=job.pk).update(summary={**job.summary, "unread": False})
        for pk in ExportJob.objects.filter(job=job, state="queued").values_list("pk", flat=True):
            enqueue_after_commit(pk, ExportJob)


def publish_sample(*, sample: Sample, files: dict[str, Path], pooled: dict[str, Any]) -> None:
    """Store the files of a pooling and set the sample done, as `publish` does for a job."""
    with _publishing(sample, SampleArtifact, files):
        sample.finish("done", pooled=pooled)


def keep_picture(*, micrograph: Micrograph, picture: Path, tiles: Path) -> None:
    """Store a micrograph as the viewer shows it, whole and in squares."""
    size = picture.stat().st_size + tiles.stat().st_size
    names = {}
    for field, path in {"viewer_image": picture, "viewer_tiles": tiles}.items():
        name = f"{micrograph.folder}/{path.name}"
        default_storage.delete(name)  # of an attempt that was killed
        with path.open("rb") as opened:
            names[field] = default_storage.save(name, LocalFile(opened))
    Micrograph.objects.filter(pk=micrograph.pk).update(**names, viewer_size=size)


@transaction.atomic
def fail(*, row: Attempted, sentence: str, **fields: Any) -> None:
    """Set this attempt's row failed with a sentence for its user, and tell webhooks and sample; raises `Superseded`."""
    row.finish("failed", error=sentence, **fields, **({"early": {}} if isinstance(row, Job) else {}))
    row.error = sentence
    if isinstance(row, Job | Sample | Training):
        announce(row, f"{row._meta.model_name}.failed")
    if isinstance(row, Job):
        refresh_after_commit(row.sample_id)


def postpone(*, row: Attempted, why: str) -> None:
    """Queue an attempt's row again for later, because the machine has a fault, not the image.

    This does not count as a death. why: the machine's fault, for the page. Raises `Superseded`.
    """
    wait = min(FIRST_WAIT * 2 ** min(row.faults, 10), LONGEST_WAIT)
    row.change(**{**AGAIN, "stage": why}, faults=row.faults + 1, due=timezone.now() + wait)


def requeue(*, row: Attempted) -> None:
    """Queue a row again after the process that worked on it died; raises `Superseded`."""
    row.change(**AGAIN, deaths=row.deaths + 1)


@contextmanager
def _publishing(row: Job | Sample, kind: Any, files: dict[str, Path], more: Sequence[Any] = ()) -> Iterator[None]:
    """Store the files, let the block change the row, tell webhooks, replace the files of earlier attempts.

    more: rows of files that are stored elsewhere.
    """
    folder, owner = f"{row.folder}/{row.attempt}", {kind.owner: row}
    with publishing(partial(remove_folder, folder)):
        artifacts = [kind(**owner, attempt=row.attempt, **store(folder, path, files)) for path in files.values()]
        with transaction.atomic():
            yield
            control.record(row)
            announce(row, f"{row._meta.model_name}.done")
            kind.objects.filter(**owner).exclude(name=UNCORRECTED).delete()
            kind.objects.bulk_create([*more, *artifacts])
    for attempt in range(1, row.attempt):
        remove_folder(f"{row.folder}/{attempt}")


def store(folder: str, source: Path, files: dict[str, Path], *, keep: bool = False) -> dict[str, Any]:
    """Put one file into the storage; returns the fields of its row. On the same disk the file is moved, unless it is to
    be kept."""
    size = source.stat().st_size
    if source.name in bundles.ARCHIVES:
        plan = ContentFile(bundles.plan_of(source, files))
        other = "" if source.name == bundles.NAME else f"{source.name}."
        name = default_storage.save(f"{folder}/{other}{bundles.PLAN}", plan)
    elif source.suffix in bundles.TEXTS:
        packed = ContentFile(bundles.packed(source.read_bytes()))
        name = default_storage.save(f"{folder}/{source.name}{bundles.PACKED}", packed)
    else:
        with source.open("rb") as opened:
            name = default_storage.save(f"{folder}/{source.name}", File(opened) if keep else LocalFile(opened))
    return {"name": source.name, "file": name, "size": size, "content_type": content_type_of(source.name)}
