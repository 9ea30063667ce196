"""Parts that tasks share: fields of settings, networks that predict one mask, results without numbers, warnings, and
which outlines are faint or were erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..flags import Flag
from ..labels.guided import FOREGROUND
from ..labels.options import FAINT
from ..labels.segmentation import MASKS, Segmentation
from ..measure.fields import distribution, table_of
from ..measure.filters import FOR_SIZE
from ..measure.quantities import Value
from ..measure.regions import CountedArea
from ..measure.table import Table
from ..micrograph.types import Calibration, Micrograph
from ..network.cards import ModelCard
from ..network.likeness import relative_distance
from ..network.scale_search import LIMITS, View
from ..settings import MeasurementSettings, SegmentationSettings
from .base import Channels, Decoded, Maps, Measured, Task, as_is
from .judgement import EVIDENT, withheld, without_numbers

DOUBTFUL = (
    "The network was unsure of these outlines (mean probability {certainty:.2f}). Compare them with the image before"
    " you use the numbers."
)
SURE = 0.7  # mean probability below which a warning is given


class ThresholdSettings(SegmentationSettings):
    """How objects are found in a map."""

    threshold: float | None = Field(
        None,
        ge=0.05,
        le=0.95,
        title="Threshold",
        description="A lower value finds more. A higher value finds only what is sure.",
        json_schema_extra={"labels": {"auto": "the model's own"}},
    )


def polarity_field(things: str) -> Any:
    """The setting `polarity` of a task; things: such as "Particles"."""
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
    """The setting `scale` of a task. hint: when to set it. labels: further ways to say it in a form."""
    return Field(
        None,
        ge=LIMITS[0],
        le=LIMITS[1],
        title="Zoom for the model",
        description=f"The model looks at a copy of the image, smaller (below 1) or larger by this factor.{hint}",
        json_schema_extra={"unit": "×", "labels": {"auto": "found from the image", **labels, "factor": "zoom by …"}},
    )


def foil_field(use: str) -> Any:
    """The setting `thickness` of a task. use: what it is for, with the punctuation before it."""
    return Field(
        None,
        gt=0,
        le=1e5,
        title="Foil thickness",
        description=f"Thickness of the foil, as measured elsewhere (EELS, CBED){use}",
        json_schema_extra={"unit": "nm", "labels": {"auto": "not known"}},
    )


def certainty(levels: NDArray[np.uint8], threshold: float) -> float:
    """The mean of a map, 0..255, over the pixels at or above the threshold (0..1), as 0..1; 0 without any."""
    inside = levels[levels >= max(1, round(threshold * 255))]
    return float(inside.mean()) / 255 if inside.size else 0.0


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of one kind in a field of view. table: a row for each. area: what of the field counts."""

    segmentation: Segmentation
    settings: MeasurementSettings
    calibration: Calibration
    table: Table
    area: CountedArea


def task_of(
    thing: str,
    numbers: Callable[[Objects], tuple[dict[str, Value], Sequence[Flag]]],
    *,
    finder: str,
    probabilities: str = "separate.mean_over_labels",
    columns: Callable[[NDArray[np.int32]], dict[str, NDArray[Any]]] = lambda labels: {},
    evident: Callable[[NDArray[np.int32], NDArray[np.uint8]], bool] = lambda labels, levels: False,
    map_name: str = "",
    **overrides: Any,
) -> Task:
    """A task that finds one kind of object in TEM images, in the map of its name or of `map_name`.

    numbers(objects): its numbers beside the count and the figures of the size distribution, and warnings. finder: the
    function of core.labels, such as "lines.find_lines", that makes labels (H, W) 1..n of a map (H, W) uint8 and a
    threshold; its module, which imports scipy, is imported when it is needed. probabilities: the function of
    core.labels that gives, from map and labels, the probability (n,) that each object is right; by default the mean of
    the map over the object.
    columns(labels): further measures (n,), lengths in px. evident(labels, levels): whether the outlines alone, by
    labels and map (H, W), prove that the picture is of this kind; if so, `used["unlike"]` is not judged. overrides: the
    parts of Task that differ from the common ones.
    """
    channels, size = Channels((map_name or thing,)), overrides.get("size", f"{thing}_diameter")

    def decode(
        maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: ThresholdSettings
    ) -> Decoded:
        threshold = card.threshold if settings.threshold is None else settings.threshold
        sure, labels = certainty(maps[0], threshold), np.zeros(maps.shape[1:], np.int32)
        if sure:  # else no pixel reaches the threshold
            labels = _of_labels(finder)(maps[0], threshold)
        count = int(labels.max(initial=0))
        probability = _of_labels(probabilities)(maps[0], labels) if count else np.zeros(0, np.float32)
        used: dict[str, Any] = {
            "threshold": threshold,
            "certainty": round(sure, 4),
            "unlike": relative_distance(grey, 1.0, card),  # how far it is from the images that the model learnt from
        }
        if sure and evident(labels, maps[0]):
            used[EVIDENT] = True
        return Decoded(labels, probability, np.zeros(count, np.int32), used)

    def measure(
        segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
    ) -> Measured:
        too_small = FOR_SIZE if task.bounded else ()
        measured = columns(segmentation.dense)
        table = table_of(segmentation, micrograph, settings, calibration, too_small=too_small, **measured)
        if nothing := withheld_result(micrograph, segmentation, table, task, settings):
            return nothing
        sizes = distribution(table, task.size, micrograph, settings, calibration)
        area = CountedArea.of(settings.ignore, segmentation.rows, micrograph.shape[1])
        values, flags = numbers(Objects(segmentation, settings, calibration, table, area))
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


def _of_labels(name: str) -> Callable[..., Any]:
    """The function of this name, such as "lines.find_lines", in core.labels."""
    module, _, function = name.partition(".")
    return getattr(import_module(f"...labels.{module}", __name__), function)  # type: ignore[no-any-return]


def erased(segmentation: Segmentation) -> NDArray[np.bool_] | None:
    """(R, W) what the network saw as foreground, where outlines may have been deleted; None without corrections."""
    if not segmentation.provenance.edits or FOREGROUND not in segmentation.maps:
        return None
    limit = 255 * segmentation.used.get("threshold", 0.5)
    return np.asarray(segmentation.maps[FOREGROUND][: segmentation.rows] >= limit)


def faint_limit(segmentation: Segmentation, settings: MeasurementSettings) -> float:
    """Outlines with less relative contrast are set aside; 0 where a person or another tool drew the outlines."""
    card = segmentation.provenance.card
    if card.get("name") == MASKS:
        return 0.0
    limit = float(card.get("options", {}).get("faint", FAINT))
    return limit if settings.faint_limit is None else settings.faint_limit / 100


def withheld_result(
    micrograph: Micrograph, segmentation: Segmentation, table: Table, task: Task, settings: MeasurementSettings
) -> Measured | None:
    """A result without numbers, if nothing was found or the image is of another kind; None if numbers are reported."""
    if len(segmentation) and not withheld(micrograph, segmentation, settings):
        return None
    return Measured(without_numbers(table), None, {name: Value(None) for name in task.quantities})


def doubts(segmentation: Segmentation) -> Iterator[Flag]:
    """Warnings to read before the numbers are used."""
    if (sure := segmentation.used.get("certainty", 1.0)) < SURE:
        yield Flag.doubtful(DOUBTFUL.format(certainty=sure), f"Unsure outlines (mean probability {sure:.2f})")
