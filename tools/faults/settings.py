"""Settings of a site under attack: other constants (LAB_CONSTANTS, JSON), a storage that fails as long as the file
LAB_REFUSES exists, and a clock that is wrong by the number of seconds in the file LAB_CLOCK.

(libfaketime is not used for the clock: if it leaves monotonic clocks unchanged, Python's sleep fails.)
"""

import errno
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage
from django.utils import timezone

from deepsegm.settings import *  # noqa: F403
from deepsegm.settings import STORAGES


class FailingStorage(FileSystemStorage):
    """A storage that fails like a broken disk, as long as the file LAB_REFUSES exists."""

    def _save(self, name: str, content: Any) -> str:
        self._refuse()
        return super()._save(name, content)

    def _open(self, name: str, mode: str = "rb") -> Any:
        self._refuse()
        return super()._open(name, mode)

    def delete(self, name: str) -> None:
        self._refuse()
        super().delete(name)

    def _refuse(self) -> None:
        if Path(os.environ["LAB_REFUSES"]).exists():
            raise OSError(errno.EIO, "Input/output error")


globals().update(json.loads(os.environ["LAB_CONSTANTS"]))
_real_time, _last_read = time.time, [-1.0, 0.0]  # of _last_read: when (monotonic), and the value


def _wrong_by() -> float:
    """The error of the clock in seconds; the file is read at most twice a second."""
    now = time.monotonic()
    if now - _last_read[0] > 0.5:
        _last_read[:] = now, float(Path(os.environ["LAB_CLOCK"]).read_text() or 0)
    return _last_read[1]


if "LAB_CLOCK" in os.environ:
    STORAGES["default"] |= {"BACKEND": "tools.faults.settings.FailingStorage"}
    time.time = lambda: _real_time() + _wrong_by()
    time.time_ns = lambda: int(1e9 * time.time())
    timezone.now = lambda: datetime.now(tz=UTC) + timedelta(seconds=_wrong_by())
