"""The name under which people know a file."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

LONGEST = 120


def clean_name(name: str) -> str:
    """The file's own name: without folders of any system and invisible characters, at most LONGEST characters.

    The suffix survives the shortening; a name of which nothing is left becomes "image".
    """
    own = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in own)
    tidy = " ".join(visible.split())
    if not tidy.strip(". "):
        return "image"
    if len(tidy) <= LONGEST:
        return tidy
    suffix = PurePosixPath(tidy).suffix
    suffix = suffix if len(suffix) <= 10 else ""
    return tidy[: LONGEST - len(suffix)].rstrip() + suffix
