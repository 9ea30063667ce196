"""Signs of life from a running attempt, during steps too long to report by themselves."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from django.conf import settings
from django.db import DatabaseError, connection

from segmentation.models import Job

logger = logging.getLogger(__name__)
SECONDS = 5.0


class Pulse:
    """A thread that beats for a job as long as the `with` block lasts.

    `lost` is set once a beat finds that the job is no longer this attempt's.
    """

    def __init__(self, job: Job, seconds: float | None = None) -> None:
        self.lost = threading.Event()
        self._job = job
        self._seconds = min(SECONDS, settings.DEEPSEGM_SILENCE_SECONDS / 6) if seconds is None else seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"pulse of {job.pk}", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._over.wait(self._seconds) and not self.lost.is_set():
                self._once()
        finally:
            connection.close()

    def _once(self) -> None:
        try:
            self._job.report()
        except Job.Lost:
            self.lost.set()
        except DatabaseError:
            logger.warning("A sign of life of job %s could not be written.", self._job.pk, exc_info=True)
