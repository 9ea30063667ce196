"""A job's particle table as our own file; samples are pooled from these files without loss of digits."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...core import tasks
from ...core.measure.table import Table

NAME = "table.npz"
CLARITY = "clarity"
SCALE = "nm_per_pixel"
COLUMN = "column "


def save(table: Table, clarity: float, path: Path) -> Path:
    """Write a table, and how clearly its image shows particles; returns the path."""
    scale = np.nan if table.nm_per_pixel is None else table.nm_per_pixel
    columns = {f"{COLUMN}{name}": values for name, values in table.columns.items()}
    np.savez_compressed(path, **{SCALE: scale, CLARITY: clarity}, **columns)
    return path


def load(file: BinaryIO) -> tuple[Table, float]:
    """The table that `save` wrote, as it was.

    Raises ValueError if the file is damaged or has a column unknown to this version.
    """
    tasks.every()  # which register their columns
    with np.load(file, allow_pickle=False) as arrays:
        columns = {name.removeprefix(COLUMN): arrays[name] for name in arrays.files if name.startswith(COLUMN)}
        scale = float(arrays[SCALE])
        return Table(columns, None if np.isnan(scale) else scale), float(arrays[CLARITY])
