"""Maps -> particles with their confidence. Hopeless ones are dropped, and in pure noise also doubtful ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .confidence import Grey, Maps, confidence
from .contrast import contrasts
from .cuts import border_probability, possible_cuts
from .options import EVEN, MERGE_LIMIT, ParticleOptions
from .region_graph import oversegment
from .region_merging import limit_for, merge, merge_regions, merged_labels, typical_size
from .segmentation import Cut
from .separate import Labels, areas_of, relabel, separate

HOPELESS = (
    0.1  # probability under which it is never shown: 50 of 56 such were wrong on held-out EMPS, 19 of 20 on powder
)


@dataclass(frozen=True, eq=False)
class Outlines:
    """labels: (H, W) int32 1..n. confidence: (n,) float32. dropped: outlines that were left out.

    expected: expected share of right outlines among those with contrast: of all of them if the image is judged as
    noise, otherwise of the remaining ones; without any with contrast, of all outlines. 1 if there is no outline, or if
    the model is not calibrated. cuts: the possible ones, only from `outline_twice`.
    """

    labels: Labels
    confidence: NDArray[np.float32]
    dropped: int
    expected: float
    cuts: tuple[Cut, ...] = ()

    def redrawn(self, labels: Labels) -> Outlines:
        """The same outlines as labels (H, W) drawn along other edges, without those that have no pixels left. Their
        cuts are those of the former edges."""
        areas = areas_of(labels, len(self.confidence))[1:]
        numbers = np.concatenate([[0], np.where(areas > 0, np.cumsum(areas > 0), 0)]).astype(np.int32)
        return replace(self, labels=numbers[labels], confidence=self.confidence[areas > 0], cuts=())


def particles(maps: Maps, grey: Grey, scale: float, threshold: float, options: ParticleOptions) -> Labels:
    """(H, W) int32 labels 1..n of the particles of maps (2 or 3, H, W), separated by the model's options.

    grey: (H, W) uint8, the picture as the network saw it.
    """
    if not options.region_merging:
        return separate(*maps[:2], threshold=threshold, seed_threshold=options.seed_threshold)
    return merge_regions(
        maps, grey, threshold=threshold, scale=scale, diameter=options.diameter, weights=options.region_merging
    )


def that_count(outlines: Outlines, grey: Grey, options: ParticleOptions) -> Outlines:
    """The outlines without faint ones and gaps between particles, which measuring sets aside by default where there is
    ground to judge them by.

    grey: (H, W) uint8, the picture as the network saw it.
    """
    stand_out = contrasts(grey, outlines.labels)
    if not stand_out.has_ground:
        return outlines
    labels, confidence = that_stand_out(outlines, ~stand_out.faint(options.faint))
    return replace(outlines, labels=labels, confidence=confidence)


def that_stand_out(outlines: Outlines, keep: NDArray[np.bool_]) -> tuple[Labels, NDArray[np.float32]]:
    """Labels (H, W) 1..m and confidence (m,) of the outlines to keep (n,)."""
    numbers = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)]).astype(np.int32)
    return numbers[outlines.labels], outlines.confidence[keep]


def least_chance(expected: float, options: Mapping[str, Any]) -> float:
    """Outlines with a lower probability of being right are dropped; options: of the model's stored card."""
    return HOPELESS if expected >= float(options.get("noise", EVEN)) else EVEN


def outline(maps: Maps, grey: Grey, scale: float, threshold: float, options: ParticleOptions) -> Outlines:
    """The particles of maps (2 or 3, H, W) uint8 that a network made at `scale` of a picture, (H, W) uint8.

    Outlines with a probability of being right below HOPELESS are dropped. If a calibrated model expects most outlines
    of an image to be wrong, the image shows noise, not particles: then all outlines that are more likely wrong than
    right are dropped. Otherwise they stay, for the filter. Faint outlines and gaps, which measuring sets aside, are
    not counted here. The option `noise` sets the limit of the expected share: with many faint objects most
    candidates are wrong, but the rest is not noise.
    """
    return _likely(maps, grey, scale, particles(maps, grey, scale, threshold, options), options)


def outline_twice(
    maps: Maps, grey: Grey, scale: float, threshold: float, options: ParticleOptions
) -> tuple[Outlines, Outlines]:
    """As `outline`, with the possible cuts; and a second time with all cuts made that are probably right."""
    regions = oversegment(maps, grey, threshold=threshold, scale=scale)
    merges = merge(regions[2], options.region_merging, options.diameter / scale)
    size = typical_size(regions[2], merges.ends())
    limit = limit_for(size, options.region_merging[MERGE_LIMIT])
    cuts = possible_cuts(*regions, merges, limit, size, options.cuts)
    # A copy, because `merged_labels` changes the labels in place, and both start from the same ones.
    likely = min(limit, border_probability(EVEN, size, options.cuts))
    more = merged_labels((regions[0].copy(), *regions[1:]), merges.ends(likely))
    usual = merged_labels(regions, merges.ends(limit))
    outlines, other = (_likely(maps, grey, scale, labels, options) for labels in (usual, more))
    return replace(outlines, cuts=cuts), replace(other, cuts=cuts)


def _likely(maps: Maps, grey: Grey, scale: float, labels: Labels, options: ParticleOptions) -> Outlines:
    certainty = confidence(maps, grey, labels, scale, options)
    if not len(certainty) or not options.confidence:
        return Outlines(labels, certainty, 0, 1.0)
    standing = ~contrasts(grey, labels).faint(options.faint)
    expected = float(certainty[standing].mean()) if standing.any() else float(certainty.mean())
    least = least_chance(expected, {"noise": options.noise})
    keep = certainty >= least
    left, dropped, certain = certainty[keep], int((~keep).sum()), certainty[keep & standing]
    if dropped:
        numbers = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)])
        relabel(labels, numbers)
    return Outlines(labels, left, dropped, float(certain.mean()) if len(certain) and least == HOPELESS else expected)
