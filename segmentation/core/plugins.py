"""What other wheels bring to the registries of this house, by their entry points.

A plug-in is imported when its registry is first asked, once in a process. One that is of no use is
left out and becomes a sentence (`faults`); it never stops anything else.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

logger = logging.getLogger(__name__)

KINDS, LEARNING = "deepsegm.kinds", "deepsegm.learning"
FORMATS, EXPORTS = "deepsegm.formats", "deepsegm.exports"
GROUPS = KINDS, LEARNING, FORMATS, EXPORTS
HEAVY = "torch", "matplotlib", "scipy", "skimage"  # what the web process never imports at its start
T = TypeVar("T")

_faults: dict[str, list[str]] = {}  # by group


class _Unusable(Exception):
    """Why a plug-in is left out; continues a sentence."""


def extended(
    group: str,
    contract: type[T],
    built_in: Sequence[T],
    names: Callable[[T], Iterable[str]],
    check: Callable[[T], object] = lambda brought: None,
) -> tuple[T, ...]:
    """Our own entries of a registry, then those of the plug-ins of a group, in the order of their names.

    contract: the type of each. names(entry): what it is called, which is no other entry's name.
    check(entry): raises an exception where an entry of another wheel cannot be used.
    """
    points, entries, _faults[group] = _installed()[group], list(built_in), []
    ours = {name for entry in built_in for name in names(entry)} if points else set()
    taken = set(ours)
    for point in points:
        heavy_before = {name for name in HEAVY if name in sys.modules}
        try:
            for brought in _objects(point, contract):
                check(brought)
                called = set(names(brought))
                if replaced := called & taken:
                    whose = "DeepSegm itself" if replaced & ours else "another plug-in"
                    raise _Unusable(f"{whose} has the name {min(replaced)}, which no plug-in can replace")
                taken |= called
                entries.append(brought)
        except _Unusable as why:
            _note(group, f"{_wording(point)} is left out: {why}.")
        except (Exception, SystemExit) as error:  # code of others raises exceptions of any type
            _note(group, f"{_wording(point)} is left out: {_reason(error)}.")
        heavy = [name for name in HEAVY if name in sys.modules and name not in heavy_before]
        if heavy and group != LEARNING:  # no page is made of what is taught
            cost = f"imports {' and '.join(heavy)} at once, which every process of the site then has in memory"
            _note(group, f"{_wording(point)} {cost}: import it inside functions.")
    return tuple(entries)


def faults() -> tuple[str, ...]:
    """A sentence for each plug-in at fault, of the registries that were asked so far."""
    return tuple(sentence for group in GROUPS for sentence in _faults.get(group, ()))


def modules() -> list[str]:
    """The packages of all plug-ins, by the names of which they are imported."""
    return sorted({point.module.partition(".")[0] for points in _installed().values() for point in points})


@cache
def _installed() -> dict[str, list[EntryPoint]]:
    """The entry points of each group in the order of their names: to look through all wheels of this Python takes a
    tenth of a second."""
    every = entry_points()
    return {group: sorted(every.select(group=group), key=lambda point: (point.name, point.value)) for group in GROUPS}


def _objects(point: EntryPoint, contract: type[T]) -> Iterable[T]:
    """The object that an entry point names, or the several ones of a list or tuple."""
    named = point.load()
    objects = tuple(named) if isinstance(named, list | tuple) else (named,)
    if not objects or not all(isinstance(entry, contract) for entry in objects):
        raise _Unusable(f"{point.value} is no {contract.__name__}, nor a list of some")
    return objects


def _wording(point: EntryPoint) -> str:
    wheel = f" ({point.dist.name} {point.dist.version})" if point.dist else ""
    return f"The plug-in {point.name}{wheel} of {point.group}"


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}, {lines[0].rstrip('.')}" if lines else type(error).__name__


def _note(group: str, sentence: str) -> None:
    _faults[group].append(sentence)
    logger.warning("%s", sentence)
