"""The exports `rois.zip` and `rois-all.zip`: the objects as a set for ImageJ's ROI Manager.

Polygons run along pixel edges with whole coordinates, as those of ImageJ's wand tool do. So ImageJ
measures the area as the number of pixels, and the Feret diameters of our table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ...analysis import Analysis, ExportedObjects
from ...archive import write_zip
from ..outlines import Polygon
from ..picture import COUNTED_COLOUR, LEFT_OUT_COLOUR
from ..wording import version
from .base import Export

if TYPE_CHECKING:
    from roifile import ImagejRoi


LARGEST = 32767  # ImageJ stores whole coordinates in 16 bits with a sign
OPAQUE = b"\xff"  # the alpha value before the three bytes of a colour
MOVE, LINE, CLOSE = 0.0, 1.0, 4.0  # ImageJ's codes for the steps of a shape with several rings


def write_rois(analysis: Analysis, shapes: list[list[Polygon]], file: Path | BinaryIO, keep_all: bool = False) -> None:
    """Write one ROI per counted object, named by its id. `keep_all` adds left out objects in red,
    with their reason.

    shapes: the polygons of each object.
    """
    objects = ExportedObjects.of(analysis)
    digits = max(4, len(str(objects.ids.max(initial=0))))
    entries = []
    for i in np.flatnonzero(objects.kept | keep_all).tolist():
        title = f"{objects.ids[i]:0{digits}d} {objects.reasons[i]}".strip()
        roi = _roi(shapes[i])
        roi.name, roi.stroke_color = (
            title,
            OPAQUE + bytes.fromhex((COUNTED_COLOUR if objects.kept[i] else LEFT_OUT_COLOUR)[1:]),
        )
        entries.append((f"{title.replace('/', '-')}.roi", roi.tobytes()))
    write_zip(file, entries, version())


def _roi(shape: list[Polygon]) -> ImagejRoi:
    """The ROI of an object: a polygon, or if it has holes or pieces, a shape as a list of steps in
    floats."""
    from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

    corners = np.concatenate([polygon.outer for polygon in shape])
    roi = ImagejRoi()
    ends = [*corners.min(0).tolist(), *corners.max(0).tolist()]
    roi.left, roi.top, roi.right, roi.bottom = (min(end, LARGEST) for end in ends)
    if len(shape) == 1 and not shape[0].holes:
        roi.roitype, roi.n_coordinates = ROI_TYPE.TRACED, len(corners)
        roi.integer_coordinates = (corners - corners.min(0)).astype(np.int32)
        if corners.max() > LARGEST:
            roi.options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
            roi.subpixel_coordinates = corners.astype(np.float32)
        return roi
    steps: list[float] = []
    for ring in (ring for polygon in shape for ring in (polygon.outer, *polygon.holes)):
        for number, (x, y) in enumerate(ring.tolist()):
            steps += [LINE if number else MOVE, x, y]
        steps.append(CLOSE)
    roi.roitype, roi.shape_roi_size = ROI_TYPE.RECT, len(steps)
    roi.multi_coordinates = np.array(steps, np.float32)
    return roi


EXPORTS = (
    Export(
        "rois.zip",
        "Outlines for ImageJ, ZIP",
        place=130,
        write=lambda context, path: write_rois(context.analysis, context.shapes, path, context.keep_all),
        image="outlines of {counted}, for ImageJ's ROI Manager",
        usual=True,
    ),
    Export(
        "rois-all.zip",
        "All outlines for ImageJ, ZIP",
        place=140,
        write=lambda context, path: write_rois(context.analysis, context.shapes, path, True),
        image="the same with all {things}{aside}",
    ),
)
