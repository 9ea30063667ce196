"""Methods written once, as steps: they yield requests and pauses, and are given the answers. A Client goes through the
steps at once; an AsyncClient goes through the same steps when it is awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from functools import update_wrapper, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from ._client import _Client

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M")


class Sync:
    """Things of a Client: their methods answer at once."""


class Async:
    """Things of an AsyncClient: their methods are awaited."""


def path_part(text: str | int) -> str:
    """An id or a name as one part of an address: what somebody typed, or an agent made up, leads nowhere else."""
    quoted = quote(str(text), safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    options: dict[str, Any]


Answer = httpx.Response | httpx.TransportError | None
Steps = Generator[_Request | float, Answer, T]  # a float, never an int: a pause in seconds


class _Bound(Generic[M]):
    """Whatever asks the site through a client. M: Sync or Async."""

    _client: _Client[M]


class _step(Generic[P, T]):  # noqa: N801
    """A method of steps: with a Client it gives T, with an AsyncClient it is awaited."""

    def __init__(self, method: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self.method = method
        update_wrapper(self, method)  # type: ignore[arg-type]  # its name and its text for help()

    @overload
    def __get__(self, instance: None, owner: type) -> _step[P, T]: ...
    @overload
    def __get__(self, instance: _Bound[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: _Bound[Async], owner: type) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self

        @wraps(self.method)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance._client._run(self.method(instance, *args, **kwargs))

        return call


class _property(Generic[T]):  # noqa: N801
    """A property of steps: with an AsyncClient it is awaited."""

    def __init__(self, method: Callable[[Any], Steps[T]]) -> None:
        self.method, self.__doc__ = method, method.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> _property[T]: ...
    @overload
    def __get__(self, instance: _Bound[Sync], owner: type) -> T: ...
    @overload
    def __get__(self, instance: _Bound[Async], owner: type) -> Awaitable[T]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else instance._client._run(self.method(instance))


class _paged(Generic[T]):  # noqa: N801
    """A list of the site; the steps give one page of it. With an AsyncClient it takes `async for`."""

    def __init__(self, method: Callable[[Any, int], Steps[_Page[T]]]) -> None:
        self.method, self.__doc__ = method, method.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> _paged[T]: ...
    @overload
    def __get__(self, instance: _Bound[Sync], owner: type) -> Callable[[], Iterator[T]]: ...
    @overload
    def __get__(self, instance: _Bound[Async], owner: type) -> Callable[[], AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        return lambda: instance._client._pages(lambda page: self.method(instance, page))


@dataclass(frozen=True)
class _Page(Generic[T]):
    """count: of all pages; None where the site does not say, so that the first empty page is the last."""

    rows: list[T]
    count: int | None
