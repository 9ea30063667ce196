"""A label image as its runs: the horizontal stretches of one label, from which most measures follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

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


def blocks(shape: tuple[int, int]) -> Iterator[slice]:
    """Slices of rows that together cover an image of (H, W), each of a bounded number of pixels."""
    rows, columns = shape
    step = max(1, BLOCK_PIXELS // max(columns, 1))
    return (slice(row, min(row + step, rows)) for row in range(0, rows, step))


def places(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each pixel of a mask (H, W), as np.nonzero gives them, in a tenth of its time."""
    row, column = np.divmod(np.flatnonzero(mask), max(mask.shape[1], 1))
    return row, column


def find_runs(labels: NDArray[np.int32]) -> Runs:
    """The runs of `labels` (H, W), 0 being background; never more than a block of rows is copied."""
    by_block = [_runs_of_block(labels[block], block.start) for block in blocks(labels.shape)]
    particle, row, start, stop = (np.concatenate(parts) for parts in zip(*by_block, strict=True))
    order = np.argsort(particle, kind="stable")
    return Runs(particle[order], row[order], start[order], stop[order])


def _runs_of_block(block: NDArray[np.int32], first_row: int) -> tuple[NDArray[np.int64], ...]:
    begins = block != 0
    ends = begins.copy()
    changes = block[:, 1:] != block[:, :-1]
    begins[:, 1:] &= changes
    ends[:, :-1] &= changes
    row, start = places(begins)
    stop = places(ends)[1] + 1
    return block[row, start].astype(np.int64) - 1, row + first_row, start, stop


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
