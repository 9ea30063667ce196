"""Outlines particles in a network's maps, each with its confidence. Outlines that are almost surely wrong are dropped;
in an image of noise also all that are more likely wrong than right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..segmentation import Cut
from ..separate import Labels, areas_of, relabel, separate
from .confidence import Grey, Maps, confidence
from .contrast import contrasts
from .cuts import border_probability, possible_cuts
from .options import EVEN_PROBABILITY, MERGE_LIMIT, ParticleOptions
from .region_graph import oversegment
from .region_merging import limit_for, merge, merge_regions, merged_labels, typical_size

# Confidence of the outlines that are shown: below it 50 of 56 outlines were wrong on held-out EMPS, 19 of 20 on powder.
LEAST_SHOWN = 0.1


@dataclass(frozen=True, eq=False)
class Outlines:
    """The outlines of an image.

    labels: (H, W) int32 1..n. confidence: (n,) float32. dropped: the number of outlines that were dropped.
    expected: the expected share of right outlines among the outlines that are not faint, after dropping; for an image
    of noise before dropping. If all are faint, the share among all; 1 without any outline, or if the model has no
    weights of the confidence. cuts: the possible cuts, only from `outline_twice`.
    """

    labels: Labels
    confidence: NDArray[np.float32]
    dropped: int
    expected: float
    cuts: tuple[Cut, ...] = ()

    def redrawn(self, labels: Labels) -> Outlines:
        """The outlines with new labels (H, W), drawn along other edges. Outlines without pixels are left out, and there
        are no cuts, because those belong to the former edges."""
        areas = areas_of(labels, len(self.confidence))[1:]
        numbers = np.concatenate([[0], np.where(areas > 0, np.cumsum(areas > 0), 0)]).astype(np.int32)
        return replace(self, labels=numbers[labels], confidence=self.confidence[areas > 0], cuts=())


def particle_labels(maps: Maps, grey: Grey, scale: float, threshold: float, options: ParticleOptions) -> Labels:
    """(H, W) int32 labels 1..n: the particles in maps (2 or 3, H, W), separated as the model's options say.

    grey: (H, W) uint8, the picture in the polarity that the network saw. scale: the working scale. threshold: least
    foreground probability of a particle's pixel.
    """
    if not options.region_merging:
        return separate(*maps[:2], threshold=threshold, seed_threshold=options.seed_threshold)
    return merge_regions(
        maps, grey, threshold=threshold, scale=scale, diameter=options.diameter, weights=options.region_merging
    )


def counted_outlines(outlines: Outlines, grey: Grey, options: ParticleOptions) -> Outlines:
    """The outlines without faint ones and gaps between particles, as measuring leaves them out by default; all outlines
    if there is too little ground to judge by.

    grey: (H, W) uint8, the picture in the polarity that the network saw.
    """
    contrasts_of = contrasts(grey, outlines.labels)
    if not contrasts_of.has_ground:
        return outlines
    labels, confidence = select_outlines(outlines, ~contrasts_of.faint(options.faint))
    return replace(outlines, labels=labels, confidence=confidence)


def select_outlines(outlines: Outlines, keep: NDArray[np.bool_]) -> tuple[Labels, NDArray[np.float32]]:
    """Labels (H, W) 1..m and confidence (m,) of m of n outlines. keep: (n,) whether an outline is among the m."""
    numbers = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)]).astype(np.int32)
    return numbers[outlines.labels], outlines.confidence[keep]


def least_confidence(expected: float, options: Mapping[str, Any]) -> float:
    """The least confidence of outlines that are not dropped: LEAST_SHOWN, or EVEN_PROBABILITY in an image of noise.

    expected: see `Outlines`. options: the model's options as in its stored card.
    """
    return LEAST_SHOWN if expected >= float(options.get("noise", EVEN_PROBABILITY)) else EVEN_PROBABILITY


def outline(maps: Maps, grey: Grey, scale: float, threshold: float, options: ParticleOptions) -> Outlines:
    """The outlines of the particles in maps (2 or 3, H, W) uint8 of a picture `grey` (H, W) uint8.

    Outlines with a confidence below LEAST_SHOWN are dropped. If the expected share of right outlines is low, the image
    shows noise, not particles: then all outlines with a confidence below EVEN_PROBABILITY are dropped. Otherwise these
    stay, and the filters of measuring decide. The option `noise` is the expected share below which an image shows
    noise; faint outlines and gaps do not count for it, because measuring leaves them out.
    """
    return _without_dropped(maps, grey, scale, particle_labels(maps, grey, scale, threshold, options), options)


def outline_twice(
    maps: Maps, grey: Grey, scale: float, threshold: float, options: ParticleOptions
) -> tuple[Outlines, Outlines]:
    """The outlines as from `outline`, with the possible cuts; and a second version of them, in which all cuts that are
    probably right (EVEN_PROBABILITY) are made."""
    regions = oversegment(maps, grey, threshold=threshold, scale=scale)
    merges = merge(regions[2], options.region_merging, options.diameter / scale)
    size = typical_size(regions[2], merges.ends())
    limit = limit_for(size, options.region_merging[MERGE_LIMIT])
    cuts = possible_cuts(*regions, merges, limit, size, options.cuts)
    # A copy, because `merged_labels` changes the labels in place, and both start from the same ones.
    likely = min(limit, border_probability(EVEN_PROBABILITY, size, options.cuts))
    divided = merged_labels((regions[0].copy(), *regions[1:]), merges.ends(likely))
    usual = merged_labels(regions, merges.ends(limit))
    outlines, other = (_without_dropped(maps, grey, scale, labels, options) for labels in (usual, divided))
    return replace(outlines, cuts=cuts), replace(other, cuts=cuts)


def _without_dropped(maps: Maps, grey: Grey, scale: float, labels: Labels, options: ParticleOptions) -> Outlines:
    """The outlines of labels (H, W), after dropping as in `outline`; labels are changed in place."""
    values = confidence(maps, grey, labels, scale, options)
    if not len(values) or not options.confidence:
        return Outlines(labels, values, 0, 1.0)
    has_contrast = ~contrasts(grey, labels).faint(options.faint)
    expected = float(values[has_contrast].mean()) if has_contrast.any() else float(values.mean())
    least = least_confidence(expected, {"noise": options.noise})
    keep = values >= least
    dropped, remaining = int((~keep).sum()), values[keep & has_contrast]
    if dropped:
        numbers = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)])
        relabel(labels, numbers)
    if len(remaining) and least == LEAST_SHOWN:
        expected = float(remaining.mean())
    return Outlines(labels, values[keep], dropped, expected)
