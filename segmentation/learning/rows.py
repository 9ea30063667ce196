"""Datasets (images with checked outlines, from which models learn), trainings on them, and the
default models of accounts and of the site."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ..core.learning.training_summary import takes_nothing
from ..models.base import SHOWN_NAME, Attempted, AttemptedQuerySet, Owned, StoredFile, WorkState
from ..models.jobs import Job


class Dataset(Owned, Attempted):
    """Images with checked outlines of one kind of analysis.

    After each change of its images the dataset is queued: a worker writes the files of new images, unpacks `incoming`
    archives and checks the whole dataset (`worker.learning.datasets`).

    task, class_names: of its segmentations; class_names is empty if each label is an object, and
    until an image is added.
    material, instrument, licence: as the owner describes them. shared: whether every account may see and train on it.
    incoming: archives that are not unpacked yet, as {"name", "file", "size", "sha256", "by", "sent"}.
    summary: for the page: counts, sizes, findings of the check.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        RUNNING = "running", "being checked"
        DONE = "done", "checked"
        FAILED = "failed", "failed"

    name = models.CharField(max_length=SHOWN_NAME)
    task = models.CharField(max_length=100, db_index=True)
    class_names = models.JSONField(default=list, blank=True)
    material = models.CharField(max_length=200, blank=True, default="")
    instrument = models.CharField(max_length=200, blank=True, default="")
    licence = models.CharField(max_length=200, blank=True, default="")
    shared = models.BooleanField(default=False)
    incoming = models.JSONField(default=list, blank=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DONE, db_index=True)
    summary = models.JSONField(default=dict, blank=True)

    objects = AttemptedQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    def is_visible_to(self, user: Any) -> bool:
        """Whether a user may see the dataset; a shared dataset is visible to every account."""
        signed_in = user is not None and user.is_authenticated
        return signed_in and (self.shared or super().is_visible_to(user))


class DatasetImage(models.Model):
    """One image of a dataset with its outlines, in separate files, which stay when the result is deleted.

    job: the result that the outlines come from; None for an import, or once the result is deleted.
    sha256: of the image file; an image is in a dataset once. labels_sha256: of the file of labels.
    group: specimen or session; a training never tests on images of a group from which it learns.
    region: [top, left, bottom, right] in px of the part that was checked, ends exclusive; None for the whole image.
    by, consented: who allowed that models learn from it, and when.
    image, labels, preview: files, "" until a worker has written them. size: their bytes. error: why they could not be
    written.
    summary: for the page, such as "objects" and "median_px".
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="images")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="dataset_images")
    name = models.CharField(max_length=SHOWN_NAME)
    sha256 = models.CharField(max_length=64, db_index=True, editable=False)
    labels_sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    nm_per_pixel = models.FloatField(null=True, blank=True)
    group = models.CharField("specimen or session", max_length=SHOWN_NAME, blank=True, default="")
    region = models.JSONField(null=True, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    consented = models.DateTimeField(default=timezone.now, editable=False)
    image = models.FileField(max_length=200, blank=True)
    labels = models.FileField(max_length=200, blank=True)
    preview = models.FileField(max_length=200, blank=True)
    size = models.BigIntegerField("size in bytes", default=0)
    error = models.TextField(blank=True)
    summary = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["consented", "pk"]
        constraints = [models.UniqueConstraint(fields=["dataset", "sha256"], name="one_image_of_a_dataset")]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> str:
        return f"datasets/{self.dataset_id}/{self.pk}"


class Training(Owned, Attempted):
    """One training on a dataset, and the model that it makes.

    base: name of the model that is trained further. options: the choices of the form, by the names of its fields.
    frozen: the images of the dataset when the training was requested:
        {"image" (pk), "name", "sha256", "labels_sha256", "group", "region"}.
    summary: a `core.learning.training_summary.TrainingSummary`, which the page shows. queued: when it last entered
    the queue.
    model_name: name of its ModelCard, "" until the model is published. version: number of its model among the models of
        the dataset, 1, 2, ...; 0 before the training first runs.
    offered: whether the forms of analyses offer the model. overruled_by: who offered it although
    its error did not fall.
    shared: whether every account may use the model, or only its owner. ends: expected end of the running attempt.
    """

    State = WorkState

    dataset = models.ForeignKey(Dataset, models.SET_NULL, null=True, related_name="trainings")
    base = models.CharField("base model", max_length=100)
    options = models.JSONField(default=dict, blank=True)
    frozen = models.JSONField(default=list, blank=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    queued = models.DateTimeField(default=timezone.now, editable=False)
    summary = models.JSONField(default=dict, blank=True)
    model_name = models.CharField("model", max_length=100, blank=True, default="", db_index=True)
    version = models.PositiveIntegerField(default=0)
    offered = models.BooleanField(default=False)
    overruled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    shared = models.BooleanField(default=False)
    ends = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AttemptedQuerySet.as_manager()

    @property
    def takes_nothing(self) -> bool:
        """Whether its model is the base model (`core.learning.training_summary.takes_nothing`)."""
        return takes_nothing(self.summary)

    def __str__(self) -> str:
        return f"training of {self.base} on {self.dataset or 'a deleted dataset'}"


class TrainingFile(StoredFile):
    """A file of a training: pictures of held-out images while it runs; at its end the card, weights and graph."""

    owner = "training"
    training = models.ForeignKey(Training, models.CASCADE, related_name="artifacts")

    class Meta(StoredFile.Meta):
        constraints = [models.UniqueConstraint(fields=["training", "name"], name="one_training_file_of_a_name")]


class ModelDefault(models.Model):
    """The model that the form proposes for a kind of analysis: for one account, or for the site (owner None)."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    task = models.CharField(max_length=100)
    model_name = models.CharField("model", max_length=100)
    before = models.JSONField(default=list, blank=True)  # names of the earlier default models, the latest one last
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "task"], name="one_default_of_an_account"),
            models.UniqueConstraint(fields=["task"], condition=Q(owner=None), name="one_default_of_the_site"),
        ]

    def __str__(self) -> str:
        return f"{self.task}: {self.model_name}"
