"""The precision of a method, from results under changed conditions: a fully nested analysis of
variance.

ISO 5725-3 divides the variance of a laboratory's results into components of the conditions that
changed (day, operator, preparation, instrument), each nested in the one before. ISO 5725-2 defines
repeatability by the mean square within the innermost groups. If groups have different numbers of
results, the expected mean squares are those of Henderson's method 1 (Searle, Casella and McCulloch,
Variance Components, 1992); with equal numbers they are the formulas of the standard.

- A negative estimate of a component is set to 0, and a sentence says so.
- Repeatability: chi-squared interval with the degrees of freedom within the groups.
- Intermediate precision, the root of the sum of all components: chi-squared interval with the
  degrees of freedom after Satterthwaite (1946). It is approximate; with few days or operators it is
  wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from ..measure.quantities import ALL_DIGITS, decimals_beside, end_words, significant
from ..measure.sizes.distribution import Floats

WITHIN = "repeatability"  # name of the component within the innermost groups
TAIL = 0.025  # probability on each side of a 95 % interval
Groups = NDArray[np.int64]  # (n,) number of the group of each result


@dataclass(frozen=True)
class Component:
    """The component of the variance that one condition causes.

    name: of the condition, or WITHIN. groups: number of its groups. free: degrees of freedom. mean_square,
    variance: in the square of the results' unit. was_negative: whether the estimate was negative,
    so that `variance` is 0.
    """

    name: str
    groups: int
    free: int
    mean_square: float
    variance: float
    was_negative: bool = False

    @property
    def sd(self) -> float:
        """The standard deviation, in the unit of the results."""
        return sqrt(self.variance)


@dataclass(frozen=True)
class Precision:
    """A standard deviation in the unit of the results, with its 95 % interval and its degrees of
    freedom."""

    sd: float
    low: float
    high: float
    free: float


@dataclass(frozen=True)
class Study:
    """The outcome of a study of precision. n, mean: of all results. is_balanced: whether all groups
    of a condition have the same number of results. components: from the outermost condition to
    WITHIN."""

    n: int
    mean: float
    is_balanced: bool
    components: tuple[Component, ...]
    repeatability: Precision
    intermediate: Precision

    @property
    def relative_intermediate(self) -> float:
        """The intermediate precision as a part of the mean. In per cent it can be the setting
        `repeatability`: the difference between specimens that are prepared and measured separately."""
        return self.intermediate.sd / abs(self.mean)

    def sentences(self, unit: str) -> list[str]:
        """The outcome in sentences. unit: of the results."""
        changed = [component.name for component in self.components[:-1]]
        named = ", ".join(changed[:-1]) + (" and " if changed[1:] else "") + changed[-1]
        lines = [
            f"Repeatability: {_precision_words(self.repeatability, unit, self.mean)} (chi-squared interval).",
            f"Intermediate precision, with another {named}: {_precision_words(self.intermediate, unit, self.mean)}"
            " (interval after Satterthwaite).",
        ]
        lines += [
            f"The variance of {component.name} came out negative and is set to 0: results of one {component.name} are"
            " no more alike than chance makes them."
            for component in self.components
            if component.was_negative
        ]
        return lines


def nested_study(values: Sequence[float], conditions: Mapping[str, Sequence[str]]) -> Study:
    """The precision from n results, each under its own conditions.

    values: (n,) in one unit. conditions: name -> (n,) the label of each result, the outermost
    condition first. Equal labels in different outer groups are different groups: "operator A" on
    Monday and on Tuesday are two. Raises ValueError with a sentence if a condition never changes or
    cannot be told from another one, or if nothing was repeated.
    """
    results = np.asarray(values, np.float64)
    if not conditions:
        raise ValueError("A study of precision names at least one condition that changed, such as the day.")
    if results.ndim != 1 or not np.isfinite(results).all():
        raise ValueError("The results of a study are finite numbers in one list.")
    if any(len(labels) != len(results) for labels in conditions.values()):
        raise ValueError("Each result of a study has one label for each condition.")
    names = list(conditions)
    levels = _levels(results, conditions)
    free = np.diff([int(level.max()) + 1 for level in levels])
    _check_free(names, free.tolist())
    sums = np.array([_sum_of_squares(results, level) for level in levels])
    squares = np.diff(sums) / free
    inverse = np.linalg.inv(_expected(levels, free))  # (k, k): gives the components from the mean squares
    estimates = inverse @ squares
    variances = np.maximum(estimates, 0)
    rows = zip((*names, WITHIN), levels[1:], free.tolist(), squares.tolist(), estimates.tolist(), strict=True)
    components = tuple(
        Component(name, int(level.max()) + 1, number, square, max(estimate, 0.0), estimate < 0)
        for name, level, number, square, estimate in rows
    )
    parts = inverse[estimates >= 0].sum(axis=0) * squares  # what each mean square adds to the sum of the components
    balanced = all(np.ptp(np.bincount(level)) == 0 for level in levels)
    return Study(
        len(results),
        float(results.mean()),
        balanced,
        components,
        _precision(float(squares[-1]), float(free[-1])),
        _precision(
            float(variances.sum()),
            float(parts.sum() ** 2 / (parts**2 / free).sum()) if parts.any() else 1.0,
        ),
    )


def check_design(conditions: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError, with the sentence of `nested_study`, if no study is possible with these labels."""
    results = next((len(labels) for labels in conditions.values()), 0)
    if results < 2:
        raise ValueError(
            "A study of precision needs results under at least one condition that changed, such as the day."
        )
    levels = _levels(np.zeros(results), conditions)
    _check_free(list(conditions), np.diff([int(level.max()) + 1 for level in levels]).tolist())


def _levels(results: Floats, conditions: Mapping[str, Sequence[str]]) -> list[Groups]:
    """The groups of the n results at each level. At the first level all results are one group; then
    the groups of each condition within the outer ones; at the last level each result is a group."""
    levels = [np.zeros(len(results), np.int64)]
    paths: list[tuple[str, ...]] = [()] * len(results)
    for labels in conditions.values():
        paths = [(*path, label) for path, label in zip(paths, labels, strict=True)]
        places = {path: place for place, path in enumerate(dict.fromkeys(paths))}
        levels.append(np.array([places[path] for path in paths], np.int64))
    return [*levels, np.arange(len(results))]


def _check_free(names: Sequence[str], free: Sequence[int]) -> None:
    """Raise ValueError for a condition without degrees of freedom."""
    if free[0] == 0:
        raise ValueError(f"All results are of one {names[0]}: a study needs at least two.")
    for outer, name, number in zip(names, names[1:], free[1:], strict=False):
        if number == 0:
            raise ValueError(
                f"Each {outer} has only one {name}, so the two cannot be told apart: leave one of them out."
            )
    if free[-1] == 0:
        raise ValueError("Nothing was measured twice under the same conditions, so repeatability is not known.")


def _sum_of_squares(results: Floats, level: Groups) -> float:
    """The sum of squares of the groups' means about the mean of all results, weighted by the numbers
    of results."""
    deviations = results - results.mean()
    return float((np.bincount(level, deviations) ** 2 / np.bincount(level)).sum())


def _expected(levels: Sequence[Groups], free: NDArray[np.int64]) -> Floats:
    """The coefficients (k, k) of the k components (columns) in the k expected mean squares (rows)."""
    n, inner = len(levels[0]), levels[1:]
    counts = np.full((len(levels), len(inner)), float(n))
    for row, outer in enumerate(levels):
        for column, level in enumerate(inner):
            if row <= column:
                _, first_results = np.unique(level, return_index=True)  # of each inner group
                squares = np.bincount(level) ** 2 / np.bincount(outer)[outer[first_results]]
                counts[row, column] = squares.sum()
    return np.asarray(np.diff(counts, axis=0) / free[:, None], np.float64)


def _precision(variance: float, free: float) -> Precision:
    """The standard deviation of a variance, with its chi-squared interval. free: degrees of freedom."""
    from scipy.special import chdtri  # the web process imports this module, and does without scipy

    least, greatest = (sqrt(variance * free / float(chdtri(free, tail))) for tail in (TAIL, 1 - TAIL))
    return Precision(sqrt(variance), least, greatest, free)


def _precision_words(precision: Precision, unit: str, mean: float) -> str:
    """The precision in words, such as "1.2 nm (0.9 to 1.9), 0.8 % of the mean"."""
    places = decimals_beside(precision.sd, precision.low, precision.high)
    ends = " to ".join(end_words(end, places) for end in (precision.low, precision.high))
    relative = f", {significant(100 * precision.sd / abs(mean), 2)} % of the mean" if mean else ""
    return f"{significant(precision.sd, ALL_DIGITS, places)} {unit} ({ends}){relative}"
