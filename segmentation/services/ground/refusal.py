"""How a service refuses a request (`Refused`), two changes of rows that may be refused, and how to
recognise a fault of the machine (disk, storage, database, broker): such a fault does not make a job
fail, it is tried again."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError

from ...models import Attempted

LONGEST_SENTENCE = 1000  # characters of a sentence, which may quote a long text that was sent
FULL = "The server's disk is full"
STORAGE = "The server's storage cannot be reached just now"
DATABASE = "The server's database cannot be reached just now"
LOCKED_OUT = "Too many wrong passwords for this name. Wait 15 minutes, then try again."
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
MACHINE_FAULTS = {
    *(errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.EAGAIN),
    *(errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE),
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EBUSY),
}
# Errors of these modules are faults of a network.
NETWORK_MODULES = ("botocore.", "boto3.", "s3transfer.", "urllib3.", "kombu.", "redis.")


class Refused(Exception):
    """A request against the rules: one sentence for the user (what is wrong, what to do) and an HTTP status.

    after: seconds after which it may be sent again, 0 where that is not known.
    """

    def __init__(self, sentence: str, status: int = 400, *, after: int = 0) -> None:
        if len(sentence) > LONGEST_SENTENCE:
            sentence = f"{sentence[: LONGEST_SENTENCE // 2]} ... {sentence[-LONGEST_SENTENCE // 4 :]}"
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.after = after


def lock(row: Any, gone: str) -> None:
    """Lock a row until the end of the transaction and read it again, so that another change of it
    waits.

    gone: the sentence of Refused (404) if the row is deleted.
    """
    try:
        row.refresh_from_db(from_queryset=type(row).objects.select_for_update())
    except ObjectDoesNotExist:
        raise Refused(gone, 404) from None


def change_state(row: Attempted, states: tuple[str, ...], otherwise: str, gone: str, **fields: Any) -> None:
    """Change the state of a row that is in one of `states`. fields: the new state and other values.

    Nothing happens if the row has the new state already. otherwise: the sentence of Refused (409)
    for a row in another state. gone: that of Refused (404) for a deleted row.
    """
    moved = type(row).objects.filter(pk=row.pk, state__in=states).update(**fields)
    try:
        row.refresh_from_db()
    except ObjectDoesNotExist:
        raise Refused(gone, 404) from None
    if not moved and row.state != fields["state"]:
        raise Refused(otherwise, 409)


def machine_fault(error: BaseException) -> str:
    """The fault of the machine that caused an error, as a clause; "" if the machine did not cause
    it."""
    return next(filter(None, map(_sentence_of, _chain(error))), "")


def is_full(error: BaseException) -> bool:
    """Whether a full disk caused the error."""
    return machine_fault(error) == FULL


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes: a reader of files may report a damaged file when the disk failed."""
    ids: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in ids:
        ids.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _sentence_of(error: BaseException) -> str:
    """The clause of `machine_fault` for this error alone, without its causes."""
    if isinstance(error, OperationalError | InterfaceError):
        return FULL if "is full" in str(error) or "No space left" in str(error) else DATABASE
    if isinstance(error, OSError):
        if error.errno in NO_SPACE:
            return FULL
        # A program that cleans temporary folders may remove the file of a request that is being
        # answered.
        lost = error.filename if isinstance(error, FileNotFoundError) else None
        is_upload = isinstance(lost, str) and Path(lost).is_relative_to(settings.FILE_UPLOAD_TEMP_DIR)
        if error.errno in MACHINE_FAULTS or is_upload:
            return STORAGE
    return STORAGE if f"{type(error).__module__}.".startswith(NETWORK_MODULES) else ""
