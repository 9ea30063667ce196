"""The runs of a label image: the horizontal stretches of pixels with one label. Most measures of
objects are computed from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...labels.bands import Band, Ids, by_band, runs_in_rows, whole_image

BLOCK_PIXELS = 4_000_000  # pixels of an image that are processed at once, to bound the memory


@dataclass(frozen=True, eq=False)
class Runs:
    """The r runs of all objects, sorted by object, then row, then column; (r,) int64 each.

    particle: index of the object from 0 on (label - 1). row: of the run. start, stop: it takes the
    columns start, ..., stop - 1.
    """

    particle: NDArray[np.int64]
    row: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    @property
    def length(self) -> NDArray[np.int64]:
        """(r,) px."""
        return self.stop - self.start

    @cached_property
    def checksums(self) -> list[bytes]:
        """For each object a checksum of its pixels and their places."""
        runs = np.stack([self.row, self.start, self.stop], axis=1)
        bounds = [*first_of_each(self.particle).tolist(), len(runs)]
        return [blake2b(runs[begin:end].data, digest_size=16).digest() for begin, end in pairwise(bounds)]


def blocks(shape: tuple[int, int]) -> Iterator[slice]:
    """Slices of rows that together cover an image of this shape (H, W), each with at most
    BLOCK_PIXELS px (but at least one row)."""
    rows, columns = shape
    step = max(1, BLOCK_PIXELS // max(columns, 1))
    return (slice(row, min(row + step, rows)) for row in range(0, rows, step))


def find_runs(labels: NDArray[np.int32], ids: Ids | None = None) -> Runs:
    """The runs of the objects in `labels` (H, W); 0 is background. Only a block of rows is copied
    at a time.

    ids: (n,) the labels of the objects, ascending; None if they are 1..n. `Runs.particle` is the
    index in `ids`. Raises ValueError if an id has no pixel, or a pixel has another label.
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
    """The runs of all parts of an image together. Each part: particle, row, start, stop."""
    particle, row, start, stop = (np.concatenate(arrays).astype(np.int64) for arrays in zip(*parts, strict=True))
    order = np.argsort(particle, kind="stable")
    return Runs(particle[order], row[order], start[order], stop[order])


def shifted(runs: Runs, shifts: NDArray[np.int64]) -> Runs:
    """The runs with each of n objects moved down and to the right by so many rows and columns (n,
    2)."""
    down, across = shifts[runs.particle].T
    return replace(runs, row=runs.row + down, start=runs.start + across, stop=runs.stop + across)


def first_of_each(sorted_keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """(g,) the index at which each group of equal values begins in `sorted_keys` (k,), as
    `reduceat` takes it."""
    is_first = np.ones(len(sorted_keys), bool)
    is_first[1:] = sorted_keys[1:] != sorted_keys[:-1]
    return np.flatnonzero(is_first)


def boxes_of(runs: Runs) -> tuple[NDArray[np.int64], ...]:
    """Left, top, right and bottom (n,) of the bounding box of each object; right and bottom are
    exclusive."""
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
    """(k,) each: the index of the previous, and of the next element in the group of each element. A
    group is a stretch of equal `keys` (k,), and is closed: its first element follows its last."""
    starts = first_of_each(keys)
    after = np.arange(1, len(keys) + 1)
    after[np.r_[starts, len(keys)][1:] - 1] = starts
    before = np.empty_like(after)
    before[after] = np.arange(len(keys))
    return before, after
