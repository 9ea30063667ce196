"""The objects that page and report show as examples: the smallest, the one nearest to the median, and the largest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bins import LEAST_BARS
from .distribution import Floats

TITLES = ("smallest sure one", "nearest to the median", "largest sure one")


class Example(NamedTuple):
    """An object to look at. size: in words, without the unit."""

    id: int
    title: str
    size: str


def extremes(size: Floats, is_sure: NDArray[np.bool_], median: float) -> tuple[int, int, int] | None:
    """The places of the smallest, of the one nearest to the median of all, and of the largest of the sure sizes (n,);
    None of fewer than three. Of two as near it is the smaller one."""
    order = np.argsort(np.where(is_sure, size, np.nan), kind="stable")
    order = order[: int(np.isfinite(size[is_sure]).sum())]
    if len(order) < len(TITLES):
        return None
    off = np.abs(size[order] / median - 1).round(9)
    return int(order[0]), int(order[off.argmin()]), int(order[-1])


def shown(size: Floats, is_sure: NDArray[np.bool_], median: float) -> list[tuple[int, str]]:
    """The places of what a page shows of the sizes (n,) that count, with the titles: of fewer than LEAST_BARS each, in
    ascending order and without a title, else the `extremes`."""
    if len(size) < LEAST_BARS:
        return [(int(place), "") for place in np.argsort(size, kind="stable")]
    return list(zip(extremes(size, is_sure, median) or (), TITLES, strict=False))
