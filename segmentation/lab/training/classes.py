"""Targets and scores for the tasks whose labels give each pixel a class.

The scores are IoU, Dice and boundary F1 of each class, and the error of its area fraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from ...core.micrograph.types import Micrograph
from ...core.network.likeness import describe, likeness_entry
from ...core.report.figures.picture import COLOURS
from .contract import Definition, Field, Floats, Labels, Maps, Picture, Scoring, Tracked, read_definitions, table_beside
from .evaluation.predictions import Options, Prediction, Predictor, pad_rows
from .evaluation.scores import count_near, finite_or_none, pixel_sweep, share, threshold_report
from .sheets import STRENGTH, as_panels, in_colour

if TYPE_CHECKING:
    from torch import Tensor

    from .data import LabelledImage

LIKELIEST = (
    "Each pixel goes to its likeliest class, so that no threshold is chosen; the curves tell what its probability alone"
    " would take."
)
RIGHT, WRONG = (0, 158, 115), (213, 94, 0)  # colours of right and wrong pixels
TOLERANCE_PX = 2  # by which outlines may differ in the boundary F1
RIMS = 4  # counts of outline pixels in a row of a Confusion
# The comparison of one image with its truth, (C, C + 1 + RIMS), a row for each true class. First the labelled pixels by
# found class, and those with no class; then, as RIMS: pixels of the class's found outline, those of them near its true
# outline, pixels of its true outline, and those of them near the found outline.
Confusion = Floats


def targets(labels: Labels, channels: Sequence[str]) -> Field:
    """The targets (channels + 1, H, W) float32 of labels (H, W), in which 1 is the first channel's class.

    A map of 0 and 1 for each channel, then a map that is 1 where a pixel is labelled.
    """
    numbers = np.arange(1, len(channels) + 1, dtype=np.int32)[:, None, None]
    return np.concatenate([labels == numbers, (labels > 0)[None]]).astype(np.float32)


def likeness_entries(pictures: Sequence[LabelledImage]) -> dict[str, Any]:
    """The entries of a card's options that describe the training pictures, by which an analysis recognises images that
    are unlike them."""
    return likeness_entry(
        [describe(picture.grey) for picture in pictures], [picture.pair.group for picture in pictures]
    )


def softmax(logits: Tensor) -> Tensor:
    """Probabilities of classes that exclude each other, from logits (B, C, H, W)."""
    return logits.softmax(1)


def sigmoid(logits: Tensor) -> Tensor:
    """Probabilities of maps that are independent of each other, from logits (B, C, H, W)."""
    return logits.sigmoid()


def likeliest(maps: Maps) -> Labels:
    """(H, W) int32: for each pixel the number, from 1 on, of the map (C, H, W) that is highest there."""
    return maps.argmax(0).astype(np.int32) + 1


def scoring(classes: Sequence[str]) -> Scoring:
    """The scoring of a task with these classes."""
    return Scoring(
        examine=partial(ClassExaminer, tuple(classes)),
        metrics=partial(metrics, classes),
        quantity_errors=partial(fraction_errors, classes),
        definitions=definitions(classes),
        panels=panels,
        legend={"right": RIGHT, "wrong": WRONG},
        printed=("iou", "dice", "boundary_f1", "accuracy", "fraction_error", *(f"{name}_error" for name in classes)),
        tracked=Tracked("dice", "iou", "fraction_error"),
        by_class={
            name: tuple(f"{name}_{figure}" for figure in ("true", "iou", "error", "absolute_error")) for name in classes
        },
        note="Only labelled pixels count.",
    )


class ClassExaminer:
    """Compares the classes that an analysis finds with the true ones; see `contract.Examiner`.

    sweeps: of each image the counts of pixels at each threshold, see `pooled_curve`.
    """

    def __init__(self, classes: tuple[str, ...], predictor: Predictor, options: Options) -> None:
        self.classes, self.predictor = classes, predictor
        self.sweeps: list[Floats] = []

    def find(self, prediction: Prediction, truth: Labels, unit: float) -> tuple[Labels, Confusion]:
        """Classes 1..C (R, W), 0 where none was found, and their Confusion with the truth (H, W)."""
        rows_truth = truth[: len(prediction.grey)]
        labelled = rows_truth > 0
        sides = (
            (class_map[labelled], rows_truth[labelled] == n) for n, class_map in enumerate(prediction.maps, start=1)
        )
        self.sweeps.append(np.concatenate([pixel_sweep(*side) for side in sides], axis=1))
        predicted = self.predictor.labels(prediction)
        classes = np.concatenate([[0], predicted.classes + 1]).astype(np.int32)[predicted.labels]
        return classes, confusion(pad_rows(classes, truth.shape), truth, len(self.classes))

    def report(self, images: Sequence[Confusion], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        """Further entries of the report.

        thresholds: see `threshold_report`. spread: statistics of the groups' scores, each the mean of its images.
        confusion: of each true class (row) the shares of the found classes. frequency: share of each class in the
        labelled pixels, and its IoU, all images pooled.
        """
        single_images = np.eye(len(images))
        scores = metrics(self.classes, images, single_images)
        fractions = fraction_errors(self.classes, images, single_images, nm)
        figures = {name: scores[name] for name in ("iou", "dice", "boundary_f1", "accuracy")}
        figures |= {f"{name}_error": np.abs(fractions[f"{name}_error"]) for name in self.classes}
        figures["fraction_error"] = fractions["fraction_error"]
        pixels = np.sum(images, axis=0)[:, : len(self.classes) + 1]
        pooled = metrics(self.classes, images, np.ones((1, len(images))))
        return {
            "thresholds": threshold_report(self.sweeps, dict(zip(self.classes, self.classes, strict=True)), LIKELIEST),
            "spread": {name: _spread(values, groups) for name, values in figures.items()},
            "confusion": {
                "classes": self.classes,
                "shares": [
                    [finite_or_none(cell) for cell in row] for row in share(pixels, pixels.sum(1, keepdims=True))
                ],
            },
            "frequency": [
                {"class": name, "frequency": finite_or_none(true), "iou": finite_or_none(pooled[f"{name}_iou"][0])}
                for name, true in zip(self.classes, share(pixels.sum(1), pixels.sum()), strict=True)
            ],
        }


def _spread(values: Floats, groups: Sequence[str]) -> dict[str, float | None]:
    """Mean, sample standard deviation, least and greatest of the groups' means of the finite values (n,)."""
    by_group = [values[[name == group for name in groups] & np.isfinite(values)] for group in dict.fromkeys(groups)]
    finite = np.array([in_group.mean() for in_group in by_group if len(in_group)])
    if not len(finite):
        return dict.fromkeys(("mean", "sd", "min", "max"))
    sd = float(finite.std(ddof=1)) if len(finite) > 1 else None
    return {"mean": float(finite.mean()), "sd": sd, "min": float(finite.min()), "max": float(finite.max())}


def confusion(predicted: Labels, truth: Labels, count: int) -> Confusion:
    """The Confusion of found and true classes (H, W) 1..count; 0: no class found, or not labelled."""
    labelled = truth > 0
    columns = np.where(predicted[labelled] > 0, predicted[labelled] - 1, count)
    places = (truth[labelled] - 1) * (count + 1) + columns
    pixels = np.bincount(places, minlength=count * (count + 1)).reshape(count, count + 1).astype(float)
    rims = []  # pixels of a class that share a side with another class; unlabelled pixels do not count
    for number in range(1, count + 1):
        insides = (side == number for side in (predicted, truth))
        found_rim, true_rim = (
            inside & ~ndimage.binary_erosion(inside | ~labelled, border_value=1) & labelled for inside in insides
        )
        rims.append(
            [
                found_rim.sum(),
                count_near(found_rim, true_rim, TOLERANCE_PX),
                true_rim.sum(),
                count_near(true_rim, found_rim, TOLERANCE_PX),
            ]
        )
    return np.concatenate([pixels, np.array(rims, float)], axis=1)


def definitions(classes: Sequence[str]) -> dict[str, Definition]:
    """The definitions of the scores by name: those of all classes together, and NAME_score of each class."""
    tables = table_beside(__file__)
    by_class = {name: read_definitions(tables["of_class"], name=name) for name in classes}
    of_class = {
        f"{name}_{figure}": definition for name, figures in by_class.items() for figure, definition in figures.items()
    }
    return read_definitions(tables["every"], tolerance=TOLERANCE_PX) | of_class


def metrics(classes: Sequence[str], images: Sequence[Confusion], weights: Floats) -> dict[str, Floats]:
    """The scores of pixels by name, each (n,), if image i counts weights[n, i] times; NaN where undefined."""
    sums = np.tensordot(weights, np.stack(images), 1)  # (n, C, C + 1 + RIMS), see Confusion
    right, true, predicted = _right_true_found(sums)
    iou, dice = share(right, true + predicted - right), share(2 * right, true + predicted)
    found_rim, found_near, true_rim, true_near = np.moveaxis(sums[:, :, -RIMS:], 2, 0)
    # With precision P = found_near / found_rim and recall R = true_near / true_rim, F1 = 2 P R / (P + R) is
    # 2 found_near true_near / divisor: 0 if one side has no outline, NaN if neither has.
    divisor = found_near * true_rim + true_near * found_rim
    boundary = np.where(
        found_rim + true_rim > 0, 2 * found_near * true_near / np.where(divisor > 0, divisor, 1), np.nan
    )
    of_class = {
        f"{name}_{figure}": values[:, column]
        for column, name in enumerate(classes)
        for figure, values in (("iou", iou), ("dice", dice), ("boundary_f1", boundary))
    }
    return {
        "iou": _mean(iou),
        "dice": _mean(dice),
        "boundary_f1": _mean(boundary),
        "accuracy": share(right.sum(1), true.sum(1)),
        **of_class,
    }


def fraction_errors(
    classes: Sequence[str], images: Sequence[Confusion], weights: Floats, nm: bool
) -> dict[str, Floats]:
    """For each class its true and found area fraction in percent, their difference in points (NAME_error), and the
    mean over the images of the absolute difference; each (n,), weighted as in `metrics`. nm is not used."""
    _, true, predicted = _right_true_found(np.stack(images))
    labelled_pixels = true.sum(1, keepdims=True)
    by_image = np.nan_to_num(100 * np.abs(share(predicted, labelled_pixels) - share(true, labelled_pixels)))
    absolute = share(weights @ by_image, weights @ (labelled_pixels > 0).astype(float))
    true, predicted, labelled_pixels = weights @ true, weights @ predicted, (weights @ labelled_pixels)[:, 0]
    figures = {"fraction_error": absolute.mean(1)}
    for column, name in enumerate(classes):
        sides = 100 * share(true[:, column], labelled_pixels), 100 * share(predicted[:, column], labelled_pixels)
        figures |= {f"{name}_true": sides[0], f"{name}_found": sides[1], f"{name}_error": sides[1] - sides[0]}
        figures[f"{name}_absolute_error"] = absolute[:, column]
    return figures


def _right_true_found(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """(right, true, found): (n, C) pixels of each class. sums: (n, C, C + 1 + RIMS), see Confusion."""
    pixels = sums[:, :, :-RIMS]
    return np.diagonal(pixels, axis1=1, axis2=2), pixels.sum(2), pixels[:, :, :-1].sum(1)


def _mean(values: Floats) -> Floats:
    """The mean (n,) over the classes of values (n, C), without NaN."""
    is_finite = np.isfinite(values)
    return share(np.where(is_finite, values, 0).sum(1), is_finite.sum(1).astype(float))


def panels(micrograph: Micrograph, predicted: Labels, truth: Labels) -> list[Picture]:
    """(h, w, 3) uint8 pictures: the image, its true classes, the found classes, and the errors.

    predicted, truth: (R, W) classes of the image's first R rows; only those are shown.
    """
    grey, found_classes, true_classes = as_panels(micrograph, predicted, truth)
    correctness = np.where(true_classes == found_classes, 1, 2) * (true_classes > 0)  # 1 right, 2 wrong
    colours = np.array([RIGHT, WRONG], np.uint8)
    return [
        in_colour(grey),
        with_classes(grey, true_classes),
        with_classes(grey, found_classes),
        with_classes(grey, correctness, colours),
    ]


def with_classes(grey: Picture, classes: Labels, colours: Picture = COLOURS) -> Picture:
    """(h, w, 3) uint8: the picture (h, w) with a colour for each class 1, 2, ...; pixels of class 0 stay grey."""
    shade = in_colour(grey).astype(np.float32)
    colour = colours[(classes - 1) % len(colours)]
    mixture = STRENGTH * colour + (1 - STRENGTH) * shade
    return np.where((classes > 0)[..., None], mixture, shade).round().astype(np.uint8)
