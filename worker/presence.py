"""A worker says that it is alive: /readyz, /metrics and the administrator read it (models.upkeep)."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from django.db import DatabaseError, connection
from django.utils import timezone

from segmentation import __version__
from segmentation.models import WorkerProcess

logger = logging.getLogger(__name__)
SECONDS = 10.0
_over = threading.Event()


@worker_ready.connect
def appear(sender: Any, **signal: Any) -> None:
    """Begin to say so, in a thread of the worker's own process."""
    _over.clear()
    # Several workers of one machine may have one name, and those of several containers one number.
    name = f"{sender.hostname} {os.getpid()}-{secrets.token_hex(2)}"
    queues = ",".join(sorted(sender.app.amqp.queues.consume_from))
    threading.Thread(target=_say, args=(name, queues), name="presence", daemon=True).start()


@worker_shutting_down.connect
def vanish(**signal: Any) -> None:
    _over.set()


def _say(name: str, queues: str) -> None:
    about = {"queues": queues, "version": __version__, "started": timezone.now()}
    try:
        while True:
            _safely(
                lambda: WorkerProcess.objects.update_or_create(name=name, defaults={**about, "seen": timezone.now()})
            )
            if _over.wait(SECONDS):
                break
        _safely(lambda: WorkerProcess.objects.filter(name=name).delete())
    finally:
        connection.close()


def _safely(write: Any) -> None:
    """A database that is away for a moment ends nothing."""
    try:
        write()
    except DatabaseError as error:
        logger.warning("The worker could not say that it is alive (%s).", error)
        connection.close()
