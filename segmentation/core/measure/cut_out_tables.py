"""Measures objects that were cut out of an image. Not in `cutouts`, because it needs scipy and the
web process imports `cutouts` without scipy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from .cutouts import CutOut, in_batches
from .shapes import measure_cut_outs
from .table import Table


def table_and_part_counts(
    objects: Sequence[CutOut], nm_per_pixel: float | None, frame: tuple[int, int]
) -> tuple[Table, list[int]]:
    """The table of objects of an image, and the number of connected parts of each object (pixels of a
    part share sides). frame: the analysed rows and columns of the image."""
    table = cut_out_table(objects, nm_per_pixel, frame)
    return table, [int(ndimage.label(part.mask)[1]) for part in objects]


def cut_out_table(
    objects: Sequence[CutOut], nm_per_pixel: float | None, frame: tuple[int, int], *, only_sizes: bool = False
) -> Table:
    """The table of one or more objects, measured in batches (`in_batches`). only_sizes: without columns
    that sizes do not need."""
    batches = [*in_batches(objects)]
    tables = [
        measure_cut_outs([objects[index] for index in batch], nm_per_pixel, frame, only_sizes=only_sizes)
        for batch in batches
    ]
    order = np.argsort(np.concatenate(batches))
    columns = {name: np.concatenate([table.columns[name] for table in tables])[order] for name in tables[0].columns}
    return replace(tables[0], columns=columns)
