"""Maps -> particles with their confidence; where an image shows hardly any, the doubtful ones are dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..network.cards import ModelCard
from .confidence import Maps, confidence
from .cuts import cut_apart
from .separate import Labels, renumber, separate

EVEN = 0.5  # chance of being right under which an outline is more likely wrong


@dataclass(frozen=True, eq=False)
class Outlines:
    """labels: (H, W) int32 1..n. confidence: (n,) float32. dropped: outlines that were left out.

    expected: share of all outlines that is expected to be right, dropped ones included; 1 without any, and where the
    model is not calibrated.
    """

    labels: Labels
    confidence: NDArray[np.float32]
    dropped: int
    expected: float


def particles(maps: Maps, scale: float, threshold: float, card: ModelCard) -> Labels:
    """(H, W) int32 labels 1..n of the particles of two maps (2, H, W), told apart as the card says."""
    if not card.cuts:
        return separate(*maps, threshold=threshold, core=card.core)
    return cut_apart(maps, threshold=threshold, scale=scale, diameter=card.diameter, weights=card.cuts)


def outline(maps: Maps, scale: float, threshold: float, card: ModelCard) -> Outlines:
    """The particles of two maps (2, H, W) uint8 that a network made at `scale`.

    Where a calibrated model expects most outlines of an image to be wrong, the image shows noise rather than
    particles: those that are more likely wrong than right are dropped then. Elsewhere all stay, for the filter.
    """
    labels = particles(maps, scale, threshold, card)
    certainty = confidence(maps, labels, scale, card)
    expected = float(certainty.mean()) if len(certainty) and card.confidence else 1.0
    if expected >= EVEN:
        return Outlines(labels, certainty, 0, expected)
    keep = np.concatenate([[False], certainty >= EVEN])
    kept = renumber(np.where(keep[labels], labels, 0).astype(np.int32))
    # The order of what is left is unchanged: renumbering follows the first pixels, as numbering did.
    return Outlines(kept, certainty[keep[1:]], int((~keep[1:]).sum()), expected)
