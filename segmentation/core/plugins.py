"""Loads plug-ins: objects that other wheels add to our registries by their entry points.

A plug-in is imported once in a process, when its registry is first used. A plug-in that cannot be used is left out;
`faults` has a sentence about it. It never stops anything else.
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
HEAVY = "torch", "matplotlib", "scipy", "skimage"  # the web process must not import these at its start
T = TypeVar("T")

_faults: dict[str, list[str]] = {}  # group of entry points -> sentences


class _Unusable(Exception):
    """A plug-in cannot be used; the message is the reason, as the end of a sentence."""


def registry_entries(
    group: str,
    contract: type[T],
    built_in: Sequence[T],
    names: Callable[[T], Iterable[str]],
    check: Callable[[T], object] = lambda entry_of_plugin: None,
) -> tuple[T, ...]:
    """All entries of a registry: our own, then those of plug-ins in the order of their names.

    group: name of the group of entry points. contract: the type of every entry. built_in: our own entries.
    names(entry): the names of an entry; no two entries may share one. check(entry): called with each entry of a
    plug-in; raises an exception if it cannot be used.
    """
    points, entries, _faults[group] = _installed()[group], list(built_in), []
    ours = {name for entry in built_in for name in names(entry)} if points else set()
    used_names = set(ours)
    for point in points:
        heavy_before = {name for name in HEAVY if name in sys.modules}
        try:
            for entry_of_plugin in _objects(point, contract):
                check(entry_of_plugin)
                called = set(names(entry_of_plugin))
                if replaced := called & used_names:
                    whose = "DeepSegm itself" if replaced & ours else "another plug-in"
                    raise _Unusable(f"{whose} has the name {min(replaced)}, which no plug-in can replace")
                used_names |= called
                entries.append(entry_of_plugin)
        except _Unusable as reason:
            _note(group, f"{_wording(point)} is left out: {reason}.")
        except (Exception, SystemExit) as error:  # code of others raises exceptions of any type
            _note(group, f"{_wording(point)} is left out: {_reason(error)}.")
        heavy = [name for name in HEAVY if name in sys.modules and name not in heavy_before]
        if heavy and group != LEARNING:  # only a training uses that registry, and no process of the site
            cost = f"imports {' and '.join(heavy)} at once. Then every process of the site has it in memory"
            _note(group, f"{_wording(point)} {cost}: import it inside functions.")
    return tuple(entries)


def faults() -> tuple[str, ...]:
    """A sentence for each fault of a plug-in. Only registries that have been used so far are included."""
    return tuple(sentence for group in GROUPS for sentence in _faults.get(group, ()))


def modules() -> list[str]:
    """The names by which the packages of all plug-ins are imported."""
    return sorted({point.module.partition(".")[0] for points in _installed().values() for point in points})


@cache
def _installed() -> dict[str, list[EntryPoint]]:
    """Group -> entry points in the order of their names. The search through all wheels takes a tenth of a second, so
    it is made once."""
    installed = entry_points()
    return {
        group: sorted(installed.select(group=group), key=lambda point: (point.name, point.value)) for group in GROUPS
    }


def _objects(point: EntryPoint, contract: type[T]) -> Iterable[T]:
    """The object that an entry point names, or all objects of a list or tuple."""
    loaded = point.load()
    objects = tuple(loaded) if isinstance(loaded, list | tuple) else (loaded,)
    if not objects or not all(isinstance(entry, contract) for entry in objects):
        raise _Unusable(f"{point.value} is neither a {contract.__name__} nor a list of them")
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
