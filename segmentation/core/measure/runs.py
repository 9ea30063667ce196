"""A label image as its runs: the horizontal stretches of one label, from which most measures follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..labels.bands import Band, Ids, by_band, runs_in_rows, whole_image

BLOCK_PIXELS = 4_000_000


@dataclass(frozen=True, eq=False)
class Runs:
    """All runs of all particles, sorted by particle, then row, then column; (r,) int64 each.

    particle: label - 1. The run takes the columns start, ..., stop - 1 of its row.
    """

    particle: NDArray[np.int64]
    row: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    @property
    def length(self) -> NDArray[np.int64]:
        return self.stop - self.start

    @cached_property
    def checksums(self) -> list[bytes]:
        """One of the pixels of each particle and their place."""
        runs = np.stack([self.row, self.start, self.stop], axis=1)
        bounds = [*first_of_each(self.particle).tolist(), len(runs)]
        return [blake2b(runs[begin:end].data, digest_size=16).digest() for begin, end in pairwise(bounds)]


def blocks(shape: tuple[int, int]) -> Iterator[slice]:
    """Slices of rows that together cover an image of (H, W), each of a bounded number of pixels."""
    rows, columns = shape
    step = max(1, BLOCK_PIXELS // max(columns, 1))
    return (slice(row, min(row + step, rows)) for row in range(0, rows, step))


def find_runs(labels: NDArray[np.int32], ids: Ids | None = None) -> Runs:
    """The runs of `labels` (H, W), 0 being background; never more than a block of rows is copied.

    ids: (n,) those of the labels, ascending, where they are not 1..n: the particles are their places. Raises ValueError
    for an id without a pixel, and for pixels of another one.
    """
    if ids is None:
        return _sorted([runs_in_rows(labels[block], block.start) for block in blocks(labels.shape)])
    return whole_image("runs", labels, lambda: _runs_of_ids(labels, ids), ids.tobytes())


def _runs_of_ids(labels: NDArray[np.int32], ids: Ids) -> Runs:
    def runs(band: Band) -> tuple[NDArray[np.int32], ...]:
        particle, row, start, stop = runs_in_rows(band.labels, band.top)
        return tuple(part.astype(np.int32) for part in (band.ids[particle], row, start, stop))

    by_part = by_band("runs", labels, 0, runs)
    present = np.unique(np.concatenate([part[0] for part in by_part]))
    if not np.array_equal(present, ids):
        raise ValueError(f"labels must have the {len(ids)} ids with none missing; {len(present)} were found")
    numbers = (np.searchsorted(ids, part[0]) for part in by_part)
    return _sorted([(number, *part[1:]) for number, part in zip(numbers, by_part, strict=True)])


def _sorted(parts: list[tuple[NDArray[Any], ...]]) -> Runs:
    particle, row, start, stop = (np.concatenate(each).astype(np.int64) for each in zip(*parts, strict=True))
    order = np.argsort(particle, kind="stable")
    return Runs(particle[order], row[order], start[order], stop[order])


def shifted(runs: Runs, shifts: NDArray[np.int64]) -> Runs:
    """The runs of n particles, each moved by so many rows and columns (n, 2)."""
    down, across = shifts[runs.particle].T
    return replace(runs, row=runs.row + down, start=runs.start + across, stop=runs.stop + across)


def first_of_each(sorted_keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each new value begins in `sorted_keys` (k,): the (g,) indices that `reduceat` takes."""
    new = np.ones(len(sorted_keys), bool)
    new[1:] = sorted_keys[1:] != sorted_keys[:-1]
    return np.flatnonzero(new)


def boxes_of(runs: Runs) -> tuple[NDArray[np.int64], ...]:
    """Left, top, right and bottom (n,) of the box of each particle that has runs; right and bottom lie outside."""
    starts = first_of_each(runs.particle)
    if not len(starts):
        return (np.zeros(0, np.int64),) * 4
    return (
        np.minimum.reduceat(runs.start, starts),
        np.minimum.reduceat(runs.row, starts),
        np.maximum.reduceat(runs.stop, starts),
        np.maximum.reduceat(runs.row, starts) + 1,
    )


def around(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The index of the member before and of the one after each (k,), around its group of consecutive equal `keys`."""
    starts = first_of_each(keys)
    after = np.arange(1, len(keys) + 1)
    after[np.r_[starts, len(keys)][1:] - 1] = starts
    before = np.empty_like(after)
    before[after] = np.arange(len(keys))
    return before, after
