"""The contract of a task: what one kind of analysis is to the rest of the house.

A task is values and plain functions, put together in one file of this folder, which `tasks.find` finds by its name.
The web process reads tasks, too: what needs scipy, scikit-image, matplotlib or torch is imported inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..flags import Flag
from ..labels.segmentation import Cut, Segmentation
from ..measure.pooled_fields import PoolFields, by_area
from ..measure.quantities import OF, Value, number
from ..measure.results import Statistics
from ..measure.table import Table
from ..micrograph.types import Calibration, Micrograph
from ..network.card_entries import ModelOptions
from ..network.cards import ModelCard
from ..network.scale_search import View
from ..settings import MeasurementSettings, SegmentationSettings

Maps = NDArray[np.uint8]
Predict = Callable[[NDArray[np.float32]], Maps]
Further = Callable[
    [NDArray[np.int32], Maps, NDArray[np.uint8], View, "ModelCard", Any],
    tuple[dict[str, NDArray[np.int32]], dict[str, Any], dict[str, NDArray[np.uint8]]],
]
FirstLook = Callable[[Maps, NDArray[np.uint8], View, "ModelCard", Any], tuple[NDArray[np.int32], NDArray[np.float32]]]


def as_is(predict: Predict, card: ModelCard, picture: NDArray[np.float32], settings: Any) -> View:
    """The unchanged scale, for networks that were trained in pixels."""
    return View()


@dataclass(frozen=True, eq=False)
class Decoded:
    """The result of `decode` for the analysed rows; fields as in `Segmentation`, without the rows of the data bar.

    labels: (H, W) int32 1..n. classes: (n,) int32. confidence: (n,) float32. layers: (H, W) uint8 each.
    """

    labels: NDArray[np.int32]
    confidence: NDArray[np.float32]
    classes: NDArray[np.int32]
    used: dict[str, Any] = field(default_factory=dict)
    alternatives: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    layers: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True, eq=False)
class Measured:
    """The result of `measure`.

    table: a row for each object, or for each class of a `semantic` task. statistics: of the objects' sizes; None
    without a size distribution. quantities: the numbers that the task answers with, in the order of `task.quantities`,
    by name, those of a class by `of_class`.
    flags: warnings for the user.
    """

    table: Table
    statistics: Statistics | None = None
    quantities: dict[str, Value] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Curve:
    """A chart of the page. across: the title of x, with its unit. lines: y of each class. A histogram has one x more:
    the edges of its bars."""

    title: str
    across: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Channels:
    """The maps that the network predicts, one for each name.

    activation: "sigmoid" makes every map a probability of its own, "softmax" the maps of a pixel one together.
    """

    names: tuple[str, ...]
    activation: Literal["sigmoid", "softmax"] = "sigmoid"

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Granulometry:
    """What the report form of OECD Test Guideline 125 says of a kind of analysis.

    why: its size was chosen. objects: what shape they are, "" where the laboratory says. smallest: what counts, ""
    where the filter decides. also: columns beside the size that matter, () for all measures.
    """

    why: str
    objects: str = ""
    smallest: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Golden:
    """A drawn case with known answers, which the conformance test runs.

    picture: (H, W) uint8. maps: (C, H, W) uint8 of a perfect network. names: of the maps, if a card names them. count:
    number of objects. answers: expected quantities by name, within a relative `tolerance`.
    """

    picture: NDArray[np.uint8]
    maps: Maps
    count: int
    answers: dict[str, float]
    tolerance: float = 0.02
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One kind of analysis.

    name: in settings, cards and addresses. title, summary: for people. thing, things: one of what it finds, and
        several ("particle", "particles"). class_names: of the classes that objects may have, in the order of their
        numbers; none where they are the maps that a card names.
    settings: its SegmentationSettings, from which form, API and command line are derived.
    channels(card): what the network predicts.
    scale(predict, card, picture, settings): how to show the picture (H, W) float32 in 0..1; predict(picture) gives the
        maps (C, H, W) uint8 of any picture.
    decode(maps, grey, view, card, settings): maps (C, H, W) uint8 in the picture's own pixels -> Decoded. grey: (H, W)
        uint8, the picture itself in the polarity in which it was shown.
    measure(segmentation, micrograph, settings, calibration): -> Measured: the table, what it says together, flags.
    quantities: names of the numbers that this kind answers with, those of classes without the class, in the order in
        which they are shown (core.measure.quantities).
    curves(segmentation, calibration, settings): what the page draws where there is no size distribution.
    panels: the figure's four panels, functions of the report's drawing room by name (core.report.panels).
    golden(): a drawn case with known answers.
    method: a sentence for a paper, on how maps become outlines, with {names} of `Segmentation.used`.
    semantic: whether each pixel belongs to a class and the table has a row per class; else objects have numbers.
    table: name of its table's file.
    size: column of its table that the size distribution shows; "" where there is none.
    figures: its own numbers that are figures of this distribution, by name: {"grain_diameter_mean": "mean"}.
    screened: whether its objects are screened as nanomaterials, with an uncertainty budget. The size distribution is
        then the answer; any other kind answers with its `quantities`, and the distribution stands below them.
    granulometry: what the form of OECD TG 125 says of it; None where it has neither the form nor the endpoint record.
    pool_fields(fields): its numbers for several images as one sample; None where the size distributions are pooled.
    options: entries in the cards of its models that only this kind reads. `diameter` is the size that a model likes
        best, where a setting names a typical size.
    facts(card): these entries as terms and sentences for the page of the models.
    unsure(segmentation): whether the search should try another model of this task, which may find more.
    better(one, other): whether the result `one` replaces the result `other` of another model; None where the image
        alone decides which model is used.
    replaces(one, other): whether the candidate `one` is taken in place of the candidate `other` of the same model, even
        if its `used["worth"]` is not higher.
    is_beside(one, other): whether `one` shows so many objects which `other` lacks that people should compare both.
    other_settings(segmentation, settings): changed settings with which the same model may segment the image better, if
        the outlines are doubtful. Only asked where `better` is set. A candidate whose `used["worth"]` is clearly higher
        than that of the first, or for which `replaces` is true, is taken in place of the first.
    first_look(maps, grey, view, card, settings): labels (h, w) and the probabilities (n,) of their objects, to be shown
        before the analysis has ended. The maps are those of one trial of `scale`, or of a part of the picture. It is
        much faster than `decode`. None where nothing is shown so early.
    further(labels, maps, grey, view, card, settings): called once, for the labels (H, W) of the candidate that is
        chosen in the end: other labels by the changed setting and facts, as `alternatives` and `used` of Decoded, and
        maps (H, W) to keep beside those of the network, by name; None for nothing.
    plausible(decoded): whether the objects that its model found are those of an image of this kind. If they are, no
        other kind is chosen by textures alone. None where textures alone decide.
    recognised(predict, card, picture): what its model finds of its own kind in a picture that is analysed as another
        kind; {} for nothing. It becomes a part of `used["resembles"]`. It is called only for kinds with `plausible`,
        and not where the textures are clearly those of the chosen model.
    parted: whether an object may have several pieces, as a fibre that others cross. The viewer then draws all of them,
        in the colour of its direction.
    corners: whether pixels that share only a corner belong to one object, in a mask without numbers.
    bounded: whether boundaries lie between its objects, which belong to none of them.
    circles: whether its objects are circles.
    composable: whether its objects lie on each other in agglomerates, which can then be composed of free ones.
    ignores: names of the measurement settings that change nothing here, which pages do not offer.
    """

    name: str
    title: str
    summary: str
    thing: str
    things: str
    class_names: tuple[str, ...]
    settings: type[SegmentationSettings]
    channels: Callable[[ModelCard], Channels]
    scale: Callable[[Predict, ModelCard, NDArray[np.float32], Any], View]
    decode: Callable[[Maps, NDArray[np.uint8], View, ModelCard, Any], Decoded]
    measure: Callable[[Segmentation, Micrograph, MeasurementSettings, Calibration], Measured]
    quantities: tuple[str, ...]
    panels: tuple[str, str, str, str]
    golden: Callable[[], Golden]
    method: str = ""
    semantic: bool = False
    table: str = "objects"
    size: str = ""
    figures: Mapping[str, str] = field(default_factory=dict, hash=False)
    screened: bool = False
    granulometry: Granulometry | None = None
    pool_fields: PoolFields | None = by_area
    facts: Callable[[ModelCard], Sequence[tuple[str, str]]] = lambda card: ()
    options: type[ModelOptions] = ModelOptions
    curves: Callable[[Segmentation, Calibration, MeasurementSettings], Sequence[Curve]] = lambda *measured: ()
    unsure: Callable[[Segmentation], bool] = lambda segmentation: False
    better: Callable[[Segmentation, Segmentation], bool] | None = None
    replaces: Callable[[Segmentation, Segmentation], bool] = lambda one, other: False
    is_beside: Callable[[Segmentation, Segmentation], bool] = lambda one, other: False
    other_settings: Callable[[Segmentation, Any], Iterable[dict[str, Any]]] = lambda segmentation, settings: ()
    first_look: FirstLook | None = None
    further: Further | None = None
    plausible: Callable[[Decoded], bool] | None = None
    recognised: Callable[[Predict, ModelCard, NDArray[np.float32]], Mapping[str, Any]] = lambda *shown: {}
    parted: bool = False
    corners: bool = False
    bounded: bool = False
    circles: bool = False
    composable: bool = False
    ignores: frozenset[str] = frozenset()

    def count(self, number: int) -> str:
        """So many of its things in words: "1 particle", "1,303 particles"."""
        return f"{number:,} {self.thing if number == 1 else self.things}"

    def effective(self, settings: MeasurementSettings) -> MeasurementSettings:
        """The settings, with the default for each setting that this kind ignores."""
        return settings.replaced(**{name: MeasurementSettings.model_fields[name].default for name in self.ignores})

    def classes_of(self, card: ModelCard) -> tuple[str, ...]:
        """Names of the classes of a model."""
        return self.class_names or self.channels(card).names

    def headline_quantities(self, names: Iterable[str]) -> list[str]:
        """Names of the main numbers for comparing images: the median of the size distribution, else the first quantity
        that is no count, for every class."""
        medians = (name for name, figure in self.figures.items() if figure == "median")
        headline = next((name for name in (*medians, *self.quantities) if number(name).kind != "integer"), None)
        return [name for name in names if name.partition(OF)[0] == headline]
