"""Figures pooled over images, with intervals that say how far other images might have moved them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .counts import IOUS, TOLERANCE, ImageCounts, Sums
from .kinds import Kind
from .sizes import SizeSample

RESAMPLES = 1000
FEWEST = 5  # images; an interval from fewer would be an invention
Floats = NDArray[np.float64]

DEFINITIONS = {
    "iou": "Pixels of the foreground: intersection over union, all images pooled.",
    "iou_mean": "The same, computed image by image and averaged.",
    "dice": "Pixels of the foreground: 2 TP / (2 TP + FP + FN), pooled.",
    "precision": "Pixels: share of the found foreground that is true.",
    "recall": "Pixels: share of the true foreground that was found.",
    "accuracy": "Pixels: share that is right, background included.",
    "youden": "Pixels: sensitivity + specificity - 1.",
    "ap50": "Particles: TP / (TP + FP + FN) at an IoU of at least 0.5, TP, FP and FN pooled over all images. This is"
    " the form that StarDist and Cellpose report, not the area under a precision-recall curve (COCO).",
    "ap75": "The same at an IoU of at least 0.75.",
    "ap": "The mean of the same over the IoUs 0.50, 0.55, ..., 0.95.",
    "f50": "Particles: 2 TP / (2 TP + FP + FN) at an IoU of at least 0.5, pooled.",
    "f75": "The same at an IoU of at least 0.75.",
    "pq": "Panoptic quality: IoU summed over the pairs above 0.5, by TP + (FP + FN) / 2, pooled.",
    "boundary_f1": f"Outline pixels of all particles, contacts between particles included, that have one of the other"
    f" side within {TOLERANCE:g} px: harmonic mean of both shares.",
    "instance_iou_found": "Mean over found particles of the best IoU with a true one: misses cost nothing.",
    "instance_iou_true": "Mean over true particles of the best IoU with a found one: inventions cost nothing."
    " Both leave out images in which one side has no particles.",
    "count_ratio": "Found particles by true ones.",
    "median_error": "Median minimum Feret diameter of the found particles against the true ones, percent.",
    "mean_error": "The same of the mean.",
    "nano_true": "Percent by number of true particles with a minimum Feret diameter of at most 100 nm.",
    "nano_found": "The same of the found ones.",
    "nano_error": "Their difference in percentage points.",
    "ks": "Kolmogorov-Smirnov distance of the two size distributions by number, 0 to 1.",
    "wasserstein": "First Wasserstein distance of the two, in the unit of the sizes.",
    "median_true": "Median minimum Feret diameter of the true particles, in the unit of the sizes.",
    "median_found": "The same of the found ones.",
}


class Figure(NamedTuple):
    """A value and its 95 % interval; None where undefined or where there are fewer than FEWEST images."""

    value: float | None
    low: float | None
    high: float | None


def figures(sums: Sums) -> dict[str, Floats]:
    """The figures that follow from sums (...), each (...); NaN where a denominator is 0."""
    hit, spurious, missed, rest = np.moveaxis(sums.pixels, -1, 0)
    tp, fp, fn = np.moveaxis(sums.matched, -1, 0)  # (..., 10)
    ap, f1 = share(tp, tp + fp + fn), share(2 * tp, 2 * tp + fp + fn)
    return {
        "iou": share(hit, hit + spurious + missed),
        "iou_mean": share(sums.image_iou[..., 0], sums.image_iou[..., 1]),
        "dice": share(2 * hit, 2 * hit + spurious + missed),
        "precision": share(hit, hit + spurious),
        "recall": share(hit, hit + missed),
        "accuracy": share(hit + rest, hit + rest + spurious + missed),
        "youden": share(hit, hit + missed) + share(rest, rest + spurious) - 1,
        "ap50": ap[..., 0],
        "ap75": ap[..., 5],
        "ap": ap.mean(-1),
        "f50": f1[..., 0],
        "f75": f1[..., 5],
        "pq": share(sums.segment_iou, tp[..., 0] + (fp[..., 0] + fn[..., 0]) / 2),
        "boundary_f1": _boundary_f1(sums.boundary),
        "instance_iou_found": share(sums.best[..., 0], sums.best[..., 1]),
        "instance_iou_true": share(sums.best[..., 2], sums.best[..., 3]),
        "count_ratio": share(sums.particles[..., 1], sums.particles[..., 0]),
    }


def _boundary_f1(boundary: Floats) -> Floats:
    """0 where only one side has outlines, NaN where neither has."""
    found_right, found_all, true_right, true_all = np.moveaxis(boundary, -1, 0)
    precision, recall = np.nan_to_num(share(found_right, found_all)), np.nan_to_num(share(true_right, true_all))
    mean = np.nan_to_num(share(2 * precision * recall, precision + recall))
    return np.where(found_all + true_all > 0, mean, np.nan)


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN where whole is 0."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def summarise(images: Sequence[ImageCounts], *, nm: bool, seed: int = 0) -> dict[str, Figure]:
    """Every figure of DEFINITIONS, pooled over at least one image.

    The interval is the 2.5th to 97.5th percentile of RESAMPLES bootstrap samples of images (not of particles:
    those of one image resemble each other). nm: whether the sizes are nanometres.
    """
    everything, sample = _prepared(images)
    once = _figures(everything, sample, np.ones((1, len(images))), nm)
    low = high = dict.fromkeys(once)
    if len(images) >= FEWEST:
        draws = np.random.default_rng(seed).integers(0, len(images), (RESAMPLES, len(images)))
        weights = np.stack([np.bincount(draw, minlength=len(images)) for draw in draws]).astype(float)
        low, high = _bounds(_figures(everything, sample, weights, nm))
    return {name: Figure(_plain(value[0]), low[name], high[name]) for name, value in once.items()}


def _prepared(images: Sequence[ImageCounts]) -> tuple[Sums, SizeSample]:
    sample = SizeSample.of([i.true_sizes for i in images], [i.found_sizes for i in images])
    return Sums.stacked([i.sums for i in images]), sample


def _figures(everything: Sums, sample: SizeSample, weights: Floats, nm: bool) -> dict[str, Floats]:
    sizes = [sample.figures(each, nm=nm) for each in weights]
    return {
        **figures(everything.weighted(weights)),
        **{name: np.array([each[name] for each in sizes]) for name in sizes[0]},
    }


def _bounds(values: dict[str, Floats]) -> tuple[dict[str, float | None], dict[str, float | None]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a figure may be undefined in every sample
        bounds = {name: np.nanpercentile(value, [2.5, 97.5]) for name, value in values.items()}
    return {n: _plain(b[0]) for n, b in bounds.items()}, {n: _plain(b[1]) for n, b in bounds.items()}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def ap_by_iou(images: Sequence[ImageCounts]) -> list[dict[str, float | None]]:
    """TP / (TP + FP + FN) and F1 at each of IOUS, pooled."""
    tp, fp, fn = np.sum([i.sums.matched for i in images], axis=0).T
    ap, f1 = share(tp, tp + fp + fn), share(2 * tp, 2 * tp + fp + fn)
    return [{"iou": round(float(t), 2), "ap": _plain(a), "f1": _plain(f)} for t, a, f in zip(IOUS, ap, f1, strict=True)]


def kinds_of(images: Sequence[ImageCounts]) -> dict[str, int]:
    """How many particles of each kind, pooled."""
    return {str(kind): sum(image.kinds[kind] for image in images) for kind in Kind}
