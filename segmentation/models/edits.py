"""Corrections of a result: each is a row of a log that shows whether a row was altered, removed or exchanged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any

from django.db import models
from django.utils import timezone

from ..core.labels.operations import Step
from ..core.labels.patches import Patch
from .jobs import Job

FIRST = ""  # the hash before the first edit of a job


def hash_of(values: Any) -> str:
    """SHA-256 of plain JSON types, as JSON with sorted keys, in ASCII and without spaces."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Chained:
    """A row of a log. sequence: from 1 on. previous: the hash of the row before. hash: of all else in `as_dict`."""

    as_dict: Callable[[], dict[str, Any]]

    def own_hash(self) -> str:
        return hash_of({name: value for name, value in self.as_dict().items() if name != "hash"})


def chain_faults(rows: Iterable[Any], word: str, last: str | None = None, count: int = 0) -> Iterator[str]:
    """What is wrong with a log from its first row on, up to a gap. word: for a row. last: the hash of the last row,
    None where it is not known. count: of the rows, 0 where it is not known."""
    previous, number = FIRST, 0
    for number, row in enumerate(rows, 1):
        if row.sequence != number:
            yield f"{word} {number} is missing."
            return
        if row.previous != previous:
            yield f"{word} {number} does not follow the {word.lower()} before it."
        if row.own_hash() != row.hash:
            yield f"{word} {number} was altered."
        previous = row.hash
    if number < count:
        yield f"{word} {number + 1} is missing."
    elif last not in (None, previous):
        yield f"{word} {number + 1} is missing, or {word.lower()} {number} is not the one that was stored last."


class Edit(Chained, models.Model):
    """One correction of the outlines of a finished job.

    sequence: from 1 on, without gaps. author: the account's name, kept when the account is gone; "" without one.
    visitor: the browser or script. operation: as it was sent. patch: what it changed; before: the patch that takes it
    back. undoes: the edit that this one takes back. previous, hash: SHA-256 of the edit before and of this one.
    submission: identifies the request, where it came with an Idempotency-Key; it is no part of the log.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="edits")
    sequence = models.PositiveIntegerField()
    author = models.CharField(max_length=150, blank=True, default="")
    visitor = models.UUIDField(null=True, blank=True, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)
    operation = models.JSONField()
    patch = models.JSONField()
    before = models.JSONField()
    undoes = models.PositiveIntegerField(null=True, blank=True)
    previous = models.CharField(max_length=64, blank=True, default=FIRST)
    hash = models.CharField(max_length=64)
    submission = models.CharField(max_length=64, blank=True, default="", editable=False)

    class Meta:
        ordering = ["job", "sequence"]
        constraints = [models.UniqueConstraint(fields=["job", "sequence"], name="one_edit_of_a_number")]

    def __str__(self) -> str:
        return f"edit {self.sequence} of {self.job_id}"

    @property
    def step(self) -> Step:
        return Step(self.operation, Patch.from_dict(self.patch), Patch.from_dict(self.before), self.undoes)

    @property
    def time(self) -> str:
        """In UTC, as ISO 8601 has it."""
        return self.created.astimezone(UTC).isoformat()

    def as_dict(self) -> dict[str, Any]:
        """One line of the log, with everything that its hash covers, in plain JSON types."""
        return {
            "job": str(self.job_id),
            "sequence": self.sequence,
            "author": self.author,
            "visitor": str(self.visitor or ""),
            "time": self.time,
            "operation": self.operation,
            "patch": self.patch,
            "before": self.before,
            "undoes": self.undoes,
            "previous": self.previous,
            "hash": self.hash,
        }
