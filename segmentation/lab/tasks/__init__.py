"""Tasks by name: each file of this folder holds one as TASK."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from .base import LearningTask


@cache
def tasks() -> dict[str, LearningTask]:
    """Every task that can be taught, by its name."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    found: list[LearningTask] = [module.TASK for module in modules if hasattr(module, "TASK")]
    return {task.name: task for task in found}
