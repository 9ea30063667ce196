"""What was calculated stands while what it follows from stays: for a result that is corrected step by step.

What is remembered is equal to what would be calculated: of single objects (`measure.by_object`), and of bands of a
label image (`labels.bands`), by their pixels. So a correction costs what it changes.
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
    """What was calculated in the last `remembering`, by what it follows from."""

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

    def of_image(self, image: NDArray[Any], make: Callable[[NDArray[Any]], T]) -> T:
        """What `make` gives of an image (H, W) that nobody changes as long as it lives."""
        place = image.__array_interface__["data"][0], image.shape, image.strides, image.dtype.str
        owner = image.base if isinstance(image.base, np.ndarray) else image
        if place not in self._images or self._images[place][0]() is not owner:
            self._images[place] = ref(owner), make(image)
        value: T = self._images[place][1]
        return value

    def forget_unused(self) -> None:
        """Keep only what was set or read since the last call, and what is known of images that still live."""
        self._previous, self._current = self._current, {}
        self._images = {place: entry for place, entry in self._images.items() if entry[0]() is not None}


_memory: ContextVar[Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembering(memory: Memory) -> Iterator[None]:
    """Within the block nothing that the memory knows is calculated again; it then knows what this block asked for."""
    token = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(token)
    memory.forget_unused()


def present_memory() -> Memory | None:
    """That of the block of `remembering` around, None outside."""
    return _memory.get()


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
