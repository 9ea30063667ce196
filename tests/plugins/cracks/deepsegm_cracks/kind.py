"""Cracks: each pixel is a crack or not; the answer is the share of the area that is cracked."""

import numpy as np
from pydantic import Field

from segmentation.core.flags import Flag
from segmentation.core.measure import quantities
from segmentation.core.measure.quantities import Quantity, Value
from segmentation.core.settings import SegmentationSettings
from segmentation.core.tasks.base import Channels, Decoded, Golden, Measured, Task, as_is

CLASSES = ("whole", "cracked")
CRACKED = Quantity("cracked_fraction", "Cracked area", "Share of the area that cracks take.", kind="fraction")
quantities.add(quantities.NUMBERS, CRACKED)


class CrackSettings(SegmentationSettings):
    """How cracks are told from what is whole."""

    least: int = Field(
        50,
        ge=1,
        le=99,
        title="Least probability",
        description="A pixel is of a crack where the network gives it this probability.",
        json_schema_extra={"unit": "%"},
    )


def channels(card):
    return Channels(CLASSES, "softmax")


def decode(maps, grey, view, card, settings):
    """maps (2, H, W) uint8 -> labels (H, W) int32: one number for each class that occurs."""
    known, cracked = maps.any(axis=0), (maps[1] >= 2.55 * settings.least).astype(np.int32)
    present = np.unique(cracked[known])
    labels = np.where(known, np.searchsorted(present, cracked) + 1, 0).astype(np.int32)
    sure = [maps[number][known & (cracked == number)].mean() / 255 for number in present]
    return Decoded(labels, np.array(sure, np.float32), present)


def measure(segmentation, micrograph, settings, calibration):
    from segmentation.core.measure.table import Table

    count = len(segmentation)
    labels = segmentation.dense[: segmentation.rows].ravel()
    areas = np.bincount(labels, minlength=count + 1)[1:].astype(float)
    shares = areas / max(areas.sum(), 1)
    columns = {
        "label": segmentation.ids.astype(np.int64),
        "class": segmentation.classes.astype(np.int64),
        "kept": np.ones(count, bool),
        "reason": np.full(count, "", "U40"),
        "area": areas,
        "area_fraction": shares,
    }
    of_class = dict(zip(segmentation.classes.tolist(), shares.tolist(), strict=True))
    cracked = Value(of_class.get(1, 0.0) if count else None)
    flags = () if count else (Flag("The image is of one grey: nothing was found.", "Nothing found"),)
    table = Table.of_pixels(columns, calibration.nm_per_pixel)
    return Measured(table, None, {CRACKED.name: cracked}, flags)


def golden():
    """A bright crack of a quarter of the picture, which a perfect network finds."""
    cracked = np.zeros((64, 96), bool)
    cracked[:32, :48] = True
    maps = np.stack([np.where(cracked, 10, 245), np.where(cracked, 245, 10)]).astype(np.uint8)
    return Golden(np.where(cracked, 190, 60).astype(np.uint8), maps, 2, {CRACKED.name: 0.25})


CRACKS = Task(
    name="cracks",
    title="Cracks",
    summary="Finds cracks and measures the share of the area that they take.",
    thing="class",
    things="classes",
    semantic=True,
    table="classes",
    class_names=CLASSES,
    settings=CrackSettings,
    channels=channels,
    scale=as_is,
    decode=decode,
    measure=measure,
    ignores=frozenset({"measurand", "ignore"}),
    quantities=(CRACKED.name,),
    panels=("image", "classes", "segmentation", "quantities"),
    golden=golden,
)
