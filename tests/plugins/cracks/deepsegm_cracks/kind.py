"""The kind "cracks": each pixel is a crack or not; the result is the share of the area that cracks take."""

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
    """The settings of a segmentation of cracks."""

    least: int = Field(
        50,
        ge=1,
        le=99,
        title="Least probability",
        description="A pixel is a crack if the network gives it this probability or more.",
        json_schema_extra={"unit": "%"},
    )


def channels(card):
    """The names of the network's maps, and their activation."""
    return Channels(CLASSES, "softmax")


def decode(maps, grey, view, card, settings):
    """The labels (H, W) int32 of maps (2, H, W) uint8: one number for each class that occurs, 0 where not analysed."""
    analysed, cracked = maps.any(axis=0), (maps[1] >= 2.55 * settings.least).astype(np.int32)
    present = np.unique(cracked[analysed])
    labels = np.where(analysed, np.searchsorted(present, cracked) + 1, 0).astype(np.int32)
    confidences = [maps[number][analysed & (cracked == number)].mean() / 255 for number in present]
    return Decoded(labels, np.array(confidences, np.float32), present)


def measure(segmentation, micrograph, settings, calibration):
    """The table of classes, and the cracked share of the area."""
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
    share_of_class = dict(zip(segmentation.classes.tolist(), shares.tolist(), strict=True))
    cracked = Value(share_of_class.get(1, 0.0) if count else None)
    flags = () if count else (Flag("The image is of one grey: nothing was found.", "Nothing found"),)
    table = Table.of_pixels(columns, calibration.nm_per_pixel)
    return Measured(table, None, {CRACKED.name: cracked}, flags)


def golden():
    """The test case of this kind: a bright crack over a quarter of the picture, which a perfect network finds."""
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
