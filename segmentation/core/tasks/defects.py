"""What grains, bubbles and lines have in common: a network that predicts one mask, and how sure it was of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..settings import SegmentationSettings
from .base import Channels, Found, Maps

if TYPE_CHECKING:
    from ..labels.segmentation import Segmentation
    from ..network.cards import ModelCard

LEAST = "least_certainty"  # option of a card: certainty under which an image is unlike those that the model knows
UNLIKE = (
    "This image looks unlike the micrographs that the model knows, so nothing was outlined. If it does show {things},"
    " type a threshold (such as 0.5) to outline them all the same, and check every outline."
)
NONE_FOUND = "No {things} were found: the image shows none, or none that the model knows."


class DefectSettings(SegmentationSettings):
    """How things are found in a map of one kind."""

    threshold: float | None = Field(
        None,
        ge=0.05,
        le=0.95,
        title="Threshold",
        description="Probability from which a pixel belongs to what is looked for; by default the model's own.",
        json_schema_extra={"labels": {"auto": "the model's own"}},
    )


def certainty(shown: NDArray[np.uint8], threshold: float) -> float:
    """The mean of a map, 0..255, over the pixels at or above the threshold, as 0..1; 0 without any."""
    taken = shown[shown >= max(1, round(threshold * 255))]
    return float(taken.mean()) / 255 if taken.size else 0.0


def channels_named(name: str) -> Callable[[ModelCard], Channels]:
    return lambda card: Channels((name,))


def found_by(
    finder: Callable[[NDArray[np.uint8], float], NDArray[np.int32]],
    maps: Maps,
    card: ModelCard,
    settings: DefectSettings,
) -> Found:
    """What the finder makes of the first map (H, W); nothing where the network was not sure of anything."""
    threshold = card.threshold if settings.threshold is None else settings.threshold
    sure = certainty(maps[0], threshold)
    unlike = settings.threshold is None and 0 < sure < float(card.options.get(LEAST, 0))
    nothing = unlike or sure == 0
    labels = np.zeros(maps.shape[1:], np.int32) if nothing else finder(maps[0], threshold)
    count = int(labels.max(initial=0))
    used: dict[str, Any] = {"threshold": threshold, "certainty": round(sure, 4), "unlike": unlike}
    return Found(labels, np.full(count, np.nan, np.float32), np.zeros(count, np.int32), used)


def doubts(segmentation: Segmentation, things: str) -> Iterator[str]:
    """Why there are no numbers."""
    if segmentation.used.get("unlike"):
        yield UNLIKE.format(things=things)
    elif not len(segmentation):
        yield NONE_FOUND.format(things=things)
