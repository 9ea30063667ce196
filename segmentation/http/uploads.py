"""Files of uploads under way."""

from __future__ import annotations

import fcntl
from typing import Any

from django.core.files.uploadhandler import TemporaryFileUploadHandler


class LockedFileUploadHandler(TemporaryFileUploadHandler):
    """Locks the file of a large upload as long as its request lives, so that the remains of killed processes are known
    by having no lock (`worker.scratch`)."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        fcntl.flock(self.file.fileno(), fcntl.LOCK_EX)
