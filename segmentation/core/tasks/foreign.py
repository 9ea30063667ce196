"""Images of another kind than those that a model was taught on: no number is given of them, unless one insists."""

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
    """Whether the image is of another kind than those that the model was taught on: of those of a model of another
    task, or, where the card knows its own images (network.likeness), unlike these or more like those of any model."""
    used, own = segmentation.used, segmentation.provenance
    strict, other = ENTRY in own.card.get("options", {}), used.get("resembles", {})
    elsewhere = bool(other) and (strict or other.get("task", own.task) != own.task)
    return used.get("unlike", 0.0) >= UNLIKE or elsewhere or (strict and used.get("unfamiliar", False))


def withheld(segmentation: Segmentation, settings: MeasurementSettings) -> bool:
    """Whether no number is given, as the image is of another kind and nobody asked to measure it all the same."""
    return is_foreign(segmentation) and not settings.measure_unlike
