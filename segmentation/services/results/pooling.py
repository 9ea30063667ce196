"""Starts the pooling of samples (computing the numbers of all images together): when all images of a
sample are finished, and again after each change."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.signals import post_delete
from django.dispatch import receiver

from ...models import RESTART_FIELDS, ExportJob, Job, Micrograph, Sample
from ..ground.queue import enqueue


def refresh_after_commit(pk: Any) -> None:
    """Call `refresh_sample` after this transaction is committed. pk: the id of the sample; None does
    nothing.

    If two images end at the same time, the second commit then finds that both have ended.
    """
    if pk is not None:
        transaction.on_commit(lambda: refresh_sample(pk))


def refresh_sample(pk: Any) -> None:
    """Enqueue the pooling of a sample, or if images are unfinished, its waiting images. Running work on
    the old numbers becomes invalid."""
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
    """Samples that still wait although all their images are finished, because the process that should
    have called `refresh_sample` died."""
    under_way = Job.objects.filter(sample=OuterRef("pk"), state__in=Job.UNFINISHED)
    arriving = Micrograph.objects.filter(sample=OuterRef("pk"), state__in=Micrograph.UNFINISHED)
    return Sample.objects.filter(~Exists(under_way), ~Exists(arriving), state=Sample.State.WAITING)


@receiver(post_delete, sender=Job)
def refresh_after_deletion(instance: Job, **kwargs: Any) -> None:
    """Pool a sample again when the job of one of its images is deleted. Django calls this."""
    refresh_after_commit(instance.sample_id)
