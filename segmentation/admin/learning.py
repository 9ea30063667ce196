"""Datasets, trainings and the models that are used by default."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .. import services
from ..models import (
    Dataset,
    ModelDefault,
    Training,
    TrainingFile,
)
from ..presenters.dataset import DatasetPage
from ..presenters.training import sentence_of
from ..services.learning.trainings import cancel_training, delete_training, retry_training
from .base import LookOnly


@admin.register(Dataset)
class DatasetAdmin(LookOnly):
    list_display = ("name", "owner", "task", "status", "images", "shared", "created", "page")
    list_filter = ("task", "state", "shared", "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "name", "material", "instrument", "owner__username", "images__name", "images__sha256")
    search_help_text = "Name, material, instrument or user, or the name or sha256 of one of its images"
    summary_fields = (
        *("name", "page", "owner", "task", "material", "instrument", "licence", "shared", "state", "error"),
        *("counted", "errors", "warnings", "created"),
    )
    actions = ("again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("owner").annotate(images_count=Count("images"))

    @admin.display(ordering="images_count")
    def images(self, dataset: Any) -> int:
        return dataset.images_count

    @admin.display(description="holds")
    def counted(self, dataset: Dataset) -> str:
        return DatasetPage(dataset).counted

    @admin.display(description="must be corrected before a training")
    def errors(self, dataset: Dataset) -> str:
        return " ".join(DatasetPage(dataset).errors)

    @admin.display(description="worth a look")
    def warnings(self, dataset: Dataset) -> str:
        return " ".join(DatasetPage(dataset).warnings)

    @admin.display
    def page(self, dataset: Dataset) -> SafeString:
        return format_html('<a href="{}">open the dataset</a>', reverse("dataset-page", args=[dataset.pk]))

    @admin.action(description="Check selected datasets again", permissions=["change"])
    def again(self, request: HttpRequest, datasets: QuerySet) -> None:
        self._each(request, datasets, services.check_again, "waiting for the check")

    def delete_model(self, request: HttpRequest, obj: Dataset) -> None:
        services.delete_dataset(dataset=obj)


@admin.register(Training)
class TrainingAdmin(LookOnly):
    list_display = (
        "dataset",
        "base",
        "owner",
        "status",
        "model_name",
        "version",
        "offered",
        "shared",
        "created",
        "page",
    )
    list_filter = ("state", "offered", "shared", "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "dataset__name", "base", "model_name", "owner__username", "error")
    summary_fields = (
        *("page", "dataset", "base", "owner", "state", "stage", "error", "outcome", "model_name", "version"),
        *("offered", "overruled_by", "shared", "results", "created", "started", "finished"),
    )
    files = TrainingFile
    actions = ("retry", "cancel")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("dataset", "owner")

    @admin.display
    def outcome(self, training: Training) -> str:
        return sentence_of(training)

    @admin.display
    def page(self, training: Training) -> SafeString:
        return format_html('<a href="{}">open the training</a>', reverse("training", args=[training.pk]))

    @admin.action(description="Try selected trainings again", permissions=["change"])
    def retry(self, request: HttpRequest, rows: QuerySet) -> None:
        self._each(request, rows, retry_training, "waiting again")

    @admin.action(description="Cancel selected trainings", permissions=["change"])
    def cancel(self, request: HttpRequest, rows: QuerySet) -> None:
        self._each(request, rows, cancel_training, "cancelled")

    def delete_model(self, request: HttpRequest, obj: Training) -> None:
        delete_training(training=obj)


@admin.register(ModelDefault)
class ModelDefaultAdmin(LookOnly):
    """Which model is used where nobody chooses one; deleting a row makes the choice automatic again."""

    date_hierarchy = "changed"
    list_display = ("task", "whose", "model_name", "changed")
    list_filter = ("task",)
    summary_fields = ("task", "whose", "model_name", "before", "changed")

    @admin.display(description="of")
    def whose(self, row: ModelDefault) -> str:
        return str(row.owner) if row.owner else "the site"
