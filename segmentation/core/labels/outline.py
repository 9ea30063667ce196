"""Maps -> particles with their confidence; the hopeless ones are dropped, and in mere noise the doubtful ones, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .confidence import Grey, Maps, confidence
from .contrast import contrasts
from .cuts import cut_apart
from .options import EVEN, ParticleOptions
from .separate import Labels, relabel, separate

HOPELESS = 0.1  # chance under which it is never shown: 50 of 56 such were wrong on held-out EMPS, 19 of 20 on powder


@dataclass(frozen=True, eq=False)
class Outlines:
    """labels: (H, W) int32 1..n. confidence: (n,) float32. dropped: outlines that were left out.

    expected: share that is expected to be right of the outlines that stand out; of all these, where that makes the
    image noise, else of those that are left; 1 without any, and where the model is not calibrated.
    """

    labels: Labels
    confidence: NDArray[np.float32]
    dropped: int
    expected: float


def particles(maps: Maps, grey: Grey, scale: float, threshold: float, options: ParticleOptions) -> Labels:
    """(H, W) int32 labels 1..n of the particles of maps (2 or 3, H, W), told apart as the model's options say.

    grey: (H, W) uint8, the picture as the network saw it.
    """
    if not options.cuts:
        return separate(*maps[:2], threshold=threshold, seed_threshold=options.seed_threshold)
    return cut_apart(maps, grey, threshold=threshold, scale=scale, diameter=options.diameter, weights=options.cuts)


def that_count(found: Outlines, grey: Grey, options: ParticleOptions) -> Outlines:
    """The outlines without those that measuring sets aside by default: the faint ones and gaps between particles.

    grey: (H, W) uint8, the picture as the network saw it.
    """
    keep = ~contrasts(grey, found.labels).faint(options.faint)
    numbers = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)]).astype(np.int32)
    return replace(found, labels=numbers[found.labels], confidence=found.confidence[keep])


def least_chance(expected: float, options: Mapping[str, Any]) -> float:
    """The chance of being right under which outlines of an image are dropped; options: of the model's stored card."""
    return HOPELESS if expected >= float(options.get("noise", EVEN)) else EVEN


def outline(maps: Maps, grey: Grey, scale: float, threshold: float, options: ParticleOptions) -> Outlines:
    """The particles of maps (2 or 3, H, W) uint8 that a network made at `scale` of a picture, (H, W) uint8.

    Outlines whose chance is under HOPELESS are dropped. Where a calibrated model expects most outlines of an image to
    be wrong, the image shows noise rather than particles: all that are more likely wrong than right are dropped then.
    Elsewhere those stay, for the filter. Faint outlines and gaps, which measuring sets aside, have no say in this.
    The options say below which expected share that is so (`noise`): where faint things abound, most candidates are
    wrong without the rest being noise.
    """
    labels = particles(maps, grey, scale, threshold, options)
    certainty = confidence(maps, grey, labels, scale, options)
    if not len(certainty) or not options.confidence:
        return Outlines(labels, certainty, 0, 1.0)
    standing = ~contrasts(grey, labels).faint(options.faint)
    expected = float(certainty[standing].mean()) if standing.any() else float(certainty.mean())
    least = least_chance(expected, {"noise": options.noise})
    keep = certainty >= least
    left, dropped, shown = certainty[keep], int((~keep).sum()), certainty[keep & standing]
    if dropped:
        numbers = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)])
        relabel(labels, numbers)
    return Outlines(labels, left, dropped, float(shown.mean()) if len(shown) and least == HOPELESS else expected)
