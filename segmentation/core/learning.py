"""The stored summary of a training: the worker writes it, page and API show it."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12


class Plan(TypedDict):
    """The plan of a training. trainings: number of networks, the final one included. held_out: names of the held-out
    images of each split. seconds: expected time. of_step: seconds of a step with its evaluation. notes: remarks, such
    as that there are few images."""

    steps: int
    trainings: int
    held_out: list[list[str]]
    seconds: float
    of_step: float
    notes: list[str]


class Point(TypedDict):
    """A checkpoint. split: the held-out split from 0 on, -1 for the final training on all images."""

    split: int
    step: int
    loss: float | None
    validation_loss: float | None
    score: float | None
    error: float | None


class Picture(TypedDict):
    """A picture of a held-out image. step: 0 before the training. file: name of a TrainingFile."""

    image: str
    split: int
    step: int
    file: str


class Change(TypedDict):
    """A score on the held-out images before and after the training, with 95 % intervals over the images; null where
    not known. better: "higher", "lower" or "zero"."""

    name: str
    title: str
    unit: str
    better: str
    before: float | None
    before_interval: tuple[float, float] | None
    after: float | None
    after_interval: tuple[float, float] | None


class ImageChange(TypedDict):
    """A held-out image: its scores before and after, a picture of both, and "better", "worse" or "same"."""

    image: str
    before: dict[str, float | None]
    after: dict[str, float | None]
    file: str
    verdict: str


class Kept(TypedDict):
    """Scores on the data of the base model, before and after. data: their title."""

    data: str
    images: int
    figure: str
    before: float
    after: float


class Share(TypedDict):
    """share: of the tuned weights in the model; the rest is from the base model. keeps: share of the score on the base
    model's data that is left, null without such data. sentence: both in words."""

    share: float
    keeps: float | None
    sentence: str


class Step(TypedDict):
    """A point of the learning curve: error of the reported number (%) and score on the same held-out images. images:
    number of training images; 0 is the base model."""

    images: int
    error: float | None
    error_interval: tuple[float, float] | None
    score: float | None


class Composed(TypedDict):
    """What composed agglomerates bring on held-out images. kept: whether the model learnt from
    them. figure: what error; its values are without and with_them. score: what score; its values
    are score_without and score_with_them. sentence: all of it in words."""

    kept: bool
    figure: str
    without: float | None
    with_them: float | None
    score: str
    score_without: float | None
    score_with_them: float | None
    sentence: str


class Outcome(TypedDict):
    """improved: whether the error on held-out images fell, and the score did not. figure: what error; before and after
    are its values. sentence: for the page."""

    improved: bool
    figure: str
    before: float | None
    after: float | None
    sentence: str


class TrainingSummary(TypedDict, total=False):
    """Everything that a training's page shows; entries appear as they become known."""

    plan: Plan
    curve: list[Point]
    pictures: list[Picture]
    table: list[Change]
    images: list[ImageChange]
    legend: list[tuple[str, str]]  # what a colour of the pictures of `images` means, and it, such as "#ff0000"
    forgetting: list[Kept]
    share: Share
    learning_curve: list[Step]
    composed: Composed
    outcome: Outcome
