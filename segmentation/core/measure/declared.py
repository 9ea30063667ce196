"""Columns and numbers that are declared in a TOML table beside the code that measures them; those of arrangement and of
classes of shape stand beside this file. The web process reads them, too: no scipy here."""

from __future__ import annotations

import tomllib
from pathlib import Path

from .quantities import COLUMNS, COUNTING, GROUPS, NUMBERS, POISSON, WITHIN, Quantity, add

ALONG = "differences between lengths of the layer"
INTERVALS = {"within": WITHIN, "poisson": POISSON, "counting": COUNTING, "groups": GROUPS, "along": ALONG}


def registered(file: str) -> tuple[str, ...]:
    """Register the quantities of the table beside a file, and return the names of its numbers in order. A quantity can
    be a number, a column, or both."""
    tables = tomllib.loads(Path(file).with_suffix(".toml").read_text("utf-8"))
    for registry, key in ((COLUMNS, "columns"), (NUMBERS, "numbers")):
        for name, entry in (tables.get("both", {}) | tables.get(key, {})).items():
            basis = {"interval": INTERVALS[entry["interval"]]} if "interval" in entry else {}
            add(registry, Quantity(name, **entry | basis))
    return tuple(tables.get("both", {}) | tables.get("numbers", {}))


registered(__file__)
