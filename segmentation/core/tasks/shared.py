"""Functions that several tasks use: fields of settings, tasks whose network predicts a single map (`task_of`), results
without numbers, a warning, and limits of faint outlines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..flags import Flag
from ..labels.corrections.guided import FOREGROUND
from ..labels.particles.options import FAINT
from ..labels.segmentation import MASKS, Segmentation
from ..measure.fields import distribution, table_of
from ..measure.objects.filters import FOR_SIZE, Reason, Signals
from ..measure.objects.regions import CountedArea
from ..measure.quantities import Value
from ..measure.table import Table
from ..micrograph.types import Calibration, Micrograph
from ..network.cards import ModelCard
from ..network.likeness import relative_distance
from ..network.scale_search import SCALE_LIMITS, View
from ..settings import MeasurementSettings, SegmentationSettings
from .base import Channels, Decoded, Maps, Measured, Task, as_is
from .judgement import EVIDENT, are_numbers_withheld

UNSURE = (
    "The network was unsure of these outlines (mean probability {certainty:.2f}). Compare them with the image before"
    " you use the numbers."
)
LEAST_CERTAINTY = 0.7  # mean probability; if it is lower, a warning is given


class ThresholdSettings(SegmentationSettings):
    """The settings of tasks that find objects in a map by a threshold."""

    threshold: float | None = Field(
        None,
        ge=0.05,
        le=0.95,
        title="Threshold",
        description="A lower value finds more. A higher value finds only what is sure.",
        json_schema_extra={"labels": {"auto": "the model's own"}},
    )


def polarity_field(things: str) -> Any:
    """The setting `polarity` of a task. things: the word for its objects, such as "Particles"."""
    return Field(
        "auto",
        title=f"{things} are",
        description="Brighter or darker than their surroundings.",
        json_schema_extra={
            "labels": {
                "auto": "find out from the image",
                "bright": "brighter than their surroundings",
                "dark": "darker than their surroundings",
            }
        },
    )


def scale_field(hint: str = "", **labels: str) -> Any:
    """The setting `scale` of a task. hint: a sentence that says when to set it. labels: further choices of a form."""
    return Field(
        None,
        ge=SCALE_LIMITS[0],
        le=SCALE_LIMITS[1],
        title="Zoom for the model",
        description=f"The model looks at a copy of the image, smaller (below 1) or larger by this factor.{hint}",
        json_schema_extra={"unit": "×", "labels": {"auto": "found from the image", **labels, "factor": "zoom by …"}},
    )


def foil_field(use: str) -> Any:
    """The setting `thickness` of a task. use: the end of the description, which says what it is for."""
    return Field(
        None,
        gt=0,
        le=1e5,
        title="Foil thickness",
        description=f"Thickness of the foil, as measured elsewhere (EELS, CBED){use}",
        json_schema_extra={"unit": "nm", "labels": {"auto": "not known"}},
    )


def certainty(levels: NDArray[np.uint8], threshold: float) -> float:
    """The mean, 0 to 1, of a map (H, W) uint8, over the pixels that reach the threshold (0..1); 0 if there are none."""
    inside = levels[levels >= max(1, round(threshold * 255))]
    return float(inside.mean()) / 255 if inside.size else 0.0


@dataclass(frozen=True, eq=False)
class MeasuredObjects:
    """The measured objects of one image. table: a row for each object. area: the part of the image that counts."""

    segmentation: Segmentation
    settings: MeasurementSettings
    calibration: Calibration
    table: Table
    area: CountedArea


def task_of(
    thing: str,
    numbers: Callable[[MeasuredObjects], tuple[dict[str, Value], Sequence[Flag]]],
    *,
    finder: str,
    probabilities: str = "separate.mean_over_labels",
    columns: Callable[[NDArray[np.int32]], dict[str, NDArray[Any]]] = lambda labels: {},
    is_evident: Callable[[NDArray[np.int32], NDArray[np.uint8]], bool] = lambda labels, levels: False,
    map_name: str = "",
    **overrides: Any,
) -> Task:
    """A task for one sort of object in TEM images, whose network predicts a single map, named `map_name` or `thing`.

    numbers(objects): the numbers beside the count and those of the size distribution, and warnings.
    finder: the function of core.labels, such as "lines.find_lines", that makes labels (H, W) 1..n from a map (H, W)
        uint8 and a threshold. Its module imports scipy, so it is imported only when it is needed.
    probabilities: the function of core.labels that gives, from map and labels, the probability (n,) that each object is
        right; by default the mean of the map over the object.
    columns(labels): further columns (n,) of the table, lengths in px.
    is_evident(labels, levels): whether labels and map (H, W) alone prove that the picture is of this kind; if so, the
        picture's distance from the training images (`used["unlike"]`) does not matter.
    overrides: fields of Task that differ from the common ones below.
    """
    channels, size = Channels((map_name or thing,)), overrides.get("size", f"{thing}_diameter")

    def decode(
        maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: ThresholdSettings
    ) -> Decoded:
        threshold = card.threshold if settings.threshold is None else settings.threshold
        mean_probability, labels = certainty(maps[0], threshold), np.zeros(maps.shape[1:], np.int32)
        if mean_probability:  # otherwise no pixel reaches the threshold
            labels = _labels_function(finder)(maps[0], threshold)
        count = int(labels.max(initial=0))
        probability = _labels_function(probabilities)(maps[0], labels) if count else np.zeros(0, np.float32)
        used: dict[str, Any] = {
            "threshold": threshold,
            "certainty": round(mean_probability, 4),
            "unlike": relative_distance(grey, 1.0, card),  # distance from the training images of the model
        }
        if mean_probability and is_evident(labels, maps[0]):
            used[EVIDENT] = True
        return Decoded(labels, probability, np.zeros(count, np.int32), used)

    def measure(
        segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
    ) -> Measured:
        table = table_of(
            segmentation,
            micrograph,
            settings,
            calibration,
            withheld(micrograph, segmentation, settings),
            too_small=FOR_SIZE if task.bounded else (),
            **columns(segmentation.dense),
        )
        if without := withheld_result(table, task):
            return without
        sizes = distribution(table, task.size, micrograph, settings, calibration)
        area = CountedArea.of(segmentation, settings.ignore)
        values, flags = numbers(MeasuredObjects(segmentation, settings, calibration, table, area))
        values |= {f"{thing}s": Value(float(table.kept.sum()))}
        values |= {name: sizes.value(figure) for name, figure in task.figures.items()}
        ordered = {name: values[name] for name in task.quantities}
        return Measured(table, sizes, ordered, (*doubts(segmentation), *flags))

    common: dict[str, Any] = {
        "name": f"{thing}s",
        "title": f"{thing.capitalize()}s",
        "thing": thing,
        "things": f"{thing}s",
        "class_names": (thing,),
        "settings": ThresholdSettings,
        "channels": lambda card: channels,
        "scale": as_is,
        "panels": ("image", "segmentation", "doubts", "sizes"),
        "size": "ecd",
        "figures": {f"{size}_{figure}": figure for figure in ("mean", "median")},
        "ignores": frozenset(
            {"measurand", "filter", "faint_limit", "repeatability", "repeatability_source", "between_operators"}
        ),
    }
    task = Task(decode=decode, measure=measure, **{**common, **overrides})
    return task


def _labels_function(name: str) -> Callable[..., Any]:
    """The function of core.labels with this name, such as "lines.find_lines"."""
    module, _, function = name.partition(".")
    return getattr(import_module(f"...labels.{module}", __name__), function)  # type: ignore[no-any-return]


def foreground_if_corrected(segmentation: Segmentation) -> NDArray[np.bool_] | None:
    """(R, W) bool: where the network saw objects. None if nobody corrected the outlines; corrections may have deleted
    outlines there."""
    if not segmentation.provenance.edits or FOREGROUND not in segmentation.maps:
        return None
    limit = 255 * segmentation.used.get("threshold", 0.5)
    return np.asarray(segmentation.maps[FOREGROUND][: segmentation.rows] >= limit)


def faint_limit(segmentation: Segmentation, settings: MeasurementSettings) -> float:
    """The least relative contrast of outlines that count; 0 for outlines from a mask of another tool."""
    card = segmentation.provenance.card
    if card.get("name") == MASKS:
        return 0.0
    limit = float(card.get("options", {}).get("faint", FAINT))
    return limit if settings.faint_limit is None else settings.faint_limit / 100


def withheld(micrograph: Micrograph, segmentation: Segmentation, settings: MeasurementSettings) -> Signals:
    """The signal for `judge` that numbers are withheld (`judgement`)."""
    return {Reason.UNLIKE: np.full(len(segmentation), are_numbers_withheld(micrograph, segmentation, settings))}


def withheld_result(table: Table, task: Task) -> Measured | None:
    """A result without numbers, if there is no outline or numbers are withheld; None if numbers are given."""
    is_withheld = bool((table.reasons == str(Reason.UNLIKE)).all())
    return Measured(table, None, {name: Value(None) for name in task.quantities}) if is_withheld else None


def doubts(segmentation: Segmentation) -> Iterator[Flag]:
    """A warning, if the network was unsure of the outlines."""
    if (mean_probability := segmentation.used.get("certainty", 1.0)) < LEAST_CERTAINTY:
        short = f"Unsure outlines (mean probability {mean_probability:.2f})"
        yield Flag.doubtful(UNSURE.format(certainty=mean_probability), short)
