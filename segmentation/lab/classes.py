"""Pixels of which each belongs to a class: what a network is asked to predict, what its maps say, how they are scored.

Scored are IoU and Dice of each class, and the error of its fraction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.micrograph import preview
from ..core.micrograph.types import Micrograph
from ..core.report.picture import COLOURS, sampled
from .evaluation.predictions import Options, Predictor, Seen, padded
from .evaluation.report import share
from .tasks.base import Definition, Floats, Labels, Maps, Picture, Scoring

LONGEST = 640  # px of a panel's longest side
STRENGTH = 0.6
RIGHT, WRONG = (0, 158, 115), (213, 94, 0)
Confusion = Floats  # (C, C + 1): labelled pixels by their true class and the class that was found, none being the last


def targets(labels: Labels, channels: Sequence[str]) -> NDArray[np.float32]:
    """(channels + 1, H, W) float32 of labels (H, W), 1 for the first channel: a map for each, then 1 where labelled."""
    numbers = np.arange(1, len(channels) + 1, dtype=np.int32)[:, None, None]
    return np.concatenate([labels == numbers, (labels > 0)[None]]).astype(np.float32)


@torch.no_grad()
def dice(logits: Tensor, target: Tensor) -> float:
    """Mean Dice of the classes in the batch, each pixel of the likeliest class; what is not labelled does not count."""
    labelled = target[:, -1:] > 0.5
    found = torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1).bool() & labelled
    truth = target[:, :-1] > 0.5
    both, either = ((found & truth).sum((0, 2, 3)), found.sum((0, 2, 3)) + truth.sum((0, 2, 3)))
    present = either > 0
    return float((2 * both[present] / either[present]).mean()) if present.any() else 1.0


def activation(logits: Tensor) -> Tensor:
    return logits.softmax(1)


def likeliest(maps: Maps) -> Labels:
    """(H, W) int32: of each pixel the number, from 1 on, of its highest map (C, H, W)."""
    return maps.argmax(0).astype(np.int32) + 1


def scoring(classes: Sequence[str]) -> Scoring:
    """The scoring of a task with these classes."""
    return Scoring(
        examine=partial(Classifier, len(classes)),
        metrics=partial(metrics, classes),
        quantity_errors=partial(fraction_errors, classes),
        definitions=definitions(classes),
        kinds={},
        tally=lambda images: {"errors": {}},
        rank=rank,
        panels=panels,
        legend={"right": RIGHT, "wrong": WRONG},
        shown=("iou", "dice", "accuracy", *(f"{name}_error" for name in classes)),
        note="Only labelled pixels count.",
    )


class Classifier:
    """The Examiner of classes: what an analysis makes of the maps; see `tasks.base.Examiner`."""

    def __init__(self, count: int, predictor: Predictor, options: Options) -> None:
        self.count, self.predictor = count, predictor

    def find(self, seen: Seen, truth: Labels, unit: float) -> tuple[Labels, Confusion]:
        """Classes 1..C (H, W), 0 where none was found, and their Confusion with the truth."""
        asked = self.predictor.asked
        found = self.predictor.task.decode(seen.maps, seen.grey, seen.view, self.predictor.card, asked)
        classes = np.concatenate([[0], found.classes + 1]).astype(np.int32)[found.labels]
        return classes, confusion(padded(classes, truth.shape), truth, self.count)

    def report(self, images: Sequence[Confusion], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        return {}


def confusion(found: Labels, truth: Labels, count: int) -> Confusion:
    """The Confusion of two images of classes 1..count, 0 for none."""
    labelled = truth > 0
    columns = np.where(found[labelled] > 0, found[labelled] - 1, count)
    places = (truth[labelled] - 1) * (count + 1) + columns
    return np.bincount(places, minlength=count * (count + 1)).reshape(count, count + 1).astype(float)


def definitions(classes: Sequence[str]) -> dict[str, Definition]:
    every = {
        "iou": Definition("IoU", "Intersection over union, the mean of the classes that occur.", short=True),
        "dice": Definition("Dice", "2 TP / (2 TP + FP + FN), the mean of the classes that occur.", short=True),
        "accuracy": Definition("Accuracy", "Share of the labelled pixels whose class is right.", short=True),
    }
    for name in classes:
        every[f"{name}_iou"] = Definition(f"IoU of {name}", f"Intersection over union of the pixels of {name}.")
        every[f"{name}_dice"] = Definition(f"Dice of {name}", f"2 TP / (2 TP + FP + FN) of the pixels of {name}.")
        every[f"{name}_true"] = Definition(f"True {name}, %", f"Percent of the labelled area that is {name}.", 2)
        every[f"{name}_found"] = Definition(f"Found {name}, %", f"Percent that was found to be {name}.", 2)
        every[f"{name}_error"] = Definition(f"Their difference ({name}), points", "Found less true.", 2, short=True)
    return every


def metrics(classes: Sequence[str], images: Sequence[Confusion], weights: Floats) -> dict[str, Floats]:
    """The figures of pixels, each (n,), when image i counts weights[n, i] times; NaN where undefined."""
    sums = np.tensordot(weights, np.stack(images), 1)  # (n, C, C + 1)
    right, true, found = _sides(sums)
    iou, dice = share(right, true + found - right), share(2 * right, true + found)
    alone = {
        f"{name}_{figure}": values[:, place]
        for place, name in enumerate(classes)
        for figure, values in (("iou", iou), ("dice", dice))
    }
    return {
        "iou": _mean(iou),
        "dice": _mean(dice),
        "accuracy": share(right.sum(1), true.sum(1)),
        **alone,
    }


def fraction_errors(
    classes: Sequence[str], images: Sequence[Confusion], weights: Floats, nm: bool
) -> dict[str, Floats]:
    """True and found area fractions in percent and their difference, each (n,), weighted as in `metrics`."""
    _, true, found = _sides(np.tensordot(weights, np.stack(images), 1))
    whole = true.sum(1)
    figures = {}
    for place, name in enumerate(classes):
        sides = 100 * share(true[:, place], whole), 100 * share(found[:, place], whole)
        figures |= {f"{name}_true": sides[0], f"{name}_found": sides[1], f"{name}_error": sides[1] - sides[0]}
    return figures


def _sides(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """(n, C) each: pixels of a class that are right, true, found."""
    return np.diagonal(sums, axis1=1, axis2=2), sums.sum(2), sums[:, :, :-1].sum(1)


def _mean(values: Floats) -> Floats:
    """(n,) of (n, C), NaN being left out."""
    known = np.isfinite(values)
    return share(np.where(known, values, 0).sum(1), known.sum(1).astype(float))


def rank(image: Mapping[str, Any]) -> float:
    return -(image["figures"]["iou"] or 0)


def panels(micrograph: Micrograph, found: Labels, truth: Labels) -> list[Picture]:
    """(h, w, 3) uint8 pictures: the image, its true classes, those found, and what is wrong.

    found, truth: (R, W) classes of the image's first R rows; only those are shown.
    """
    grey = preview(replace(micrograph, pixels=micrograph.pixels[: len(truth)]), LONGEST)
    shape = grey.shape[0], grey.shape[1]
    true, ours = sampled(truth, shape), sampled(found, shape)
    judged = np.where(true == ours, 1, 2) * (true > 0)
    every = np.array([RIGHT, WRONG], np.uint8)
    return [
        np.repeat(grey[..., None], 3, axis=2),
        *(coloured(grey, of) for of in (true, ours)),
        coloured(grey, judged, every),
    ]


def coloured(grey: Picture, classes: Labels, colours: Picture = COLOURS) -> Picture:
    """The picture (h, w) with each class 1, 2, ... in its own colour, 0 in none: (h, w, 3) uint8."""
    shade = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    colour = colours[(classes - 1) % len(colours)]
    mixed = STRENGTH * colour + (1 - STRENGTH) * shade
    return np.where((classes > 0)[..., None], mixed, shade).round().astype(np.uint8)
