"""Cleans names and short texts that people send: invisible characters, folders, and texts that are too long."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

LONGEST_NAME = 120  # characters of the name of a file in a result
LONGEST_SUFFIX = 12  # characters, the point included
UNNAMED = "image"
_SPACE, _INVISIBLE = "Z", "C"  # first letters of Unicode's categories of separators, and of controls
_IN_NO_FILE_SYSTEM = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*%]+')


def clean_text(text: str, longest: int | None = None) -> str:
    """The text on one line, with its accents composed (NFC), cut after `longest` characters.

    Each sequence of white space of any kind (U+00A0, tabs, ends of lines) becomes one space, and there is none at
    either end. Other invisible characters are removed: controls, marks of direction, characters of no width, lone
    surrogates.
    """
    composed = unicodedata.normalize("NFC", text)
    visible = "".join(filter(None, map(_visible, composed)))
    return " ".join(visible.split())[:longest].rstrip()


def _visible(character: str) -> str:
    """The character; " " for a space of any kind, "" for an invisible character."""
    category = unicodedata.category(character)[0]
    if category == _SPACE or character.isspace():
        return " "
    return "" if category == _INVISIBLE else character


def file_name(name: str, longest: int = LONGEST_NAME, *, unnamed: str = UNNAMED) -> str:
    """The cleaned name of a file (`clean_text`), without its folders, shortened to `longest` characters.

    A shortened name keeps its suffix, with "…" before it. unnamed: the name if nothing else is left.
    """
    last = clean_text(name.replace("\\", "/").rsplit("/", 1)[-1])
    if not last.strip(". "):
        return unnamed
    if len(last) <= longest:
        return last
    suffix = PurePosixPath(last).suffix[:LONGEST_SUFFIX]
    return f"{last[: longest - len(suffix) - 1].rstrip()}…{suffix}"


def portable_name(name: str, longest: int | None = None) -> str:
    """The name, changed so that every file system allows it: characters that some system does not allow become "_". The
    name neither begins nor ends with "_", a space or a point. It has at most `longest` characters; UNNAMED if nothing
    is left."""
    return _IN_NO_FILE_SYSTEM.sub("_", name).strip(" ._")[:longest] or UNNAMED


def harmless_suffix(name: str) -> str:
    """The suffix of a user's file name in lower case, if it is short and has only letters and digits, so that a stored
    file can have it; else ""."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""
