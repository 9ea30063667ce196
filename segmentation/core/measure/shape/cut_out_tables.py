"""Measures objects that were cut out of an image. Not in `cutouts`, because it needs scipy and the
web process imports `cutouts` without scipy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from ...labels.corrections.geometry import Box
from ...labels.corrections.working import WorkingLabels
from ..objects.cutouts import MOST_PIXELS, CutOut, in_batches
from ..outlines.borders import Points
from ..outlines.completion import complete
from ..outlines.contours import EDGE_SHIFTS
from ..outlines.polygons import ObjectOutlines, Shifts
from ..table import Table
from .shapes import measure_cut_outs, with_completed

NEAR_PX = 4  # so near lies what covers a part of an object


def table_and_part_counts(
    objects: Sequence[CutOut], nm_per_pixel: float | None, frame: tuple[int, int]
) -> tuple[Table, list[int]]:
    """The table of objects of an image, and the number of connected parts of each object (pixels of a
    part share sides). frame: the analysed rows and columns of the image."""
    table = cut_out_table(objects, nm_per_pixel, frame)
    return table, [int(ndimage.label(part.mask)[1]) for part in objects]


def completed_cut_outs(
    table: Table, labels: WorkingLabels, objects: Sequence[CutOut], numbers: Sequence[int]
) -> tuple[Table, dict[int, Points]]:
    """The table of these objects with the sizes of the whole where others cover a part, as the measuring of the image
    completes them, and the completed outlines by their index. It is seen what lies around each object, as far away as
    the object is long. Of very many objects at once none is completed. numbers: their ids."""
    reaches = [max(part.mask.shape) for part in objects]
    tall, wide = np.array([part.mask.shape for part in objects]).T + 2 * np.array(reaches)
    near = (labels.crop(_box_around(part, NEAR_PX, labels)) for part in objects)
    are_covered = (((seen > 0) & (seen != number)).any() for seen, number in zip(near, numbers, strict=True))
    if int(tall.sum()) * int(wide.max()) > MOST_PIXELS or not any(are_covered):
        return table, {}
    around = np.full((tall.sum(), wide.max()), -1, np.int32)  # -1: beyond the frame
    owners, shifts, moved_by = np.zeros_like(around), np.zeros(around.shape, np.uint8), list[tuple[int, int]]()
    for index, (part, reach, row) in enumerate(zip(objects, reaches, (np.cumsum(tall) - tall).tolist(), strict=True)):
        x, y = part.left - reach, part.top - reach - row
        top, left, bottom, right = box = _box_around(part, reach, labels)
        place, seen = (slice(top - y, bottom - y), slice(left - x, right - x)), labels.crop(box)
        owners[place] = (index + 1) * (seen == numbers[index])
        around[place] = np.where(owners[place] > 0, owners[place], (len(objects) + 1) * (seen > 0))
        shifts[place] = labels.maps[EDGE_SHIFTS](box)
        moved_by.append((x, y))
    lines = ObjectOutlines(owners, Shifts(shifts)).lines
    x, y = lines.inner.T
    completion = complete(lines, around, len(objects), shifts[y, x] > 0)
    wholes = {index: line + np.array(moved_by[index]) for index, line in completion.polygons.items()}
    return with_completed(table, completion), wholes


def _box_around(part: CutOut, reach: int, labels: WorkingLabels) -> Box:
    """The box around an object with so many px more at each side, within the analysed rows."""
    top, left, bottom, right = part.box
    return max(0, top - reach), max(0, left - reach), min(labels.rows, bottom + reach), min(labels.width, right + reach)


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
