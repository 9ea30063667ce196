"""Objects that were cut out of an image, measured: apart from what the web process reads without scipy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from .cutouts import CutOut, in_batches
from .shapes import measure_apart
from .table import Table


def measured_apart(
    objects: Sequence[CutOut], nm_per_pixel: float | None, frame: tuple[int, int]
) -> tuple[Table, list[int]]:
    """The table of objects of an image whose analysed rows and columns are `frame`, and of how many pieces each is;
    pixels of one piece share sides."""
    table = in_one_table(objects, nm_per_pixel, frame)
    return table, [int(ndimage.label(part.mask)[1]) for part in objects]


def in_one_table(
    objects: Sequence[CutOut], nm_per_pixel: float | None, frame: tuple[int, int], *, only_sizes: bool = False
) -> Table:
    """The table of objects (one or more), as `measure_apart` makes it of those that fit beside each other."""
    batches = [*in_batches(objects)]
    tables = [
        measure_apart([objects[at] for at in batch], nm_per_pixel, frame, only_sizes=only_sizes) for batch in batches
    ]
    order = np.argsort(np.concatenate(batches))
    columns = {name: np.concatenate([table.columns[name] for table in tables])[order] for name in tables[0].columns}
    return replace(tables[0], columns=columns)
