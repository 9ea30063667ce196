"""The files a user takes away, one module each or for a few alike: whatever module here defines EXPORTS has some."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from ...tasks.base import Task
from .base import Export, Of


@cache
def every() -> tuple[Export, ...]:
    """All exports in the order of the lists."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    exports = (export for module in modules for export in getattr(module, "EXPORTS", ()))
    return tuple(sorted(exports, key=lambda export: export.place))


def listed(of: Of, task: Task, *, keep_all: bool = False) -> dict[str, Export]:
    """The exports of an image or a sample by file name, in the words of a kind of analysis.

    keep_all: whether the files include what was set aside.
    """
    fitting = (export.worded(of, task, keep_all=keep_all) for export in every() if export.is_of(of, task))
    return {export.name: export for export in fitting}
