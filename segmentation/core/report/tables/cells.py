"""Text for CSV files whose cells no spreadsheet runs as a formula. All CSV files are written with
it.

The web process imports this module, too.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

BYTE_ORDER_MARK = "\ufeff"
# Characters that separate or quote cells in some spreadsheet, and "#", which begins a comment.
RISKY_CHARACTERS = ",;\"'#"
MOST_CACHED_NAMES = 1024  # in the cache of `name_cell`: most names are reasons and shapes, repeated in each row
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")  # first characters of a formula


def csv_text(rows: Iterable[Iterable[Any]], delimiter: str = ",") -> str:
    """The rows as CSV text; each line ends with "\\n"."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def single_cell_text(value: object) -> str:
    """The value as text that stays on one line and in one cell: RISKY_CHARACTERS
    become %XX of their UTF-8 bytes."""
    return "".join(
        character if character.isprintable() and character not in RISKY_CHARACTERS else _percent_encoded(character)
        for character in str(value)
    )


def comment_text(text: object) -> str:
    """The text of a comment line (the caller writes the "#"), which is one cell in any
    spreadsheet.

    Commas and semicolons become a dash or a space, quotes an apostrophe: "3 images, all of B"
    becomes "3 images - all of B". A character that cannot be printed becomes %XX.
    """
    dashed = re.sub(r"\s*[,;]\s+", " - ", re.sub(r"[,;](?=\S)", " ", str(text))).rstrip(",;")
    return "".join(
        character if character.isprintable() else _percent_encoded(character) for character in dashed.replace('"', "'")
    )


@lru_cache(MOST_CACHED_NAMES)
def name_cell(name: str) -> str:
    """A name as a cell that no spreadsheet runs as a formula. Equal names give equal cells, so
    tables can be joined by them.

    Commas stay. Each part between commas is treated alone, because a spreadsheet may separate cells
    at commas.
    """
    return ",".join(_without_formula_sign(single_cell_text(part)) for part in name.split(","))


def begins_like_formula(text: str) -> bool:
    """Whether a spreadsheet may run the text as a formula, also if it begins with a full-width form
    of the sign."""
    return unicodedata.normalize("NFKC", text[:1]).startswith(FORMULA_SIGNS)


def _without_formula_sign(text: str) -> str:
    """The text with its first character as %XX if a formula could begin with it."""
    stripped = text.lstrip()  # some programs ignore spaces before a formula
    if not begins_like_formula(stripped):
        return text
    return text[: len(text) - len(stripped)] + _percent_encoded(stripped[0]) + stripped[1:]


def with_byte_order_mark(text: str) -> str:
    """The text of a whole file, with a byte order mark in front unless it is ASCII."""
    return text if text.isascii() else BYTE_ORDER_MARK + text


def _percent_encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
