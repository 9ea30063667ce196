"""Targets and scores for the tasks whose network predicts one mask.

The scores are the eight metrics of Ochoa, Xu & Wang (arXiv 2507.16779, 2025). For pixels: precision, recall and F1.
For the predicted values: certainty and abundance, by our definitions. For objects: their number, the IoU of all their
pixels, and the L1 distance of the histograms of their sizes. Found objects are made from the predicted map, true
objects from the annotation, both by the segmentation of an analysis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.micrograph.types import Micrograph
from .classes import likeness_entries, sigmoid
from .contract import (
    Field,
    Floats,
    Labels,
    LearningTask,
    Mask,
    Picture,
    Scoring,
    Tracked,
    read_definitions,
    table_beside,
)
from .evaluation.predictions import Options, Prediction, Predictor
from .evaluation.scores import OF_PIXELS, fit_threshold, pixel_sweep, precision_recall_f1, share, threshold_report
from .sheets import as_panels, in_colour

BINS = 20  # of the histograms of sizes
VALUES = 8  # predicted values (of 256) in each bin of their histogram
PIXELS = {"pixels": "pixels"}  # the one curve against the threshold
LEGEND = {"found": (0, 158, 115), "invented": (0, 114, 178), "missed": (213, 94, 0)}


def targets(labels: Labels, channels: Sequence[str]) -> Field:
    """The targets (channels, H, W) float32 of labels (H, W), in which 1 is the first channel's class: a map of 0 and
    1 for each channel."""
    return np.stack([labels == number for number in range(1, len(channels) + 1)]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Compared:
    """The record of one image. The names of the class and its fields occur in stored files.

    pixels: numbers of hits, spurious, missed and all pixels. values: sum of the predicted values, 0..1, of the found
    pixels. objects: px in both true and found objects, and px in true or found objects. numbers: of true and of found
    objects that are counted. all_numbers: of all true and all found objects. true_sizes, found_sizes: (n,) of the
    counted objects.
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
    """How the masks of one kind of analysis are scored.

    things: name of several objects. counting(labels): (n,) whether each object is counted. size(labels): (n,) px, the
    size of each. measure: the name of the size. between: whether the mask lies between the objects, as boundaries of
    grains do.
    """

    things: str
    counting: Callable[[Labels], Mask]
    size: Callable[[Labels], Floats]
    measure: str = "diameter"
    between: bool = False

    def as_scoring(self, names: Sequence[str]) -> Scoring:
        """The `Scoring` of the task. names: of the maps, which do not matter here."""
        words = {"things": self.things, "Things": self.things.capitalize(), "size": self.measure, "bins": BINS}
        return Scoring(
            examine=lambda predictor, options: MaskExaminer(self, predictor, options),
            metrics=metrics,
            quantity_errors=size_errors,
            definitions=read_definitions(table_beside(__file__), **words),
            panels=self.panels,
            legend=LEGEND,
            printed=(
                *("precision", "recall", "f1", "certainty", "abundance", "number_true", "number_found"),
                *("number_error", "object_iou", "l1", "mean_error", "every_error"),
            ),
            tracked=Tracked("f1", "object_iou", "count_off"),
            note=f"Sizes are the {self.measure}s of {self.things} in {{unit}}.",
            options=frozenset({"threshold"}),
            fits={"threshold": lambda *arguments: fit_threshold(self.as_scoring(names), *arguments)},
        )

    def panels(self, micrograph: Micrograph, predicted: Labels, truth: Labels) -> list[Picture]:
        """(h, w, 3) uint8 pictures: the image, the annotation, the result, and the errors.

        predicted: (R, W) labels of objects, truth: the mask, of the image's first R rows.
        """
        grey, objects, annotated = as_panels(micrograph, predicted, truth)
        true_mask, found_mask, picture = annotated > 0, (objects > 0) != self.between, in_colour(grey)
        errors = (0.45 * picture).astype(np.uint8)
        kinds = true_mask & found_mask, found_mask & ~true_mask, true_mask & ~found_mask  # as in LEGEND
        for colour, pixels in zip(LEGEND.values(), kinds, strict=True):
            errors[pixels] = colour
        return [
            picture,
            *(np.where(mask[..., None], np.uint8(255), picture // 2) for mask in (true_mask, found_mask)),
            errors,
        ]


class MaskExaminer:
    """Compares a predicted mask, and its objects, with the annotation; see `contract.Examiner`.

    sweeps: of each image the counts of pixels at each threshold, see `pooled_curve`. values: (2, 256) histograms of the
    predicted values of annotated and of other pixels, over all images.
    """

    def __init__(self, scoring: MaskScoring, predictor: Predictor, options: Options) -> None:
        self.scoring, self.predictor = scoring, predictor
        self.threshold = options.threshold_of(predictor.card)
        self.sweeps: list[Floats] = []
        self.values = np.zeros((2, 256))

    def find(self, prediction: Prediction, truth: Labels, unit: float) -> tuple[Labels, Compared]:
        """The found objects (R, W), and the record of the image. truth: (H, W), 1 where annotated."""
        annotated, rows = truth[: len(prediction.grey)] > 0, len(prediction.grey)
        annotated_map = np.where(annotated, 255, 0)[None].astype(np.uint8)
        predicted, true = (
            self.predictor.labels(prediction, maps, threshold=self.threshold).labels for maps in (None, annotated_map)
        )
        is_found = prediction.maps[0] >= max(1, round(self.threshold * 255))
        self.sweeps.append(pixel_sweep(prediction.maps[0].ravel(), annotated.ravel()))
        self.values += [np.bincount(prediction.maps[0][where], minlength=256) for where in (annotated, ~annotated)]
        below = int((truth[rows:] > 0).sum())  # annotated pixels below the analysed rows are missed
        hits = int((is_found & annotated).sum())
        counted = [self.scoring.counting(labels) for labels in (predicted, true)]
        sides = list(zip(counted, (predicted, true), strict=True))
        inside = [np.r_[False, is_counted][labels] for is_counted, labels in sides]
        sizes = [self.scoring.size(labels)[is_counted] * unit for is_counted, labels in sides]
        compared = Compared(
            np.array([hits, is_found.sum() - hits, annotated.sum() - hits + below, truth.size], float),
            float(prediction.maps[0][is_found].sum()) / 255,
            np.array([(inside[0] & inside[1]).sum(), (inside[0] | inside[1]).sum()], float),
            np.array([counted[1].sum(), counted[0].sum()], float),
            np.array([true.max(initial=0), predicted.max(initial=0)], float),
            sizes[1],
            sizes[0],
        )
        return predicted, compared

    def report(self, images: Sequence[Compared], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        sizes = {
            side: np.concatenate([getattr(image, f"{side}_sizes") for image in images]) for side in ("true", "found")
        }
        return {
            "thresholds": threshold_report(self.sweeps, PIXELS, OF_PIXELS, list(PIXELS), self.threshold),
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
    """The scores of pixels and of objects by name, each (n,), if image i counts weights[n, i] times; NaN where
    undefined."""
    right, invented, missed, pixels = (weights @ np.stack([image.pixels for image in images])).T
    in_both, in_either = (weights @ np.stack([image.objects for image in images])).T
    numbers = np.stack([image.numbers for image in images])
    true_number, found_number = (weights @ numbers).T
    all_true, all_found = (weights @ np.stack([image.all_numbers for image in images])).T
    return {
        **precision_recall_f1(right, invented, missed),
        "certainty": share(weights @ np.array([image.values for image in images]), right + invented),
        "abundance": share(right + invented, pixels),
        "number_true": true_number,
        "number_found": found_number,
        "number_error": 100 * share(found_number - true_number, true_number),
        "count_off": 100 * share(weights @ np.abs(numbers[:, 1] - numbers[:, 0]), true_number),
        "object_iou": share(in_both, in_either),
        "every_true": all_true,
        "every_found": all_found,
        "every_error": 100 * share(all_found - all_true, all_true),
    }


def size_errors(images: Sequence[Compared], weights: Floats, nm: bool) -> dict[str, Floats]:
    """The L1 distance of the histograms of the sizes, and the means of the sizes, each (n,), weighted as in
    `metrics`. nm is not used."""
    largest = max((float(image.true_sizes.max(initial=0)) for image in images), default=0.0) or 1.0
    edges = np.linspace(0, largest, BINS + 1)
    sizes_of_sides = [[image.true_sizes, image.found_sizes] for image in images]
    # Found sizes above the largest true one are put into the last bin.
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


def equivalent_diameters(labels: Labels) -> Floats:
    """(n,) px: the ECD of each object 1..n."""
    return np.sqrt(4 * np.bincount(labels.ravel())[1:] / np.pi)


def all_objects(labels: Labels) -> Mask:
    """(n,) True for each object 1..n: all are counted."""
    return np.ones(int(labels.max(initial=0)), bool)


def learning_task(name: str, channel: str, scoring: MaskScoring) -> LearningTask:
    """A task whose network predicts one mask, class 1 in the labels. channel: the name of the map."""
    return LearningTask(
        name=name,
        channels=(channel,),
        optional=(),
        targets=targets,
        loss="masks",
        activation=sigmoid,
        preview=lambda maps: (maps[0] >= 128).astype(np.int32),
        scoring=scoring.as_scoring,
        classes=True,
        learnt=likeness_entries,
    )
