"""Ringing the worker by name: nothing here knows the worker's code."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from celery import current_app
from django.db import transaction
from django.utils import timezone

from ..models import Job

logger = logging.getLogger(__name__)
RUN_JOB = "worker.run_job"


def ring_after_commit(pk: Any) -> None:
    """Ring for a job once its row can be seen by the worker."""
    transaction.on_commit(lambda: ring([pk]))


def ring(pks: Iterable[Any]) -> int:
    """Ring for each queued job and note when; returns how many.

    A broker that cannot be reached is no error for the user: the jobs stay queued, unrung, and `rescue` tries again.
    """
    rung = []
    for pk in pks:
        try:
            current_app.send_task(RUN_JOB, args=[str(pk)])
        except Exception as error:
            logger.warning("The worker could not be rung (%s); waiting jobs will be rung again.", error)
            break
        rung.append(pk)
    Job.objects.filter(pk__in=rung).update(rung=timezone.now())
    return len(rung)
