"""What becomes of the maps of every scored image: outlines, and what thresholds, confidence and chains make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.labels.outline import outline, particles
from ...core.network.cards import ModelCard
from ..evaluation.predictions import Options, Predictor, Seen, padded
from ..evaluation.summary import summarise
from ..tasks.base import Labels, Scoring
from .by_size import by_size
from .calibrating import reliability
from .counts import ImageCounts, count_image
from .figures import ap_by_iou
from .published import CHAINS
from .targets import inner_distance
from .thresholds import RULE, choose, curve, sweep_image

OWN, BEFORE = "own", "before fitting"


class Outliner:
    """The Examiner of objects that are outlined; see `tasks.base.Examiner`.

    sweeps, confidence: of each image. chains, through: ImageCounts of each image, by chain.
    """

    def __init__(self, scoring: Scoring, predictor: Predictor, options: Options) -> None:
        self.scoring, self.predictor, self.options = scoring, predictor, options
        before = (BEFORE,) if options.before else ()
        self.chains: dict[str, list[ImageCounts]] = {chain: [] for chain in (OWN, *before, *options.chains)}
        self.through: dict[str, list[ImageCounts]] = {
            chain: [] for chain in self.chains if options.truth_through and chain != BEFORE
        }
        self.sweeps: list[NDArray[np.float64]] = []
        self.confidence: list[NDArray[np.float32]] = []

    def find(self, seen: Seen, truth: Labels, unit: float) -> tuple[Labels, ImageCounts]:
        threshold, card = self.options.threshold_of(self.predictor.card), self.predictor.card
        outlines = outline(seen.maps, seen.grey, seen.view.scale, threshold, card)
        for chain, counts in self.chains.items():
            counts.append(count_image(padded(self._labels(chain, seen, outlines.labels), truth.shape), truth, unit))
        for chain, counts in self.through.items():
            counts.append(count_image(through_chain(chain, truth, threshold, seen.view.scale, card), truth, unit))
        own = self.chains[OWN][-1]
        self.sweeps.append(sweep_image(seen.maps, seen.grey, truth, seen.view.scale, card))
        self.confidence.append(outlines.confidence[own.found_ids - 1])
        return outlines.labels, own

    def _labels(self, chain: str, seen: Seen, own: Labels) -> Labels:
        if chain == OWN:
            return own
        if chain == BEFORE and (card := self.options.before):
            return outline(seen.maps, seen.grey, seen.view.scale, self.options.threshold_of(card), card).labels
        return CHAINS[chain](seen.maps[0])

    def report(self, images: Sequence[ImageCounts], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        def pooled(counts: Sequence[ImageCounts]) -> dict[str, Any]:
            figures = summarise(self.scoring, counts, nm=nm)
            return {**self.scoring.tally(counts), "figures": {name: f._asdict() for name, f in figures.items()}}

        points = curve(self.sweeps)
        right = np.concatenate([image.right for image in images])
        return {
            "threshold": self.options.threshold_of(self.predictor.card),
            "by_iou": ap_by_iou(images),
            "by_size": by_size([image.by_size for image in images]),
            "thresholds": {"points": points, "rule": RULE, "chosen": choose(points)},
            "reliability": self.options.reliability or reliability(np.concatenate(self.confidence), right),
            "core": self.predictor.card.core,
            "sizes": {
                "measure": "minimum Feret diameter",
                "true": np.concatenate([i.true_sizes for i in images]).round(3).tolist(),
                "found": np.concatenate([i.found_sizes for i in images]).round(3).tolist(),
            },
            "postprocess": {name: pooled(counts) for name, counts in self.chains.items() if len(self.chains) > 1},
            "truth_through": {name: pooled(counts) for name, counts in self.through.items()},
        }


def through_chain(chain: str, truth: Labels, threshold: float, scale: float, card: ModelCard) -> Labels:
    """What a chain makes of the maps (H, W) that a perfect network would give for the truth, shown at `scale`.

    The picture is one of even particles on an even ground.
    """
    foreground = ((truth > 0) * 255).astype(np.uint8)
    if chain != OWN:
        return CHAINS[chain](foreground)
    distance = np.rint(255 * inner_distance(truth)).astype(np.uint8)
    return particles(np.stack([foreground, distance]), foreground, scale, threshold, card)
