"""The answers on datasets, trainings and models, as they stand in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from ..core.learning import TrainingSummary
from .schemas import Note, State


class Training(Schema):
    """A training on a dataset; once it is done, a version of a model."""

    id: str
    url: str
    page: str = Field(description="The same for people.")
    title: str
    dataset: str | None = Field(description="Id; null once it was deleted.")
    base: str = Field(description="Name of the model that is trained further.")
    options: dict[str, Any]
    images: list[dict[str, Any]] = Field(description="As they were when the training was asked for.")
    state: State
    stage: str
    progress: float = Field(description="From 0 to 1.")
    expected_seconds: float | None = Field(description="Until it is done; null where that is not known.")
    error: str | None = Field(description="Why it failed.")
    created: str
    summary: TrainingSummary = Field(description="Grows while it runs; the entry outcome stands at the end.")
    model: str | None = Field(description="Name of the model that it made.")
    version: int | None = Field(description="Number of the model among those of the dataset.")
    offered: bool
    overruled: bool = Field(description="Whether a person offered it although its error did not fall.")
    shared: bool = Field(description="Whether every account may use it.")
    files: dict[str, str]


class OneJob(Schema):
    id: str
    url: str


class RunAgain(Schema):
    """Results that are run again with a model."""

    jobs: list[OneJob] = Field(description="The new revisions.")
    left_out: list[str] = Field(description="A sentence for each result that is not run again.")
    page: str = Field(description="Lists the main number of each before and after.")


class Suggestion(Schema):
    """An uncorrected result that would teach."""

    job: str
    url: str
    page: str
    image: str
    expected_wrong: float = Field(description="Outlines that are probably wrong, or a share of the area.")
    of: int = Field(description="All outlines, or all classes.")
    is_share: bool = Field(description="Whether expected_wrong is a share of the area.")
    unlike: bool = Field(description="Whether it looks unlike the images of the dataset.")
    gain: str = Field(description="The same in words.")


class Model(Schema):
    """A model that the caller may look at."""

    name: str
    title: str
    version: str
    task: str
    sha256: str = Field(description="Of the weights.")
    default: bool = Field(description="Whether it is used where the caller chooses none.")
    trained: bool = Field(description="Whether it was trained on this site.")
    offered: bool
    shared: bool
    overruled: bool = Field(description="Whether a person offered it although its error did not fall.")
    training: str | None = Field(description="Address of its training, for those who may see it.")
    page: str
    weights: str
    card: dict[str, Any]


class Default(Schema):
    """The model that is used where nobody chooses one; null: the choice is automatic."""

    task: str
    model: str | None
    site: bool


class DatasetImage(Schema):
    """An image of a dataset."""

    id: str
    name: str = Field(description="Of its file; no other of the dataset has its stem.")
    sha256: str
    labels_sha256: str = Field(description="Of the file of labels; empty until a worker has written it.")
    width: int
    height: int
    nm_per_pixel: float | None
    group: str = Field(description="Specimen or session.")
    region: list[int] | None = Field(description="Top, left, bottom, right in px of the checked part; null: all of it.")
    job: str | None = Field(description="The result that it comes from; null for an archive or a deleted result.")
    by: str | None = Field(description="The account that allowed that models learn from it.")
    consented: str
    error: str | None = Field(description="Why its outlines could not be written.")
    objects: int | None
    median_px: float | None = Field(description="Median diameter of equal circles.")
    shares: dict[str, float] | None = Field(description="Of the labelled pixels, by class.")


class Growth(Schema):
    day: str
    images: int
    objects: int


class ArchiveNote(Note):
    archive: str


class Dataset(Schema):
    """Images with outlines that a person has checked."""

    id: str
    url: str
    page: str = Field(description="The page of the same dataset for people.")
    export: str
    name: str
    task: str
    class_names: list[str] = Field(description="Where each pixel has a class, in the order of the numbers from 0.")
    material: str
    instrument: str
    licence: str
    shared: bool = Field(description="Whether every account may see it and train on it.")
    state: Literal["queued", "running", "done", "failed"]
    stage: str
    progress: float
    error: str | None
    images: list[DatasetImage]
    errors: list[str] = Field(description="What must be corrected before a training, as of the last check.")
    warnings: list[str]
    notes: list[ArchiveNote] = Field(description="What was not taken from the last archives, and why.")
    growth: list[Growth] = Field(description="How much there was at the end of each day on which something was added.")


class Datasets(Schema):
    count: int
    datasets: list[Dataset]
