"""When a sample is pooled: once none of its images is under way, and once more after each change."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.signals import post_delete
from django.dispatch import receiver

from ..models import AFRESH, Job, Micrograph, Sample
from .queue import enqueue, enqueue_next


def refresh_after_commit(pk: Any) -> None:
    """Note a change of a sample, by its id, once it can be seen; None (a job of no sample) is nothing.

    After the commit and not in it: of two images that end at once, the last must see that the other has ended.
    """
    if pk is not None:
        transaction.on_commit(lambda: refresh_sample(pk))


def refresh_sample(pk: Any) -> None:
    """Fence off any pooling that runs, enqueue the images that wait, or the pooling when none does."""
    under_way = (
        Job.objects.filter(sample=pk, state__in=Job.UNFINISHED).exists()
        or Micrograph.objects.filter(sample=pk, state__in=Micrograph.UNFINISHED).exists()
    )
    state = Sample.State.WAITING if under_way else Sample.State.QUEUED
    if not Sample.objects.filter(pk=pk).update(**{**AFRESH, "state": state}):
        return
    if under_way:
        enqueue_next(pk)
    else:
        enqueue([pk], Sample)


def stuck() -> QuerySet:
    """Samples that wait for images although none is under way: the process that should have told them died."""
    under_way = Job.objects.filter(sample=OuterRef("pk"), state__in=Job.UNFINISHED)
    arriving = Micrograph.objects.filter(sample=OuterRef("pk"), state__in=Micrograph.UNFINISHED)
    return Sample.objects.filter(~Exists(under_way), ~Exists(arriving), state=Sample.State.WAITING)


@receiver(post_delete, sender=Job)
def an_image_is_gone(instance: Job, **kwargs: Any) -> None:
    """Whatever deleted it."""
    refresh_after_commit(instance.sample_id)
