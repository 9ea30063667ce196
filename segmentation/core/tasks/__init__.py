"""Finds the kinds of analysis ("tasks") by name. Each file of this folder that defines TASK is a kind; plug-ins can add
others."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from pydantic import ValidationError

from .. import plugins
from ..measure.quantities import number
from ..network import cards
from ..settings import DEFAULT_TASK
from ..validation import sentence
from .base import Task


class UnknownTask(LookupError):
    """There is no kind of analysis of this name; the message lists the existing ones."""


@cache
def catalogue() -> dict[str, Task]:
    """The tasks by name. Every call returns the same dictionary, so that tests can add a task."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    built_in = [module.TASK for module in modules if hasattr(module, "TASK")]
    registered = plugins.registry_entries(plugins.KINDS, Task, built_in, lambda task: (task.name,), _check_numbers)
    return {task.name: task for task in registered}


def _check_numbers(task: Task) -> None:
    """Raise UnknownQuantity if a number of this kind is not defined, because every page that shows it would fail."""
    for name in task.quantities:
        number(name)


def every() -> list[Task]:
    """All tasks, the default one (particles) first, then by name."""
    return sorted(catalogue().values(), key=lambda task: (task.name != DEFAULT_TASK, task.name))


def find(name: str) -> Task:
    """The task of this name; raises UnknownTask."""
    try:
        return catalogue()[name]
    except KeyError:
        names = ", ".join(task.name for task in every())
        raise UnknownTask(f"There is no kind of analysis named {name!r}; those here are: {names}.") from None


def _check_card(card: cards.ModelCard) -> None:
    """Raise ValueError if the task of a card is known and cannot use its maps or its options."""
    if task := catalogue().get(card.task):
        task.channels(card)
        try:
            task.options.of(card)
        except ValidationError as error:
            raise ValueError(f"options: {sentence(error)}") from error


cards.add_check(_check_card)  # cards that are read after this line are checked
