"""The registry of exports: the files that are written for a result. Each module of this package
defines some in its EXPORTS; plug-ins add others."""

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
    """The names of the export's file for all kinds of analysis: a name may contain words such as
    {table}."""
    return {export.with_words(subject, task).name for subject in get_args(Subject) for task in tasks.every()}


def content_type_of(name: str) -> str:
    """The content type for HTTP, found by the suffix of a file's name."""
    suffix = PurePosixPath(name).suffix
    further_types = {
        PurePosixPath(export.name).suffix: export.content_type for export in every() if export.content_type
    }
    return CONTENT_TYPES.get(suffix) or further_types.get(suffix, UNKNOWN_CONTENT)


def by_file_name(subject: Subject, task: Task, *, keep_all: bool = False, judged: bool = False) -> dict[str, Export]:
    """The exports of a result by file name, with the words of its kind of analysis.

    keep_all: whether the files include left out objects. judged: whether the result has a
    specification.
    """
    existing = (export for export in every() if export.exists_for(subject, task) and (judged or not export.judged))
    with_words = (export.with_words(subject, task, keep_all=keep_all) for export in existing)
    return {export.name: export for export in with_words}
