"""The precision of a method from results under changed conditions: a fully nested analysis of
variance.

ISO 5725-3 splits the variance of a laboratory's results by the conditions that changed (day,
operator, preparation, instrument), each nested in the one before; ISO 5725-2 gives repeatability as
the mean square within the innermost groups. Where groups have unlike numbers of results, the
expected mean squares are those of Henderson's method 1 (Searle, Casella and McCulloch, Variance
Components, 1992); with like numbers they are the formulas of the standard.

- A component that comes out negative is set to 0, and this is said.
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

from ..measure.distribution import Floats
from ..measure.quantities import ALL_DIGITS, decimals_beside, end_words, significant

WITHIN = "repeatability"
TAIL = 0.025
Groups = NDArray[np.int64]


@dataclass(frozen=True)
class Component:
    """The part of one condition. name: of the condition, or WITHIN. groups: how many there are.
    free: degrees of freedom. mean_square, variance: in the square of the unit. was_negative:
    whether its estimate was, so that it is set to 0."""

    name: str
    groups: int
    free: int
    mean_square: float
    variance: float
    was_negative: bool = False

    @property
    def sd(self) -> float:
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
    """A study of precision. components: from the outermost condition to WITHIN. is_balanced:
    whether all groups of a condition have as many results. mean: of all n results."""

    n: int
    mean: float
    is_balanced: bool
    components: tuple[Component, ...]
    repeatability: Precision
    intermediate: Precision

    @property
    def relative_intermediate(self) -> float:
        """As a part of the mean: 100 of it are the setting `repeatability`, the difference between
        specimens that are prepared and measured separately."""
        return self.intermediate.sd / abs(self.mean)

    def sentences(self, unit: str) -> list[str]:
        """What the study found. unit: of the results."""
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
    condition first. A label counts within the outer groups only: "operator A" on Monday and on
    Tuesday are two groups. Raises ValueError with a sentence where a condition never changes,
    cannot be told from another one, or nothing was repeated.
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
    solved = np.linalg.inv(_expected(levels, free))  # (levels, levels): each component from the mean squares
    raw = solved @ squares
    kept = np.maximum(raw, 0)
    rows = zip((*names, WITHIN), levels[1:], free.tolist(), squares.tolist(), raw.tolist(), strict=True)
    components = tuple(
        Component(name, int(level.max()) + 1, number, square, max(estimate, 0.0), estimate < 0)
        for name, level, number, square, estimate in rows
    )
    parts = solved[raw >= 0].sum(axis=0) * squares  # what each mean square adds to the sum of the components
    balanced = all(np.ptp(np.bincount(level)) == 0 for level in levels)
    return Study(
        len(results),
        float(results.mean()),
        balanced,
        components,
        _precision(float(squares[-1]), float(free[-1])),
        _precision(
            float(kept.sum()),
            float(parts.sum() ** 2 / (parts**2 / free).sum()) if parts.any() else 1.0,
        ),
    )


def check_design(conditions: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError with the sentence of `nested_study` where labels allow no study, whatever the results are."""
    results = next((len(labels) for labels in conditions.values()), 0)
    if results < 2:
        raise ValueError(
            "A study of precision needs results under at least one condition that changed, such as the day."
        )
    levels = _levels(np.zeros(results), conditions)
    _check_free(list(conditions), np.diff([int(level.max()) + 1 for level in levels]).tolist())


def _levels(results: Floats, conditions: Mapping[str, Sequence[str]]) -> list[Groups]:
    """(n,) the group of each result at each level: all results, each condition within the outer
    ones, and each result by itself."""
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
    """Of the means of all groups about the mean of all results, each as often as it has results."""
    off = results - results.mean()
    return float((np.bincount(level, off) ** 2 / np.bincount(level)).sum())


def _expected(levels: Sequence[Groups], free: NDArray[np.int64]) -> Floats:
    """(k, k) how often the component of each column is in the expected mean square of each row."""
    n, inner = len(levels[0]), levels[1:]
    counts = np.full((len(levels), len(inner)), float(n))
    for row, outer in enumerate(levels):
        for column, level in enumerate(inner):
            if row <= column:
                _, at = np.unique(level, return_index=True)  # a result of each inner group, in their order
                squares = np.bincount(level) ** 2 / np.bincount(outer)[outer[at]]
                counts[row, column] = squares.sum()
    return np.asarray(np.diff(counts, axis=0) / free[:, None], np.float64)


def _precision(variance: float, free: float) -> Precision:
    from scipy.special import chdtri  # here, as the web process shows studies, too

    least, greatest = (sqrt(variance * free / float(chdtri(free, tail))) for tail in (TAIL, 1 - TAIL))
    return Precision(sqrt(variance), least, greatest, free)


def _precision_words(precision: Precision, unit: str, mean: float) -> str:
    """Such as "1.2 nm (0.9 to 1.9), 0.8 % of the mean"."""
    places = decimals_beside(precision.sd, precision.low, precision.high)
    ends = " to ".join(end_words(end, places) for end in (precision.low, precision.high))
    relative = f", {significant(100 * precision.sd / abs(mean), 2)} % of the mean" if mean else ""
    return f"{significant(precision.sd, ALL_DIGITS, places)} {unit} ({ends}){relative}"
