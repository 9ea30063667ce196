"""The files a user takes away, one module each or for a few alike: whatever module here defines EXPORTS has some,
and plug-ins bring others."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import PurePosixPath
from typing import get_args

from ... import plugins, tasks
from ...tasks.base import Task
from .base import CONTENT_TYPES, UNKNOWN_CONTENT, Export, Of


@cache
def every() -> tuple[Export, ...]:
    """All exports in the order of the lists."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    built_in = [export for module in modules for export in getattr(module, "EXPORTS", ())]
    exports = plugins.extended(plugins.EXPORTS, Export, built_in, _file_names)
    return tuple(sorted(exports, key=lambda export: export.place))


def _file_names(export: Export) -> set[str]:
    """The names of its file for every kind of analysis, which its name may have words of."""
    return {export.worded(unit, task).name for unit in get_args(Of) for task in tasks.every()}


def content_type_of(name: str) -> str:
    """As HTTP has it, by the suffix of a file's name."""
    suffix = PurePosixPath(name).suffix
    stated = {PurePosixPath(export.name).suffix: export.content_type for export in every() if export.content_type}
    return CONTENT_TYPES.get(suffix) or stated.get(suffix, UNKNOWN_CONTENT)


def listed(unit: Of, task: Task, *, keep_all: bool = False, judged: bool = False) -> dict[str, Export]:
    """The exports of an image or a sample by file name, in the words of a kind of analysis.

    keep_all: whether the files include what was set aside. judged: whether the result has a specification.
    """
    of_kind = (export for export in every() if export.is_of(unit, task) and (judged or not export.judged))
    fitting = (export.worded(unit, task, keep_all=keep_all) for export in of_kind)
    return {export.name: export for export in fitting}
