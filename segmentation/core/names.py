"""Names and short texts that people send: one rule for what cannot be seen, for folders and for what is too long."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

LONGEST_NAME = 120  # characters of the name of a file in a result
LONGEST_SUFFIX = 12
UNNAMED = "image"
_SPACE, _NO_ROOM = "Z", "C"  # first letters of the categories of Unicode
_IN_NO_FILE_SYSTEM = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*%]+')


def clean_text(text: str, longest: int | None = None) -> str:
    """The text on one line, with its accents composed (NFC), and cut to so many characters.

    A space of any kind (U+00A0, a tab, the end of a line) becomes one plain space, several become
    one, and none is at either end. Any other character that cannot be seen goes: controls, marks of
    direction, characters of no width, halves of surrogates.
    """
    composed = unicodedata.normalize("NFC", text)
    visible = "".join(filter(None, map(_visible, composed)))
    return " ".join(visible.split())[:longest].rstrip()


def _visible(character: str) -> str:
    """The character, " " for a space of any kind, "" for what takes no room."""
    category = unicodedata.category(character)[0]
    if category == _SPACE or character.isspace():
        return " "
    return "" if category == _NO_ROOM else character


def file_name(name: str, longest: int = LONGEST_NAME, *, unnamed: str = UNNAMED) -> str:
    """The `clean_text` name of a file, without folders of any system and at most so many characters.

    The suffix survives the shortening, with "…" before it. unnamed: for a name with nothing left.
    """
    last = clean_text(name.replace("\\", "/").rsplit("/", 1)[-1])
    if not last.strip(". "):
        return unnamed
    if len(last) <= longest:
        return last
    suffix = PurePosixPath(last).suffix[:LONGEST_SUFFIX]
    return f"{last[: longest - len(suffix) - 1].rstrip()}…{suffix}"


def portable(name: str, longest: int | None = None) -> str:
    """The name as every file system takes it: "_" for signs that one does not, none of them, spaces
    or points at either end, at most so many characters; `UNNAMED` with nothing left."""
    return _IN_NO_FILE_SYSTEM.sub("_", name).strip(" ._")[:longest] or UNNAMED


def harmless_suffix(name: str) -> str:
    """The suffix of a file's own name that its stored file may have, too; "" for any other."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""
