"""The two logs of a result: corrections and signatures. Each row contains the hash of the row before it, so a row that
was altered, removed or exchanged is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.utils import timezone

from ..core.labels.corrections.operations import Step, undo_step
from ..core.labels.corrections.patches import BadEdit, Patch
from ..core.report.signatures import DIGESTS, OWN, PrintedSignature
from .jobs import Job

HASH_BEFORE_FIRST = ""  # the hash before the first row of a log
LONGEST_SIGNER = 150


def hash_of(values: Any) -> str:
    """The SHA-256 of plain JSON values, written with sorted keys, in ASCII and without spaces."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Chained:
    """A row of a log, with a hash that includes the hash of the row before it.

    sequence: number of the row, from 1 on. logged: names of the fields that the hash covers besides
    `job` and `previous`.
    previous: the hash of the row before. hash: SHA-256 of the other entries of `as_dict`.
    """

    logged: tuple[str, ...]
    job_id: Any
    created: datetime

    @property
    def time(self) -> str:
        """When the row was made: UTC in ISO 8601, the text that the hash covers."""
        return self.created.astimezone(UTC).isoformat()

    def as_dict(self) -> dict[str, Any]:
        """All values that the hash covers, and the hash, in plain JSON types."""
        return {"job": str(self.job_id), **{name: getattr(self, name) for name in (*self.logged, "previous", "hash")}}

    def computed_hash(self) -> str:
        """The hash that the row should have."""
        return hash_of({name: value for name, value in self.as_dict().items() if name != "hash"})


def chain_faults(rows: Iterable[Any], word: str, last: str | None = None, count: int = 0) -> Iterator[str]:
    """A sentence for each fault of a log (a missing or altered row), up to the first missing row.

    rows: all rows, in order. word: the noun for a row, such as "Edit". last: the hash that the last
    row should have, None if not known. count: the number of rows that there should be, 0 if not
    known.
    """
    previous, number = HASH_BEFORE_FIRST, 0
    for number, row in enumerate(rows, 1):
        if row.sequence != number:
            yield f"{word} {number} is missing."
            return
        if row.previous != previous:
            yield f"{word} {number} does not follow the {word.lower()} before it."
        if row.computed_hash() != row.hash:
            yield f"{word} {number} was altered."
        previous = row.hash
    if number < count:
        yield f"{word} {number + 1} is missing."
    elif last not in (None, previous):
        yield f"{word} {number + 1} is missing, or {word.lower()} {number} is not the one that was stored last."


class Edit(Chained, models.Model):
    """One correction of the outlines of a finished job.

    sequence: from 1 on, without gaps. author: the name of the account, which stays when the account
    is deleted; "" without an account. visitor: the browser or script. operation: as it was sent.
    patch: the change of the outlines. before: the patch that undoes the change. undoes: for an
    undo, the number of the edit that it undoes. An undo stores empty patches, because they would be
    those of the undone edit, exchanged (version 1.0 stored them). previous, hash: SHA-256 of the
    edit before and of this edit. submission: id of the request, if it had an Idempotency-Key; not
    part of the log.
    """

    logged = ("sequence", "author", "visitor", "time", "operation", "patch", "before", "undoes")
    job = models.ForeignKey(Job, models.CASCADE, related_name="edits")
    sequence = models.PositiveIntegerField()
    author = models.CharField(max_length=150, blank=True, default="")
    visitor = models.UUIDField(null=True, blank=True, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)
    operation = models.JSONField()
    patch = models.JSONField()
    before = models.JSONField()
    undoes = models.PositiveIntegerField(null=True, blank=True)
    previous = models.CharField(max_length=64, blank=True, default=HASH_BEFORE_FIRST)
    hash = models.CharField(max_length=64)
    submission = models.CharField(max_length=64, blank=True, default="", editable=False)

    class Meta:
        ordering = ["job", "sequence"]
        constraints = [models.UniqueConstraint(fields=["job", "sequence"], name="one_edit_of_a_number")]

    def __str__(self) -> str:
        return f"edit {self.sequence} of {self.job_id}"

    @property
    def size(self) -> int:
        """Bytes of the row in the log, about as many as in the database."""
        return len(json.dumps(self.as_dict()))

    def as_dict(self) -> dict[str, Any]:
        """One line of the log (`Chained.as_dict`), with the visitor as text."""
        return super().as_dict() | {"visitor": str(self.visitor or "")}


def steps_of(rows: Iterable[Edit], earlier: Iterable[Step] = ()) -> list[Step]:
    """The steps that the edits `rows` store. earlier: the steps of all edits before them. Raises BadEdit."""
    steps = [*earlier]
    earlier_count = len(steps)
    for row in rows:
        if row.undoes and not row.patch:
            if not 0 < row.undoes <= len(steps):
                raise BadEdit(f"Edit {row.sequence} takes back none that was made.")
            steps.append(undo_step(steps, row.undoes, row.operation))
        else:
            patches = Patch.from_dict(row.patch), Patch.from_dict(row.before)
            steps.append(Step(row.operation, *patches, row.undoes))
    return steps[earlier_count:]


class Signature(Chained, models.Model):
    """One signature under the result of a job; several people may sign one result.

    sequence: from 1 on, without gaps. account: its name, which stays when the account is deleted. name: as printed.
    labels_sha256: of the file segmentation.npz. result_sha256: of the file result.json. numbers_sha256: of the numbers
    that page and API show: `hash_of` the summary of the job. covered: what stands under it besides: the result's
    "specification", "reference" and "decision", its "method" with the checksum of the contents; {} before version 2.0.
    previous, hash: of the signature before and of this one.
    """

    class Meaning(models.TextChoices):
        MADE = "made", "made"
        REVIEWED = "reviewed", "reviewed"
        APPROVED = "approved", "approved"

    logged = ("sequence", "account", "name", "meaning", "labels_sha256", "result_sha256", "numbers_sha256", "time")
    job = models.ForeignKey(Job, models.CASCADE, related_name="signatures")
    sequence = models.PositiveIntegerField()
    account = models.CharField(max_length=150)
    name = models.CharField(max_length=LONGEST_SIGNER)
    meaning = models.CharField(max_length=10, choices=Meaning.choices)
    created = models.DateTimeField("signed", default=timezone.now, editable=False)
    labels_sha256 = models.CharField("SHA-256 of segmentation.npz", max_length=64)
    result_sha256 = models.CharField("SHA-256 of result.json", max_length=64)
    numbers_sha256 = models.CharField("SHA-256 of the numbers", max_length=64)
    covered = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    previous = models.CharField(max_length=64, blank=True, default=HASH_BEFORE_FIRST)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["job", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["job", "sequence"], name="one_signature_of_a_number"),
            models.UniqueConstraint(fields=["job", "account", "meaning"], name="nobody_signs_twice"),
        ]

    def __str__(self) -> str:
        return f"{self.meaning} by {self.account}: {self.job_id}"

    def as_dict(self) -> dict[str, Any]:
        """One line of the log (`Chained.as_dict`); signatures of before version 2.0 have no "covered"."""
        return super().as_dict() | ({"covered": self.covered} if self.covered else {})

    @property
    def is_own(self) -> bool:
        """Whether who made the result reviewed or approved it."""
        return self.meaning != self.Meaning.MADE and self.account in self.job.makers

    @property
    def digests(self) -> dict[str, str]:
        """The checksums that are signed, by their names in DIGESTS."""
        covered = {"covered_sha256": hash_of(self.covered)} if self.covered else {}
        stored = {**vars(self), **covered}
        return {name: stored[f"{name}_sha256"] for name in DIGESTS if f"{name}_sha256" in stored}

    @property
    def printed(self) -> PrintedSignature:
        """The signature as pages and reports print it."""
        when = f"{self.created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        titled_digests = tuple((DIGESTS[name], digest) for name, digest in self.digests.items())
        by_maker = OWN if self.is_own else ""
        return PrintedSignature(self.get_meaning_display(), self.name, self.account, when, titled_digests, by_maker)
