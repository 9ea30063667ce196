"""Makes the labels from which a training may learn, from the outlines of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segmentation.core.analysis import ExportedObjects
from segmentation.core.learning import dataset_files as files
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.objects.regions import INSIDE, largest_part, mask_of, shares_inside
from segmentation.core.micrograph.vendors.facts import MARKS
from segmentation.core.settings import Regions
from segmentation.core.tasks import find
from segmentation.models import DatasetImage, Job
from segmentation.services.ground.refusal import Refused
from segmentation.services.ground.tables import objects_of

from ..fetching import load_micrograph
from ..reading.outlines import stored_segmentation
from ..scratch import scratch_folder

if TYPE_CHECKING:
    from segmentation.lab.training.check import LearningTask

Labels = NDArray[np.int32]
# An outline that is left out for one of these reasons is right all the same, so a training may
# learn it.
RIGHT_BUT_LEFT_OUT = {str(reason) for reason in (Reason.FRAME, Reason.HIDDEN, Reason.SMALL, Reason.UNRESOLVED)}
LEAST_SIDE_PX = 64  # of a rectangle to learn from; a smaller part shows hardly a whole object
NO_PART = f"Its regions to ignore leave no rectangle of {LEAST_SIDE_PX} px or more to learn from."


def true_labels(job: Job, learning: LearningTask) -> tuple[Labels, int]:
    """The labels (H, W) of a result, and the number of outlines that are not in them.

    Background takes the place of an outline if a person left it out, if it may be wrong and nobody
    confirmed it, or if it lies on writing or drawing in the image (MARKS). In a kind whose
    network learns a mask (`LearningTask.drawn`) only writing counts. In a kind with classes, pixels
    under writing are unlabelled, because their class is not known.
    """
    outlines = stored_segmentation(job)
    marks = mask_of(outlines.used.get(MARKS, ()), outlines.labels.shape)
    if find(outlines.provenance.task).semantic:
        classes = np.r_[files.UNLABELLED, outlines.classes].astype(np.int32)[outlines.dense]
        return np.where(marks, files.UNLABELLED, classes).astype(np.int32), 0
    if learning.drawn:  # the network of this kind learns a mask that is made from the objects
        on_marks = shares_inside(outlines.dense, marks, len(outlines)) >= INSIDE
        on_writing = outlines.ids[on_marks & ~np.isin(outlines.ids, list(outlines.by_hand))]
        without_writing = np.where(np.isin(outlines.labels, on_writing), 0, outlines.labels).astype(np.int32)
        return learning.drawn(without_writing), len(on_writing)
    rows = objects_of(job)
    rows = _measured_objects(job, outlines) if rows is None else rows
    reason_by_id = {row["id"]: row.get("reason") or "" for row in rows}
    right = [number for number in outlines.ids.tolist() if reason_by_id.get(number, "") in ("", *RIGHT_BUT_LEFT_OUT)]
    return np.where(np.isin(outlines.labels, right), outlines.labels, 0), len(outlines) - len(right)


def without_ignored(regions: Regions, labels: Labels, image: DatasetImage, job: Job, has_classes: bool) -> Labels:
    """The labels (H, W) without regions to ignore, from which a training learns nothing; may change
    `image`. Raises Refused.

    With classes, pixels there become unlabelled. Labels of objects cannot have unlabelled pixels:
    instead `image.region` becomes the largest rectangle outside of these regions and of the objects
    in them.
    """
    ignored = mask_of(regions, (labels.shape[0], labels.shape[1]))
    if has_classes:
        return np.where(ignored, files.UNLABELLED, labels)
    outlines = stored_segmentation(job)
    ignored_ids = [row["id"] for row in objects_of(job) or [] if row.get("reason") == Reason.IGNORED]
    top, left, bottom, right = image.region or (0, 0, *labels.shape)
    occupied = np.ones(labels.shape, np.bool_)
    checked = slice(top, min(bottom, outlines.rows)), slice(left, right)
    occupied[checked] = ignored[checked] | np.isin(outlines.labels[checked], ignored_ids)
    part = largest_part(occupied)
    if part is None or min(part[2] - part[0], part[3] - part[1]) < LEAST_SIDE_PX:
        raise Refused(NO_PART)
    image.region = list(part)  # `store_image` saves it
    return labels


def _measured_objects(job: Job, outlines: Any) -> list[dict[str, Any]]:
    """Id and reason of each object, measured again, for a result whose file outlines.json cannot be
    read."""
    from segmentation.core import pipeline

    with scratch_folder() as folder:
        objects = ExportedObjects.of(
            pipeline.measure(load_micrograph(job.micrograph, folder), outlines, job.get_settings())
        )
    return [{"id": number, "reason": why} for number, why in zip(objects.ids.tolist(), objects.reasons, strict=True)]
