"""Chooses the objects that the page and the report of a result show as examples: the smallest, the
object nearest to the median, and the largest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..objects.filters import SURE_CONFIDENCE, without_doubtful
from ..quantities import MEDIAN_TERM
from ..sizes.bins import FEWEST_IN_HISTOGRAM
from ..sizes.distribution import Floats
from ..table import Table
from .doubts import DOUBT

TITLES = ("smallest counted", f"nearest to the {MEDIAN_TERM}", "largest counted")


class Example(NamedTuple):
    """One example. id: of the object. size: in words, without the unit."""

    id: int
    title: str
    size: str


def sure_ones(table: Table) -> NDArray[np.bool_]:
    """(n,) whether each object is counted, has a high confidence or was confirmed by a person, and has no possible cut
    about which a person is asked."""
    cut_chance = 1 - np.asarray(table.columns.get("chance", 1.0), float)
    is_asked = np.nan_to_num(cut_chance) >= DOUBT
    return np.asarray(without_doubtful(table, SURE_CONFIDENCE).kept & ~is_asked)


def extremes(size: Floats, is_sure: NDArray[np.bool_], median: float) -> tuple[int, int, int] | None:
    """The places in `size` (n,) of the smallest sure object, the sure object nearest to the median of
    all (of two equally near the smaller), and the largest sure object; None if fewer than three are
    sure."""
    order = np.argsort(np.where(is_sure, size, np.nan), kind="stable")
    order = order[: int(np.isfinite(size[is_sure]).sum())]
    if len(order) < len(TITLES):
        return None
    off = np.abs(size[order] / median - 1).round(9)
    return int(order[0]), int(order[off.argmin()]), int(order[-1])


def examples_of(size: Floats, is_sure: NDArray[np.bool_], median: float) -> list[tuple[int, str]]:
    """The places in `size` (n,) of the examples, each with its title. Fewer than
    FEWEST_IN_HISTOGRAM sizes are all shown, in ascending order and without titles; otherwise the
    `extremes`."""
    if len(size) < FEWEST_IN_HISTOGRAM:
        return [(int(place), "") for place in np.argsort(size.round(9), kind="stable")]
    return list(zip(extremes(size, is_sure, median) or (), TITLES, strict=False))
