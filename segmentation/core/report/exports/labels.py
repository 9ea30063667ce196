"""The exports `labels.tif` and `labels-all.tif`, the objects as a label image, and
`boundaries.tif`.

Labels are uint16 if all ids fit, because ImageJ shows this type directly. Else they are 32-bit
floats, ImageJ's next type, which is exact for whole numbers up to 16,777,216. Both are ImageJ TIFFs
with the size of a pixel in nm. Ids above that, which need images of gigapixels, are uint32; then
the file has only a resolution.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ... import tasks
from ...analysis import Analysis, ExportedObjects
from ..figures.picture import boundary_mask
from ..wording import version
from .base import Export

if TYPE_CHECKING:
    from ..context import Context

NM_PER_CM = 1e7
NOT_ANALYSED = 255  # in place of a class
LARGEST_EXACT = 2**24  # whole numbers up to this are exact in 32-bit float
LARGEST_RESOLUTION = 2**32 - 1  # TIFF stores a resolution as a fraction of two 32-bit integers


def write_tiff(analysis: Analysis, file: Path | BinaryIO, keep_all: bool = False) -> None:
    """Write the labels (H, W) of the whole image, deflate-compressed, with the pixel size if it is
    known.

    Labels are the ids of the table and the CSV; 0 is background. Left out objects are background
    unless `keep_all`. For kinds with classes of pixels the file is uint8: the class, from 0 on in
    the order of the model's card, and NOT_ANALYSED for pixels that were not analysed.
    """
    import tifffile

    value_of: NDArray[Any]  # of the background, then of each object
    if tasks.find(analysis.segmentation.provenance.task).semantic:
        value_of = np.r_[NOT_ANALYSED, analysis.segmentation.classes].astype(np.uint8)
    else:
        objects = ExportedObjects.of(analysis)
        largest = int(objects.ids.max(initial=0))
        # The smallest type that ImageJ knows in which the labels are exact; uint32 beyond.
        kind = (
            np.uint16 if largest <= np.iinfo(np.uint16).max else np.float32 if largest <= LARGEST_EXACT else np.uint32
        )
        value_of = np.zeros(len(objects.ids) + 1, kind)
        value_of[1:] = np.where(objects.kept | keep_all, objects.ids, 0)
    tifffile.imwrite(
        file,
        value_of[analysis.segmentation.dense],
        compression="zlib",
        software=version(),
        **_pixel_size(analysis, imagej=value_of.dtype != np.uint32),
    )


def _pixel_size(analysis: Analysis, *, imagej: bool) -> dict[str, Any]:
    """The pixel size as options of tifffile: in nm for ImageJ, else in cm, which all programs know;
    none if unknown."""
    options: dict[str, Any] = {"imagej": True} if imagej else {}
    nm_per_unit = 1.0 if imagej else NM_PER_CM  # the unit of the resolution: pixels per nm or per cm
    nm_per_pixel = analysis.calibration.nm_per_pixel
    if nm_per_pixel is None or not nm_per_unit / LARGEST_RESOLUTION < nm_per_pixel < LARGEST_RESOLUTION:
        return options
    options["resolution"] = (nm_per_unit / nm_per_pixel, nm_per_unit / nm_per_pixel)
    unit_options = (
        {"resolutionunit": "NONE", "metadata": {"unit": "nm"}} if imagej else {"resolutionunit": "CENTIMETER"}
    )
    return options | unit_options


def _write_boundaries(context: Context, path: Path) -> None:
    """Write the boundaries between grains: 255 on a boundary, 0 elsewhere."""
    import tifffile

    segmentation = context.analysis.segmentation
    picture = np.zeros(segmentation.labels.shape, np.uint8)
    if len(segmentation):
        picture[: segmentation.rows][boundary_mask(segmentation.labels[: segmentation.rows])] = 255
    tifffile.imwrite(path, picture, compression="zlib", software=version())


EXPORTS = (
    Export(
        "labels.tif",
        "Labels, TIFF",
        place=110,
        write=lambda context, path: write_tiff(context.analysis, path, context.keep_all),
        image="label image of {counted}, for ImageJ, with the size of a pixel; 0 is background",
        image_classes="the class of every pixel, from 0 on in the order of the model's card; 255: not analysed",
        usual=True,
    ),
    Export(
        "labels-all.tif",
        "All labels, TIFF",
        place=120,
        write=lambda context, path: write_tiff(context.analysis, path, True),
        image="the same with all {things}",
    ),
    Export(
        "boundaries.tif",
        "Boundaries, TIFF",
        place=125,
        write=_write_boundaries,
        image="the boundaries between {things}: 255 on a boundary, 0 elsewhere",
        panel="boundaries",
    ),
)
