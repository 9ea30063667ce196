"""When a sample is pooled: once none of its images is under way, and once more after each change."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.signals import post_delete
from django.dispatch import receiver

from ...models import AFRESH, ExportJob, Job, Micrograph, Sample
from ..ground.queue import enqueue


def refresh_after_commit(pk: Any) -> None:
    """Register a change of a sample, by its id, after the commit; None (a job without a sample) does nothing.

    It must be after the commit: if two images end at once, the last one must see that the other has ended.
    """
    if pk is not None:
        transaction.on_commit(lambda: refresh_sample(pk))


def refresh_sample(pk: Any) -> None:
    """Invalidate a running pooling, and what writes files of the last one; enqueue the waiting images, or the pooling
    if no image is under way."""
    under_way = (
        Job.objects.filter(sample=pk, state__in=Job.UNFINISHED).exists()
        or Micrograph.objects.filter(sample=pk, state__in=Micrograph.UNFINISHED).exists()
    )
    state = Sample.State.WAITING if under_way else Sample.State.QUEUED
    if not Sample.objects.filter(pk=pk).update(**{**AFRESH, "state": state}):
        return
    ExportJob.objects.filter(sample=pk).delete()
    if under_way:
        images = Job.objects.filter(sample=pk, enqueued=None).waiting().order_by("queued", "pk")
        enqueue(list(images.values_list("pk", flat=True)))
    else:
        enqueue([pk], Sample)


def stuck() -> QuerySet:
    """Samples that wait for images although none is running: the process that should have notified them died."""
    under_way = Job.objects.filter(sample=OuterRef("pk"), state__in=Job.UNFINISHED)
    arriving = Micrograph.objects.filter(sample=OuterRef("pk"), state__in=Micrograph.UNFINISHED)
    return Sample.objects.filter(~Exists(under_way), ~Exists(arriving), state=Sample.State.WAITING)


@receiver(post_delete, sender=Job)
def an_image_is_gone(instance: Job, **kwargs: Any) -> None:
    """Refresh the sample when one of its images is deleted, in any way."""
    refresh_after_commit(instance.sample_id)
