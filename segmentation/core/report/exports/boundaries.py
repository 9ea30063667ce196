"""`boundaries.tif`: the boundaries between grains, as annotators draw them: 255 on a boundary, 0 elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..picture import between
from ..wording import version
from .base import Export

if TYPE_CHECKING:
    from ..context import Context


def _write(context: Context, path: Path) -> None:
    import tifffile

    segmentation = context.analysis.segmentation
    written = np.zeros(segmentation.labels.shape, np.uint8)
    if len(segmentation):
        written[: segmentation.rows][between(segmentation.labels[: segmentation.rows])] = 255
    tifffile.imwrite(path, written, compression="zlib", software=version())


EXPORTS = (
    Export(
        "boundaries.tif",
        "Boundaries, TIFF",
        125,
        _write,
        image="the boundaries between {things}: 255 on a boundary, 0 elsewhere",
        panel="boundaries",
    ),
)
