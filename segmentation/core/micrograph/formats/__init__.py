"""The formats of image files: each module here that defines FORMATS has some, and plug-ins bring others."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from ... import plugins
from .base import Format


@cache
def every() -> tuple[Format, ...]:
    """All formats in the order in which a file is compared with them: ours first."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    formats = [entry for module in modules for entry in getattr(module, "FORMATS", ())]
    formats.sort(key=lambda entry: entry.place)
    return plugins.extended(plugins.FORMATS, Format, formats, lambda entry: (entry.name.upper(),))


def of_content(head: bytes) -> Format | None:
    """The format of a file with these first bytes; None where it is no image that is read."""
    return next((entry for entry in every() if entry.is_of(head)), None)


@cache
def suffixes() -> dict[str, Format]:
    """The format of each suffix; of two with the same suffix the first."""
    return {suffix: entry for entry in reversed(every()) for suffix in entry.suffixes}


def listed(last: str = ", ", *, with_titles: bool = False) -> str:
    """The names of all formats, or their titles, in words. last: what stands before the last one, such as " or "."""
    *names, final = (entry.title if with_titles and entry.title else entry.name for entry in every())
    return f"{', '.join(names)}{last}{final}"
