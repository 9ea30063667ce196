"""Ringing the worker by name: nothing here knows the worker's code."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ..models import Job, Sample

logger = logging.getLogger(__name__)
TASKS = {Job: "worker.run_job", Sample: "worker.run_sample"}
INSPECT = "worker.inspect_uploads"


def ring_after_commit(pk: Any) -> None:
    """Ring for a job once its row can be seen by the worker."""
    transaction.on_commit(lambda: ring([pk]))


def ring(pks: Iterable[Any], kind: type[Job] | type[Sample] = Job) -> int:
    """Ring for each queued job or sample and note when; returns how many.

    A broker that cannot be reached is no error for the user: the rows stay queued, unrung, and `rescue` tries again.
    """
    rung = []
    for pk in pks:
        try:
            current_app.send_task(TASKS[kind], args=[str(pk)])
        except Exception as error:
            logger.warning("The worker could not be rung (%s); waiting jobs will be rung again.", error)
            break
        rung.append(pk)
    kind.objects.filter(pk__in=rung).update(rung=timezone.now())
    return len(rung)


def ring_inspection() -> None:
    """Ring for the uploads that have not been looked into: one bell is for all of them."""
    try:
        current_app.send_task(INSPECT)
    except Exception as error:
        logger.warning("The inspecting worker could not be rung (%s); it will be rung again.", error)


def ring_next(sample: Any) -> int:
    """Ring for the next images of a sample, by its id, so that one more than can run at once is in the queue.

    The rest wait unrung: an image that somebody else sends meanwhile stands behind two of them, not behind all.
    """
    images = Job.objects.filter(sample=sample)
    heard = Q(state=Job.State.RUNNING) | Q(state=Job.State.QUEUED, rung__isnull=False)
    room = settings.DEEPSEGM_CONCURRENCY + 1 - images.filter(heard).count()
    if room <= 0:
        return 0
    waiting = images.waiting().filter(rung=None).order_by("queued", "pk")
    return ring(list(waiting.values_list("pk", flat=True)[:room]))
