"""What the stages that write pictures share: numbered files, and from what they were made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import write_whole
from ..runs import METRICS, add_row, read_rows, write_rows
from .loop import SAMPLES, Deadline, Say, save_array

ORIGIN = "made_from.json"
SAMPLE_EVERY = 50  # pictures
Row = dict[str, Any]


def begin(folder: Path, kinds: tuple[str, ...], origin: dict[str, Any], say: Say) -> int:
    """Make the folders and return how many pictures are there already.

    Those made from something else (an earlier state of the stage before, other settings) are removed first.
    """
    for kind in (*kinds, SAMPLES):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    file = folder / ORIGIN
    if read_json(file) != json.loads(json.dumps(origin)):
        old = [f for kind in (*kinds, SAMPLES) for f in (folder / kind).glob("[0-9]*.png")]
        if old:
            say(f"{folder.name}: {len(old)} pictures of another origin are removed")
        for picture in (*old, folder / METRICS):
            picture.unlink(missing_ok=True)
        write_whole(file, json.dumps(origin, indent=2).encode())
    rows = read_rows(folder / METRICS)
    write_rows(folder / METRICS, rows)  # without what a kill left half written
    return len(rows)


def read_json(file: Path) -> Row:
    """The table in a JSON file; empty where there is none or it is damaged."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def make_pictures(
    folder: Path,
    start: int,
    count: int,
    make: Callable[[int], tuple[Row, NDArray[np.uint8]]],
    deadline: Deadline,
    say: Say,
) -> bool:
    """Make pictures start..count-1; whether the end was reached.

    make(number): writes the files of that number; returns its row of metrics.csv and a picture to look at.
    """
    for number in range(start, count):
        if deadline.over():
            return False
        row, sample = make(number)
        add_row(folder / METRICS, {"number": number + 1, **row})
        if number % SAMPLE_EVERY == 0 or number == count - 1:
            save_array(sample, folder / SAMPLES / f"{number:06d}.png")
            say(f"{folder.name} {number + 1}/{count}  " + "  ".join(f"{name} {value}" for name, value in row.items()))
    return True


def numbered(folder: Path) -> list[Path]:
    """The pictures of a folder in their order."""
    return sorted(folder.glob("[0-9]*.png"))
