"""Losses by name: each file of this folder holds one."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import get_args

from .base import Loss

__all__ = ["Loss", "losses"]


@cache
def losses() -> dict[str, type[Loss]]:
    """Every loss by its name."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return {get_args(loss.model_fields["name"].annotation)[0]: loss for loss in Loss.__subclasses__()}
