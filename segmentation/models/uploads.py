"""Micrographs as they came."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from django.db import models

from .base import SHOWN_NAME, Owned, OwnedQuerySet


def upload_path(upload: Upload, name: str) -> str:
    """Where an uploaded file lies: nothing of its own name but a harmless suffix."""
    suffix = PurePosixPath(name).suffix.lower()
    safe = suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""
    return f"{upload.folder}/image{safe}"


def preview_path(upload: Upload, name: str) -> str:
    return f"{upload.folder}/preview.png"


class Upload(Owned):
    """A micrograph as it came, and what inspection found in it.

    name: the file's own name, for display only. address: keyed hash of the sender's IP, for the limits.
    calibration: `Calibration` as a dict. data_bar: first row of the data bar, None when there is none.
    reading: what was read in the data bar, a suggestion; {} when there is none.
    side: the files of the microscope that came beside it, as {"name": its own, "file": where it is stored}.
    """

    file = models.FileField(upload_to=upload_path, max_length=200)
    preview = models.FileField(upload_to=preview_path, max_length=200)
    name = models.CharField(max_length=SHOWN_NAME + 12)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField("size in bytes")
    kind = models.CharField(max_length=100, blank=True)
    width = models.PositiveIntegerField("width in px")
    height = models.PositiveIntegerField("height in px")
    calibration = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict, blank=True)
    notes = models.JSONField(default=list, blank=True)
    data_bar = models.PositiveIntegerField(null=True, blank=True)
    reading = models.JSONField(default=dict, blank=True)
    side = models.JSONField(default=list, blank=True)
    address = models.CharField(max_length=64, blank=True, db_index=True, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> str:
        return f"uploads/{self.pk}"

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1e6
