"""What was measured of an object stands while its pixels stay: for a result that is corrected step by step.

Whatever follows from the pixels of one object alone is remembered by these pixels and their place. So after a
correction only what it changed is measured anew, and what is remembered is equal to what would be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .cutouts import CutOut, in_batches, side_by_side
from .runs import Runs, boxes_of, find_runs, shifted

T = TypeVar("T")
Columns = dict[str, NDArray[Any]]
MeasureSome = Callable[[NDArray[np.int32], Runs], Columns]


class Memory:
    """What was calculated of single objects in the last `remembering`, by the object's pixels."""

    def __init__(self) -> None:
        self._previous, self._current = dict[Hashable, Any](), dict[Hashable, Any]()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._current or key in self._previous

    def __getitem__(self, key: Hashable) -> Any:
        if key not in self._current:
            self._current[key] = self._previous[key]
        return self._current[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._current[key] = value

    def forget_unused(self) -> None:
        """Keep only what was set or read since the last call."""
        self._previous, self._current = self._current, {}


_memory: ContextVar[Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembering(memory: Memory) -> Iterator[None]:
    """Within the block objects that the memory knows are not measured again; it then knows those of this block."""
    token = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(token)
    memory.forget_unused()


def remembered(key: Callable[[], Hashable], make: Callable[[], T]) -> T:
    """What `make` gives, made once for each key while there is a memory."""
    memory = _memory.get()
    if memory is None:
        return make()
    name = key()
    if name not in memory:
        memory[name] = make()
    value: T = memory[name]
    return value


def by_object(kind: str, labels: NDArray[np.int32], runs: Runs, measure_some: MeasureSome) -> Columns:
    """Columns (n, ...) of the objects 1..n of `labels` (H, W), whose runs are given.

    kind: names the columns. measure_some: makes them of some objects; each row follows from its object's pixels and
    their place alone.
    """
    memory = _memory.get()
    if memory is None:
        return measure_some(labels, runs)
    objects = _cut_out(labels, runs)
    keys = [(kind, pixels_of(part.mask, part.box)) for part in objects]
    unknown = [at for at, key in enumerate(keys) if key not in memory]
    for batch in in_batches([objects[at] for at in unknown]):
        places = [unknown[at] for at in batch]
        columns = measure_some(*laid_apart([objects[at] for at in places]))
        for row, place in enumerate(places):
            memory[keys[place]] = {name: values[row] for name, values in columns.items()}
    if not keys:
        return measure_some(labels, runs)
    rows = [memory[key] for key in keys]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def pixels_of(mask: NDArray[np.bool_], box: tuple[int, int, int, int]) -> tuple[tuple[int, ...], bytes]:
    """What stands for the pixels of an object: its box, and a checksum of its mask (h, w)."""
    return tuple(map(int, box)), blake2b(np.packbits(mask).tobytes(), digest_size=16).digest()


def laid_apart(objects: Sequence[CutOut]) -> tuple[NDArray[np.int32], Runs]:
    """A label image (h, w) of the objects 1..n side by side, and their runs, which lie where they do in their own."""
    labels, shifts = side_by_side(objects)
    return labels, shifted(find_runs(labels), shifts)


def _cut_out(labels: NDArray[np.int32], runs: Runs) -> list[CutOut]:
    boxes = enumerate(zip(*boxes_of(runs), strict=True), 1)
    return [
        CutOut(labels[top:bottom, left:right] == number, int(top), int(left))
        for number, (left, top, right, bottom) in boxes
    ]
