"""When a sample is pooled (its numbers are put together): when all its images are finished, and
again after each change."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.signals import post_delete
from django.dispatch import receiver

from ...models import RESTART_FIELDS, ExportJob, Job, Micrograph, Sample
from ..ground.queue import enqueue


def refresh_after_commit(pk: Any) -> None:
    """Pool a sample anew after this transaction is committed. pk: the id of the sample; None does
    nothing.

    It must happen after the commit: if two images end at the same time, the later one must see that
    the other has ended.
    """
    if pk is not None:
        transaction.on_commit(lambda: refresh_sample(pk))


def refresh_sample(pk: Any) -> None:
    """Enqueue the waiting images of a sample, or if all its images are finished its pooling. A
    running pooling becomes invalid, and so does the writing of files with the old numbers."""
    under_way = (
        Job.objects.filter(sample=pk, state__in=Job.UNFINISHED).exists()
        or Micrograph.objects.filter(sample=pk, state__in=Micrograph.UNFINISHED).exists()
    )
    state = Sample.State.WAITING if under_way else Sample.State.QUEUED
    if not Sample.objects.filter(pk=pk).update(**{**RESTART_FIELDS, "state": state}):
        return
    ExportJob.objects.filter(sample=pk).delete()
    if under_way:
        images = Job.objects.filter(sample=pk, enqueued=None).waiting().order_by("queued", "pk")
        enqueue(list(images.values_list("pk", flat=True)))
    else:
        enqueue([pk], Sample)


def stuck_samples() -> QuerySet:
    """Samples that wait for images although all are finished: the process that should have
    refreshed them died."""
    under_way = Job.objects.filter(sample=OuterRef("pk"), state__in=Job.UNFINISHED)
    arriving = Micrograph.objects.filter(sample=OuterRef("pk"), state__in=Micrograph.UNFINISHED)
    return Sample.objects.filter(~Exists(under_way), ~Exists(arriving), state=Sample.State.WAITING)


@receiver(post_delete, sender=Job)
def refresh_after_deletion(instance: Job, **kwargs: Any) -> None:
    """Pool a sample anew when the job of one of its images is deleted, in any way."""
    refresh_after_commit(instance.sample_id)
