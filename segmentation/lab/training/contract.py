"""What a task says of itself where networks are taught and scored, and what arrays are called; `core.tasks` says the
rest."""

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

    from ...core.micrograph.types import Micrograph
    from ...core.network.cards import ModelCard
    from ...core.truth import Pair
    from .data import Labelled
    from .evaluation.predictions import Options, Prediction, Predictor

# An array of a stored dataclass or named tuple, exact to the last bit: its bytes, and what they are.
STORED = (
    PlainValidator(lambda parts: np.ndarray(parts[0], parts[1], bytes.fromhex(parts[2]))),
    PlainSerializer(lambda array: (array.shape, array.dtype.str, array.tobytes().hex())),
)
Labels = NDArray[np.int32]
Maps = NDArray[np.uint8]
Floats = Annotated[NDArray[np.float64], *STORED]
Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
Picture = NDArray[np.uint8]
Rng = np.random.Generator
Say = Callable[[str], None]
Shape = tuple[int, int]  # rows and columns


class Definition(NamedTuple):
    """A figure of a report. title: for tables. text: what it is. short: also in the tables by image and by group.
    counted: several parts of the data are summed, not averaged. unit: where the title does not have it."""

    title: str
    text: str
    decimals: int = 3
    short: bool = False
    counted: bool = False
    unit: str = ""

    @property
    def axis(self) -> str:
        """Title and unit, as an axis has them."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


COUNT_OFF = Definition(
    "Error of the number of objects, %",
    "Sum over the images of |found - true| objects, in percent of the true: images do not make up for each other.",
    1,
)


def table_beside(file: str) -> dict[str, Any]:
    """The content of the TOML file beside a file of Python."""
    return tomllib.loads(Path(file).with_suffix(".toml").read_text("utf-8"))


def defined(entries: Mapping[str, Mapping[str, Any]], **words: Any) -> dict[str, Definition]:
    """The figures of a table by name; words: those in braces. An empty entry is COUNT_OFF."""
    return {
        name: Definition(
            **{key: text.format(**words) if isinstance(text, str) else text for key, text in entry.items()}
        )
        if entry
        else COUNT_OFF
        for name, entry in entries.items()
    }


class Tracked(NamedTuple):
    """The figures measured on the validation crops of a training: Dice, the task's best score, and the error of the
    quantity that the task measures. The error is 0 at best and never negative."""

    dice: str
    score: str
    error: str


class Examiner(Protocol):
    """What becomes of the maps of one image after the other, and what else they say."""

    def find(self, prediction: Prediction, truth: Labels, unit: float) -> tuple[Labels, Any]:
        """The labels (R, W) found in the analysed rows, and the image's record (see `Scoring.metrics`).

        truth: (H, W) labels. unit: size of a pixel, in the unit of lengths.
        """

    def report(self, images: Sequence[Any], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        """Further entries of the report, of all images. images: their records. groups: of the images."""


class Fitted(NamedTuple):
    """A part of a card that was fitted. entry: its name in the card's facts. entries: of the card. facts: of its table
    [training]. summary: what it is worth, in a line."""

    entry: str
    entries: dict[str, Any]
    facts: dict[str, Any]
    summary: str


Fit = Callable[["Predictor", Sequence["Pair"], "Options", Say], Fitted]


@dataclass(frozen=True)
class Scoring:
    """How a result is compared with the truth.

    examine: begins an evaluation.
    metrics(images, weights): figures of the result, each (n,) for weights (n, images) of the images.
    quantity_errors(images, weights, nm): errors of the task's quantities, in the same form.
    definitions: definitions of all these figures.
    panels(micrograph, predicted, truth): (h, w, 3) pictures: image, truth, result, errors.
    legend: names and colours of the errors.
    printed: names of the figures that the command prints.
    tracked: figures in the curves of a training.
    kinds: description of each kind of error.
    tally(images): counts over several images.
    rank: sorts the images of a report, best first; by the task's score without one.
    by_class: figures that each class has of its own, called NAME_figure.
    outcome: names of the figures by which a fine-tuned model is compared with its base; the first is the error of the
    number that an analysis reports. Those that are tracked without any.
    ways(card): options with which the maps of a model may be read, its own first; see `instances.readings`.
    note: a sentence for the page that says how things are counted; `{unit}` is the unit of lengths.
    options: options of `evaluate` that only some kinds of scoring have.
    fits: what can be fitted of a card, in this order: from a model and images with truth. They raise UserError where
    these are too few.
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
    ways: Callable[[ModelCard], list[dict[str, Any]]] = lambda card: [{}]
    note: str = ""
    options: frozenset[str] = frozenset()
    fits: Mapping[str, Fit] = field(default_factory=dict)

    @property
    def compared(self) -> tuple[str, ...]:
        """The names of `outcome`, or those that are tracked."""
        return self.outcome or (self.tracked.error, self.tracked.score, self.tracked.dice)

    def ranked(self, images: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The images of a report, best first."""
        return sorted(images, key=self.rank or (lambda image: -(image["figures"][self.tracked.score] or 0)))


@dataclass(frozen=True)
class LearningTask:
    """One kind of analysis, as it is taught.

    channels: names of the network's maps. Empty where a recipe names them in `heads`, and a card in `maps`.
    optional: further maps that a recipe may add; the card then names them.
    targets(labels, channels): (T, H, W) float32 targets of the loss from labels (H, W).
    loss: name in `losses` of the default loss.
    activation: turns logits into maps in 0..1.
    preview(maps): labels from (C, H, W) uint8 maps, for the pictures of a training.
    scoring(names): the `Scoring` for maps with these names.
    classes: whether labels are numbers of classes (1, 2, ...) instead of objects. Each class has a map.
    learnt(pictures): entries of a card's options, from the pictures that the model was taught on.
    drawn(labels): the mask (H, W) that is taught, from the objects of a result; None where the objects themselves are.
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
    learnt: Callable[[Sequence[Labelled]], dict[str, Any]] = lambda pictures: {}
    drawn: Callable[[Labels], Labels] | None = None
