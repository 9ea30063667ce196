"""Checks the answers of a child process that decodes an uploaded file (`decoding`). A malicious
file may control the child, so everything in its answer is checked."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from segmentation.core.micrograph.scale_bar.barresult import BarReading
from segmentation.core.micrograph.types import IMAGE, IMAGE_SHA256, Calibration
from segmentation.services.ground.limits import most_pixels

LONGEST_KIND = 100  # characters
FILE_SCALE_SOURCES = ("metadata", "side file", "none")  # possible sources of a pixel size in a file
NO_FILE = (errno.ELOOP, errno.ENOENT, errno.ENXIO)  # errors when a link, a missing file or a socket is opened
LONGEST_HEADER_BYTES = 256  # of a .npy file; a two-dimensional array has a shorter header
PIXELS = (np.uint8, np.uint16, np.float32)  # types of the pixels of an image
OUR_METADATA = (IMAGE, IMAGE_SHA256)  # metadata that only we set, so a file must not state them


class Facts(BaseModel):
    """The facts about an image, as `segmentation.core.micrograph.inspect` prints them.

    reading: of the data bar; {} if nothing was read, None if it shall be read later.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    width: PositiveInt
    height: PositiveInt
    kind: str
    calibration: Calibration
    metadata: dict[str, str | bool | int | float | None]
    notes: tuple[str, ...]
    data_bar: int | None
    reading: BarReading | Annotated[dict[str, Any], Field(max_length=0)] | None = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_values(self) -> Facts:
        """Raises ValueError for values that no image can have."""
        size = self.calibration.nm_per_pixel
        if self.calibration.source not in FILE_SCALE_SOURCES or (size is not None and not 0 < size < np.inf):
            raise ValueError("such a calibration is in no file")
        if self.width * self.height > most_pixels() or not 0 <= (self.data_bar or 0) <= self.height:
            raise ValueError("no image of such a size is read")
        rows = self.metadata.get("image_rows")
        if rows is not None and not (isinstance(rows, float) and 1 <= rows < self.height):
            raise ValueError("a data bar begins within the image")
        self.metadata = {name: value for name, value in self.metadata.items() if name not in OUR_METADATA}
        self.kind = self.kind[:LONGEST_KIND]
        return self


class Archive(BaseModel):
    """The unpacked files of an archive, as `segmentation.core.micrograph.unpacking` prints them.

    files: for each image a list of (name, file in the folder): the image, then its side files.
    notes: (name, sentence) of each file that was left out.
    """

    files: list[list[tuple[str, Annotated[str, Field(pattern=r"^entry-\d{1,9}-\d{1,9}(\.[a-z0-9]{1,5})?$")]]]]
    notes: list[tuple[str, str]]

    def files_in(self, folder: Path) -> list[list[tuple[str, Path]]]:
        """For each image a list of (name, path): the image, then its side files. Raises ValueError
        if one is no regular file."""
        files = [[(name, folder / file) for name, file in group] for group in self.files]
        if not all(path.is_file() and not path.is_symlink() for group in files for _, path in group):
            raise ValueError("not a file")
        return files


def read_array(file: Path, dtypes: Sequence[type[np.generic]], shape: tuple[int, int], *, at_most: bool = False) -> Any:
    """The array (H, W) that a child wrote to a .npy file. Raises ValueError if its type is not in
    `dtypes`, or if its shape is not `shape` (with `at_most`: is larger than `shape`).
    """
    try:
        # Only a regular file is opened: a link could lead to any file that we may read, and a pipe
        # would never answer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        raise ValueError(f"no array can be read: {error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("not a file")
    with os.fdopen(descriptor, "rb") as opened:
        np.lib.format.read_magic(opened)
        if int.from_bytes(opened.read(2), "little") > LONGEST_HEADER_BYTES:
            raise ValueError("a longer header than an array has")
        opened.seek(-2, os.SEEK_CUR)
        size, _, dtype = np.lib.format.read_array_header_1_0(opened)
        is_inside = len(size) == 2 and 0 < size[0] <= shape[0] and 0 < size[1] <= shape[1]
        if not is_inside or not (at_most or size == shape) or dtype not in dtypes:
            raise ValueError(f"an array of {dtype}, {size}")
        opened.seek(0)
        values: NDArray[Any] = np.lib.format.read_array(opened, allow_pickle=False)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("an array with numbers that are not finite")
    return values
