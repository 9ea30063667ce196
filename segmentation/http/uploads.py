"""Files of uploads under way, and the addresses that take them."""

from __future__ import annotations

import fcntl
from typing import Any

from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.urls import Resolver404, resolve

# Names of addresses with forms for files; `api.routes` adds its own.
FOR_FILES = {"home", "sample-add", "job-add", "dataset-add", "job-outlines", "job-settings"}


def takes_files(method: str, path: str) -> bool:
    """Whether a request may have a body as large as this site accepts."""
    try:
        return method == "POST" and resolve(f"/{path.lstrip('/')}").view_name in FOR_FILES
    except Resolver404:
        return False


class LockedFileUploadHandler(TemporaryFileUploadHandler):
    """Locks the file of a large upload as long as its request lives, so that the remains of killed processes are known
    by having no lock (`worker.scratch`). Of the sender's name nothing gets into its own, which may not be as long."""

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, "file", *args, **kwargs)
        self.file_name = self.file.name = file_name
        fcntl.flock(self.file.fileno(), fcntl.LOCK_EX)
