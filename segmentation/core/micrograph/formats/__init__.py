"""The list of file formats that can be read: those in `FORMATS` of each module here, and those of plug-ins."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from ... import plugins
from .base import Format


@cache
def every() -> tuple[Format, ...]:
    """All formats, in the order in which a file is compared with them: this program's own first, then plug-ins'."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    formats = [entry for module in modules for entry in getattr(module, "FORMATS", ())]
    formats.sort(key=lambda entry: entry.place)
    return plugins.registry_entries(plugins.FORMATS, Format, formats, lambda entry: (entry.name.upper(),))


def of_content(head: bytes) -> Format | None:
    """The format of a file with these first bytes; None if no format has them."""
    return next((entry for entry in every() if entry.is_of(head)), None)


@cache
def suffixes() -> dict[str, Format]:
    """The format of each suffix; if two formats have a suffix, the first of them."""
    return {suffix: entry for entry in reversed(every()) for suffix in entry.suffixes}


def listed(last: str = ", ", *, with_titles: bool = False) -> str:
    """The names of all formats (with_titles: their titles) as one text. last: the separator before the last one."""
    *names, final = (entry.title if with_titles and entry.title else entry.name for entry in every())
    return f"{', '.join(names)}{last}{final}"
