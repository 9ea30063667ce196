"""What becomes of the maps of every scored image: outlines, and what thresholds and confidence make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.labels.options import ParticleOptions
from ....core.labels.outline import outline, particles, that_count
from ....core.measure.matching import match, overlap_of, without_specks
from ..contract import Labels, Scoring
from ..evaluation.predictions import Options, Prediction, Predictor, padded
from ..evaluation.scores import RULE, THRESHOLDS, against_threshold
from .confidence import reliability
from .counts import ImageCounts, by_size, count_image
from .figures import ap_by_iou

CURVES = {"50": "objects at IoU 0.5", "75": "objects at IoU 0.75", "pixels": "pixels"}
CHOOSING = ("50", "75")
OF_OBJECTS = RULE.format(figure="mean of the particles' F1 at IoU 0.5 and at IoU 0.75")


def sweep_image(
    maps: NDArray[np.uint8], grey: NDArray[np.uint8], truth: Labels, scale: float, options: ParticleOptions
) -> NDArray[np.float64]:
    """(thresholds, 9): hits, spurious, missed particles at IoU 0.5, the same at 0.75, and the same of pixels.

    maps: (2 or 3, R, W) uint8. grey: (R, W) uint8, the image as it was shown. truth: (H, W) labels, of as many rows or
    more. scale: at which the network saw the image.
    """
    true, inside = without_specks(truth), truth > 0
    rows = []
    for threshold in THRESHOLDS:
        predicted = padded(particles(maps, grey, scale, threshold, options), truth.shape)
        iou = overlap_of(without_specks(predicted), true).iou
        hits = int(((predicted > 0) & inside).sum())
        pixels = hits, int((predicted > 0).sum()) - hits, int(inside.sum()) - hits
        rows.append([*match(iou, 0.5), *match(iou, 0.75), *pixels])
    return np.array(rows, float)


class OutlineExaminer:
    """The Examiner of objects that are outlined; see `contract.Examiner`.

    sweeps, confidence: of each image.
    """

    def __init__(self, scoring: Scoring, predictor: Predictor, options: Options) -> None:
        self.predictor, self.options = predictor, options
        self.of_card = ParticleOptions.of(predictor.card)
        self.sweeps: list[NDArray[np.float64]] = []
        self.confidence: list[NDArray[np.float32]] = []

    def find(self, prediction: Prediction, truth: Labels, unit: float) -> tuple[Labels, ImageCounts]:
        threshold, options = self.options.threshold_of(self.predictor.card), self.of_card
        maps, grey, scale = prediction.maps, prediction.grey, prediction.view.scale
        outlines = that_count(outline(maps, grey, scale, threshold, options), grey, options)
        counts = count_image(padded(outlines.labels, truth.shape), truth, unit)
        if self.options.thresholds:
            self.sweeps.append(sweep_image(maps, grey, truth, scale, options))
        self.confidence.append(outlines.confidence[counts.found_ids - 1])
        return outlines.labels, counts

    def report(self, images: Sequence[ImageCounts], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        used = self.options.threshold_of(self.predictor.card)
        right = np.concatenate([image.right for image in images])
        return {
            "threshold": used,
            "by_iou": ap_by_iou(images),
            "by_size": by_size([image.by_size for image in images]),
            "thresholds": against_threshold(self.sweeps, CURVES, OF_OBJECTS, CHOOSING, used),
            "reliability": reliability(np.concatenate(self.confidence), right),
            "seed_threshold": self.of_card.seed_threshold,
            "sizes": {
                "measure": "minimum Feret diameter",
                "true": np.concatenate([i.true_sizes for i in images]).round(3).tolist(),
                "found": np.concatenate([i.found_sizes for i in images]).round(3).tolist(),
            },
        }
