"""A kind of analysis that the house has never heard of: two classes by brightness, as a stranger would add it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from segmentation.core.flags import Flag
from segmentation.core.measure import quantities
from segmentation.core.measure.quantities import Quantity, Value
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.card_entries import ModelOptions
from segmentation.core.network.scale_search import View
from segmentation.core.settings import MeasurementSettings, SegmentationSettings
from segmentation.core.tasks.base import Channels, Decoded, Golden, Maps, Measured, Task, as_is

if TYPE_CHECKING:
    from segmentation.core.labels.segmentation import Segmentation
    from segmentation.core.network.cards import ModelCard

CLASSES = ("dark", "bright")

quantities.add(
    quantities.NUMBERS,
    Quantity("dark_fraction", "Dark area", "Share of the classified area that is dark.", kind="fraction"),
    Quantity("bright_fraction", "Bright area", "Share of the classified area that is bright.", kind="fraction"),
)


class BrightnessOptions(ModelOptions):
    """least: of a class, which nothing reads."""

    INHERITED: ClassVar[frozenset[str]] = frozenset({"least"})

    least: int = 0


class BrightnessSettings(SegmentationSettings):
    """How the classes are told apart."""

    smooth: int = Field(
        0,
        ge=0,
        le=20,
        title="Smoothing",
        description="Reach over which the network's answers are averaged.",
        json_schema_extra={"unit": "px"},
    )


def channels(card: ModelCard) -> Channels:
    return Channels(CLASSES, "softmax")


def decode(maps: Maps, grey: Maps, view: View, card: ModelCard, settings: BrightnessSettings) -> Decoded:
    """Each pixel is of the likelier class; the labels are the classes that occur."""
    from scipy import ndimage

    shares = maps.astype(np.float32) / 255
    if settings.smooth:
        shares = ndimage.uniform_filter(shares, (0, 2 * settings.smooth + 1, 2 * settings.smooth + 1))
    support, likelier = maps.any(axis=0), shares.argmax(axis=0)
    present = np.unique(likelier[support])
    numbers = np.zeros(len(CLASSES), np.int32)
    numbers[present] = np.arange(1, len(present) + 1)
    labels = np.where(support, numbers[likelier], 0).astype(np.int32)
    sure = np.array([shares[kind][labels == numbers[kind]].mean() for kind in present], np.float32)
    return Decoded(labels, sure, present.astype(np.int32), {"smooth": settings.smooth})


def measure(
    segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
) -> Measured:
    from segmentation.core.measure.table import Table

    rows, count = segmentation.rows, len(segmentation)
    labels = segmentation.dense[:rows].ravel()
    areas = np.bincount(labels, minlength=count + 1)[1:].astype(float)
    greys = np.bincount(labels, micrograph.pixels[:rows].ravel(), count + 1)[1:]
    shares = areas / max(areas.sum(), 1)
    table = Table.of_pixels(
        {
            "label": segmentation.ids.astype(np.int64),
            "class": segmentation.classes.astype(np.int64),
            "kept": np.ones(count, bool),
            "reason": np.full(count, "", "U40"),
            "area": areas,
            "area_fraction": shares,
            "mean_grey": greys / np.maximum(areas, 1),
        },
        calibration.nm_per_pixel,
    )
    of_class = dict(zip(segmentation.classes.tolist(), shares.tolist(), strict=True))
    values = {
        f"{name}_fraction": Value(of_class.get(number, 0.0) if count else None) for number, name in enumerate(CLASSES)
    }
    return Measured(
        table,
        None,
        values,
        () if count else (Flag("No classes were found. The image is of one grey.", "No classes found"),),
    )


def golden() -> Golden:
    """A bright quarter of a dark picture."""
    bright = np.zeros((64, 96), bool)
    bright[:32, :48] = True
    maps = np.stack([np.where(bright, 10, 245), np.where(bright, 245, 10)]).astype(np.uint8)
    return Golden(np.where(bright, 190, 60).astype(np.uint8), maps, 2, {"dark_fraction": 0.75, "bright_fraction": 0.25})


TASK = Task(
    name="brightness",
    title="Brightness",
    summary="Tells bright from dark and measures the area of either.",
    thing="class",
    things="classes",
    semantic=True,
    table="classes",
    class_names=CLASSES,
    settings=BrightnessSettings,
    options=BrightnessOptions,
    channels=channels,
    scale=as_is,
    decode=decode,
    measure=measure,
    ignores=frozenset({"measurand", "ignore"}),
    quantities=("dark_fraction", "bright_fraction"),
    panels=("image", "classes", "segmentation", "quantities"),
    golden=golden,
)
