"""Reads the outlines of a job: from a stored segmentation, with its corrections, or from the file of
another tool. (`analysing` finds outlines with the network.)"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from segmentation import __version__
from segmentation.core.labels.segmentation import DAMAGED, Segmentation, UnusableSegmentation
from segmentation.core.measure.objects.filters import BY_OTHERS, BY_REGION, Reason
from segmentation.core.micrograph.calibration.square import stored_shape
from segmentation.core.names import file_name
from segmentation.core.tasks import find
from segmentation.models import Job
from segmentation.services.ground import tables
from segmentation.services.results import publishing
from segmentation.services.results.corrections import edits

from ..fetching import fetch
from ..heartbeat import Progress
from . import decoding

NO_PARENT = "The result that was corrected has been deleted, and its outlines with it."
NO_RESULT = "The result to which these outlines belong has been deleted: send them with another result of the image."


def stored_segmentation(job: Job, step: int | None = None) -> Segmentation:
    """The outlines of a job after its first `step` corrections; None: as its numbers were measured.
    Raises UnusableSegmentation if the file is lost or damaged."""
    step = job.step if step is None else step
    original = original_outlines(job, alternatives=not step)
    return corrected_outlines(job, original, step, left_out_by_others(job)) if step else original


def original_outlines(job: Job, *, alternatives: bool) -> Segmentation:
    """The outlines of a job before its corrections; raises UnusableSegmentation. alternatives: as
    in `Segmentation.load`."""
    if job.segmentation is None:
        raise UnusableSegmentation(DAMAGED)
    try:
        with job.segmentation.file.open("rb") as file:
            return Segmentation.load(file, job.segmentation.get_provenance(), alternatives=alternatives)
    except FileNotFoundError as error:
        raise UnusableSegmentation(DAMAGED) from error


def corrected_outlines(job: Job, original: Segmentation, step: int, by_others: dict[str, Any]) -> Segmentation:
    """The outlines `original` after the first `step` corrections of the job. by_others: from
    `left_out_by_others`."""
    outlines = edits.apply_edits(job, original, step)
    return replace(outlines, used={**outlines.used, **by_others})


def corrected_segmentation(job: Job, folder: Path) -> Segmentation:
    """The outlines of the parent with the corrections that the job measures; also stored as the
    outlines of the job."""
    parent = job.parent
    if parent is None or parent.segmentation is None:
        raise UnusableSegmentation(NO_PARENT)
    outlines = edits.load_corrected_segmentation(parent, job.corrects)
    origin = replace(outlines.provenance, parent=str(parent.segmentation_id))
    used = {**outlines.used, **left_out_by_others(parent)}
    return store_outlines(job, replace(outlines, provenance=origin, used=used), parent, folder)


def left_out_by_others(parent: Job) -> dict[str, Any]:
    """The entry "by_others": by reason, the ids of the objects that are left out because of other
    objects (faint, hidden, in a region). They stay left out after corrections, because the person who
    corrected saw them so. {} if no object counts."""
    rows, settings = tables.uncorrected_objects_of(parent) or [], parent.get_settings().measurement
    if not any(row["kept"] for row in rows):
        return {}
    reasons = [reason for reason in BY_OTHERS if reason != Reason.HIDDEN or settings.measurand == "seen"]
    judged = {str(reason): [row["id"] for row in rows if row["reason"] == reason] for reason in reasons}
    in_regions = {str(reason): [row["id"] for row in rows if row["reason"] == reason] for reason in BY_REGION}
    judged |= {reason: ids for reason, ids in in_regions.items() if ids}
    return {"by_others": {"faint_limit": settings.faint_limit, **judged}}


def imported_segmentation(job: Job, progress: Progress, folder: Path) -> Segmentation:
    """The outlines in the file of another tool that was sent with the job; also stored as the outlines
    of the job."""
    parent = job.parent
    if parent is None or parent.segmentation is None:
        raise UnusableSegmentation(NO_RESULT)
    before, task, micrograph = stored_segmentation(parent), find(job.get_settings().task), job.micrograph
    calibration = job.scale.before_measurement.in_use
    request = {
        "frame": [micrograph.height, micrograph.width, before.rows, stored_shape(micrograph.metadata) or ()],
        "task": task.name,
        "names": before.class_names,
        "image": file_name(micrograph.name),
        "nm_per_pixel": calibration.nm_per_pixel if calibration.is_known else None,
    }
    stage = "reading the outlines"
    imported = decoding.read_outlines(fetch(job.outlines["file"], folder), request, lambda: progress(stage, 0.1))
    source = {name: job.outlines[name] for name in ("name", "sha256")}
    parent_id = str(parent.segmentation_id)
    outlines = imported.segmentation(before, **source, version=__version__, parent_id=parent_id, semantic=task.semantic)
    return store_outlines(job, outlines, parent, folder)


def store_outlines(job: Job, outlines: Segmentation, parent: Job | None, folder: Path) -> Segmentation:
    """Store a segmentation as the outlines of the job, and return it. parent: the job from whose outlines it
    was made; None for outlines that the network found."""
    file = folder / "segmentation.npz"
    outlines.save(file)
    before = parent.segmentation if parent else None
    publishing.store_segmentation(job=job, file=file, provenance=outlines.provenance, parent=before)
    return outlines
