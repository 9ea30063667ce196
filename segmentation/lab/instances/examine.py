"""What becomes of the maps of every scored image: outlines, and what thresholds, confidence and chains make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.labels.confidence import traits
from ...core.labels.outline import HOPELESS, outline, particles
from ...core.network.cards import ModelCard
from ..evaluation.predictions import Options, Predictor, Seen, padded
from ..evaluation.summary import summarise
from ..tasks.base import Labels, Scoring
from .by_size import by_size
from .calibrating import cross_fitted, fit, reliability, traits_of_empty
from .counts import ImageCounts, count_image
from .figures import ap_by_iou
from .published import CHAINS
from .targets import inner_distance
from .thresholds import RULE, choose, curve, sweep_image

OWN = "own"


class Outliner:
    """The Examiner of objects that are outlined; see `tasks.base.Examiner`.

    sweeps, confidence, traits: of each image. chains, through: ImageCounts of each image, by chain.
    """

    def __init__(self, scoring: Scoring, predictor: Predictor, options: Options) -> None:
        self.scoring, self.predictor, self.options = scoring, predictor, options
        self.chains: dict[str, list[ImageCounts]] = {chain: [] for chain in (OWN, *options.chains)}
        self.through: dict[str, list[ImageCounts]] = {chain: [] for chain in self.chains if options.truth_through}
        self.sweeps: list[NDArray[np.float64]] = []
        self.confidence: list[NDArray[np.float32]] = []
        self.traits: list[NDArray[np.float64]] = []

    def find(self, seen: Seen, truth: Labels, unit: float) -> tuple[Labels, ImageCounts]:
        threshold, card = self.options.threshold_of(self.predictor.card), self.predictor.card
        outlines = outline(seen.maps, seen.view.scale, threshold, card, every=self.options.calibrate)
        for chain, counts in self.chains.items():
            labels = outlines.labels if chain == OWN else CHAINS[chain](seen.maps[0])
            counts.append(count_image(padded(labels, truth.shape), truth, unit))
        for chain, counts in self.through.items():
            counts.append(count_image(through_chain(chain, truth, threshold, seen.view.scale, card), truth, unit))
        own = self.chains[OWN][-1]
        maps = np.pad(seen.maps, ((0, 0), (0, truth.shape[0] - seen.maps.shape[1]), (0, 0)))
        self.sweeps.append(sweep_image(maps, truth, seen.view.scale, card))
        self.confidence.append(outlines.confidence[own.found_ids - 1])
        self.traits.append(traits(seen.maps, outlines.labels, card.diameter / seen.view.scale)[own.found_ids - 1])
        return outlines.labels, own

    def report(self, images: Sequence[ImageCounts], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        def pooled(counts: Sequence[ImageCounts]) -> dict[str, Any]:
            figures = summarise(self.scoring, counts, nm=nm)
            return {**self.scoring.tally(counts), "figures": {name: f._asdict() for name, f in figures.items()}}

        points = curve(self.sweeps)
        return {
            "threshold": self.options.threshold_of(self.predictor.card),
            "by_iou": ap_by_iou(images),
            "by_size": by_size([image.by_size for image in images]),
            "thresholds": {"points": points, "rule": RULE, "chosen": choose(points)},
            **self._reliability([image.right for image in images], groups),
            "core": self.predictor.card.core,
            "sizes": {
                "measure": "minimum Feret diameter",
                "true": np.concatenate([i.true_sizes for i in images]).round(3).tolist(),
                "found": np.concatenate([i.found_sizes for i in images]).round(3).tolist(),
            },
            "postprocess": {name: pooled(counts) for name, counts in self.chains.items() if self.options.chains},
            "truth_through": {name: pooled(counts) for name, counts in self.through.items()},
        }

    def _reliability(self, rights: Sequence[NDArray[np.bool_]], groups: Sequence[str]) -> dict[str, Any]:
        """The reliability of the card's confidence; with `calibrate` the new weights, and instead their reliability on
        outlines that are not hopeless."""
        right = np.concatenate(rights)
        if not self.options.calibrate:
            return {"reliability": reliability(np.concatenate(self.confidence), right), "confidence": None}
        empty = traits_of_empty(self.predictor, self.options.threshold_of(self.predictor.card))
        every = [*self.traits, *empty]
        truth = [*rights, *(np.zeros(len(some), bool) for some in empty)]
        apart = cross_fitted(every, truth, [*groups, *(f"empty {number}" for number in range(len(empty)))])
        weights, shown = fit(np.concatenate(every), np.concatenate(truth)), apart[: len(right)]
        likely = shown >= HOPELESS
        return {"reliability": reliability(shown[likely], right[likely]), "confidence": weights}


def through_chain(chain: str, truth: Labels, threshold: float, scale: float, card: ModelCard) -> Labels:
    """What a chain makes of the maps (H, W) that a perfect network would give for the truth, shown at `scale`."""
    foreground = ((truth > 0) * 255).astype(np.uint8)
    if chain != OWN:
        return CHAINS[chain](foreground)
    distance = np.rint(255 * inner_distance(truth)).astype(np.uint8)
    return particles(np.stack([foreground, distance]), scale, threshold, card)
