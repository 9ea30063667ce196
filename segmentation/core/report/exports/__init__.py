"""The registry of exports, which are the files of a result. Each module here defines some in its
EXPORTS; plug-ins add others."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import PurePosixPath
from typing import get_args

from ... import plugins, tasks
from ...tasks.base import Task
from .base import CONTENT_TYPES, UNKNOWN_CONTENT, Export, Subject


@cache
def every() -> tuple[Export, ...]:
    """All exports in the order in which pages list them."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    built_in = [export for module in modules for export in getattr(module, "EXPORTS", ())]
    exports = plugins.registry_entries(plugins.EXPORTS, Export, built_in, _file_names)
    return tuple(sorted(exports, key=lambda export: export.place))


def _file_names(export: Export) -> set[str]:
    """The names of the file of an export for all kinds of analysis: a name may contain words such
    as {table}."""
    return {export.worded(subject, task).name for subject in get_args(Subject) for task in tasks.every()}


def content_type_of(name: str) -> str:
    """The content type for HTTP, found by the suffix of a file's name."""
    suffix = PurePosixPath(name).suffix
    further_types = {
        PurePosixPath(export.name).suffix: export.content_type for export in every() if export.content_type
    }
    return CONTENT_TYPES.get(suffix) or further_types.get(suffix, UNKNOWN_CONTENT)


def listed(subject: Subject, task: Task, *, keep_all: bool = False, judged: bool = False) -> dict[str, Export]:
    """The exports of a result by file name, `worded` for its kind of analysis.

    keep_all: whether the files include left out objects. judged: whether the result has a
    specification.
    """
    of_kind = (export for export in every() if export.exists_for(subject, task) and (judged or not export.judged))
    worded = (export.worded(subject, task, keep_all=keep_all) for export in of_kind)
    return {export.name: export for export in worded}
