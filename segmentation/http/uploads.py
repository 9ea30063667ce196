"""Receives uploaded files: which addresses take files, and how a temporary file is locked while its request runs."""

from __future__ import annotations

import fcntl
from typing import Any

from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.urls import Resolver404, resolve

# Names of the views whose forms take files; `api.shared.routes` adds those of the API.
FOR_FILES = {"home", "sample-add", "job-add", "dataset-add", "job-outlines", "job-settings"}


def takes_files(method: str, path: str) -> bool:
    """Whether a request may have a body as large as this site accepts."""
    try:
        return method == "POST" and resolve(f"/{path.lstrip('/')}").view_name in FOR_FILES
    except Resolver404:
        return False


class LockedFileUploadHandler(TemporaryFileUploadHandler):
    """Writes a large upload into a temporary file, which stays locked until the request ends. A temporary file without
    a lock was left by a killed process and can be removed (`worker.scratch`)."""

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        # The temporary file's name has no part of the sender's name, which may be too long for it.
        super().new_file(field_name, "file", *args, **kwargs)
        self.file_name = self.file.name = file_name
        fcntl.flock(self.file.fileno(), fcntl.LOCK_EX)
