"""The stored summary of a training: the worker writes it, page and API show it."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12


class Plan(TypedDict):
    """What a training is about to do. trainings: how many networks it trains, the held-out ones and the final one.
    held_out: names of the images that are held out, of each split. seconds: expected time of all. of_step: of a step,
    with looking at it. notes: sentences, such as that the data hardly suffice."""

    steps: int
    trainings: int
    held_out: list[list[str]]
    seconds: float
    of_step: float
    notes: list[str]


class Point(TypedDict):
    """A checkpoint. split: 0, 1, ... of the held-out splits, -1 for the final training on all images."""

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
    """One figure on the held-out images, before and after, with 95 % intervals over the images (None: unknown).
    better: "higher", "lower" or, with a sign, "zero"."""

    name: str
    title: str
    unit: str
    better: str
    before: float | None
    before_interval: tuple[float, float] | None
    after: float | None
    after_interval: tuple[float, float] | None


class ImageChange(TypedDict):
    """One held-out image: figures by name before and after, a picture of both, and "better", "worse" or "same"."""

    image: str
    before: dict[str, float | None]
    after: dict[str, float | None]
    file: str
    verdict: str


class Kept(TypedDict):
    """What a model still knows of the base model's own data. data: their title."""

    data: str
    images: int
    figure: str
    before: float
    after: float


class Share(TypedDict):
    """share: of the tuned weights in the model, the rest is the base model's. keeps: part of the score on the base
    model's own data that is left, None where none are at hand. sentence: both, and what the base is still better at."""

    share: float
    keeps: float | None
    sentence: str


class Step(TypedDict):
    """A point of the learning curve: error of the reported number (%) and score on the same held-out images, with so
    many images to learn from; 0 is the base model."""

    images: int
    error: float | None
    error_interval: tuple[float, float] | None
    score: float | None


class Outcome(TypedDict):
    """improved: whether the held-out error fell. figure: the title of what was compared. sentence: for the page."""

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
    outcome: Outcome
