"""Electronic signatures under finished results: who signed what, when, and what the signature means."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.db import models
from django.utils import timezone

from ..core.report.signatures import Signed
from .edits import FIRST, Chained
from .jobs import Job

LONGEST_NAME = 150


class Signature(Chained, models.Model):
    """One signature under the result of a job; several people may sign one result.

    sequence: from 1 on, without gaps. account: its name, kept when the account is gone. name: as printed.
    labels_sha256: of the file segmentation.npz. result_sha256: of the file result.json. numbers_sha256: of the numbers
    that page and API show, `hash_of` the job's summary. previous, hash: of the signature before and of this one.
    """

    class Meaning(models.TextChoices):
        MADE = "made", "made"
        REVIEWED = "reviewed", "reviewed"
        APPROVED = "approved", "approved"

    job = models.ForeignKey(Job, models.CASCADE, related_name="signatures")
    sequence = models.PositiveIntegerField()
    account = models.CharField(max_length=150)
    name = models.CharField(max_length=LONGEST_NAME)
    meaning = models.CharField(max_length=10, choices=Meaning.choices)
    created = models.DateTimeField("signed", default=timezone.now, editable=False)
    labels_sha256 = models.CharField("SHA-256 of segmentation.npz", max_length=64)
    result_sha256 = models.CharField("SHA-256 of result.json", max_length=64)
    numbers_sha256 = models.CharField("SHA-256 of the numbers", max_length=64)
    previous = models.CharField(max_length=64, blank=True, default=FIRST)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["job", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["job", "sequence"], name="one_signature_of_a_number"),
            models.UniqueConstraint(fields=["job", "account", "meaning"], name="nobody_signs_twice"),
        ]

    def __str__(self) -> str:
        return f"{self.meaning} by {self.account}: {self.job_id}"

    @property
    def digests(self) -> dict[str, str]:
        """What is signed, by what it is called."""
        return {name: getattr(self, f"{name}_sha256") for name in ("labels", "result", "numbers")}

    @property
    def time(self) -> str:
        """When, as its hash covers it."""
        return self.created.astimezone(UTC).isoformat()

    @property
    def printed(self) -> Signed:
        """As pages and reports print it."""
        when = f"{self.created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return Signed(self.get_meaning_display(), self.name, self.account, when, *self.digests.values())

    def as_dict(self) -> dict[str, Any]:
        """Everything that its hash covers and the hash, in plain JSON types."""
        names = ("sequence", "account", "name", "meaning", *(f"{name}_sha256" for name in self.digests))
        return {
            "job": str(self.job_id),
            **{name: getattr(self, name) for name in names},
            "time": self.time,
            "previous": self.previous,
            "hash": self.hash,
        }
