"""What a run of training keeps: checkpoints, and tables that grow by a row at each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from .files import write_whole
from .settings import BadRecipe

State = dict[str, Any]
CHECKPOINT, METRICS = "checkpoint.pt", "metrics.csv"


def save_state(state: State, file: Path) -> None:
    """The whole checkpoint or, when it cannot be written, the one before; raises CannotWrite."""
    content = io.BytesIO()
    torch.save(state, content)
    write_whole(file, content.getbuffer())


def load_state(file: Path, device: torch.device | str = "cpu") -> State:
    """A checkpoint; raises BadRecipe where the file is damaged."""
    try:
        state: State = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # a damaged archive fails in many ways
        raise BadRecipe(f"{file} is damaged: delete it to begin again, or name another folder with --out.") from error
    return state


def read_rows(file: Path, last: int | None = None) -> list[dict[str, str]]:
    """The rows of a table by column, up to the one numbered `last` in its first; none where there is no file.

    A half-written row is left out. Raises ValueError for a file that is not ours.
    """
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if None not in row and None not in row.values()]
    return [row for row in rows if last is None or int(next(iter(row.values()))) <= last]


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """The whole table; no file where there are no rows."""
    file.unlink(missing_ok=True)
    for row in rows:
        add_row(file, row)


def add_row(file: Path, row: Mapping[str, Any]) -> None:
    """One more row; the columns' names come first where the file is new."""
    fresh = not file.exists()
    with file.open("a", newline="") as lines:
        writer = csv.writer(lines)
        if fresh:
            writer.writerow(row)
        writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in row.values()])
