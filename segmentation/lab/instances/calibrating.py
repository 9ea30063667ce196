"""The logistic model behind a particle's confidence: fitted on images with truth, judged on others than those."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.labels.confidence import likely_right, traits
from ...core.labels.outline import particles
from ...core.micrograph.types import Calibration, Micrograph
from ...core.network.cards import INTERCEPT, TRAITS
from ..evaluation.predictions import Predictor
from ..synthesis.foreign import draw_empty
from .logistic import FEWEST, TooFew, fit_logistic

PARTS = 5
EMPTY, SHAPE, SEED = 24, (384, 512), 20_000
Floats = NDArray[np.float64]
Right = NDArray[np.bool_]


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
        labels = particles(seen.maps, seen.scale, threshold, predictor.card)
        found.append(traits(seen.maps, labels, predictor.card.diameter / seen.scale))
    return found
