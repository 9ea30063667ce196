"""The logistic model behind a particle's confidence: fitted on images with truth, judged on others than those."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ...core.instances.confidence import likely_right, traits
from ...core.instances.separate import separate
from ...core.micrograph.types import Calibration, Micrograph
from ...core.network.cards import INTERCEPT, TRAITS
from ..files import write_whole
from ..synthesis.foreign import draw_empty
from .choosing import with_entry
from .predictions import Predictor

PARTS = 5
RIDGE = 1.0  # of the standardised weights: keeps them finite where the right and the wrong fall apart
EMPTY, SHAPE, SEED = 24, (384, 512), 20_000
FEWEST = 20  # right ones, and wrong ones, under which nothing is fitted
Floats = NDArray[np.float64]
Right = NDArray[np.bool_]


class TooFew(ValueError):
    """Not enough particles to calibrate on; the message says so."""


def fit(values: Floats, right: Right) -> dict[str, float]:
    """Weights for `likely_right` by penalised maximum likelihood.

    values: (n, traits) as of core.instances.confidence.traits. right: (n,). Raises TooFew.
    """
    if min(right.sum(), (~right).sum()) < FEWEST:
        raise TooFew(
            f"The confidence cannot be calibrated: it takes {FEWEST} right and {FEWEST} wrong particles at least,"
            f" here are {right.sum()} and {(~right).sum()}."
        )
    mean, spread = values.mean(0), np.maximum(values.std(0), 1e-6)
    inputs = np.column_stack([(values - mean) / spread, np.ones(len(values))])
    sign = np.where(right, 1.0, -1.0)

    def cost(weights: Floats) -> tuple[float, Floats]:
        margin = sign * (inputs @ weights)
        pull = np.append(weights[:-1], 0.0)
        gradient = -(inputs.T @ (sign / (1 + np.exp(margin)))) + RIDGE * pull
        return float(np.logaddexp(0, -margin).sum() + RIDGE / 2 * pull @ pull), gradient

    found = minimize(cost, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / spread
    named = dict(zip(TRAITS, weights.round(5).tolist(), strict=True))
    return {**named, INTERCEPT: round(float(found[-1] - weights @ mean), 5)}


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
    """What a model's inventions look like: traits of all that it outlines in EMPTY rendered pictures of nothing."""
    found = []
    for number in range(EMPTY):
        grey = draw_empty(SHAPE, np.random.default_rng((SEED, number)))
        seen = predictor.see(Micrograph(grey, f"empty {number}", "", Calibration.absent()), SHAPE[0])
        labels = separate(*seen.maps, threshold=threshold, core=predictor.card.core)
        found.append(traits(seen.maps, labels, predictor.card.diameter / seen.scale))
    return found


def write_confidence(card: Path, weights: dict[str, float], facts: dict[str, object]) -> None:
    """Put the weights into the card's table [confidence], and facts about them under [training]."""
    text = card.read_text(encoding="utf-8")
    for name, value in weights.items():
        text = with_entry(text, "confidence", name, value)
    for name, value in facts.items():
        text = with_entry(text, "training", name, value)
    write_whole(card, text.encode())
