"""How each kind of analysis is taught: the LearningTasks in the files of this folder, and those of plug-ins."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ....core import plugins
from ....core.tasks import UnknownTask
from ..contract import LearningTask


@cache
def catalogue() -> dict[str, LearningTask]:
    """The tasks by name; always the same dictionary, to which tests may add a task."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    built_in = {
        value.name: value for module in modules for value in vars(module).values() if isinstance(value, LearningTask)
    }
    every = plugins.registry_entries(plugins.LEARNING, LearningTask, [*built_in.values()], lambda task: (task.name,))
    return {task.name: task for task in every}


def find(name: str) -> LearningTask:
    """The task of this name; raises UnknownTask."""
    every = catalogue()
    if name not in every:
        raise UnknownTask(f"No kind of analysis named {name!r} can be taught: choose {', '.join(sorted(every))}.")
    return every[name]
