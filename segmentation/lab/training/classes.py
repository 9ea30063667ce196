"""Each pixel belongs to a class: the targets of the network, the meaning of its maps, and the scores.

Scored are IoU, Dice and boundary F1 of each class, and the error of its fraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from ...core.micrograph.types import Micrograph
from ...core.network.likeness import describe, learn
from ...core.report.picture import COLOURS
from .contract import Definition, Field, Floats, Labels, Maps, Picture, Scoring, Tracked, defined, table_beside
from .evaluation.predictions import Options, Prediction, Predictor, padded
from .evaluation.scores import against_threshold, finite_or_none, near, pixel_sweep, share
from .sheets import STRENGTH, as_panels, in_colour

if TYPE_CHECKING:
    from torch import Tensor

    from .data import Labelled

LIKELIEST = (
    "Each pixel goes to its likeliest class, so that no threshold is chosen; the curves tell what its probability alone"
    " would take."
)
RIGHT, WRONG = (0, 158, 115), (213, 94, 0)
TOLERANCE = 2  # px by which outlines may differ in the boundary F1
RIMS = 4  # counts of outline pixels in a row of a Confusion
# (C, C + 1 + RIMS): labelled pixels by true and found class, none being the last; then pixels of a class's found
# outline, of them those near its true one, of its true outline, and of them those near the found one.
Confusion = Floats


def targets(labels: Labels, channels: Sequence[str]) -> Field:
    """(channels + 1, H, W) float32 of labels (H, W), 1 for the first channel: a map for each, then 1 where labelled."""
    numbers = np.arange(1, len(channels) + 1, dtype=np.int32)[:, None, None]
    return np.concatenate([labels == numbers, (labels > 0)[None]]).astype(np.float32)


def learnt(pictures: Sequence[Labelled]) -> dict[str, Any]:
    """A description of the pictures, which tells images of another kind from them."""
    return learn([describe(picture.grey) for picture in pictures], [picture.pair.group for picture in pictures])


def softmax(logits: Tensor) -> Tensor:
    return logits.softmax(1)


def sigmoid(logits: Tensor) -> Tensor:
    return logits.sigmoid()


def likeliest(maps: Maps) -> Labels:
    """(H, W) int32: of each pixel the number, from 1 on, of its highest map (C, H, W)."""
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
    """The Examiner of classes: what an analysis makes of the maps; see `contract.Examiner`."""

    def __init__(self, classes: tuple[str, ...], predictor: Predictor, options: Options) -> None:
        self.classes, self.predictor = classes, predictor
        self.sweeps: list[Floats] = []

    def find(self, prediction: Prediction, truth: Labels, unit: float) -> tuple[Labels, Confusion]:
        """Classes 1..C (R, W), 0 where none was found, and their Confusion with the truth (H, W)."""
        within = truth[: len(prediction.grey)]
        labelled = within > 0
        sides = ((one[labelled], within[labelled] == n) for n, one in enumerate(prediction.maps, start=1))
        self.sweeps.append(np.concatenate([pixel_sweep(*side) for side in sides], axis=1))
        predicted = self.predictor.labels(prediction)
        classes = np.concatenate([[0], predicted.classes + 1]).astype(np.int32)[predicted.labels]
        return classes, confusion(padded(classes, truth.shape), truth, len(self.classes))

    def report(self, images: Sequence[Confusion], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        """thresholds: see `against_threshold`.
        spread: of the groups' figures, each the mean of its images; confusion: shares of each true class, rows;
        frequency: of a class against its IoU, pooled."""
        each_image = np.eye(len(images))
        every = metrics(self.classes, images, each_image)
        errors = fraction_errors(self.classes, images, each_image, nm)
        figures = {name: every[name] for name in ("iou", "dice", "boundary_f1", "accuracy")}
        figures |= {f"{name}_error": np.abs(errors[f"{name}_error"]) for name in self.classes}
        figures["fraction_error"] = errors["fraction_error"]
        whole = np.sum(images, axis=0)[:, : len(self.classes) + 1]
        pooled = metrics(self.classes, images, np.ones((1, len(images))))
        return {
            "thresholds": against_threshold(self.sweeps, dict(zip(self.classes, self.classes, strict=True)), LIKELIEST),
            "spread": {name: _spread(values, groups) for name, values in figures.items()},
            "confusion": {
                "classes": self.classes,
                "shares": [[finite_or_none(cell) for cell in row] for row in share(whole, whole.sum(1, keepdims=True))],
            },
            "frequency": [
                {"class": name, "frequency": finite_or_none(true), "iou": finite_or_none(pooled[f"{name}_iou"][0])}
                for name, true in zip(self.classes, share(whole.sum(1), whole.sum()), strict=True)
            ],
        }


def _spread(values: Floats, groups: Sequence[str]) -> dict[str, float | None]:
    """Mean, sample standard deviation, least and greatest of the groups' means of the values (n,) that there are."""
    by_group = [values[[name == group for name in groups] & np.isfinite(values)] for group in dict.fromkeys(groups)]
    finite = np.array([in_group.mean() for in_group in by_group if len(in_group)])
    if not len(finite):
        return dict.fromkeys(("mean", "sd", "min", "max"))
    sd = float(finite.std(ddof=1)) if len(finite) > 1 else None
    return {"mean": float(finite.mean()), "sd": sd, "min": float(finite.min()), "max": float(finite.max())}


def confusion(predicted: Labels, truth: Labels, count: int) -> Confusion:
    """The Confusion of two images of classes 1..count, 0 for none."""
    labelled = truth > 0
    columns = np.where(predicted[labelled] > 0, predicted[labelled] - 1, count)
    places = (truth[labelled] - 1) * (count + 1) + columns
    pixels = np.bincount(places, minlength=count * (count + 1)).reshape(count, count + 1).astype(float)
    rims = []  # pixels of a class that share a side with another class; unlabelled pixels do not count
    for kind in range(1, count + 1):
        insides = (side == kind for side in (predicted, truth))
        ours, theirs = (
            inside & ~ndimage.binary_erosion(inside | ~labelled, border_value=1) & labelled for inside in insides
        )
        rims.append([ours.sum(), near(ours, theirs, TOLERANCE), theirs.sum(), near(theirs, ours, TOLERANCE)])
    return np.concatenate([pixels, np.array(rims, float)], axis=1)


def definitions(classes: Sequence[str]) -> dict[str, Definition]:
    tables = table_beside(__file__)
    by_class = {name: defined(tables["of_class"], name=name) for name in classes}
    of_class = {f"{name}_{figure}": what for name, figures in by_class.items() for figure, what in figures.items()}
    return defined(tables["every"], tolerance=TOLERANCE) | of_class


def metrics(classes: Sequence[str], images: Sequence[Confusion], weights: Floats) -> dict[str, Floats]:
    """The figures of pixels, each (n,), when image i counts weights[n, i] times; NaN where undefined."""
    sums = np.tensordot(weights, np.stack(images), 1)  # (n, C, C + 1 + RIMS), see Confusion
    right, true, predicted = _sides(sums)
    iou, dice = share(right, true + predicted - right), share(2 * right, true + predicted)
    drawn, well_drawn, rim, met = np.moveaxis(sums[:, :, -RIMS:], 2, 0)
    # 2 P R / (P + R) = 2 well_drawn met / weighted, 0 where one side has no outline
    weighted = well_drawn * rim + met * drawn
    boundary = np.where(drawn + rim > 0, 2 * well_drawn * met / np.where(weighted > 0, weighted, 1), np.nan)
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
    """True and found area fractions in percent, their difference, and the mean of its size over the images; each (n,),
    weighted as in `metrics`."""
    _, true, predicted = _sides(np.stack(images))
    whole = true.sum(1, keepdims=True)
    by_image = np.nan_to_num(100 * np.abs(share(predicted, whole) - share(true, whole)))
    absolute = share(weights @ by_image, weights @ (whole > 0).astype(float))
    true, predicted, whole = weights @ true, weights @ predicted, (weights @ whole)[:, 0]
    figures = {"fraction_error": absolute.mean(1)}
    for column, name in enumerate(classes):
        sides = 100 * share(true[:, column], whole), 100 * share(predicted[:, column], whole)
        figures |= {f"{name}_true": sides[0], f"{name}_found": sides[1], f"{name}_error": sides[1] - sides[0]}
        figures[f"{name}_absolute_error"] = absolute[:, column]
    return figures


def _sides(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """(n, C) each: pixels of a class that are right, true, found. sums: (n, C, C + 1 + RIMS), see Confusion."""
    pixels = sums[:, :, :-RIMS]
    return np.diagonal(pixels, axis1=1, axis2=2), pixels.sum(2), pixels[:, :, :-1].sum(1)


def _mean(values: Floats) -> Floats:
    """(n,) of (n, C), NaN being left out."""
    is_finite = np.isfinite(values)
    return share(np.where(is_finite, values, 0).sum(1), is_finite.sum(1).astype(float))


def panels(micrograph: Micrograph, predicted: Labels, truth: Labels) -> list[Picture]:
    """(h, w, 3) uint8 pictures: the image, its true classes, the found classes, and the errors.

    predicted, truth: (R, W) classes of the image's first R rows; only those are shown.
    """
    grey, ours, true = as_panels(micrograph, predicted, truth)
    judged = np.where(true == ours, 1, 2) * (true > 0)
    colours = np.array([RIGHT, WRONG], np.uint8)
    return [in_colour(grey), coloured(grey, true), coloured(grey, ours), coloured(grey, judged, colours)]


def coloured(grey: Picture, classes: Labels, colours: Picture = COLOURS) -> Picture:
    """The picture (h, w) with each class 1, 2, ... in its own colour, 0 in none: (h, w, 3) uint8."""
    shade = in_colour(grey).astype(np.float32)
    colour = colours[(classes - 1) % len(colours)]
    mixed = STRENGTH * colour + (1 - STRENGTH) * shade
    return np.where((classes > 0)[..., None], mixed, shade).round().astype(np.uint8)
