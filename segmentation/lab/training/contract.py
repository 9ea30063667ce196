"""Interfaces of a task in training: how it is taught (LearningTask) and scored (Scoring); and types of arrays.

The part of a task in an analysis is in `core.tasks`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator

if TYPE_CHECKING:
    from torch import Tensor

    from ...core.masks.truth import Pair
    from ...core.micrograph.types import Micrograph
    from ...core.network.cards import ModelCard
    from .data import LabelledImage
    from .evaluation.predictions import Options, Prediction, Predictor

# Pydantic annotations by which an array is stored without loss in JSON: shape, dtype and bytes.
STORED = (
    PlainValidator(lambda parts: np.ndarray(parts[0], parts[1], bytes.fromhex(parts[2]))),
    PlainSerializer(lambda array: (array.shape, array.dtype.str, array.tobytes().hex())),
)
Labels = NDArray[np.int32]
Maps = NDArray[np.uint8]  # 0..255 for values from 0 to 1
Floats = Annotated[NDArray[np.float64], *STORED]
Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
Picture = NDArray[np.uint8]
Rng = np.random.Generator
Say = Callable[[str], None]  # prints or reports a line of text
Shape = tuple[int, int]  # rows and columns


class Definition(NamedTuple):
    """What a score (a "figure" of a report) means.

    title: for tables. text: explanation. decimals: how many are shown. short: also shown in the tables by image and by
    group. counted: a number of things, so values of several images are added, not averaged. unit: "" if the title names
    it.
    """

    title: str
    text: str
    decimals: int = 3
    short: bool = False
    counted: bool = False
    unit: str = ""

    @property
    def axis(self) -> str:
        """Title and unit, for the axis of a plot."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


# The definition of "count_off", which several tasks share.
COUNT_OFF = Definition(
    "Error of the number of objects, %",
    "Sum over the images of |found - true| objects, in percent of the true: images do not make up for each other.",
    1,
)


def table_beside(file: str) -> dict[str, Any]:
    """The content of the TOML file that lies beside a Python file and has its name."""
    return tomllib.loads(Path(file).with_suffix(".toml").read_text("utf-8"))


def read_definitions(entries: Mapping[str, Mapping[str, Any]], **words: Any) -> dict[str, Definition]:
    """The definitions of scores by name, from a table of a TOML file. words: fill the braces of its texts. An empty
    entry stands for COUNT_OFF."""
    return {
        name: Definition(
            **{key: text.format(**words) if isinstance(text, str) else text for key, text in entry.items()}
        )
        if entry
        else COUNT_OFF
        for name, entry in entries.items()
    }


class Tracked(NamedTuple):
    """Names of the scores that are measured on the validation crops of a training: Dice, the main score of the task,
    and the error of the quantity that the task measures. The error is 0 at best and never negative."""

    dice: str
    score: str
    error: str


class Examiner(Protocol):
    """Makes results from the maps of each image, compares them with the truth, and collects values for a report.

    A record is the comparison of one image with its truth; each Examiner has a type for its records."""

    def find(self, prediction: Prediction, truth: Labels, unit: float) -> tuple[Labels, Any]:
        """The labels (R, W) found in the analysed rows, and the record of the image (see `Scoring.metrics`).

        truth: (H, W) labels. unit: size of a pixel, in the unit of lengths.
        """

    def report(self, images: Sequence[Any], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        """Further entries of the report on all images. images: their records. groups: their groups. nm: whether lengths
        are nanometres, else px."""


class Fitted(NamedTuple):
    """A fitted part of a model's card. entry: name of the part. entries: values that the fit sets in the card. facts:
    entries that it adds to the card's table [training]. summary: a line about how good the fit is."""

    entry: str
    entries: dict[str, Any]
    facts: dict[str, Any]
    summary: str


Fit = Callable[["Predictor", Sequence["Pair"], "Options", Say], Fitted]


@dataclass(frozen=True)
class Scoring:
    """How a result is compared with the truth.

    examine(predictor, options): a new Examiner.
    metrics(images, weights): from the records of images the scores by name, each (n,) for weights (n, images).
    quantity_errors(images, weights, nm): errors of the measured quantities by name, each (n,).
    definitions: definitions of all these scores.
    panels(micrograph, predicted, truth): (h, w, 3) uint8 pictures: image, truth, result, errors.
    legend: names and colours of the errors.
    printed: names of the scores that the command `evaluate` prints.
    tracked: scores in the curves of a training.
    kinds: description of each kind of error.
    tally(images): numbers of errors in several images, from their records.
    rank: sort key of the images of a report, best first; None: the task's main score.
    by_class: names of the scores of each class, such as NAME_iou.
    outcome: names of the scores by which a fine-tuned model is compared with its base; the first is the error of the
    number that an analysis reports. Empty: the tracked scores.
    option_sets(card): sets of options for the maps of a model, its own options first; see `instances.option_sets`.
    note: a sentence for the page that says what is counted; `{unit}` is the unit of lengths.
    options: options of `evaluate` that only some kinds of scoring have.
    fits: the parts of a card that can be fitted, in this order: functions of a model and images with truth. They raise
    UserError if the images are too few.
    """

    examine: Callable[[Predictor, Options], Examiner]
    metrics: Callable[[Sequence[Any], Floats], dict[str, Floats]]
    quantity_errors: Callable[[Sequence[Any], Floats, bool], dict[str, Floats]]
    definitions: Mapping[str, Definition]
    panels: Callable[[Micrograph, Labels, Labels], list[Picture]]
    legend: Mapping[str, tuple[int, int, int]]
    printed: tuple[str, ...]
    tracked: Tracked
    kinds: Mapping[str, str] = field(default_factory=dict)
    tally: Callable[[Sequence[Any]], dict[str, Any]] = lambda images: {"errors": {}}
    rank: Callable[[Mapping[str, Any]], Any] | None = None
    by_class: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outcome: tuple[str, ...] = ()
    option_sets: Callable[[ModelCard], list[dict[str, Any]]] = lambda card: [{}]
    note: str = ""
    options: frozenset[str] = frozenset()
    fits: Mapping[str, Fit] = field(default_factory=dict)

    @property
    def compared(self) -> tuple[str, ...]:
        """Names of the scores by which two models are compared."""
        return self.outcome or (self.tracked.error, self.tracked.score, self.tracked.dice)

    def ranked(self, images: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The images of a report, best first."""
        return sorted(images, key=self.rank or (lambda image: -(image["figures"][self.tracked.score] or 0)))


@dataclass(frozen=True)
class LearningTask:
    """How one kind of analysis is taught.

    channels: names of the network's maps. Empty: a recipe names them in `heads`, and a card in `maps`.
    optional: names of further maps that a recipe may add.
    targets(labels, channels): (T, H, W) float32 targets of the loss, from labels (H, W).
    loss: name of the default loss, see `losses`.
    activation(logits): maps in 0..1.
    preview(maps): labels (H, W) from maps (C, H, W) uint8, for the pictures of a training.
    scoring(names): the `Scoring` for maps with these names.
    classes: whether labels are numbers of classes (1, 2, ...) instead of objects. Each class has a map.
    learnt(pictures): entries of a card's options that are calculated from the training pictures.
    drawn(labels): the mask (H, W) that is taught, made from the objects of a result; None: the objects are taught.
    """

    name: str
    channels: tuple[str, ...]
    optional: tuple[str, ...]
    targets: Callable[[Labels, Sequence[str]], NDArray[np.float32]]
    loss: str
    activation: Callable[[Tensor], Tensor]
    preview: Callable[[Maps], Labels]
    scoring: Callable[[Sequence[str]], Scoring]
    classes: bool = False
    learnt: Callable[[Sequence[LabelledImage]], dict[str, Any]] = lambda pictures: {}
    drawn: Callable[[Labels], Labels] | None = None
