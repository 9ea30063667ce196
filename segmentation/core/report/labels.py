"""`labels.tif`: the particles as an integer image, for ImageJ and for programs.

uint16 as long as the labels fit, as ImageJ shows those directly; beyond 65,535 particles uint32, which
every TIFF reader takes as integers and ImageJ converts to 32-bit float, exact up to 16.7 million.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile

from segmentation import __version__

from ..analysis import Analysis

NM_PER_CM = 1e7
# TIFF writes a resolution as a fraction of two 32-bit integers.
LARGEST_RESOLUTION = 2**32 - 1


def write_tiff(analysis: Analysis, file: Path | BinaryIO, all: bool = False) -> None:
    """Write the labels (H, W) of the whole upload, deflate-compressed; 0 is background.

    Labels are those of the table and the CSV, so that numbers are missing where particles were set aside;
    `all` keeps those, too. The pixel size is in the file where there is one.
    """
    n = len(analysis.table)
    small = n <= np.iinfo(np.uint16).max
    written = np.zeros(n + 1, np.uint16 if small else np.uint32)
    written[1:] = np.where(analysis.table.kept | all, analysis.table["label"], 0)
    tifffile.imwrite(
        file,
        written[analysis.segmentation.labels],
        compression="zlib",
        software=f"DeepSegm {__version__}",
        **(_imagej(analysis) if small else _plain(analysis)),
    )


def _imagej(analysis: Analysis) -> dict[str, Any]:
    nm_per_pixel = analysis.calibration.nm_per_pixel
    if nm_per_pixel is None or not 1 / LARGEST_RESOLUTION < nm_per_pixel < LARGEST_RESOLUTION:
        return {"imagej": True}
    return {
        "imagej": True,
        "resolution": (1 / nm_per_pixel, 1 / nm_per_pixel),
        "resolutionunit": "NONE",
        "metadata": {"unit": "nm"},
    }


def _plain(analysis: Analysis) -> dict[str, Any]:
    nm_per_pixel = analysis.calibration.nm_per_pixel
    if nm_per_pixel is None or not NM_PER_CM / LARGEST_RESOLUTION < nm_per_pixel < LARGEST_RESOLUTION:
        return {}
    per_cm = NM_PER_CM / nm_per_pixel
    return {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
