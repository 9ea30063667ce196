"""Computes how similar objects are to examples that a person chooses, by size, shape, contrast and
contact. The page then offers to choose all similar objects at once.

Differences of a measure are divided by the spread of this measure among the objects of the image,
so that no measure needs a limit of its own. If a measure has two peaks, one example represents only
its own peak: then the spread of this peak is used. Several examples of one sort already
show how much the sort varies: then the spread of all objects is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHAPES = ("aspect_ratio", "circularity", "solidity")
CONTRAST = "relative_contrast"
CONTACT = "contact"  # column with `contacts.longest_contacts`
# Of size, shape, contrast and contact; fitted to small particles that stick to larger ones in a
# powder (docs/development/experiments.md).
WEIGHTS = (2, 1, 1, 1)
LEAST_SPREAD = 0.02  # with a smaller spread the measure is practically equal for all objects
SPREAD_PERCENTILES = (16, 84)  # one standard deviation to each side of a normal distribution
# A distribution has two peaks if the means of its two parts differ by LEAST_SEPARATION times their
# spread. A normal distribution that is divided in its middle reaches 2.6, a uniform one 3.5; of
# samples of 44 uniform values 1 % are divided. Each part needs FEWEST_IN_PEAK objects.
LEAST_SEPARATION, FEWEST_IN_PEAK = 5.0, 8


def similarity(columns: Mapping[str, Floats], places: Sequence[int], size: str) -> Floats:
    """(n,) how similar each object is to the most similar of the examples, from 0 to 1; 1 for an
    example itself.

    columns: (n,) each, NaN where not known; only those named below are used. places: indices of the
    examples. size: name of the column of the size. The similarity is exp(-d²/2), where d² is the
    weighted mean of squared differences: of the logarithms of size and area, of SHAPES, of CONTRAST
    and of CONTACT, as far as both objects have them.
    """
    return np.asarray(np.exp(-_differences(columns, places, size, by_peak=True) / 2).max(0, initial=0), np.float64)


def similarity_to_all(columns: Mapping[str, Floats], places: Sequence[int], size: str) -> Floats:
    """(n,) how similar each object is to all of the examples, which are of one sort: exp(-d²/2)
    with the mean of the d² to each of them (see `similarity`), and the spread of all objects."""
    return np.asarray(np.exp(-_differences(columns, places, size, by_peak=False).mean(0) / 2), np.float64)


def _differences(columns: Mapping[str, Floats], places: Sequence[int], size: str, *, by_peak: bool) -> Floats:
    """(k, n) d² between k examples and each object (see `similarity`); inf where they have no
    measure in common. by_peak: whether to use the spread of the peak that the example is in."""
    sizes = {name: np.log(columns[name]) for name in (size, "area") if name in columns}
    others = {name: columns[name] for name in (*SHAPES, CONTRAST, CONTACT) if name in columns}
    measured = {name: values for name, values in (sizes | others).items() if np.isfinite(values).any()}
    spreads = {
        name: [
            (part[-1], max(LEAST_SPREAD, float(np.ptp(np.percentile(part, SPREAD_PERCENTILES)) / 2)))
            for part in (peaks(values) if by_peak else [np.sort(values[np.isfinite(values)])])
        ]
        for name, values in measured.items()
    }
    all_names = ((size, "area"), SHAPES, (CONTRAST,), (CONTACT,))
    groups = [[name for name in names if name in measured] for names in all_names]
    differences = np.full((len(places), len(next(iter(columns.values())))), np.inf)
    for row, index in zip(differences, places, strict=True):
        total, weights = np.zeros(len(row)), np.zeros(len(row))
        for names, weight in zip(groups, WEIGHTS, strict=True):
            reference = {name: measured[name][index] for name in names}
            spread = {
                name: next((peak_spread for upper, peak_spread in spreads[name] if reference[name] <= upper), 1.0)
                for name in reference
            }
            squares = np.array([((measured[name] - reference[name]) / spread[name]) ** 2 for name in reference])
            is_known = np.isfinite(squares).reshape(-1, len(row))
            known_count = is_known.sum(0)
            total += weight * np.where(is_known, squares.reshape(is_known.shape), 0).sum(0) / np.maximum(known_count, 1)
            weights += weight * (known_count > 0)
        row[weights > 0] = total[weights > 0] / weights[weights > 0]
    return differences


def peaks(values: Floats) -> list[Floats]:
    """The finite values in ascending order, divided into the peaks of their distribution. A part is
    divided where most of its variance lies between both sides, if it has two peaks there
    (LEAST_SEPARATION; Ashman, Bird and Zepf 1994); then each side is divided in the same manner."""
    ordered = np.sort(values[np.isfinite(values)])
    left = np.arange(FEWEST_IN_PEAK, len(ordered) - FEWEST_IN_PEAK + 1)
    if not len(left):
        return [ordered]
    total, right = np.cumsum(ordered), len(ordered) - left
    between = left * right * ((total[-1] - total[left - 1]) / right - total[left - 1] / left) ** 2
    border = left[np.argmax(between)]
    lower, upper = ordered[:border], ordered[border:]
    if upper.mean() - lower.mean() < LEAST_SEPARATION * max(LEAST_SPREAD, np.sqrt((lower.var() + upper.var()) / 2)):
        return [ordered]
    return [*peaks(lower), *peaks(upper)]
