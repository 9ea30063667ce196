"""Distinguish faults of the machine (disk, storage, database, broker) from faults of an image; they end no job."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError

FULL = "The server's disk is full"
STORAGE = "The server's storage cannot be reached just now"
DATABASE = "The server's database cannot be reached just now"
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
OF_THE_MACHINE = {
    *(errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.EAGAIN),
    *(errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE),
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EBUSY),
}
REMOTE = ("botocore.", "boto3.", "s3transfer.", "urllib3.", "kombu.", "redis.")  # modules whose errors are a network's


def trouble(error: BaseException) -> str:
    """The machine's fault, as a clause; "" if the error is not the machine's."""
    return next(filter(None, map(_of, _chain(error))), "")


def is_full(error: BaseException) -> bool:
    """Whether a full disk caused the error."""
    return trouble(error) == FULL


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes: a reader reports a damaged file even if the disk failed."""
    ids: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in ids:
        ids.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _is_lost_upload(error: OSError) -> bool:
    """Whether the file of a request under way was removed by somebody, such as a cleaner of temporary files."""
    lost = error.filename if isinstance(error, FileNotFoundError) else None
    return isinstance(lost, str) and Path(lost).is_relative_to(settings.FILE_UPLOAD_TEMP_DIR)


def _of(error: BaseException) -> str:
    if isinstance(error, OperationalError | InterfaceError):
        return FULL if "is full" in str(error) or "No space left" in str(error) else DATABASE
    if isinstance(error, OSError):
        if error.errno in NO_SPACE:
            return FULL
        if error.errno in OF_THE_MACHINE or _is_lost_upload(error):
            return STORAGE
    return STORAGE if f"{type(error).__module__}.".startswith(REMOTE) else ""
