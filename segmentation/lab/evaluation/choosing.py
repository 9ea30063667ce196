"""A threshold chosen on validation data, written into the model's card."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from ..files import write_whole
from .thresholds import RULE


def write_threshold(card: Path, threshold: float, data: str) -> None:
    """Set the card's threshold, and say under [training] by which rule and on which data it was chosen.

    The rest of the file stays as it is, to the letter. Raises OSError, ValueError (the file is no TOML).
    """
    text = with_entry(card.read_text(encoding="utf-8"), "", "threshold", threshold)
    text = with_entry(text, "training", "threshold_rule", RULE)
    text = with_entry(text, "training", "threshold_data", data)
    tomllib.loads(text)
    write_whole(card, text.encode())


def with_entry(text: str, table: str, key: str, value: object) -> str:
    """TOML text with `key` of `table` ("" for the top level) set to a plain value; each entry takes one line."""
    lines = text.splitlines()
    first, stop = _span(lines, table)
    if first is None:
        lines += ["", f"[{table}]"]
        first = stop = len(lines)
    # JSON's strings and numbers are TOML's, too.
    entry = f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for number in range(first, stop):
        if re.match(rf"\s*{re.escape(key)}\s*=", lines[number]):
            lines[number] = entry
            return "\n".join(lines) + "\n"
    while stop > first and not lines[stop - 1].strip():
        stop -= 1
    lines.insert(stop, entry)
    return "\n".join(lines) + "\n"


def _span(lines: list[str], table: str) -> tuple[int | None, int]:
    """First and one past the last line of a table's entries; first is None where there is no such table."""
    heads = [n for n, line in enumerate(lines) if re.match(r"\s*\[", line)]
    if not table:
        return 0, heads[0] if heads else len(lines)
    for head in heads:
        if re.match(rf"\s*\[\s*{re.escape(table)}\s*\]", lines[head]):
            return head + 1, next((other for other in heads if other > head), len(lines))
    return None, len(lines)
