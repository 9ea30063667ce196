"""Which files of a result somebody asks for: the usual ones, all, or those of some names and patterns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from ..errors import UserError
from ..tasks.base import Task
from . import exports
from .exports.base import Export, Of

ALL = "*"
UNKNOWN = (
    "“{pattern}” is none of the files of a result: {names}. Give all, or names and patterns separated by commas, such"
    " as report.pdf,*.svg."
)


class UnknownFile(UserError):
    """No file of a result has this name or fits this pattern; the message lists the names."""


def offered(unit: Of, task: Task) -> dict[str, Export]:
    """What a user may take away of an image or a sample, by file name, in the order of the lists."""
    return {name: export for name, export in exports.listed(unit, task).items() if not export.for_the_page}


def usual(unit: Of, task: Task) -> list[str]:
    """The names of the files that are written where nobody says which."""
    return [name for name, export in offered(unit, task).items() if export.usual]


def read_choice(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """What was typed, such as "report.pdf,*.svg", as patterns; () for nothing, which means the usual files.

    names: of all files that there may be. Raises UnknownFile for a pattern that fits none of them.
    """
    patterns = tuple(ALL if part == "all" else part for part in map(str.strip, text.split(",")) if part)
    known = list(dict.fromkeys(names))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise UnknownFile(UNKNOWN.format(pattern=pattern, names=", ".join(known)))
    return patterns


def chosen(patterns: Sequence[str], unit: Of, task: Task) -> list[str]:
    """The names of the files of an image or a sample that fit one of the patterns; of none the usual ones."""
    if not patterns:
        return usual(unit, task)
    return [name for name in offered(unit, task) if any(fnmatchcase(name, pattern) for pattern in patterns)]
