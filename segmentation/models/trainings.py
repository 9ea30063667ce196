"""Trainings of a model on a dataset, and which model is the default of an account or of the site."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from .base import Attempted, AttemptedQuerySet, Owned, StoredFile, WorkState
from .datasets import Dataset


class Training(Owned, Attempted):
    """One training, and once it is done one version of a dataset's model.

    base: name of the model that is trained further. options: as the form asks them. frozen: the images as they were
    when the training was asked for: {"image" (pk), "name", "sha256", "labels_sha256", "group", "region"}.
    summary: the plan, live curve, table on held-out images, learning curve, outcome; the page shows it.
    model_name: of its ModelCard, "" until it is published. version: 1, 2, ... of the dataset's models.
    offered: whether the form offers the model. overruled_by: who offered it although it was no better.
    shared: whether every account may use the model, or its owner alone. ends: expected end of the running attempt.
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

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"training of {self.base} on {self.dataset or 'a deleted dataset'}"


class TrainingFile(StoredFile):
    """A file of a training: pictures of held-out images, curves, table, card, weights."""

    training = models.ForeignKey(Training, models.CASCADE, related_name="artifacts")

    def siblings(self) -> models.QuerySet:
        return self.training.artifacts.all()

    class Meta(StoredFile.Meta):
        constraints = [models.UniqueConstraint(fields=["training", "name"], name="one_training_file_of_a_name")]


class ModelDefault(models.Model):
    """The model that the form proposes for a kind of analysis: to one account, or (owner None) to the site."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    task = models.CharField(max_length=100)
    model_name = models.CharField("model", max_length=100)
    before = models.JSONField(default=list, blank=True)  # the models that were the default before, the last one last
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "task"], name="one_default_of_an_account"),
            models.UniqueConstraint(fields=["task"], condition=Q(owner=None), name="one_default_of_the_site"),
        ]

    def __str__(self) -> str:
        return f"{self.task}: {self.model_name}"
