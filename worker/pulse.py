"""Signs of life from a running attempt, during steps too long to report by themselves."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from django.conf import settings
from django.db import DatabaseError, connection

from segmentation.models import Job, Lost, Sample

logger = logging.getLogger(__name__)
SECONDS = 5.0


class Pulse:
    """A thread that beats for a job or a sample as long as the `with` block lasts.

    `lost` is set once a beat finds that the row is no longer this attempt's.
    """

    def __init__(self, row: Job | Sample, seconds: float | None = None) -> None:
        self.lost = threading.Event()
        self._row = row
        self._seconds = min(SECONDS, settings.DEEPSEGM_SILENCE_SECONDS / 6) if seconds is None else seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"pulse of {row.pk}", daemon=True)

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
            self._row.report()
        except Lost:
            self.lost.set()
        except DatabaseError:
            logger.warning("A sign of life of %s could not be written.", self._row.pk, exc_info=True)
