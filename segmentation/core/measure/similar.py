"""Objects like one that somebody points at, by what is measured of all of them: size, shape and contrast.

A difference counts in units of the spread of its measure in this image, so that no measure needs a limit of its own.
`static/js/editor/numbers.js` has the same for outlines that are being corrected (a test compares them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHAPES = ("aspect_ratio", "circularity", "solidity", "relative_contrast")
LEAST = 0.02  # spread, below which a measure is the same for all
SPREAD = (16, 84)  # percentiles: one standard deviation to each side of a normal distribution


def alike(columns: Mapping[str, Floats], places: Sequence[int], size: str) -> Floats:
    """How alike each object (n,) is to the nearest of those at `places`, from 0 to 1, which these have themselves.

    exp(-d²/2), where d² is the mean of the squared differences of the logarithms of `size` and area and of SHAPES, as
    far as both objects have them. columns: (n,) each, NaN where not known; other names are not looked at.
    """
    measures = [np.log(columns[name]) for name in dict.fromkeys((size, "area")) if name in columns]
    measures += [columns[name] for name in SHAPES if name in columns]
    known = [values for values in measures if np.isfinite(values).any()]
    scaled = np.array([values / max(LEAST, np.ptp(np.nanpercentile(values, SPREAD)) / 2) for values in known])
    best = np.zeros(scaled.shape[1] if known else 0)
    for place in places if known else ():
        squares = (scaled - scaled[:, place, None]) ** 2
        both = np.isfinite(squares)
        mean = np.where(both, squares, 0).sum(0) / np.maximum(both.sum(0), 1)
        best = np.maximum(best, np.where(both.any(0), np.exp(-mean / 2), 0))
    return best
