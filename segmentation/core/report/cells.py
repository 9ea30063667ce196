"""Cells of CSV files that no spreadsheet takes for a formula; the web process writes such files, too."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

BYTE_ORDER_MARK = "\ufeff"
# What could end a cell or a line in any spreadsheet's idea of CSV, and what begins a comment.
RISKY = ",;\"'#"
MOST_KNOWN = 1024  # names whose cells are remembered: most are reasons and shapes, in each row of a table
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what a formula begins with


def lines(rows: Iterable[Iterable[Any]], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def inert(value: object) -> str:
    """The value as text on one line and in one cell; risky characters as %XX of their UTF-8 bytes."""
    return "".join(c if c.isprintable() and c not in RISKY else _percent_encoded(c) for c in str(value))


def comment(text: object) -> str:
    """The text for a line that begins with "#", which people read and nothing joins with: one cell in any spreadsheet,
    as what separates cells or quotes them becomes a dash, a space or an apostrophe: "3 images, all of B" becomes
    "3 images - all of B". What cannot be printed stands as %XX."""
    dashed = re.sub(r"\s*[,;]\s+", " - ", re.sub(r"[,;](?=\S)", " ", str(text))).rstrip(",;")
    return "".join(c if c.isprintable() else _percent_encoded(c) for c in dashed.replace('"', "'"))


@lru_cache(MOST_KNOWN)
def name_cell(name: str) -> str:
    """A name as a cell that no spreadsheet takes for a formula; joins with the same name in another table. A comma may
    stay: the cell is quoted then, and where cells are separated by other signs what follows it is as harmless."""
    return ",".join(_without_sign(inert(part)) for part in name.split(","))


def begins_like_formula(text: str) -> bool:
    """Whether a spreadsheet may take the text for a formula; some read full-width and small signs as the usual ones."""
    return unicodedata.normalize("NFKC", text[:1]).startswith(FORMULAS)


def _without_sign(text: str) -> str:
    stripped = text.lstrip()  # some programs leave spaces out
    if not begins_like_formula(stripped):
        return text
    return text[: len(text) - len(stripped)] + _percent_encoded(stripped[0]) + stripped[1:]


def marked(text: str) -> str:
    """The text of a whole file, with the byte order mark where it needs one."""
    return text if text.isascii() else BYTE_ORDER_MARK + text


def _percent_encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
