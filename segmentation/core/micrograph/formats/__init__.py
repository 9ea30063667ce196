"""Lists the file formats that can be read: the `FORMATS` of each module in this folder, and the formats of plug-ins."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from ... import plugins
from .base import Format


@cache
def every() -> tuple[Format, ...]:
    """All formats, in the order in which a file is compared with them: those of this program first, then those of
    plug-ins."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    formats = [entry for module in modules for entry in getattr(module, "FORMATS", ())]
    formats.sort(key=lambda entry: entry.place)
    return plugins.registry_entries(plugins.FORMATS, Format, formats, lambda entry: (entry.name.upper(),))


def format_of(head: bytes) -> Format | None:
    """The format of a file with these first bytes; None if no format has them."""
    return next((entry for entry in every() if entry.matches(head)), None)


@cache
def format_by_suffix() -> dict[str, Format]:
    """The formats by suffix (lower case, with the dot); if two formats have a suffix, the first of them."""
    return {suffix: entry for entry in reversed(every()) for suffix in entry.suffixes}


def names_text(last: str = ", ", *, with_titles: bool = False) -> str:
    """The names of all formats (with_titles: their titles) as one text. last: the separator before the last one."""
    *names, final = (entry.title if with_titles and entry.title else entry.name for entry in every())
    return f"{', '.join(names)}{last}{final}"
