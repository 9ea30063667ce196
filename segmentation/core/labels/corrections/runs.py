"""Runs of pixels with equal ids: a compact form of label images, with about a hundredth of their memory.

A run is (start, count, id); start is the flat index row * width + column of its first pixel.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .geometry import Box, Labels, Mask
from .time_limit import check_time

Runs = NDArray[np.int32]  # (n, 3), in ascending order; no two overlap
Numbers = NDArray[np.int32]  # (n,) ids, or flat indices


def no_runs() -> Runs:
    """(0, 3) an empty array of runs."""
    return np.zeros((0, 3), np.int32)


def compress_runs(runs: Runs) -> bytes:
    """Runs compressed by zlib, as little-endian int32: for all runs the gap to the run before in px, then the counts of
    all runs, then the ids of all runs."""
    starts, counts, ids = runs.astype("<i4").T
    gaps = starts - np.r_[np.int32(0), (starts + counts)[:-1]]
    return zlib.compress(np.stack([gaps, counts, ids]).astype("<i4").tobytes())


def decompress_runs(content: bytes, most_runs: int = 0) -> Runs:
    """The runs that `compress_runs` wrote; raises ValueError or zlib.error for other bytes. most_runs: the largest
    number of runs that is accepted; 0 for any number."""
    stream = zlib.decompressobj()
    words = stream.decompress(content, 12 * most_runs)
    if not stream.eof:
        raise ValueError("too many runs, or no end")
    gaps, counts, ids = np.frombuffer(words, "<i4").reshape(3, -1)
    ends = np.cumsum(gaps, dtype=np.int32) + np.cumsum(counts, dtype=np.int32)
    return np.column_stack([ends - counts, counts, ids]).astype(np.int32)


def runs_of(starts: Numbers, ends: Numbers, ids: Numbers | int) -> Runs:
    """The runs with these first pixels (n,), ends (n,; exclusive), and ids (n,) or one id for all."""
    starts = np.asarray(starts)
    return np.column_stack([starts, ends - starts, np.broadcast_to(ids, starts.shape)]).astype(np.int32)


def pixels_and_ids(runs: Runs) -> tuple[NDArray[np.int64], Numbers]:
    """(m,) each: the flat index of every pixel of the runs, and its id."""
    starts, counts, ids = runs.T
    pixels = np.repeat(starts - counts.cumsum() + counts, counts) + np.arange(counts.sum())
    return pixels, np.repeat(ids, counts)


def join_runs(runs: Runs, width: int) -> Runs:
    """The same pixels in as few runs as possible, each within one row. Each given run must lie within one row, too.
    width: of the image."""
    if not len(runs):
        return runs
    starts, counts, ids = runs.T
    ends = starts + counts
    begins = np.r_[True, (starts[1:] != ends[:-1]) | (ids[1:] != ids[:-1]) | (starts[1:] % width == 0)]
    return runs_of(starts[begins], ends[np.r_[begins[1:], True]], ids[begins])


def unite_runs(starts: Numbers, ends: Numbers) -> tuple[Numbers, Numbers]:
    """The starts and ends of the same pixels without overlaps, in ascending order. starts, ends: (n,) of runs within
    rows, in any order, which may overlap."""
    if not len(starts):
        return starts, ends
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    begins = np.r_[True, starts[1:] >= ends[:-1]]  # neighbours stay apart: they may lie in two rows
    return starts[begins], ends[np.r_[begins[1:], True]]


def cut_at_rows(runs: Runs, width: int) -> Runs:
    """The same runs, cut where they cross the end of a row. width: of the image."""
    starts, counts, ids = runs.T
    ends = starts + counts
    rows = (ends - 1) // width - starts // width + 1
    if (rows == 1).all():
        return runs
    row = np.repeat(starts // width - rows.cumsum() + rows, rows) + np.arange(rows.sum())
    begin, end = np.maximum(np.repeat(starts, rows), row * width), np.minimum(np.repeat(ends, rows), (row + 1) * width)
    return runs_of(begin, end, np.repeat(ids, rows))


def piece_numbers(runs: Runs, width: int, *, corners: bool = False) -> Numbers:
    """The number 0..n-1 of the connected piece to which each of m runs belongs, (m,).

    Runs of different ids are not connected. runs: each within one row. corners: whether pixels that share only a corner
    are connected.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    check_time()
    # Rows two pixels wider, so that a run at the end of a row has no neighbour at the beginning of the next.
    wide, reach = width + 2, int(corners)
    rows, left = np.divmod(runs[:, 0].astype(np.int64), width)
    starts, ends = rows * wide + left, rows * wide + left + runs[:, 1]
    first_below = np.searchsorted(ends, starts + wide - reach, "right")
    counts = np.searchsorted(starts, ends + wide + reach, "left") - first_below
    above = np.repeat(np.arange(len(runs)), counts)
    below = np.repeat(first_below - counts.cumsum() + counts, counts) + np.arange(len(above))
    is_same = runs[above, 2] == runs[below, 2]
    pairs = above[is_same], below[is_same]
    graph = coo_array((np.ones(len(pairs[0]), np.int8), pairs), shape=(len(runs), len(runs)))
    numbers: Numbers = connected_components(graph, directed=False)[1]
    check_time()
    return numbers


def runs_in(ids: Labels, mask: Mask, box: Box, width: int) -> Runs:
    """Runs of the pixels of a mask (h, w), with the ids (h, w) there. box: where the mask lies in the image. width: of
    the image."""
    padded = np.pad(mask, ((0, 0), (1, 1)))
    values = np.pad(np.where(mask, ids, -1), ((0, 0), (1, 1)), constant_values=-1)
    edges = values[:, 1:] != values[:, :-1]
    rows, starts = np.nonzero(edges & padded[:, 1:])
    ends = np.nonzero(edges & padded[:, :-1])[1]
    offset = (rows + box[0]) * width + box[1]
    return runs_of(offset + starts, offset + ends, ids[rows, starts])


class Strip(NamedTuple):
    """Successive rows of a label image in as few runs as possible; runs may cross the ends of rows.

    starts: (n,) int32, the first pixel of each run. ids: (n,) int32. end: the pixel after the last one.
    """

    starts: Numbers
    ids: Numbers
    end: int

    @property
    def ends(self) -> Numbers:
        return np.append(self.starts[1:], np.int32(self.end))

    @classmethod
    def of(cls, part: Labels, offset: int) -> Strip:
        """The strip of rows (h, W), whose first pixel has the flat index `offset`."""
        flat = part.ravel()
        places = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
        return cls((places + offset).astype(np.int32), flat[places], offset + flat.size)

    def runs_under(self, starts: Numbers, ends: Numbers) -> tuple[Runs, NDArray[np.int64]]:
        """The strip's runs at the pixels of given runs (starts, ends), cut at the ends of these; and for each of the
        strip's runs the place of the given run."""
        run = np.searchsorted(self.starts, starts, "right") - 1
        numbers = np.searchsorted(self.starts, ends, "left") - run
        places = np.repeat(np.arange(len(starts)), numbers)
        index = np.repeat(run - numbers.cumsum() + numbers, numbers) + np.arange(len(places))
        begin = np.maximum(self.starts[index], starts[places])
        stop = np.minimum(self.ends[index], ends[places])
        return runs_of(begin, stop, self.ids[index]), places

    def overwritten(self, runs: Runs) -> Strip:
        """The strip after some runs, all within it, have got new ids."""
        begin, counts, ids = runs.T
        end = begin + counts
        covering = np.searchsorted(begin, self.starts, "right") - 1
        is_free = (covering < 0) | (self.starts >= end[covering])
        ids_behind = self.ids[np.searchsorted(self.starts, end, "right") - 1]
        starts = np.concatenate([self.starts[is_free], end, begin])
        values = np.concatenate([self.ids[is_free], ids_behind, ids])
        order = np.argsort(starts, kind="stable")
        starts, values = starts[order], values[order]
        # If several runs start at one pixel, the last of them counts.
        is_last = np.r_[starts[1:] != starts[:-1], True] & (starts < self.end)
        starts, values = starts[is_last], values[is_last]
        differs = np.r_[True, values[1:] != values[:-1]]
        return Strip(starts[differs], values[differs], self.end)
