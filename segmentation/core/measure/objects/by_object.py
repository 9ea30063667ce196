"""Measures objects one by one, with a cache (`core.remembered`): while a person corrects outlines,
an object whose pixels and place have not changed is not measured again. The keys of the cache are
checksums of the object's pixels and place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...labels.bands import Ids, numbered
from ...remembered import current_memory
from ..pixels.runs import Runs, boxes_of, find_runs, first_of_each, shifted
from .cutouts import CutOut, in_batches, side_by_side

T = TypeVar("T")
Columns = dict[str, NDArray[Any]]
MeasureSome = Callable[[NDArray[np.int32], Runs], Columns]


def each_object(
    name: str, labels: NDArray[np.int32], ids: Ids | None, make_some: Callable[[NDArray[np.int32], Runs], Sequence[T]]
) -> list[T]:
    """The value of each object of labels (H, W) with the ids (n,), or 1..n, from the cache or from
    `make_some`.

    name: of this value in the cache. make_some: gets a label image of some objects 1..k and their
    runs, and returns k values. The runs have the places in the whole image; the label image may be
    a smaller one. A value must depend only on the pixels of its object and their place.
    """
    runs, memory = find_runs(labels, ids), current_memory()
    if memory is None:
        return [*make_some(labels if ids is None else numbered(labels, ids), runs)]
    keys = [(name, checksum) for checksum in runs.checksums]
    missing = [number for number, key in enumerate(keys) if key not in memory]
    objects = _cut_out(runs, missing)
    for batch in in_batches(objects):
        values = make_some(*labels_and_runs([objects[index] for index in batch]))
        for index, value in zip(batch, values, strict=True):
            memory[keys[missing[index]]] = value
    return [memory[key] for key in keys]


def by_object(name: str, labels: NDArray[np.int32], ids: Ids | None, measure_some: MeasureSome) -> Columns:
    """Columns (n, ...) of the objects by name. The arguments are those of `each_object`;
    `measure_some` returns columns for the k objects that it gets."""
    if current_memory() is None:
        runs = find_runs(labels, ids)
        return measure_some(labels if ids is None else numbered(labels, ids), runs)

    def rows(labels: NDArray[np.int32], runs: Runs) -> list[tuple[Columns, int]]:
        columns = measure_some(labels, runs)
        return [(columns, row) for row in range(len(next(iter(columns.values()))))]

    places = each_object(name, labels, ids, rows)
    if not places:
        return measure_some(labels, find_runs(labels, ids))
    tables = {id(columns): columns for columns, _ in places}
    owner, row = np.array([id(columns) for columns, _ in places]), np.array([row for _, row in places])
    gathered = {
        column: np.empty((len(places), *values.shape[1:]), values.dtype) for column, values in places[0][0].items()
    }
    for number, columns in tables.items():
        chosen = np.flatnonzero(owner == number)
        for column, values in columns.items():
            gathered[column][chosen] = values[row[chosen]]
    return gathered


def shifts_of(labels: NDArray[np.int32], runs: Runs) -> NDArray[np.int64]:
    """(n, 2) by how many pixels the runs of each object lie further right and down than the object in
    labels (H, W)."""
    runs_in_labels = find_runs(labels)
    places = (np.stack([part.start, part.row], axis=1)[first_of_each(part.particle)] for part in (runs, runs_in_labels))
    return np.subtract(*places)


def labels_and_runs(objects: Sequence[CutOut]) -> tuple[NDArray[np.int32], Runs]:
    """A label image (h, w) of the objects as 1..n side by side, and their runs with the places that
    they have in the image they were cut out of."""
    labels, moved_by = side_by_side(objects)
    return labels, shifted(find_runs(labels), moved_by)


def _cut_out(runs: Runs, numbers: Sequence[int]) -> list[CutOut]:
    """The objects of these numbers (places in the runs, from 0 on), cut out."""
    chosen = np.array(numbers, np.int64)
    begins, ends = (np.searchsorted(runs.particle, chosen + after).tolist() for after in (0, 1))
    boxes = np.stack(boxes_of(runs), axis=1)[chosen].tolist()
    objects = list[CutOut]()
    for begin, end, (left, top, right, bottom) in zip(begins, ends, boxes, strict=True):
        steps = np.zeros((bottom - top, right - left + 1), np.int8)  # no run begins where another one ends
        row = runs.row[begin:end] - top
        steps[row, runs.start[begin:end] - left] = 1
        steps[row, runs.stop[begin:end] - left] = -1
        objects.append(CutOut(np.cumsum(steps, axis=1, dtype=np.int8)[:, :-1] > 0, top, left))
    return objects
