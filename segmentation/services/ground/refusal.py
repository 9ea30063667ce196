"""`Refused`, the exception for a request that a service refuses; and `machine_fault`, which recognises
faults of the machine (disk, storage, database, broker). After such a fault a job is tried again."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError

from ...core.names import clean_text
from ...models import Attempted

LONGEST_SENTENCE = 1000  # characters; a sentence may quote a long text of the request
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
# Exceptions of packages whose names begin so are faults of the network.
NETWORK_MODULES = ("botocore.", "boto3.", "s3transfer.", "urllib3.", "kombu.", "redis.")


class Refused(Exception):
    """A service refuses a request. sentence: for the user, what is wrong and what to do. status: of HTTP.

    after: seconds after which the request may be sent again; 0 if not known.
    """

    def __init__(self, sentence: str, status: int = 400, *, after: int = 0) -> None:
        if len(sentence) > LONGEST_SENTENCE:
            sentence = f"{sentence[: LONGEST_SENTENCE // 2]} ... {sentence[-LONGEST_SENTENCE // 4 :]}"
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.after = after


def typed_words(text: str, longest: int, refusal: str, *, needed: bool = True) -> str:
    """A typed name or reason on one line; raises Refused (422) if it is too long, or if it is empty and needed."""
    words = clean_text(text)
    if len(words) > longest or (needed and not words):
        raise Refused(refusal, 422)
    return words


def lock(row: Any, gone: str) -> None:
    """Read a row again and lock it until the end of the transaction; other changes of it wait.

    gone: the sentence of Refused (404) if the row is deleted.
    """
    try:
        row.refresh_from_db(from_queryset=type(row).objects.select_for_update())
    except ObjectDoesNotExist:
        raise Refused(gone, 404) from None


def change_state(row: Attempted, states: tuple[str, ...], otherwise: str, gone: str, **fields: Any) -> None:
    """Change the state of a row that is in one of `states`. fields: the new state and other values.

    Nothing happens if the row has the new state already. otherwise: the sentence of Refused (409)
    for a row in another state. gone: the sentence of Refused (404) for a deleted row.
    """
    is_changed = type(row).objects.filter(pk=row.pk, state__in=states).update(**fields)
    try:
        row.refresh_from_db()
    except ObjectDoesNotExist:
        raise Refused(gone, 404) from None
    if not is_changed and row.state != fields["state"]:
        raise Refused(otherwise, 409)


def machine_fault(error: BaseException) -> str:
    """The fault of the machine that caused an error, such as FULL; "" if the cause is another."""
    return next(filter(None, map(_sentence_of, _chain(error))), "")


def is_full(error: BaseException) -> bool:
    """Whether a full disk caused the error."""
    return machine_fault(error) == FULL


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes. (A failed disk may be reported as a damaged file.)"""
    ids: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in ids:
        ids.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _sentence_of(error: BaseException) -> str:
    """The text of `machine_fault` for this error alone, without its causes."""
    if isinstance(error, OperationalError | InterfaceError):
        return FULL if "is full" in str(error) or "No space left" in str(error) else DATABASE
    if isinstance(error, OSError):
        if error.errno in NO_SPACE:
            return FULL
        # A program that cleans temporary folders may remove the file of a request that is being
        # answered.
        lost_file = error.filename if isinstance(error, FileNotFoundError) else None
        is_upload = isinstance(lost_file, str) and Path(lost_file).is_relative_to(settings.FILE_UPLOAD_TEMP_DIR)
        if error.errno in MACHINE_FAULTS or is_upload:
            return STORAGE
    return STORAGE if f"{type(error).__module__}.".startswith(NETWORK_MODULES) else ""
