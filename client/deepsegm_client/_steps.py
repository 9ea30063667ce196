"""Lets a method be written once for Client and AsyncClient, as a generator of steps.

A step is a request or a pause in seconds. The method yields its steps, and gets the answer to each request back. A
Client runs the generator at once; an AsyncClient runs it when it is awaited.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from functools import update_wrapper, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from ._client import _Client

P = ParamSpec("P")  # arguments of a method
T = TypeVar("T")  # the result of a method
M = TypeVar("M")  # the mode: Sync or Async


class Sync:
    """The mode of a Client: methods return their results."""


class Async:
    """The mode of an AsyncClient: methods are awaited."""


def path_part(text: str | int) -> str:
    """An id or a name, quoted as one part of an address, so that no text can lead to another address."""
    quoted = quote(str(text), safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


@dataclass(frozen=True)
class _Request:
    """A step: a request. options: keyword arguments of httpx's `request`."""

    method: str
    path: str
    options: dict[str, Any]


Answer = httpx.Response | httpx.TransportError | None
Steps = Generator[_Request | float, Answer, T]  # a float (never an int) is a pause in seconds


class _UsesClient(Generic[M]):
    """An object that uses a client. M: its mode."""

    _client: _Client[M]


class _step(Generic[P, T]):  # noqa: N801
    """Decorator of a method that is written as steps. With a Client it returns T, with an AsyncClient it is awaited."""

    def __init__(self, method: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self.method = method
        update_wrapper(self, method)  # type: ignore[arg-type]  # name and docstring for help()

    @overload
    def __get__(self, instance: None, owner: type) -> _step[P, T]: ...
    @overload
    def __get__(self, instance: _UsesClient[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: _UsesClient[Async], owner: type) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self

        @wraps(self.method)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance._client._run(self.method(instance, *args, **kwargs))

        return call


class _property(Generic[T]):  # noqa: N801
    """Decorator of a property that is written as steps. With an AsyncClient it is awaited."""

    def __init__(self, method: Callable[[Any], Steps[T]]) -> None:
        self.method, self.__doc__ = method, method.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> _property[T]: ...
    @overload
    def __get__(self, instance: _UsesClient[Sync], owner: type) -> T: ...
    @overload
    def __get__(self, instance: _UsesClient[Async], owner: type) -> Awaitable[T]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else instance._client._run(self.method(instance))


class _paged(Generic[T]):  # noqa: N801
    """Decorator of a method that lists rows of the site; its steps give one page of the list. The result is an iterator
    over all rows, with an AsyncClient for `async for`."""

    def __init__(self, method: Callable[[Any, int], Steps[_Page[T]]]) -> None:
        self.method, self.__doc__ = method, method.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> _paged[T]: ...
    @overload
    def __get__(self, instance: _UsesClient[Sync], owner: type) -> Callable[[], Iterator[T]]: ...
    @overload
    def __get__(self, instance: _UsesClient[Async], owner: type) -> Callable[[], AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        return lambda: instance._client._pages(lambda page: self.method(instance, page))


@dataclass(frozen=True)
class _Page(Generic[T]):
    """A page of a list. count: number of rows on all pages; None if the site does not send it (then an empty page is
    the last)."""

    rows: list[T]
    count: int | None
