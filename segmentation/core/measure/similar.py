"""Objects like one that somebody points at, by what is measured of all of them: size, shape, contrast and contact.

A difference counts in units of the spread of its measure among the likely objects of this image, so that no measure
needs a limit of its own. Of one object only what lies near it is known: where a measure has two peaks, the spread is
that of its peak. Several of one sort show how far their sort reaches: the spread is that of all objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHAPES = ("aspect_ratio", "circularity", "solidity")
CONTRAST = "relative_contrast"
CONTACT = "contact"  # `measure.contacts.longest_contacts`
# Of size, shape, contrast and contact, fitted to satellites among powder (docs/development/experiments.md).
WEIGHTS = (2, 1, 1, 1)
LEAST = 0.02  # spread, below which a measure is the same for all
SPREAD = (16, 84)  # percentiles: one standard deviation to each side of a normal distribution
# Two peaks lie so many times their spread apart, and each has so many objects at least. A normal distribution that is
# parted in its middle reaches 2.6, a uniform one 3.5; of 44 uniform values 1 % are parted.
APART, FEWEST = 5.0, 8


def alike(columns: Mapping[str, Floats], places: Sequence[int], size: str) -> Floats:
    """How alike each object (n,) is to the nearest of those at `places`, from 0 to 1, which these have themselves.

    exp(-d²/2), where d² is the weighted mean of squared differences: of the logarithms of `size` and area, of SHAPES,
    of CONTRAST and of CONTACT, as far as both objects have them. columns: (n,) each, NaN where not known; other names
    are not looked at.
    """
    return np.asarray(np.exp(-_differences(columns, places, size, are_parted=True) / 2).max(0, initial=0), np.float64)


def alike_to_all(columns: Mapping[str, Floats], places: Sequence[int], size: str) -> Floats:
    """How alike each object (n,) is to all of those at `places`, which are of one sort: exp(-d²/2) with the mean of the
    d² to each of them (see `alike`), and the spread of all objects."""
    return np.asarray(np.exp(-_differences(columns, places, size, are_parted=False).mean(0) / 2), np.float64)


def _differences(columns: Mapping[str, Floats], places: Sequence[int], size: str, *, are_parted: bool) -> Floats:
    """(k, n) d² between the objects at k places and each object (see `alike`); inf where both have no measure.
    are_parted: whether the spread is that of the peak of the object."""
    sizes = {name: np.log(columns[name]) for name in (size, "area") if name in columns}
    others = {name: columns[name] for name in (*SHAPES, CONTRAST, CONTACT) if name in columns}
    measured = {name: values for name, values in (sizes | others).items() if np.isfinite(values).any()}
    spreads = {
        name: [
            (part[-1], max(LEAST, float(np.ptp(np.percentile(part, SPREAD)) / 2)))
            for part in (peaks(values) if are_parted else [np.sort(values[np.isfinite(values)])])
        ]
        for name, values in measured.items()
    }
    every = ((size, "area"), SHAPES, (CONTRAST,), (CONTACT,))
    groups = [[name for name in names if name in measured] for names in every]
    squares_of = np.full((len(places), len(next(iter(columns.values())))), np.inf)
    for row, index in zip(squares_of, places, strict=True):
        total, weights = np.zeros(len(row)), np.zeros(len(row))
        for names, weight in zip(groups, WEIGHTS, strict=True):
            reference = {name: measured[name][index] for name in names}
            spread = {
                name: next((one for limit, one in spreads[name] if reference[name] <= limit), 1.0) for name in reference
            }
            squares = np.array([((measured[name] - reference[name]) / spread[name]) ** 2 for name in reference])
            is_known = np.isfinite(squares).reshape(-1, len(row))
            held = is_known.sum(0)
            total += weight * np.where(is_known, squares.reshape(is_known.shape), 0).sum(0) / np.maximum(held, 1)
            weights += weight * (held > 0)
        row[weights > 0] = total[weights > 0] / weights[weights > 0]
    return squares_of


def peaks(values: Floats) -> list[Floats]:
    """The finite ones of the values (n,), ascending, parted between two peaks as often as there are two: at the place
    where most of the variance lies between both sides, if their means are APART (Ashman, Bird and Zepf 1994)."""
    ordered = np.sort(values[np.isfinite(values)])
    left = np.arange(FEWEST, len(ordered) - FEWEST + 1)
    if not len(left):
        return [ordered]
    total, right = np.cumsum(ordered), len(ordered) - left
    between = left * right * ((total[-1] - total[left - 1]) / right - total[left - 1] / left) ** 2
    at = left[np.argmax(between)]
    lower, upper = ordered[:at], ordered[at:]
    if upper.mean() - lower.mean() < APART * max(LEAST, np.sqrt((lower.var() + upper.var()) / 2)):
        return [ordered]
    return [*peaks(lower), *peaks(upper)]
