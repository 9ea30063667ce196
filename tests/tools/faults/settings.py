"""The site's settings for processes of tests: other constants (LAB_CONSTANTS, JSON), a storage that refuses as long as
the file LAB_REFUSES exists, and a clock that is wrong by as many seconds as the file LAB_CLOCK says.

libfaketime would do that from outside, but with it Python's sleep fails while monotonic clocks are left alone.
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


class Refusing(FileSystemStorage):
    """Answers as a disk that fails does."""

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
_time, _read = time.time, [-1.0, 0.0]


def _wrong_by() -> float:
    """Seconds, looked up at most twice in one."""
    now = time.monotonic()
    if now - _read[0] > 0.5:
        _read[:] = now, float(Path(os.environ["LAB_CLOCK"]).read_text() or 0)
    return _read[1]


if "LAB_CLOCK" in os.environ:
    STORAGES["default"] |= {"BACKEND": "tests.tools.faults.settings.Refusing"}
    time.time = lambda: _time() + _wrong_by()
    time.time_ns = lambda: int(1e9 * time.time())
    timezone.now = lambda: datetime.now(tz=UTC) + timedelta(seconds=_wrong_by())
