"""Is a particle with confidence c right in c of the cases?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.measure.filters import LEAST_CONFIDENCE
from ...core.measure.statistics import wilson

BINS = np.linspace(0.0, 1.0, 21)


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
