"""Remembers calculated values, so that after a correction of a result only the changed values are calculated again.

Values of single objects (`measure.by_object`) and of bands of a label image (`labels.bands`) are remembered under the
pixels from which they were calculated, so that a remembered value is never out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import ref

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Memory:
    """The values of the last block of `remembering`, each under a key that identifies all of its inputs."""

    def __init__(self) -> None:
        self._previous, self._current = dict[Hashable, Any](), dict[Hashable, Any]()
        self._images = dict[Hashable, tuple[ref[NDArray[Any]], Any]]()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._current or key in self._previous

    def __getitem__(self, key: Hashable) -> Any:
        if key not in self._current:
            self._current[key] = self._previous[key]
        return self._current[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._current[key] = value

    def value_for_image(self, image: NDArray[Any], make: Callable[[NDArray[Any]], T]) -> T:
        """The value make(image), calculated once as long as this array (H, W) exists. Its pixels must not be
        changed."""
        address = image.__array_interface__["data"][0], image.shape, image.strides, image.dtype.str
        owner = image.base if isinstance(image.base, np.ndarray) else image
        if address not in self._images or self._images[address][0]() is not owner:
            self._images[address] = ref(owner), make(image)
        value: T = self._images[address][1]
        return value

    def forget_unused(self) -> None:
        """Forget the values that were neither set nor read since the last call, and those of images that are gone."""
        self._previous, self._current = self._current, {}
        self._images = {place: entry for place, entry in self._images.items() if entry[0]() is not None}


_memory: ContextVar[Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembering(memory: Memory) -> Iterator[None]:
    """A block in which values that the memory has are not calculated again. After it the memory has only the values
    that the block used."""
    token = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(token)
    memory.forget_unused()


def current_memory() -> Memory | None:
    """The memory of the surrounding block of `remembering`, None outside of one."""
    return _memory.get()


def calculated_once(key: Callable[[], Hashable], make: Callable[[], T]) -> T:
    """The value make(). In a block of `remembering`, make() is called only once for each key."""
    memory = _memory.get()
    if memory is None:
        return make()
    name = key()
    if name not in memory:
        memory[name] = make()
    value: T = memory[name]
    return value
