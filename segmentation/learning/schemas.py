"""The response schemas of the API for datasets, trainings and models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.db.models import prefetch_related_objects
from django.http import HttpRequest
from ninja import Schema
from pydantic import Field

from ..api.shared.schemas import (
    Answer,
    FromRow,
    Id,
    Note,
    Reason,
    State,
    address,
    file_urls,
    or_null,
    text_of,
    url_of_view,
)
from ..core.learning.training_summary import TrainingSummary
from .datasets.words import IMAGES, findings_of
from .trainings.words import TrainingView, seconds_left


class Training(Answer):
    """A training on a dataset; once it is done, a version of a model."""

    id: Id
    url: Annotated[str, url_of_view("api:training")]
    page: Annotated[str, url_of_view("training")] = Field(description="The page of the training.")
    title: Annotated[str, FromRow(lambda row, _: TrainingView(row).title)]
    dataset: Annotated[str | None, text_of("dataset_id")] = Field(description="Id; null once it was deleted.")
    base: str = Field(description="Name of the model that is trained further.")
    options: dict[str, Any]
    images: Annotated[list[dict[str, Any]], FromRow(lambda row, _: row.frozen)] = Field(
        description="The images when the training was started."
    )
    state: State
    stage: str
    progress: float = Field(description="From 0 to 1.")
    expected_seconds: Annotated[float | None, FromRow(lambda row, _: seconds_left(row))] = Field(
        description="Seconds until it is done; null where not known."
    )
    error: Reason = Field(description="Why it failed.")
    created: Annotated[str, FromRow(lambda row, _: row.created.isoformat())]
    summary: TrainingSummary = Field(description="It grows during the training; its last entry has the key outcome.")
    model: Annotated[str | None, or_null("model_name")] = Field(description="Name of the new model.")
    version: Annotated[int | None, or_null("version")] = Field(
        description="Version of the model: the number of this training among the trainings of the dataset."
    )
    offered: bool
    overruled: Annotated[bool, FromRow(lambda row, _: row.overruled_by_id is not None)] = Field(
        description="Whether a person offered it although its error did not fall."
    )
    shared: bool = Field(description="Whether every account may use it.")
    files: Annotated[dict[str, str], file_urls("api:training-file")]


class OneJob(Answer):
    id: Id
    url: Annotated[str, url_of_view("api:job")]


class RunAgain(Schema):
    """The new jobs that run results again with a model."""

    jobs: list[OneJob] = Field(description="The new versions.")
    left_out: list[str] = Field(description="A sentence for each result that is not run again.")
    page: str = Field(description="A page with the main number of each result before and after.")


class Suggestion(Answer):
    """An uncorrected result that should be corrected next, because most of its outlines are probably wrong."""

    job: Annotated[str, FromRow(lambda row, _: str(row.job.pk))]
    url: Annotated[str, FromRow(lambda row, request: address(request, "api:job", row.job.pk))]
    page: Annotated[str, FromRow(lambda row, request: address(request, "job", row.job.pk))]
    image: Annotated[str, FromRow(lambda row, _: row.job.micrograph.name)]
    expected_wrong: Annotated[float, FromRow(lambda row, _: row.wrong.expected)] = Field(
        description="Number of outlines that are probably wrong, or share of the area."
    )
    of: Annotated[int, FromRow(lambda row, _: row.wrong.total)] = Field(
        description="Number of outlines of the result; if is_share, the number of its classes."
    )
    is_share: Annotated[bool, FromRow(lambda row, _: row.wrong.share)] = Field(
        description="Whether expected_wrong is a share of the area."
    )
    unlike: bool = Field(description="Whether it looks unlike the images of the dataset.")
    gain: str = Field(description="Why it is suggested, as a sentence: the expected errors, and whether it is unlike.")


class Model(Schema):
    """A model that the account may see."""

    name: str
    title: str
    version: str
    task: str
    sha256: str = Field(description="SHA-256 of the weights.")
    default: bool = Field(description="Whether it is the default of the account.")
    trained: bool = Field(description="Whether it was trained on this site.")
    offered: bool
    shared: bool
    overruled: bool = Field(description="Whether a person offered it although its error did not fall.")
    training: str | None = Field(description="Address of its training, for those who may see it.")
    page: str = Field(description="Address of the page of the model.")
    weights: str = Field(description="Address of the file of its weights.")
    card: dict[str, Any]


class Default(Schema):
    """The default model of a kind of analysis. model: null if the choice is automatic. site: whether it is the
    default of the whole site, and not a choice of this account."""

    task: str
    model: str | None
    site: bool


def from_summary(name: str, default: Any = None) -> FromRow:
    """The entry of this name in the row's summary."""
    return FromRow(lambda row, _: row.summary.get(name, default))


class DatasetImage(Answer):
    """An image of a dataset."""

    id: Id
    name: str = Field(
        description="Name of its file. No two images of a dataset have the same name, even with other endings."
    )
    sha256: str
    labels_sha256: str = Field(description="SHA-256 of the file of labels; empty until it is written.")
    width: int
    height: int
    nm_per_pixel: float | None
    group: str = Field(description="Specimen or session.")
    region: list[int] | None = Field(description="Top, left, bottom, right of the checked part in px; null: all of it.")
    job: Annotated[
        str | None, FromRow(lambda image, request: address(request, "api:job", image.job_id) if image.job_id else None)
    ] = Field(description="The result that it comes from; null for an archive or a deleted result.")
    by: Annotated[str | None, FromRow(lambda image, _: image.by.get_username() if image.by else None)] = Field(
        description="The account that allowed models to learn from it."
    )
    consented: Annotated[str, FromRow(lambda image, _: image.consented.isoformat())]
    error: Reason = Field(description="Why its outlines could not be written.")
    objects: Annotated[int | None, from_summary("objects")]
    median_px: Annotated[float | None, from_summary("median_px")] = Field(description="Median ECD in px.")
    shares: Annotated[dict[str, float] | None, from_summary("shares")] = Field(
        description="Share of the labelled pixels, by class."
    )


class ArchiveNote(Note):
    archive: str


def _images(row: Any, _: HttpRequest) -> list[Any]:
    prefetch_related_objects([row], IMAGES)
    return list(row.images.all())


class Dataset(Answer):
    """Images with outlines that a person has checked."""

    id: Id
    url: Annotated[str, url_of_view("api:dataset")]
    page: Annotated[str, url_of_view("dataset-page")] = Field(description="The page of the same dataset for people.")
    export: Annotated[str, url_of_view("api:dataset-export")]
    name: str
    task: str
    class_names: list[str] = Field(description="Names of the classes of pixels, in the order of their numbers from 0.")
    material: str
    instrument: str
    licence: str
    shared: bool = Field(description="Whether every account may see it and train on it.")
    state: Literal["queued", "running", "done", "failed"]
    stage: str
    progress: float
    error: Reason
    images: Annotated[list[DatasetImage], FromRow(_images)]
    errors: Annotated[list[str], FromRow(lambda row, _: findings_of(row, error=True))] = Field(
        description="What must be corrected before a training, as of the last check."
    )
    warnings: Annotated[list[str], FromRow(lambda row, _: findings_of(row, error=False))]
    notes: Annotated[list[ArchiveNote], from_summary("notes", [])] = Field(
        description="What was not taken from the last archives, and why."
    )


class Datasets(Schema):
    count: int
    datasets: list[Dataset]
