"""What a training may learn from the outlines of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segmentation.core import dataset_files as files
from segmentation.core.analysis import Objects
from segmentation.core.measure.filters import Reason
from segmentation.core.measure.regions import INSIDE, largest_part, mask_of, shares_inside
from segmentation.core.micrograph.vendors.facts import MARKS
from segmentation.core.settings import Regions
from segmentation.core.tasks import find
from segmentation.models import DatasetImage, Job
from segmentation.services.ground.refusal import Refused
from segmentation.services.ground.tables import objects_of

from .fetching import pixels_of
from .outlines import stored_segmentation
from .scratch import scratch

if TYPE_CHECKING:
    from segmentation.lab.training.check import LearningTask

Labels = NDArray[np.int32]
# An outline with one of these reasons is right but does not count, or counts in part, so it is true all the same.
TRUE_ALL_THE_SAME = {str(reason) for reason in (Reason.FRAME, Reason.HIDDEN, Reason.SMALL, Reason.UNRESOLVED)}
LEAST_PART = 64  # px of a side
NO_PART = f"Its regions to ignore leave no rectangle of {LEAST_PART} px or more to learn from."


def true_labels(job: Job, learning: LearningTask) -> tuple[Labels, int]:
    """(labels, number of outlines left out). A training sees left-out outlines as background: a person set them aside,
    they may be wrong and nobody confirmed them, or they lie on writing or drawing, which is no specimen. What class of
    the specimen lies under writing is not known, so regions have no class there."""
    outlines = stored_segmentation(job)
    marks = mask_of(outlines.used.get(MARKS, ()), outlines.labels.shape)
    if find(outlines.provenance.task).semantic:
        classes = np.r_[files.UNLABELLED, outlines.classes].astype(np.int32)[outlines.dense]
        return np.where(marks, files.UNLABELLED, classes).astype(np.int32), 0
    if learning.drawn:  # what is taught is a mask made of the objects, not the objects
        on_marks = shares_inside(outlines.dense, marks, len(outlines)) >= INSIDE
        on_writing = outlines.ids[on_marks & ~np.isin(outlines.ids, list(outlines.by_hand))]
        without_writing = np.where(np.isin(outlines.labels, on_writing), 0, outlines.labels).astype(np.int32)
        return learning.drawn(without_writing), len(on_writing)
    rows = objects_of(job)
    rows = _measured_objects(job, outlines) if rows is None else rows
    reasons = {row["id"]: row.get("reason") or "" for row in rows}
    true = [number for number in outlines.ids.tolist() if reasons.get(number, "") in ("", *TRUE_ALL_THE_SAME)]
    return np.where(np.isin(outlines.labels, true), outlines.labels, 0), len(outlines) - len(true)


def without_ignored(regions: Regions, labels: Labels, image: DatasetImage, job: Job, has_classes: bool) -> Labels:
    """The labels (H, W) without what lies in regions to ignore, which teaches nothing. Pixels of classes become unknown
    there. Objects know no unknown pixels, only a checked part: the largest rectangle outside (`image.region`)."""
    ignored = mask_of(regions, (labels.shape[0], labels.shape[1]))
    if has_classes:
        return np.where(ignored, files.UNLABELLED, labels)
    outlines = stored_segmentation(job)
    numbers = [row["id"] for row in objects_of(job) or [] if row.get("reason") == Reason.IGNORED]
    top, left, bottom, right = image.region or (0, 0, *labels.shape)
    occupied = np.ones(labels.shape, np.bool_)
    checked = slice(top, min(bottom, outlines.rows)), slice(left, right)
    occupied[checked] = ignored[checked] | np.isin(outlines.labels[checked], numbers)
    part = largest_part(occupied)
    if part is None or min(part[2] - part[0], part[3] - part[1]) < LEAST_PART:
        raise Refused(NO_PART)
    image.region = list(part)  # `store` saves it
    return labels


def _measured_objects(job: Job, outlines: Any) -> list[dict[str, Any]]:
    """Id and reason of the objects, measured again: for a result whose viewer's file cannot be read."""
    from segmentation.core import pipeline

    with scratch() as folder:
        objects = Objects.of(pipeline.measure(pixels_of(job.micrograph, folder), outlines, job.get_settings()))
    return [{"id": number, "reason": why} for number, why in zip(objects.ids.tolist(), objects.reasons, strict=True)]
