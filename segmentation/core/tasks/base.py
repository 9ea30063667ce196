"""Defines `Task`, the values and functions that describe one kind of analysis to the rest of the program.

Each task is defined in one file of this folder; `tasks.find` returns it by its name. The web process imports
these files, too, so they import scipy, scikit-image, matplotlib and torch only inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..flags import Flag
from ..labels.segmentation import Cut, Segmentation
from ..measure.quantities import OF, Value, number
from ..measure.results import Statistics
from ..measure.table import Table
from ..measure.uncertainty.pooled_fields import PoolFields, by_area
from ..micrograph.types import Calibration, Micrograph
from ..network.card_entries import ModelOptions
from ..network.cards import ModelCard
from ..network.scale_search import View
from ..settings import MeasurementSettings, SegmentationSettings

Maps = NDArray[np.uint8]  # (C, H, W), 0..255 for 0..1
Predict = Callable[[NDArray[np.float32]], Maps]  # the network: gives the maps of a picture (H, W), 0..1
# The types of `Task.further`, `Task.rearranged` and `Task.first_look`, which are described there.
Further = Callable[
    [NDArray[np.int32], Maps, NDArray[np.uint8], View, "ModelCard", Any],
    tuple[dict[str, NDArray[np.int32]], dict[str, Any], dict[str, NDArray[np.uint8]]],
]
Rearranged = Callable[
    [NDArray[np.int32], NDArray[np.uint8], View], tuple[NDArray[np.int32], NDArray[np.int64], dict[str, Any]]
]
FirstLook = Callable[[Maps, NDArray[np.uint8], View, "ModelCard", Any], tuple[NDArray[np.int32], NDArray[np.float32]]]


def as_is(predict: Predict, card: ModelCard, picture: NDArray[np.float32], settings: Any) -> View:
    """`Task.scale` for networks that were trained on images in their own pixels: the picture is not resampled."""
    return View()


@dataclass(frozen=True, eq=False)
class Decoded:
    """The result of `Task.decode`: the outlines in the analysed rows of an image, without the data bar.

    labels: (H, W) int32 1..n. classes: (n,) int32. confidence: (n,) float32. layers: (H, W) uint8 each. `Segmentation`
    describes the other fields.
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
    """The result of `Task.measure`.

    table: a row for each object, or for each class of a `semantic` task. statistics: of the objects' sizes; None
    without a size distribution. quantities: the numbers that the task gives, by name, in the order of
    `Task.quantities`; the name of a number of a class is made by `of_class`. flags: warnings and notes.
    """

    table: Table
    statistics: Statistics | None = None
    quantities: dict[str, Value] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Curve:
    """A chart for the page of a result.

    across: the title of the x axis, with its unit. lines: class -> y values. If x has one value more than a line, the
    chart is a histogram, and x has the edges of its bars.
    """

    title: str
    across: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Channels:
    """The maps that the network predicts, one for each name.

    activation: "sigmoid": each map has values from 0 to 1 that do not depend on the other maps; "softmax": the maps are
    the probabilities of classes, which add up to 1 at each pixel.
    """

    names: tuple[str, ...]
    activation: Literal["sigmoid", "softmax"] = "sigmoid"

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Granulometry:
    """Entries of the report form of OECD Test Guideline 125 that depend on the kind of analysis.

    why: a sentence with the reason for this size. objects: the shape of the objects; "" if the laboratory states it.
    smallest: the smallest object that counts; "" if the filter decides. also: names of further columns to report, ()
    for all measures.
    """

    why: str
    objects: str = ""
    smallest: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Golden:
    """A drawn test case with known answers, which the conformance test runs for each task.

    picture: (H, W) uint8. maps: (C, H, W) uint8, those of a perfect network. count: number of objects. answers:
    expected quantities by name, within a relative `tolerance`. names: the names of the maps, for tasks whose card names
    them.
    """

    picture: NDArray[np.uint8]
    maps: Maps
    count: int
    answers: dict[str, float]
    tolerance: float = 0.02
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One kind of analysis. Its functions take a model's card, an image, or their results; "candidate" is a
    segmentation that the search (`core.stages.search`) has made and may choose.

    name: in settings, cards and addresses. title, summary: for people. thing, things: words for one object and for
        several ("particle", "particles"). class_names: the classes that objects may have, in the order of their
        numbers; () if they are the maps that the card names.
    settings: its SegmentationSettings, from which form, API and command line are derived.
    channels(card): the maps that the network predicts.
    scale(predict, card, picture, settings): polarity and working scale for the picture (H, W) float32, 0..1;
        predict(picture) gives the maps (C, H, W) uint8 of any picture.
    decode(maps, grey, view, card, settings): the outlines (Decoded) in maps (C, H, W) uint8 of the picture's own
        pixels. grey: (H, W) uint8, the picture in the polarity that the network saw. view: from `scale`.
    measure(segmentation, micrograph, settings, calibration): table, statistics, quantities and warnings (Measured).
    quantities: names of the numbers that this kind gives, in the order in which they are shown; names of a number of
        each class are without the class (core.measure.quantities).
    curves(segmentation, calibration, settings): charts for the page, if there is no size distribution.
    panels: the four panels of the figure, names in core.report.figures.panels.
    golden(): the drawn test case.
    method: sentences for a paper on how maps become outlines, with {names} of `Segmentation.used`.
    semantic: whether each pixel belongs to a class and the table has a row for each class, not for each object.
    table: the name of the table's file.
    size: the column of the table that the size distribution shows; "" without a distribution.
    figures: which of its quantities are numbers of this distribution: {"grain_diameter_mean": "mean"}.
    screened: whether a nanomaterial decision with an uncertainty budget is made. The main result is then the size
        distribution; for other kinds it is the `quantities`.
    granulometry: its entries in the form of OECD TG 125; None if neither this form nor the endpoint record is made.
    pool_fields(fields): its numbers for several images as one sample; None if the size distributions are pooled.
    options: the type of the entries in its models' cards that only this kind reads. Their `diameter` is the model's
        best size, if a setting names a typical size.
    facts(card): these entries as terms and sentences for the page of models.
    unsure(segmentation): whether the search should try another model of this task, which may find more.
    better(one, other): whether the result `one` replaces the result `other` of another model; None if the image alone
        decides which model is used.
    finds_instead(one, other): the same where `other` found nothing. It is asked only if the picture does not clearly
        resemble the training images of that model.
    replaces(one, other): whether the candidate `one` is chosen instead of the candidate `other` of the same model, even
        if its `used["worth"]` is not higher.
    is_beside(one, other): whether `one` shows so many objects which `other` lacks that people should compare both.
    other_settings(segmentation, settings): changed settings with which the same model may segment the image better, if
        the outlines are doubtful. It is called only if `better` is set. A candidate with such settings is chosen if its
        `used["worth"]` is clearly higher than that of the first candidate, or if `replaces` is true.
    first_look(maps, grey, view, card, settings): labels (h, w) and the probabilities (n,) of their objects, which are
        shown before the analysis has ended. The maps are those of one trial of `scale`, or of a part of the picture. It
        is much faster than `decode`. None if nothing is shown so early.
    further(labels, maps, grey, view, card, settings): called once, for the labels (H, W) of the chosen candidate.
        Returns entries to add to `alternatives` (changed setting -> labels), to `used`, and to the stored maps (name ->
        (H, W)). None if nothing is added.
    rearranged(labels, grey, view): called once before `further`. Returns the labels (H, W) of the chosen candidate with
        objects parted or joined, which former object each comes from, (n,) from 1 on, and entries to add to `used`.
        None if the labels stay.
    plausible(decoded): whether the outlines of its model look like those of an image of this kind. If so, textures
        alone do not choose another kind. None if textures alone decide.
    recognised(predict, card, picture): entries on the objects of this kind in a picture that is analysed as another
        kind; {} if there are none. They are added to `used["resembles"]`. It is called only for kinds with `plausible`,
        and not if the textures are clearly those of the chosen model, or its outlines are `compact`.
    compact(decoded): whether the outlines are those of compact objects and explain the picture, so that it shows no
        kind with `plausible`.
    parted: whether an object may have several pieces, such as a fibre that others cross. The viewer then draws all
        pieces in the colour of the object's direction.
    corners: whether pixels that share only a corner belong to one object, in a mask without numbers.
    bounded: whether there are boundaries between its objects, such as grain boundaries, which belong to no object.
    circles: whether its objects are circles.
    composable: whether its objects overlap in agglomerates, so that agglomerates can be composed of single objects.
    ignores: names of the measurement settings that change nothing for this kind; pages do not offer them.
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
    curves: Callable[[Segmentation, Calibration, MeasurementSettings], Sequence[Curve]] = lambda *arguments: ()
    unsure: Callable[[Segmentation], bool] = lambda segmentation: False
    better: Callable[[Segmentation, Segmentation], bool] | None = None
    finds_instead: Callable[[Segmentation, Segmentation], bool] = lambda one, other: False
    replaces: Callable[[Segmentation, Segmentation], bool] = lambda one, other: False
    is_beside: Callable[[Segmentation, Segmentation], bool] = lambda one, other: False
    other_settings: Callable[[Segmentation, Any], Iterable[dict[str, Any]]] = lambda segmentation, settings: ()
    first_look: FirstLook | None = None
    rearranged: Rearranged | None = None
    further: Further | None = None
    plausible: Callable[[Decoded], bool] | None = None
    recognised: Callable[[Predict, ModelCard, NDArray[np.float32]], Mapping[str, Any]] = lambda *arguments: {}
    compact: Callable[[Decoded], bool] = lambda decoded: False
    parted: bool = False
    corners: bool = False
    bounded: bool = False
    circles: bool = False
    composable: bool = False
    ignores: frozenset[str] = frozenset()

    def count(self, number: int) -> str:
        """A number of objects in words: "1 particle", "1,303 particles"."""
        return f"{number:,} {self.thing if number == 1 else self.things}"

    def effective(self, settings: MeasurementSettings) -> MeasurementSettings:
        """The settings, with the default for each setting that this kind ignores."""
        return settings.replaced(**{name: MeasurementSettings.model_fields[name].default for name in self.ignores})

    def classes_of(self, card: ModelCard) -> tuple[str, ...]:
        """Names of the classes of a model."""
        return self.class_names or self.channels(card).names

    def headline_quantities(self, names: Iterable[str]) -> list[str]:
        """The names of the main number of this kind, by which images are compared, among `names`. It is the median of
        the size distribution, or without a distribution the first quantity that is no count. A semantic task has it for
        each class."""
        medians = (name for name, figure in self.figures.items() if figure == "median")
        headline = next((name for name in (*medians, *self.quantities) if number(name).kind != "integer"), None)
        return [name for name in names if name.partition(OF)[0] == headline]
