"""Figures pooled over images, with intervals that say how far other images might have moved them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..tasks.base import Scoring

RESAMPLES = 1000
FEWEST = 5  # images; an interval from fewer would be an invention


class Figure(NamedTuple):
    """A value and its 95 % interval; None where undefined or where there are fewer than FEWEST images."""

    value: float | None
    low: float | None
    high: float | None


def summarise(scoring: Scoring, images: Sequence[Any], *, nm: bool, seed: int = 0) -> dict[str, Figure]:
    """Every figure of a task, pooled over at least one image as `scoring.compare` left it.

    The interval is the 2.5th to 97.5th percentile of RESAMPLES bootstrap samples of images (not of objects: those of
    one image resemble each other). nm: whether lengths are nanometres.
    """
    count = len(images)
    weights = np.ones((1, count))
    if count >= FEWEST:
        draws = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
        weights = np.stack([weights[0], *(np.bincount(draw, minlength=count) for draw in draws)]).astype(float)
    values = scoring.metrics(images, weights) | scoring.quantity_errors(images, weights, nm)
    return {name: Figure(_plain(each[0]), *_interval(each[1:])) for name, each in values.items()}


def _interval(values: np.ndarray) -> tuple[float | None, float | None]:
    if not len(values):
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a figure may be undefined in every sample
        low, high = np.nanpercentile(values, [2.5, 97.5])
    return _plain(low), _plain(high)


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
