"""The worker processes that are alive."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

ALIVE = timedelta(seconds=45)


class WorkerProcess(models.Model):
    """A worker, which says every few seconds that it is alive; gone once it ends as it should.

    name: Celery's, the number of the process and an end by chance, such as "analyses@host 712-9c3f", so that no two
    processes share a row. queues: names, separated by commas.
    """

    name = models.CharField(max_length=200, primary_key=True)
    queues = models.CharField(max_length=200)
    version = models.CharField(max_length=50)
    started = models.DateTimeField(default=timezone.now)
    seen = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_alive(self) -> bool:
        return timezone.now() - self.seen < ALIVE
