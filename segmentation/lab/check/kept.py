"""What is known of a checked pair, kept in a file, so that a folder that grows is not read again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from .pairs import CheckedPair

VERSION = 1  # raise it where `check_pair` finds something else
DAMAGED = (ValueError, KeyError, TypeError, EOFError, BadZipFile)
ARRAYS = ("thumbnail", "small", "small_labels", "diameters")


def mark(*what: Any) -> str:
    """For the name of the file: another one whenever something else would be found. what: all that a pair rests on."""
    return hashlib.sha256(json.dumps([VERSION, *what]).encode()).hexdigest()[:16]


def keep(pair: CheckedPair, file: Path) -> None:
    """Write a checked pair. Its small pictures are kept only where labels may be another image's."""
    pair = pair if pair.astray else replace(pair, small=np.zeros((0, 0), np.uint8), small_labels=np.zeros((0, 0), int))
    facts = {name: value for name, value in asdict(pair).items() if name not in ARRAYS}
    with file.open("wb") as opened:
        np.savez_compressed(opened, facts=json.dumps(facts), **{name: getattr(pair, name) for name in ARRAYS})


def kept(file: Path) -> CheckedPair:
    """A pair as it was kept; raises one of DAMAGED where the file is not whole."""
    with np.load(file, allow_pickle=False) as data:
        facts: dict[str, Any] = json.loads(str(data["facts"]))
        arrays = {name: data[name] for name in ARRAYS}
    facts |= {name: tuple(facts[name]) for name in ("shape", "numbers", "shares")}
    facts["strange"] = {int(value): pixels for value, pixels in facts["strange"].items()}
    return CheckedPair(**facts, **arrays)
