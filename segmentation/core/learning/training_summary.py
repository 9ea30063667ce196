"""The stored summary of a training, as JSON: the worker writes it, the page and the API show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import TypedDict  # before Python 3.12 pydantic does not take that of `typing`

# A limit on the card of a model that a person offered although its error did not fall.
OVERRULED = "Its error on held-out images did not fall. {who} offered it all the same."


def overruled_limit(limits: Iterable[str]) -> str:
    """The limit OVERRULED among those of a card, "" without one."""
    return next((limit for limit in limits if limit.startswith(OVERRULED.partition("{")[0])), "")


class Plan(TypedDict):
    """The plan of a training, which trains one network for each split and a final one on all images.

    steps: of each network. trainings: number of networks, the final one included. held_out: names of the held-out
    images of each split. seconds: expected time of everything. of_step: expected seconds of one step, with its share
    of the evaluations. notes: remarks for the user, such as that there are few images.
    """

    steps: int
    trainings: int
    held_out: list[list[str]]
    seconds: float
    of_step: float
    notes: list[str]


class Point(TypedDict):
    """The values at one checkpoint. split: number of the held-out split, from 0; -1 for the final training on all
    images. error: relative error of the number that results report, in %."""

    split: int
    step: int
    loss: float | None
    validation_loss: float | None
    score: float | None
    error: float | None


class Picture(TypedDict):
    """A picture of the outlines in a held-out image. step: number of steps at the checkpoint, 0 before the training.
    file: name of a stored TrainingFile."""

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
    """A held-out image: its scores before and after the training, the file of a picture of both, and the verdict
    "better", "worse" or "same"."""

    image: str
    before: dict[str, float | None]
    after: dict[str, float | None]
    file: str
    verdict: str


class Kept(TypedDict):
    """A score on the data of the base model, before and after the training: what the new model has not forgotten.

    data: title of these data. images: number of their images. figure: name of the score.
    """

    data: str
    images: int
    figure: str
    before: float
    after: float


class Share(TypedDict):
    """The new model is a weighted mean of the tuned and the base model's weights.

    share: weight of the tuned ones, 0 to 1. keeps: the part of the score on the base model's data that is left after
    the training, null without such data. sentence: both in words.
    """

    share: float
    keeps: float | None
    sentence: str


class Step(TypedDict):
    """A point of the learning curve: the error of the reported number (%) and the score on the held-out images, which
    are the same at all points. images: number of training images; 0 for the base model."""

    images: int
    error: float | None
    error_interval: tuple[float, float] | None
    score: float | None


class Composed(TypedDict):
    """Whether training on composed agglomerates (particles cut out and put together) helps on held-out images.

    kept: whether the final model learnt from them. figure: name of the error; without and with_them are its values
    without and with composed agglomerates.
    score: name of the score; score_without and score_with_them are its values. sentence: all of it in words.
    """

    kept: bool
    figure: str
    without: float | None
    with_them: float | None
    score: str
    score_without: float | None
    score_with_them: float | None
    sentence: str


class Outcome(TypedDict):
    """The result of a training. improved: whether the error on held-out images fell and the score did not fall.
    figure: name of the error; before and after are its values. sentence: for the page."""

    improved: bool
    figure: str
    before: float | None
    after: float | None
    sentence: str


class TrainingSummary(TypedDict, total=False):
    """Everything that a training's page shows; entries are added while the training runs."""

    plan: Plan
    curve: list[Point]
    pictures: list[Picture]
    table: list[Change]
    images: list[ImageChange]
    legend: list[tuple[str, str]]  # of the pictures in `images`: meaning, and colour such as "#ff0000"
    forgetting: list[Kept]
    share: Share
    learning_curve: list[Step]
    composed: Composed
    outcome: Outcome


def takes_nothing(summary: Mapping[str, Any]) -> bool:
    """Whether a training took 0 % of what was learnt (`Share`), so that its model is the base model."""
    return (summary.get("share") or {}).get("share") == 0
