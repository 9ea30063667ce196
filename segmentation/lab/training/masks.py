"""Each pixel belongs to a thing or does not: the targets of the network, and the scores.

Scored are the eight metrics of Ochoa, Xu & Wang (arXiv 2507.16779, 2025): precision, recall and F1 of pixels; certainty
and abundance of the predicted values, whose definition is ours; and of the objects that the analysis makes of the
prediction and of the annotation alike their number, the IoU of all their pixels, and the L1 distance of the histograms
of their sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.micrograph.types import Micrograph
from .classes import learnt, sigmoid
from .contract import Field, Floats, Labels, LearningTask, Mask, Picture, Scoring, Tracked, defined, table_beside
from .evaluation.predictions import Options, Prediction, Predictor
from .evaluation.scores import OF_PIXELS, against_threshold, fit_threshold, pixel_sweep, precision_recall_f1, share
from .sheets import as_panels, in_colour

BINS = 20
VALUES = 8  # of 256 values in a bin of their histogram
PIXELS = {"pixels": "pixels"}
LEGEND = {"found": (0, 158, 115), "invented": (0, 114, 178), "missed": (213, 94, 0)}


def targets(labels: Labels, channels: Sequence[str]) -> Field:
    """(channels, H, W) float32 of labels (H, W), 1 for the first channel: a map of 0 and 1 for each."""
    return np.stack([labels == number for number in range(1, len(channels) + 1)]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Compared:
    """One image.

    pixels: hits, spurious, missed, all. values: sum of the predicted values, 0..1, of the found pixels. objects: px in
    both true and found objects that count, and px in either. numbers: true and found objects that count.
    all_numbers: those of all true and found objects. true_sizes, found_sizes: sizes of the objects that count.
    """

    pixels: Floats
    values: float
    objects: Floats
    numbers: Floats
    all_numbers: Floats
    true_sizes: Floats
    found_sizes: Floats


@dataclass(frozen=True)
class MaskScoring:
    """How masks of one kind are scored.

    things: name of several objects. counting(labels): (n,) whether each counts. size(labels): (n,) px of each.
    between: whether the mask lies between the objects. measure: the name of their size.
    """

    things: str
    counting: Callable[[Labels], Mask]
    size: Callable[[Labels], Floats]
    measure: str = "diameter"
    between: bool = False

    def named(self, names: Sequence[str]) -> Scoring:
        """The contract's scoring, whatever the map is called."""
        words = {"things": self.things, "Things": self.things.capitalize(), "size": self.measure, "bins": BINS}
        return Scoring(
            examine=lambda predictor, options: MaskExaminer(self, predictor, options),
            metrics=metrics,
            quantity_errors=size_errors,
            definitions=defined(table_beside(__file__), **words),
            panels=self.panels,
            legend=LEGEND,
            printed=(
                *("precision", "recall", "f1", "certainty", "abundance", "number_true", "number_found"),
                *("number_error", "object_iou", "l1", "mean_error", "every_error"),
            ),
            tracked=Tracked("f1", "object_iou", "count_off"),
            note=f"Sizes are the {self.measure}s of {self.things} in {{unit}}.",
            options=frozenset({"threshold"}),
            fits={"threshold": lambda *arguments: fit_threshold(self.named(names), *arguments)},
        )

    def panels(self, micrograph: Micrograph, predicted: Labels, truth: Labels) -> list[Picture]:
        """(h, w, 3) uint8 pictures: the image, the annotation, the result, and the errors.

        predicted: (R, W) labels of objects, truth: the mask, of the image's first R rows.
        """
        grey, objects, annotated = as_panels(micrograph, predicted, truth)
        true, ours, plain = annotated > 0, (objects > 0) != self.between, in_colour(grey)
        judged = (0.45 * plain).astype(np.uint8)
        for colour, where in zip(LEGEND.values(), (true & ours, ours & ~true, true & ~ours), strict=True):
            judged[where] = colour
        return [plain, *(np.where(mask[..., None], np.uint8(255), plain // 2) for mask in (true, ours)), judged]


class MaskExaminer:
    """The Examiner of masks; see `contract.Examiner`."""

    def __init__(self, scoring: MaskScoring, predictor: Predictor, options: Options) -> None:
        self.scoring, self.predictor = scoring, predictor
        self.threshold = options.threshold_of(predictor.card)
        self.sweeps: list[Floats] = []
        self.values = np.zeros((2, 256))

    def find(self, prediction: Prediction, truth: Labels, unit: float) -> tuple[Labels, Compared]:
        """Objects (R, W), and how they and the map compare with the annotation (H, W), 1 where annotated."""
        annotated, rows = truth[: len(prediction.grey)] > 0, len(prediction.grey)
        perfect = np.where(annotated, 255, 0)[None].astype(np.uint8)
        predicted, true = (
            self.predictor.labels(prediction, maps, threshold=self.threshold).labels for maps in (None, perfect)
        )
        above = prediction.maps[0] >= max(1, round(self.threshold * 255))
        self.sweeps.append(pixel_sweep(prediction.maps[0].ravel(), annotated.ravel()))
        self.values += [np.bincount(prediction.maps[0][where], minlength=256) for where in (annotated, ~annotated)]
        lost = int((truth[rows:] > 0).sum())
        right = int((above & annotated).sum())
        counted = [self.scoring.counting(labels) for labels in (predicted, true)]
        sides = list(zip(counted, (predicted, true), strict=True))
        inside = [np.r_[False, is_counted][labels] for is_counted, labels in sides]
        sizes = [self.scoring.size(labels)[is_counted] * unit for is_counted, labels in sides]
        compared = Compared(
            np.array([right, above.sum() - right, annotated.sum() - right + lost, truth.size], float),
            float(prediction.maps[0][above].sum()) / 255,
            np.array([(inside[0] & inside[1]).sum(), (inside[0] | inside[1]).sum()], float),
            np.array([counted[1].sum(), counted[0].sum()], float),
            np.array([true.max(initial=0), predicted.max(initial=0)], float),
            sizes[1],
            sizes[0],
        )
        return predicted, compared

    def report(self, images: Sequence[Compared], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        sizes = {side: np.concatenate([getattr(image, side) for image in images]) for side in ("true", "found")}
        return {
            "thresholds": against_threshold(self.sweeps, PIXELS, OF_PIXELS, list(PIXELS), self.threshold),
            "values": {
                "edges": (np.arange(0, 257, VALUES) / 256).tolist(),
                "threshold": self.threshold,
                **dict(zip(("annotated", "others"), self.values.reshape(2, -1, VALUES).sum(2).tolist(), strict=True)),
            },
            "sizes": {
                "measure": self.scoring.measure,
                **{side: values.round(2).tolist() for side, values in sizes.items()},
            },
        }


def metrics(images: Sequence[Compared], weights: Floats) -> dict[str, Floats]:
    """The figures of pixels and of objects, each (n,), when image i counts weights[n, i] times; NaN where undefined."""
    right, invented, missed, pixels = (weights @ np.stack([image.pixels for image in images])).T
    in_both, either = (weights @ np.stack([image.objects for image in images])).T
    numbers = np.stack([image.numbers for image in images])
    true, predicted = (weights @ numbers).T
    all_true, all_found = (weights @ np.stack([image.all_numbers for image in images])).T
    return {
        **precision_recall_f1(right, invented, missed),
        "certainty": share(weights @ np.array([image.values for image in images]), right + invented),
        "abundance": share(right + invented, pixels),
        "number_true": true,
        "number_found": predicted,
        "number_error": 100 * share(predicted - true, true),
        "count_off": 100 * share(weights @ np.abs(numbers[:, 1] - numbers[:, 0]), true),
        "object_iou": share(in_both, either),
        "every_true": all_true,
        "every_found": all_found,
        "every_error": 100 * share(all_found - all_true, all_true),
    }


def size_errors(images: Sequence[Compared], weights: Floats, nm: bool) -> dict[str, Floats]:
    """Distance of the histograms and means of the sizes, each (n,), weighted as in `metrics`."""
    largest = max((float(image.true_sizes.max(initial=0)) for image in images), default=0.0) or 1.0
    edges = np.linspace(0, largest, BINS + 1)
    sizes_of_sides = [[image.true_sizes, image.found_sizes] for image in images]  # larger sizes lie in the last bin
    bins = np.stack(
        [[np.histogram(np.minimum(sizes, largest), edges)[0] for sizes in sides] for sides in sizes_of_sides]
    )
    true, predicted = np.moveaxis(np.tensordot(weights, bins, 1), 1, 0)
    sums = [weights @ np.array([getattr(i, side).sum() for i in images]) for side in ("true_sizes", "found_sizes")]
    means = [share(total, bins_of_side.sum(1)) for total, bins_of_side in zip(sums, (true, predicted), strict=True)]
    return {
        "l1": np.abs(predicted - true).sum(1),
        "mean_true": means[0],
        "mean_found": means[1],
        "mean_error": 100 * share(means[1] - means[0], means[0]),
    }


def equal_circles(labels: Labels) -> Floats:
    """(n,) px: 2 sqrt(area / pi) of each object 1..n."""
    return np.sqrt(4 * np.bincount(labels.ravel())[1:] / np.pi)


def every_one(labels: Labels) -> Mask:
    return np.ones(int(labels.max(initial=0)), bool)


def learning_task(name: str, channel: str, scoring: MaskScoring) -> LearningTask:
    """A task with a network that predicts one mask, which its labels hold as the class 1."""
    return LearningTask(
        name=name,
        channels=(channel,),
        optional=(),
        targets=targets,
        loss="masks",
        activation=sigmoid,
        preview=lambda maps: (maps[0] >= 128).astype(np.int32),
        scoring=scoring.named,
        classes=True,
        learnt=learnt,
    )
