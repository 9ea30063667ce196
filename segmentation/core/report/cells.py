"""Cells of CSV files that no spreadsheet takes for a formula; the web process writes such files, too."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

BYTE_ORDER_MARK = "\ufeff"
# What could end a cell or a line in any spreadsheet's idea of CSV, and what begins a comment.
RISKY = ",;\"'#"


def lines(of: Iterable[Iterable[Any]], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(of)
    return text.getvalue()


def inert(value: object) -> str:
    """The value as text on one line and in one cell; risky characters as %XX of their UTF-8 bytes."""
    return "".join(c if c.isprintable() and c not in RISKY else _percent_encoded(c) for c in str(value))


def name_cell(name: str) -> str:
    """A name as a cell that no spreadsheet takes for a formula; joins with the same name in another table. A comma may
    stay: the cell is quoted then."""
    safe = ",".join(map(inert, name.split(",")))
    return _percent_encoded(safe[0]) + safe[1:] if safe.startswith(("=", "+", "-", "@")) else safe


def marked(text: str) -> str:
    """The text of a whole file, with the byte order mark where it needs one."""
    return text if text.isascii() else BYTE_ORDER_MARK + text


def _percent_encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
