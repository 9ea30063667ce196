"""Reads EMD files, which are HDF5. Velox (Thermo Fisher) writes one kind, NCEM in Berkeley another.

Velox: each group of /Data/Image is an image. It has `Data` (rows, columns, frames) and `Metadata` (JSON bytes, frames).
Berkeley (https://emdatasets.com/format): a group with the attribute `emd_group_type` has `data`. Beside it
`dim1`, `dim2` and so on (from `dim0` in version 1.0) are the coordinates along its axes, each with its `units`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np

from ..decoded import COPY_AGAIN, Decoded, page_index, words
from ..grey import BAND_PX, Array, check_size, to_grey
from ..types import UnreadableImage
from ..vendors import facts_or_none, velox
from ..vendors.facts import Facts, reciprocal_notes
from ..vendors.units import FLOAT32, FLOAT64, nanometres
from .hdf5 import attribute, check_stored, member, open_hdf5

LARGEST_METADATA = 1 << 22  # bytes of JSON
# Limits against damaged files: images, groups, levels of nested groups that are searched.
MOST_IMAGES, MOST_GROUPS, DEEPEST = 100, 1000, 5
CROP_PX = 512  # side of the middle part in which frames are compared
HIGHEST_FREQUENCY = 0.25  # periods per px: the highest frequency that is compared
NO_IMAGE = (
    "The file is HDF5 but holds no image of Velox or of Berkeley's EMD format: open it in the program that wrote it"
    " and export the image as TIFF."
)


@dataclass(frozen=True)
class _Image:
    """An image or a stack in the file. dataset: its HDF5 dataset. frames: the number of frames, along the last axis
    of the dataset if `frames_last`, else along the first."""

    dataset: Any
    header: Facts
    rows: int
    columns: int
    frames: int = 1
    frames_last: bool = True

    def frame(self, number: int = 0, rows: slice = slice(None), columns: slice = slice(None)) -> Array:
        """Frame `number` (from 0), or a part of it."""
        part: tuple[Any, ...] = (rows, columns)
        if self.dataset.ndim == 3:
            part = (*part, number) if self.frames_last else (number, *part)
        return np.asarray(self.dataset[part])


def read_emd(path: Path, max_pixels: int, page: int = 0) -> Decoded:
    """The largest image of an EMD file; if it is a stack, the frame `page` (from 1). Sizes and packing are checked
    before any pixel is read.

    If `page` is 0, a stack by Velox is averaged if its frames are aligned; else its first frame is used. Of other
    stacks the first plane is used."""
    with open_hdf5(path) as file:
        image, notes = _largest_image(_velox_images(file) or _berkeley_images(file))
        check_size(image.columns, image.rows, max_pixels)
        index = page_index(page, image.frames)
        count, stack_notes = _frames_used(image, max_pixels) if not page else (1, [])
        if page:
            _check_frames(image, slice(index, index + 1), max_pixels)
        dtype = image.dataset.dtype
        pixels, grey_notes = to_grey(_average(image, count) if count > 1 else image.frame(index))
    kind = f"EMD, {words(dtype)}" + (f", average of {count} frames" if count > 1 else "")
    return Decoded(pixels, kind, (*notes, *stack_notes, *grey_notes), image.header, pages=image.frames)


def _largest_image(images: list[_Image]) -> tuple[_Image, list[str]]:
    """The largest image with two or three axes, and a note if there are several. Of equally large images the one of the
    HAADF detector is taken, else the first."""
    if not images:
        raise UnreadableImage(NO_IMAGE)

    def order(image: _Image) -> tuple[bool, int, bool]:
        name = str(image.header.metadata.get("detector", ""))
        return image.dataset.ndim > 3, -image.rows * image.columns, not name.upper().startswith("HAADF")

    image = min(images, key=order)
    if image.dataset.ndim > 3:
        raise UnreadableImage(f"The file holds data of {image.dataset.ndim} axes, not an image: export one as TIFF.")
    if len(images) == 1:
        return image, []
    name = str(image.header.metadata.get("detector") or "the largest")
    detectors = sorted({str(other.header.metadata.get("detector") or "no detector named") for other in images})
    return image, [f"The file holds {len(images)} images ({', '.join(detectors)[:120]}); one is used: {name}."]


def _velox_images(file: Any) -> list[_Image]:
    """The images of a file by Velox; [] for other files."""
    images = []
    groups = member(file, "Data", "Image")
    for name in sorted(islice(groups or (), MOST_IMAGES)):
        dataset = member(groups, name, "Data")
        if getattr(dataset, "ndim", 0) in (2, 3) and dataset.dtype.kind in "uif":
            rows, columns, *frames = dataset.shape
            header = facts_or_none(velox.read, _json(member(groups, name, "Metadata"))) or Facts()
            images.append(_Image(dataset, header, rows, columns, *frames))
    return images


def _json(metadata: Any) -> bytes:
    """The bytes of the JSON for the first frame; b"" if they cannot be read."""
    if getattr(metadata, "ndim", 0) != 2 or metadata.shape[0] > LARGEST_METADATA or metadata.dtype != np.uint8:
        return b""
    try:
        check_stored(metadata, (slice(0, metadata.shape[0]), slice(0, 1)), LARGEST_METADATA)
        return bytes(metadata[:, 0])
    except (UnreadableImage, OSError, RuntimeError, ValueError):
        return b""


def _berkeley_images(file: Any) -> list[_Image]:
    """The images of a file in Berkeley's layout, in groups nested no deeper than DEEPEST."""
    images, groups = [], [(0, file)]
    for depth, group in groups:  # the loop itself appends to this list
        dataset: Any = member(group, "data") if "emd_group_type" in group.attrs else None
        if getattr(dataset, "ndim", 0) > 1 and dataset.dtype.kind in "uifc":
            *planes, rows, columns = dataset.shape
            image = _Image(dataset, Facts(), rows, columns, int(np.prod(planes, dtype=float)), frames_last=False)
            images.append(replace(image, header=_berkeley_facts(group, image).checked()))
        elif depth < DEEPEST:
            inner = [member(group, name) for name in islice(group, MOST_GROUPS)]
            groups_left = MOST_GROUPS - len(groups)
            groups += [(depth + 1, child) for child in inner if hasattr(child, "keys")][:groups_left]
    return images


def _berkeley_facts(group: Any, image: _Image) -> Facts:
    """The facts of an image: its scale from the coordinates along the last two axes. Malformed ones give no scale."""
    start = 0 if member(group, "dim0") is not None else 1
    # The coordinates across (along the last axis), then down.
    axes = [member(group, f"dim{image.dataset.ndim - place + start}") for place in (1, 2)]
    try:
        unit, unit_down = (attribute(axis, "units").strip("[] ").replace("_", "") for axis in axes)
        across, down = (_step(axis, size) for axis, size in zip(axes, (image.columns, image.rows), strict=True))
    except (UnreadableImage, AttributeError, OSError, RuntimeError, ValueError, TypeError, LookupError):
        return Facts()
    factor, factor_down = (nanometres("Å" if word == "A" else word) for word in (unit, unit_down))
    if not factor or not across or not down:
        return Facts(notes=reciprocal_notes(unit))
    rounding = FLOAT64 if axes[0].dtype.itemsize > 4 else FLOAT32
    return Facts(across * factor, "Berkeley EMD, coordinates of the axes", rounding, down * (factor_down or factor))


def _step(axis: Any, size: int) -> float | None:
    """The distance between two coordinates of an axis of `size` px; None if it varies. A file has all coordinates, or
    the first two."""
    if axis.shape not in ((size,), (2,)) or axis.dtype.kind not in "uif":
        return None
    check_stored(axis, (slice(0, axis.shape[0]),), LARGEST_METADATA)
    start, second, last = (float(axis[index]) for index in (0, 1, -1))
    step = (last - start) / (axis.shape[0] - 1)
    return abs(step) if isclose(step, second - start, rel_tol=1e-3) else None


def _frames_used(image: _Image, max_pixels: int) -> tuple[int, list[str]]:
    """The number of frames to average, from the first on, and a note. Raises UnreadableImage as `_check_frames`
    does."""
    if image.frames < 1:
        raise UnreadableImage(f"The file holds no frame of its image: {COPY_AGAIN}.")
    count = min(image.frames, max_pixels // (image.rows * image.columns)) if image.frames_last else 1
    _check_frames(image, slice(0, count), max_pixels)
    if image.frames == 1:
        return 1, []
    beginning = f"The file is a stack of {image.frames} frames"
    if count > 1 and _are_aligned(image, count):
        return count, [
            f"{beginning}; the average of {'all' if count == image.frames else f'the first {count}'} is used."
        ]
    reason = " that do not lie over each other (drift or noise)" if count > 1 else ""
    return 1, [f"{beginning}{reason}; the first is used."]


def _check_frames(image: _Image, frames: slice, max_pixels: int) -> None:
    """Raises UnreadableImage unless these frames can be read safely (`hdf5.check_stored`)."""
    part: tuple[slice, ...] = (slice(0, image.rows), slice(0, image.columns))
    if image.dataset.ndim == 3:
        part = (*part, frames) if image.frames_last else (frames, *part)
    check_stored(image.dataset, part, 8 * max_pixels)


def _are_aligned(image: _Image, count: int) -> bool:
    """Whether a stack is aligned: the middle and the last frame are shifted by one pixel at most against the first.

    Phase correlation of the middle of the image finds the shift (Kuglin and Hines 1975). The finest half of the
    spectrum is left out, because it is mostly noise."""
    shape = min(image.rows, CROP_PX), min(image.columns, CROP_PX)
    corner = (image.rows - shape[0]) // 2, (image.columns - shape[1]) // 2
    rows, columns = (slice(start, start + side) for start, side in zip(corner, shape, strict=True))
    low_frequencies = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])) < HIGHEST_FREQUENCY
    reference, *others = (
        np.fft.rfft2(np.nan_to_num(image.frame(number, rows, columns))) * low_frequencies
        for number in (0, count // 2, count - 1)
    )
    for other in others:
        product = reference * other.conj()
        correlation = np.fft.irfft2(product / np.maximum(np.abs(product), np.finfo(float).tiny), shape)
        peak = np.unravel_index(int(correlation.argmax()), shape)
        if any(min(shift, size - shift) > 1 for shift, size in zip(peak, shape, strict=True)):
            return False
    return True


def _average(image: _Image, count: int) -> Array:
    """(rows, columns) float32: the mean of the first `count` frames of a stack by Velox. Each chunk is unpacked
    once."""
    dataset = image.dataset
    rows_at_once, _, frames_at_once = dataset.chunks or (1, 1, count)
    frames_at_once = min(frames_at_once, count)
    rows_at_once *= max(1, BAND_PX // (rows_at_once * image.columns * frames_at_once))
    total = np.zeros((image.rows, image.columns), np.float32)
    for row in range(0, image.rows, rows_at_once):
        band = slice(row, row + rows_at_once)
        for frame in range(0, count, frames_at_once):
            block = dataset[band, :, frame : min(frame + frames_at_once, count)]
            total[band] += block.sum(axis=2, dtype=np.float32)
    return total / np.float32(count)
