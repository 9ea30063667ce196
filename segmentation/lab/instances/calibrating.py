"""The logistic model behind a particle's confidence: fitted on images with truth, judged on others than those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ...core.labels.confidence import likely_right, traits
from ...core.labels.outline import particles
from ...core.measure.filters import LEAST_CONFIDENCE
from ...core.measure.statistics import wilson
from ...core.micrograph.types import Calibration, Micrograph
from ...core.network.cards import INTERCEPT, TRAITS
from ...core.validation import Refused
from ..evaluation.predictions import Predictor
from ..synthesis.foreign import draw_empty

PARTS = 5
EMPTY, SHAPE, SEED = 24, (384, 512), 20_000
BINS = np.linspace(0.0, 1.0, 21)
RIDGE = 1.0  # of the standardised weights: keeps them finite where yes and no fall apart
FEWEST = 20  # of each kind, under which nothing is fitted
Floats = NDArray[np.float64]
Right = NDArray[np.bool_]


class TooFew(Refused):
    """Not enough examples to fit; the message says of what."""


def fit_logistic(values: Floats, yes: NDArray[np.bool_], shares: Floats | None = None) -> tuple[Floats, float]:
    """Weights (k,) and intercept of the chance 1 / (1 + exp(-(values @ weights + intercept))) of yes.

    values: (n, k). yes: (n,). shares: (n,) how much each counts; equally without.
    """
    shares = np.ones(len(values)) if shares is None else shares
    mean, spread = values.mean(0), np.maximum(values.std(0), 1e-6)
    inputs = np.column_stack([(values - mean) / spread, np.ones(len(values))])
    sign = np.where(yes, 1.0, -1.0)

    def cost(weights: Floats) -> tuple[float, Floats]:
        margin = sign * (inputs @ weights)
        pull = np.append(weights[:-1], 0.0)
        gradient = -(inputs.T @ (shares * sign / (1 + np.exp(margin)))) + RIDGE * pull
        return float(shares @ np.logaddexp(0, -margin) + RIDGE / 2 * pull @ pull), gradient

    found = minimize(cost, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / spread
    return weights, float(found[-1] - weights @ mean)


def fit(values: Floats, right: Right) -> dict[str, float]:
    """Weights for `likely_right` by penalised maximum likelihood.

    values: (n, traits) as of core.labels.confidence.traits. right: (n,). Raises TooFew.
    """
    if min(right.sum(), (~right).sum()) < FEWEST:
        raise TooFew(
            f"The confidence cannot be calibrated: it takes {FEWEST} right and {FEWEST} wrong particles at least,"
            f" here are {right.sum()} and {(~right).sum()}."
        )
    weights, intercept = fit_logistic(values, right)
    named = dict(zip(TRAITS, weights.round(5).tolist(), strict=True))
    return {**named, INTERCEPT: round(intercept, 5)}


def cross_fitted(values: Sequence[Floats], right: Sequence[Right], groups: Sequence[str]) -> NDArray[np.float32]:
    """Confidence of every particle by a model fitted on the images of other groups, one after the other.

    values, right: by image. The groups are dealt to PARTS parts. Raises TooFew.
    """
    names = sorted(set(groups))
    if len(names) < PARTS:
        raise TooFew(f"The confidence cannot be judged on fewer than {PARTS} groups of images.")
    part = np.array([names.index(group) % PARTS for group in groups])
    found: list[NDArray[np.float32]] = []
    weights = [
        fit(
            np.concatenate([v for v, p in zip(values, part, strict=True) if p != left_out]),
            np.concatenate([r for r, p in zip(right, part, strict=True) if p != left_out]),
        )
        for left_out in range(PARTS)
    ]
    for image, mine in zip(values, part, strict=True):
        found.append(likely_right(image, weights[mine]))
    return np.concatenate(found)


def traits_of_empty(predictor: Predictor, threshold: float) -> list[Floats]:
    """What false positives look like: traits of all that a model outlines in EMPTY rendered pictures of nothing."""
    found = []
    for number in range(EMPTY):
        grey = draw_empty(SHAPE, np.random.default_rng((SEED, number)))
        seen = predictor.see(Micrograph(grey, f"empty {number}", "", Calibration.absent()), SHAPE[0])
        labels = particles(seen.maps, seen.view.scale, threshold, predictor.card)
        found.append(traits(seen.maps, labels, predictor.card.diameter / seen.view.scale))
    return found


def reliability(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> dict[str, Any]:
    """The reliability diagram of found particles.

    confidence: (n,) in 0..1. right: (n,) whether there is a true particle for it at an IoU of at least 0.5.
    bins: non-empty bins of width 0.05 with their n, mean confidence, share right and its Wilson 95 % interval.
    error: expected calibration error, the mean over particles of |confidence - share right| by bin; None for none.
    limit: the confidence under which the product's filter calls a particle unsure; under, over: how many there are
    on either side of it, and the share of them that is wrong.
    """
    place = np.clip(np.digitize(confidence, BINS) - 1, 0, len(BINS) - 2)
    bins = [_bin(confidence[place == b], right[place == b]) for b in np.unique(place)]
    off = sum(b["n"] * abs(b["confidence"] - b["right"]) for b in bins)
    unsure = confidence < LEAST_CONFIDENCE
    return {
        "bins": bins,
        "error": off / len(right) if len(right) else None,
        "limit": LEAST_CONFIDENCE,
        "under": _wrong(right[unsure]),
        "over": _wrong(right[~unsure]),
    }


def _bin(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> dict[str, Any]:
    low, high = wilson(int(right.sum()), len(right))
    mean = float(np.mean(confidence, dtype=float))
    return {"n": len(right), "confidence": mean, "right": float(right.mean()), "low": low, "high": high}


def _wrong(right: NDArray[np.bool_]) -> dict[str, Any]:
    return {"n": len(right), "wrong": float(1 - right.mean()) if len(right) else None}
