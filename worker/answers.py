"""What a child that decodes a foreign file answers. A file may have taken the child over, so everything is checked."""

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

from segmentation.core.micrograph.barresult import BarReading
from segmentation.core.micrograph.types import IMAGE, IMAGE_SHA256, Calibration
from segmentation.services.ground.limits import most_pixels

LONGEST_KIND = 100
OF_FILES = ("metadata", "side file", "none")  # where a pixel size comes from that a file states
NO_FILE = (errno.ELOOP, errno.ENOENT, errno.ENXIO)  # a link, nothing, a socket
LONGEST_HEADER = 256  # bytes, of npy
PIXELS = (np.uint8, np.uint16, np.float32)  # of an image
OURS = (IMAGE, IMAGE_SHA256)  # metadata that no file states


class Facts(BaseModel):
    """About an image, as `segmentation.core.micrograph.inspect` prints them. reading: {} where nothing was read, None
    where it is to be tried later."""

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
    def _fit(self) -> Facts:
        size = self.calibration.nm_per_pixel
        if self.calibration.source not in OF_FILES or (size is not None and not 0 < size < np.inf):
            raise ValueError("such a calibration is in no file")
        if self.width * self.height > most_pixels() or not 0 <= (self.data_bar or 0) <= self.height:
            raise ValueError("no image of such a size is read")
        rows = self.metadata.get("image_rows")
        if rows is not None and not (isinstance(rows, float) and 1 <= rows < self.height):
            raise ValueError("a data bar begins within the image")
        self.metadata = {name: value for name, value in self.metadata.items() if name not in OURS}
        self.kind = self.kind[:LONGEST_KIND]
        return self


class Archive(BaseModel):
    """What was unpacked, as `segmentation.core.micrograph.unpacking` prints it."""

    files: list[list[tuple[str, Annotated[str, Field(pattern=r"^entry-\d{1,9}-\d{1,9}(\.[a-z0-9]{1,5})?$")]]]]
    notes: list[tuple[str, str]]

    def files_in(self, folder: Path) -> list[list[tuple[str, Path]]]:
        """Each image with its side files, as name and place; raises ValueError where one is no plain file."""
        files = [[(name, folder / file) for name, file in group] for group in self.files]
        if not all(path.is_file() and not path.is_symlink() for group in files for _, path in group):
            raise ValueError("not a file")
        return files


def array(file: Path, dtypes: Sequence[type[np.generic]], shape: tuple[int, int], *, at_most: bool = False) -> Any:
    """The array (H, W) that a child wrote, of this shape or, with `at_most`, none larger; raises ValueError."""
    try:
        # Nothing but a file is opened: a link would be followed with our rights, and a pipe would never answer.
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
        if int.from_bytes(opened.read(2), "little") > LONGEST_HEADER:
            raise ValueError("a longer header than an array has")
        opened.seek(-2, os.SEEK_CUR)
        size, _, dtype = np.lib.format.read_array_header_1_0(opened)
        within = len(size) == 2 and 0 < size[0] <= shape[0] and 0 < size[1] <= shape[1]
        if not within or not (at_most or size == shape) or dtype not in dtypes:
            raise ValueError(f"an array of {dtype}, {size}")
        opened.seek(0)
        values: NDArray[Any] = np.lib.format.read_array(opened, allow_pickle=False)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("an array with numbers that are not finite")
    return values
