"""What was measured of an object stands while its pixels stay: it is remembered by these pixels and their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..labels.bands import Ids, numbered
from ..remembered import present_memory
from .cutouts import CutOut, in_batches, side_by_side
from .runs import Runs, boxes_of, find_runs, first_of_each, shifted

T = TypeVar("T")
Columns = dict[str, NDArray[Any]]
MeasureSome = Callable[[NDArray[np.int32], Runs], Columns]


def each_object(
    kind: str, labels: NDArray[np.int32], ids: Ids | None, make_some: Callable[[NDArray[np.int32], Runs], Sequence[T]]
) -> list[T]:
    """What `make_some` gives of each of the objects of labels (H, W): of these ids (n,), or 1..n.

    kind: names it. make_some: makes it of some objects 1..k of a label image, whose runs are given and may lie
    elsewhere than in it; each follows from its object's pixels and their place alone.
    """
    runs, memory = find_runs(labels, ids), present_memory()
    if memory is None:
        return [*make_some(labels if ids is None else numbered(labels, ids), runs)]
    keys = [(kind, checksum) for checksum in runs.checksums]
    unknown = [at for at, key in enumerate(keys) if key not in memory]
    objects = _cut_out(runs, unknown)
    for batch in in_batches(objects):
        values = make_some(*laid_apart([objects[at] for at in batch]))
        for at, value in zip(batch, values, strict=True):
            memory[keys[unknown[at]]] = value
    return [memory[key] for key in keys]


def by_object(kind: str, labels: NDArray[np.int32], ids: Ids | None, measure_some: MeasureSome) -> Columns:
    """Columns (n, ...) of the objects, as `each_object`."""
    if present_memory() is None:
        runs = find_runs(labels, ids)
        return measure_some(labels if ids is None else numbered(labels, ids), runs)

    def rows(labels: NDArray[np.int32], runs: Runs) -> list[tuple[Columns, int]]:
        columns = measure_some(labels, runs)
        return [(columns, row) for row in range(len(next(iter(columns.values()))))]

    places = each_object(kind, labels, ids, rows)
    if not places:
        return measure_some(labels, find_runs(labels, ids))
    tables = {id(columns): columns for columns, _ in places}
    owner, row = np.array([id(columns) for columns, _ in places]), np.array([row for _, row in places])
    gathered = {name: np.empty((len(places), *values.shape[1:]), values.dtype) for name, values in places[0][0].items()}
    for number, columns in tables.items():
        at = np.flatnonzero(owner == number)
        for name, values in columns.items():
            gathered[name][at] = values[row[at]]
    return gathered


def shifts_of(labels: NDArray[np.int32], runs: Runs) -> NDArray[np.int64]:
    """(n, 2) by how many pixels right and down the runs of each object lie from its place in labels (H, W)."""
    runs_in_labels = find_runs(labels)
    places = (np.stack([part.start, part.row], axis=1)[first_of_each(part.particle)] for part in (runs, runs_in_labels))
    return np.subtract(*places)


def laid_apart(objects: Sequence[CutOut]) -> tuple[NDArray[np.int32], Runs]:
    """A label image (h, w) of the objects 1..n side by side, and their runs, which lie where they do in their own."""
    labels, shifts = side_by_side(objects)
    return labels, shifted(find_runs(labels), shifts)


def _cut_out(runs: Runs, numbers: Sequence[int]) -> list[CutOut]:
    """The particles of these numbers."""
    chosen = np.array(numbers, np.int64)
    begins, ends = (np.searchsorted(runs.particle, chosen + after).tolist() for after in (0, 1))
    boxes = np.stack(boxes_of(runs), axis=1)[chosen].tolist()
    objects = list[CutOut]()
    for begin, end, (left, top, right, bottom) in zip(begins, ends, boxes, strict=True):
        steps = np.zeros((bottom - top, right - left + 1), np.int8)  # a run begins nowhere where another one ends
        row = runs.row[begin:end] - top
        steps[row, runs.start[begin:end] - left] = 1
        steps[row, runs.stop[begin:end] - left] = -1
        objects.append(CutOut(np.cumsum(steps, axis=1, dtype=np.int8)[:, :-1] > 0, top, left))
    return objects
