"""Parts that tasks share: fields of settings, networks that predict one mask, results without numbers, warnings."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..flags import Flag
from ..labels.options import FAINT
from ..labels.segmentation import MASKS
from ..measure import quantities
from ..measure.quantities import Quantity, Value
from ..network.scale_search import LIMITS
from ..settings import MeasurementSettings, SegmentationSettings
from .base import Channels, Decoded, Maps, Measured, Task, as_is
from .judgement import withheld, without_numbers

if TYPE_CHECKING:
    from ..labels.segmentation import Segmentation
    from ..measure.table import Table
    from ..network.cards import ModelCard

DOUBTFUL = (
    "The network was unsure of these outlines (mean probability {certainty:.2f}). Compare them with the image before"
    " you use the numbers."
)
SURE = 0.7  # mean probability below which a warning is given
INTERVALS = {"within": quantities.WITHIN, "poisson": quantities.POISSON}


def registered(file: str) -> tuple[str, ...]:
    """Register the quantities in the table beside the file of a task; returns the names of its numbers in order."""
    tables = tomllib.loads(Path(file).with_suffix(".toml").read_text("utf-8"))
    for registry, key in ((quantities.COLUMNS, "columns"), (quantities.NUMBERS, "numbers")):
        for name, entry in tables.get(key, {}).items():
            basis = {"interval": INTERVALS[entry["interval"]]} if "interval" in entry else {}
            quantities.add(registry, Quantity(name, **entry | basis))
    return tuple(tables["numbers"])


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
        title="Working scale",
        description=f"The image is resampled by this factor for the network. The default depends on the image.{hint}",
        json_schema_extra={
            "unit": "×",
            "labels": {"auto": "found from the image", **labels, "factor": "resample the image by …"},
        },
    )


def foil_field(use: str) -> Any:
    """The setting `thickness` of a task. use: what it is for."""
    return Field(
        None,
        gt=0,
        le=1e5,
        title="Foil thickness",
        description=f"Thickness of the foil, as measured elsewhere (EELS, CBED){use}",
        json_schema_extra={"unit": "nm", "labels": {"auto": "not known"}},
    )


def certainty(levels: NDArray[np.uint8], threshold: float) -> float:
    """The mean of a map, 0..255, over the pixels at or above the threshold, as 0..1; 0 without any."""
    inside = levels[levels >= max(1, round(threshold * 255))]
    return float(inside.mean()) / 255 if inside.size else 0.0


def task_of(thing: str, *, map_name: str = "", **differing: Any) -> Task:
    """A task that finds one kind of object, in the map of its name or of `map_name`; differing: the parts of Task that
    differ from the common ones."""
    channels = Channels((map_name or thing,))
    alike: dict[str, Any] = {
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
        "ignores": frozenset({"filter", "faint_limit", "field_spread", "repeatability", "between_operators"}),
        "tem": True,
    }
    return Task(**{**alike, **differing})


def found_by(
    finder: Callable[[NDArray[np.uint8], float], NDArray[np.int32]],
    maps: Maps,
    grey: NDArray[np.uint8],
    card: ModelCard,
    settings: ThresholdSettings,
) -> Decoded:
    """The objects that the finder finds in the first map (H, W); none if no pixel reaches the threshold."""
    from ..network.likeness import relative_distance

    threshold = card.threshold if settings.threshold is None else settings.threshold
    sure = certainty(maps[0], threshold)
    labels = finder(maps[0], threshold) if sure else np.zeros(maps.shape[1:], np.int32)
    count = int(labels.max(initial=0))
    used: dict[str, Any] = {
        "threshold": threshold,
        "certainty": round(sure, 4),
        "unlike": relative_distance(grey, 1.0, card),
    }
    return Decoded(labels, np.full(count, np.nan, np.float32), np.zeros(count, np.int32), used)


def erased(segmentation: Segmentation) -> NDArray[np.bool_] | None:
    """(R, W) what the network saw as foreground, where outlines may have been deleted; None without corrections."""
    from ..labels.guided import FOREGROUND

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
    segmentation: Segmentation, table: Table, task: Task, settings: MeasurementSettings
) -> Measured | None:
    """A result without numbers, if the image shows nothing or is of another kind; None if numbers are reported."""
    if len(segmentation) and not withheld(segmentation, settings):
        return None
    nothing = {name: Value(None) for name in task.quantities}
    return Measured(without_numbers(table), None, nothing)


def doubts(segmentation: Segmentation) -> Iterator[Flag]:
    """Warnings to read before the numbers are used."""
    if (sure := segmentation.used.get("certainty", 1.0)) < SURE:
        yield Flag.doubtful(DOUBTFUL.format(certainty=sure), f"Unsure outlines (mean probability {sure:.2f})")
