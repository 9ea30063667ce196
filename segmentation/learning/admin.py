"""The admin's lists of datasets, trainings, and the models that are used by default."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from ..admin.base import ReadOnlyAdmin, action, column, page_link
from ..models import Dataset, ModelDefault, Training, TrainingFile
from .datasets import services as datasets
from .datasets.words import DatasetPage
from .trainings.services import cancel_training, delete_training, retry_training
from .trainings.words import sentence_of


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin):
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

    images = column("images", lambda dataset: dataset.images_count, "images_count")
    counted = column("holds", lambda dataset: DatasetPage(dataset).counts_line)
    errors = column("must be corrected before a training", lambda dataset: " ".join(DatasetPage(dataset).errors))
    warnings = column("worth a look", lambda dataset: " ".join(DatasetPage(dataset).warnings))
    page = page_link("dataset-page", "open the dataset")
    again = action("Check selected datasets again", datasets.check_again, "waiting for the check")

    def delete_model(self, request: HttpRequest, obj: Dataset) -> None:
        datasets.delete_dataset(dataset=obj)


@admin.register(Training)
class TrainingAdmin(ReadOnlyAdmin):
    list_display = ("dataset", "owner", "status", "model_name", "offered", "shared", "created", "page")
    list_filter = ("state", "offered", "shared", "created", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("id", "dataset__name", "base", "model_name", "owner__username", "error")
    summary_fields = (
        *("page", "dataset", "base", "owner", "state", "stage", "error", "outcome", "model_name", "version"),
        *("offered", "overruled_by", "shared", "results", "created", "started", "finished"),
    )
    files = TrainingFile
    actions = ("retry", "cancel")
    list_select_related = ("dataset", "owner")

    outcome = column("outcome", lambda training: sentence_of(training))
    page = page_link("training", "open the training")
    retry = action("Try selected trainings again", retry_training, "waiting again")
    cancel = action("Cancel selected trainings", cancel_training, "cancelled")

    def delete_model(self, request: HttpRequest, obj: Training) -> None:
        delete_training(training=obj)


@admin.register(ModelDefault)
class ModelDefaultAdmin(ReadOnlyAdmin):
    """Which model is used where nobody chooses one; deleting a row makes the choice automatic again."""

    date_hierarchy = "changed"
    list_display = ("task", "whose", "model_name", "changed")
    list_filter = ("task",)
    summary_fields = ("task", "whose", "model_name", "before", "changed")

    whose = column("of", lambda row: str(row.owner) if row.owner else "the site")
