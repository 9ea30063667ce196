"""The exports `rois.zip` and `rois-all.zip`: the objects as a set for ImageJ's ROI Manager.

Polygons run along pixel edges with whole coordinates, as the polygons of ImageJ's wand tool do. The table has the sizes
of outlines between the pixels, so ImageJ measures up to a pixel more.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ...analysis import Analysis, ExportedObjects
from ...archive import write_zip
from ..figures.picture import COUNTED_COLOUR, LEFT_OUT_COLOUR
from ..outlines import NO_WHOLES, Points, Polygon
from ..wording import version
from .base import Export

if TYPE_CHECKING:
    from roifile import ImagejRoi


LARGEST_COORDINATE = 32767  # ImageJ stores whole coordinates in 16 bits with a sign
OPAQUE = b"\xff"  # the alpha value before the three bytes of a colour
MOVE, LINE, CLOSE = 0.0, 1.0, 4.0  # ImageJ's codes for the steps of a shape with several rings


def write_rois(
    analysis: Analysis,
    object_polygons: list[list[Polygon]],
    file: Path | BinaryIO,
    keep_all: bool = False,
    wholes: Mapping[int, Points] = NO_WHOLES,
) -> None:
    """Write one ROI per counted object, named by its id. `keep_all` adds left out objects in red,
    with their reason.

    object_polygons: the polygons of each object. wholes: the outlines of completed objects by their index, each a
    further ROI.
    """
    objects = ExportedObjects.of(analysis)
    digits = max(4, len(str(objects.ids.max(initial=0))))
    entries = []
    for i in np.flatnonzero(objects.kept | keep_all).tolist():
        title = f"{objects.ids[i]:0{digits}d} {objects.reasons[i]}".strip()
        roi = _roi(object_polygons[i])
        roi.name, roi.stroke_color = (
            title,
            OPAQUE + bytes.fromhex((COUNTED_COLOUR if objects.kept[i] else LEFT_OUT_COLOUR)[1:]),
        )
        entries.append((f"{title.replace('/', '-')}.roi", roi.tobytes()))
        if i in wholes:
            whole = _whole_roi(wholes[i])
            whole.name, whole.stroke_color = f"{title} whole", roi.stroke_color
            entries.append((f"{whole.name.replace('/', '-')}.roi", whole.tobytes()))
    write_zip(file, entries, version())


def _whole_roi(line: Points) -> ImagejRoi:
    """The ROI of a line (k, 2) between the pixels."""
    from roifile import ROI_TYPE, ImagejRoi

    roi = ImagejRoi.frompoints(line)
    roi.roitype = ROI_TYPE.POLYGON
    return roi


def _roi(polygons: list[Polygon]) -> ImagejRoi:
    """The ROI of an object: a polygon; if the object has holes or pieces, ImageJ's composite shape,
    a list of float steps."""
    from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

    corners = np.concatenate([polygon.outer for polygon in polygons])
    roi = ImagejRoi()
    ends = [*corners.min(0).tolist(), *corners.max(0).tolist()]
    roi.left, roi.top, roi.right, roi.bottom = (min(end, LARGEST_COORDINATE) for end in ends)
    if len(polygons) == 1 and not polygons[0].holes:
        roi.roitype, roi.n_coordinates = ROI_TYPE.TRACED, len(corners)
        roi.integer_coordinates = (corners - corners.min(0)).astype(np.int32)
        if corners.max() > LARGEST_COORDINATE:
            roi.options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
            roi.subpixel_coordinates = corners.astype(np.float32)
        return roi
    steps: list[float] = []
    for ring in (ring for polygon in polygons for ring in (polygon.outer, *polygon.holes)):
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
        write=lambda context, path: write_rois(
            context.analysis, context.object_polygons, path, context.keep_all, context.wholes
        ),
        image="outlines of {counted}, for ImageJ's ROI Manager",
        usual=True,
    ),
    Export(
        "rois-all.zip",
        "All outlines for ImageJ, ZIP",
        place=140,
        write=lambda context, path: write_rois(context.analysis, context.object_polygons, path, True, context.wholes),
        image="the same with all {things}{aside}",
    ),
)
