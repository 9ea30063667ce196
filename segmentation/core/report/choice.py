"""Reads which files of a result a person wants: the usual files, all files, or names and
patterns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from ..errors import UserError
from ..tasks.base import Task
from . import exports
from .exports.base import Export, Subject

ALL = "*"
UNKNOWN_FILE = (
    "“{pattern}” is none of the files of a result: {names}. Give all, or names and patterns separated by commas, such"
    " as report.pdf,*.svg."
)


class UnknownFile(UserError):
    """No file of a result has this name or matches this pattern; the message lists the names."""


def offered_exports(subject: Subject, task: Task) -> dict[str, Export]:
    """The files that a user may take away, by file name, in the order in which pages list them."""
    return {name: export for name, export in exports.by_file_name(subject, task).items() if not export.for_the_page}


def usual_file_names(subject: Subject, task: Task) -> list[str]:
    """The names of the files that are written if a person makes no choice."""
    return [name for name, export in offered_exports(subject, task).items() if export.usual]


def read_choice(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """The patterns in a typed text such as "report.pdf,*.svg"; () for an empty text, which means
    the usual files.

    names: the names of all possible files. Raises UnknownFile for a pattern that matches none of
    them.
    """
    patterns = tuple(ALL if part == "all" else part for part in map(str.strip, text.split(",")) if part)
    possible_names = list(dict.fromkeys(names))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in possible_names):
            raise UnknownFile(UNKNOWN_FILE.format(pattern=pattern, names=", ".join(possible_names)))
    return patterns


def chosen_names(patterns: Sequence[str], subject: Subject, task: Task) -> list[str]:
    """The names of the files that match one of the patterns (from `read_choice`); without patterns
    the names of the usual files."""
    if not patterns:
        return usual_file_names(subject, task)
    return [name for name in offered_exports(subject, task) if any(fnmatchcase(name, pattern) for pattern in patterns)]
