"""Segmentations of micrographs: each is stored once and measured by any number of jobs."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from ..core.labels.segmentation import Provenance
from .micrographs import Micrograph


class Segmentation(models.Model):
    """A stored `core.labels.segmentation.Segmentation`; it is deleted with the last job that measured it.

    provenance: as in its file: task, settings, the whole ModelCard as it was. size: of the file in bytes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    micrograph = models.ForeignKey(Micrograph, models.CASCADE, related_name="segmentations")
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="corrections")
    task = models.CharField(max_length=100)
    model_name = models.CharField("model", max_length=100, db_index=True)
    weights = models.CharField("SHA-256 of the weights", max_length=64)
    provenance = models.JSONField(default=dict)
    file = models.FileField(max_length=200)
    size = models.BigIntegerField("size in bytes")
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.micrograph.name}: {self.task} by {self.model_name}"

    @property
    def folder(self) -> str:
        return f"segmentations/{self.pk}"

    def get_provenance(self) -> Provenance:
        return Provenance.from_dict(self.provenance)
