"""Files of uploads under way."""

from __future__ import annotations

import fcntl
from typing import Any

from django.core.files.uploadhandler import TemporaryFileUploadHandler


class LockedFileUploadHandler(TemporaryFileUploadHandler):
    """Locks the file of a large upload as long as its request lives, so that the remains of killed processes are known
    by having no lock (`worker.scratch`). Of the sender's name nothing gets into its own, which may not be as long."""

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, "file", *args, **kwargs)
        self.file_name = self.file.name = file_name
        fcntl.flock(self.file.fileno(), fcntl.LOCK_EX)
