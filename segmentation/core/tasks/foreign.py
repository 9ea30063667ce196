"""Images unlike the images that a model was trained on: no number is given for them, unless the user insists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..flags import Flag
from ..measure.filters import Reason
from ..network.likeness import ENTRY

if TYPE_CHECKING:
    from ..labels.segmentation import Segmentation
    from ..measure.table import Table
    from ..settings import MeasurementSettings

UNLIKE = 1.0  # times the distance that a card allows
WITHHELD = Flag.doubtful(
    "This image looks unlike the training images of the model, so no numbers are given. Choose another model, or switch"
    " “Measure images unlike the data” on if you know better.",
    "No numbers: unlike the training images of the model",
    reason=str(Reason.UNLIKE),
)


def refused(table: Table) -> Table:
    """The table with all in it set aside as of an image unlike the data."""
    return table.judged(np.full(len(table), str(Reason.UNLIKE)))


def is_foreign(segmentation: Segmentation) -> bool:
    """Whether the image is unlike the training images of the model.

    It may look like images of a model of another task. Where the card describes its own images (network.likeness), the
    image may also be unlike them, or more like the images of any other model.
    """
    used, own = segmentation.used, segmentation.provenance
    strict, other = ENTRY in own.card.get("options", {}), used.get("resembles", {})
    elsewhere = bool(other) and (strict or other.get("task", own.task) != own.task)
    return used.get("unlike", 0.0) >= UNLIKE or elsewhere or (strict and used.get("unfamiliar", False))


def withheld(segmentation: Segmentation, settings: MeasurementSettings) -> bool:
    """Whether no number is given, as the image is of another kind and nobody asked to measure it all the same."""
    return is_foreign(segmentation) and not settings.measure_unlike
