"""Cards and recipes as TOML files: written whole, or amended with everything else kept to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from .files import write_whole


def amend(card: Path, entries: Mapping[str, Any]) -> None:
    """Set entries of a card; the entries of its tables one by one.

    Raises OSError, ValueError (the file is no TOML).
    """
    document = tomlkit.parse(card.read_text(encoding="utf-8"))
    for name, value in entries.items():
        if isinstance(value, Mapping) and name in document:
            for key, each in value.items():
                document[name][key] = each  # type: ignore[index]
        else:
            document[name] = value
    write_whole(card, tomlkit.dumps(document).encode())
