"""What is known of a checked pair, kept in a file, so that a folder that grows is not read again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..files import packed, unpacked
from .pairs import CheckedPair

VERSION = 2  # raise it where `check_pair` finds something else
DAMAGED = (ValueError, KeyError, TypeError, EOFError, BadZipFile)


def mark(*what: Any) -> str:
    """For the name of the file: another one whenever something else would be found. what: all that a pair rests on."""
    return hashlib.sha256(json.dumps([VERSION, *what]).encode()).hexdigest()[:16]


def keep(pair: CheckedPair, file: Path) -> None:
    """Write a checked pair. Its small pictures are kept only where labels may be another image's."""
    pair = pair if pair.astray else replace(pair, small=np.zeros((0, 0), np.uint8), small_labels=np.zeros((0, 0), int))
    with file.open("wb") as opened:
        np.savez_compressed(opened, **packed(CheckedPair, pair))


def kept(file: Path) -> CheckedPair:
    """A pair as it was kept; raises one of DAMAGED where the file is not whole."""
    with np.load(file, allow_pickle=False) as data:
        pair: CheckedPair = unpacked(CheckedPair, data)
    return pair
