"""The exception by which a service refuses a request, the changes of a row that may be refused, and faults of the
machine (disk, storage, database, broker), which end no job."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError

from ...models import Attempted

LONGEST = 1000  # characters of a sentence: it may quote what was sent, and what is sent may be long
FULL = "The server's disk is full"
STORAGE = "The server's storage cannot be reached just now"
DATABASE = "The server's database cannot be reached just now"
LOCKED_OUT = "Too many wrong passwords for this name. Wait 15 minutes, then try again."
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
OF_THE_MACHINE = {
    *(errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.EAGAIN),
    *(errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE),
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EBUSY),
}
REMOTE = ("botocore.", "boto3.", "s3transfer.", "urllib3.", "kombu.", "redis.")  # modules whose errors are a network's


class Refused(Exception):
    """A request against the rules: one sentence for the user (what is wrong, what to do) and an HTTP status.

    after: seconds after which it may be sent again, 0 where that is not known.
    """

    def __init__(self, sentence: str, status: int = 400, *, after: int = 0) -> None:
        if len(sentence) > LONGEST:
            sentence = f"{sentence[: LONGEST // 2]} ... {sentence[-LONGEST // 4 :]}"
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.after = after


def lock(row: Any, gone: str) -> None:
    """Lock a row and read it anew: of two changes at once one waits. Raises Refused (404) if it is gone."""
    try:
        row.refresh_from_db(from_queryset=type(row).objects.select_for_update())
    except ObjectDoesNotExist:
        raise Refused(gone, 404) from None


def move(row: Attempted, states: tuple[str, ...], otherwise: str, gone: str, **fields: Any) -> None:
    """One transition by a person; nothing happens if the target state is already reached.

    otherwise, gone: sentences for a row in none of the states (409), and for a deleted one (404).
    """
    moved = type(row).objects.filter(pk=row.pk, state__in=states).update(**fields)
    try:
        row.refresh_from_db()
    except ObjectDoesNotExist:
        raise Refused(gone, 404) from None
    if not moved and row.state != fields["state"]:
        raise Refused(otherwise, 409)


def trouble(error: BaseException) -> str:
    """The machine's fault, as a clause; "" if the error is not the machine's."""
    return next(filter(None, map(_sentence_of, _chain(error))), "")


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


def _sentence_of(error: BaseException) -> str:
    if isinstance(error, OperationalError | InterfaceError):
        return FULL if "is full" in str(error) or "No space left" in str(error) else DATABASE
    if isinstance(error, OSError):
        if error.errno in NO_SPACE:
            return FULL
        # The file of a request under way may be removed by a cleaner of temporary files.
        lost = error.filename if isinstance(error, FileNotFoundError) else None
        is_upload = isinstance(lost, str) and Path(lost).is_relative_to(settings.FILE_UPLOAD_TEMP_DIR)
        if error.errno in OF_THE_MACHINE or is_upload:
            return STORAGE
    return STORAGE if f"{type(error).__module__}.".startswith(REMOTE) else ""
