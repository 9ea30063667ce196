"""Images outside the domain of a model, that is, unlike its training images: they get no numbers by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..flags import NO_NUMBERS, Flag
from ..measure.filters import Reason
from ..network.likeness import ENTRY

if TYPE_CHECKING:
    from ..labels.segmentation import Segmentation
    from ..measure.table import Table
    from ..settings import MeasurementSettings

UNLIKE = 1.0  # times the distance that a card allows
WITHHELD = Flag.doubtful(
    "This image is unlike the training images of the model, so no numbers are given. Choose another model. If you are"
    " sure, choose “Measure it all the same”.",
    NO_NUMBERS,
)


def without_numbers(table: Table) -> Table:
    """The table with all its objects set aside, because the image is out of the domain."""
    return table.judged(np.full(len(table), str(Reason.UNLIKE)))


def is_out_of_domain(segmentation: Segmentation) -> bool:
    """Whether the image is unlike the training images of the model.

    It is, if it clearly looks like the images of a model of another task. If the card describes its own images
    (network.likeness), three more reasons count: the image is too far from these, it clearly looks like the images of
    any other model, or its textures are those of no image of the model.
    """
    used, own = segmentation.used, segmentation.provenance
    strict, other = ENTRY in own.card.get("options", {}), used.get("resembles", {})
    elsewhere = bool(other) and (strict or other.get("task", own.task) != own.task)
    return used.get("unlike", 0.0) >= UNLIKE or elsewhere or (strict and used.get("unfamiliar", False))


def withheld(segmentation: Segmentation, settings: MeasurementSettings) -> bool:
    """Whether no numbers are given: the image is out of the domain, and the settings do not ask to measure it all the
    same."""
    return is_out_of_domain(segmentation) and not settings.measure_unlike
