"""Modules that tests import when they first need them: torch takes seconds of each process that only collects tests."""

from __future__ import annotations

from importlib import import_module


class LazyModule:
    """Stands for a module, and imports it when an attribute is first read. Patch it by its path."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> object:
        if attribute.startswith("_"):  # pytest asks each name of a file whether it is a test or a fixture
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)
