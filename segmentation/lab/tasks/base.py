"""What a task says of itself where networks are taught and scored; `core.tasks` says the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from ...core.micrograph.types import Micrograph
    from ..data import Labelled
    from ..evaluation.predictions import Options, Predictor, Seen

Labels = NDArray[np.int32]
Maps = NDArray[np.uint8]
Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]


class Definition(NamedTuple):
    """A figure of a report. title: for tables. text: what it is. short: also in the tables by image and by group.
    counted: of several parts of the data the sum is told, not the mean. unit: where the title does not have it."""

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
    "Error of the number, %",
    "Sum over the images of |found - true| objects, in percent of the true: images do not make up for each other.",
    1,
)


class Followed(NamedTuple):
    """The figures that are measured on the validation crops of a training: Dice, the score by which the task is best
    judged, and the error, 0 at best and never below, of the quantity that it measures."""

    dice: str
    score: str
    error: str


class Examiner(Protocol):
    """What becomes of the maps of one image after the other, and what else they say."""

    def find(self, seen: Seen, truth: Labels, unit: float) -> tuple[Labels, Any]:
        """The labels (H, W) found in an image, and what it contributes to the figures (see `Scoring.metrics`).

        truth: (H, W) labels. unit: size of a pixel in that of lengths.
        """
        ...

    def report(self, images: Sequence[Any], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        """Further entries of the report, of all that was seen; images: what `find` gave."""
        ...


@dataclass(frozen=True)
class Scoring:
    """How what was found is compared with the truth.

    examine: begins an evaluation. metrics(images, weights): figures of what was found, each (n,) for weights (n,
    images) of the images. quantity_errors(images, weights, nm): the same of the errors of the task's quantities.
    definitions: of all these. kinds: what each kind of error is. tally(images): counts of some images together. rank:
    sorts entries of the report's images, the best first. panels(micrograph, found, truth): (h, w, 3) pictures of an
    image, its truth, what was found and what is wrong. legend: names and colours of the last. shown: the figures that
    the command prints. followed: those of a training's curves. by_class: those that each class has of its own; they are
    called NAME_figure. note: a sentence for the page on what is counted, where `{unit}` is that of lengths. options:
    those of the command that not every kind of scoring has.
    """

    examine: Callable[[Predictor, Options], Examiner]
    metrics: Callable[[Sequence[Any], Floats], dict[str, Floats]]
    quantity_errors: Callable[[Sequence[Any], Floats, bool], dict[str, Floats]]
    definitions: Mapping[str, Definition]
    kinds: Mapping[str, str]
    tally: Callable[[Sequence[Any]], dict[str, Any]]
    rank: Callable[[Mapping[str, Any]], Any]
    panels: Callable[[Micrograph, Labels, Labels], list[Picture]]
    legend: Mapping[str, tuple[int, int, int]]
    shown: tuple[str, ...]
    followed: Followed
    by_class: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    note: str = ""
    options: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LearningTask:
    """One kind of analysis, as it is taught.

    channels: the maps that an analysis needs, as the network puts them out; none where recipes name them in `heads`,
    and cards in `maps`. optional: further maps that a recipe may add, and a card then names. targets(labels, channels):
    (T, H, W) float32 from labels (H, W), what the loss is given. loss: name in `losses` of the one that a recipe means
    when it says none. activation: makes maps in 0..1 of logits. preview(maps): labels of (C, H, W) uint8 maps, for the
    pictures of a training. scoring(names): of maps of these names. classes: whether labels are the numbers 1, 2, ... of
    classes, of which each has a map, instead of objects. learnt(pictures): entries of a card's options, from the
    pictures that a model was taught.
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
