"""Counts the stored bytes of a sender."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet, Sum, TextField
from django.db.models.functions import Cast, Length

from ... import models
from . import bundles


def stored_bytes(mine: Q, user: Any = None) -> int:
    """The stored bytes of a sender: images, results, corrections, datasets and trainings, versions and studies of
    methods, and files of outlines and archives that wait for a worker. mine: the result of `filter_for_sender`. user:
    the account, which may have methods."""
    jobs, images = models.Job.objects.filter(mine), models.Micrograph.objects.filter(mine)
    artifacts = models.Artifact.objects.filter(job__in=jobs.values("pk")).exclude(name=bundles.SEGMENTATION_FILE)
    segmentations = models.Segmentation.objects.filter(pk__in=jobs.values("segmentation"))
    pooled = models.SampleArtifact.objects.filter(sample__in=models.Sample.objects.filter(mine).values("pk"))
    dataset_images = models.DatasetImage.objects.filter(dataset__in=models.Dataset.objects.filter(mine).values("pk"))
    trained = models.TrainingFile.objects.filter(training__in=models.Training.objects.filter(mine).values("pk"))
    waiting_files = [
        outlines for outlines in jobs.exclude(outlines={}).values_list("outlines", flat=True) if "file" in outlines
    ]
    for incoming in models.Dataset.objects.filter(mine).exclude(incoming=[]).values_list("incoming", flat=True):
        waiting_files += incoming
    others = bytes_of(images, "viewer_size") + bytes_of(jobs, "edit_bytes") + side_bytes(images)
    others += sum(file.get("size", 0) for file in waiting_files)
    if user is not None and user.is_authenticated:
        others += text_bytes(models.MethodVersion.objects.filter(method__owner=user), "description")
        others += text_bytes(models.Study.objects.filter(owner=user), "rows")
    return others + sum(map(bytes_of, (images, artifacts, segmentations, pooled, dataset_images, trained)))


def side_bytes(images: QuerySet) -> int:
    """The bytes of the side files of these images, each file counted once."""
    side_files = models.SideFile.objects.filter(micrograph__in=images.values("pk"))
    return side_files.values("file", "size").distinct().aggregate(all=Sum("size"))["all"] or 0


def bytes_of(rows: QuerySet, field: str = "size") -> int:
    """The sum of a field with bytes over rows. Archives are not counted, because only a small plan of
    each is stored."""
    if issubclass(rows.model, models.StoredFile):
        rows = rows.exclude(file__endswith=bundles.PLAN_SUFFIX)
    return rows.aggregate(all=Sum(field))["all"] or 0


def text_bytes(rows: QuerySet, field: str) -> int:
    """The characters of a field with JSON over rows, about as many bytes."""
    return rows.order_by().aggregate(all=Sum(Length(Cast(field, TextField()))))["all"] or 0
