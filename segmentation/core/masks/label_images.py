"""Reads masks that other tools wrote as labels 1..n. A file that is no mask is refused with a sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from ..labels.corrections.geometry import components
from ..labels.corrections.runs import Strip, cut_at_rows, piece_numbers, runs_of
from ..micrograph.calibration.square import resample_labels, stored_shape
from ..micrograph.kinds import sha256_of
from ..micrograph.reader import MAX_PIXELS, read
from ..micrograph.readers.tiff import count_pages
from ..micrograph.types import Calibration, Micrograph, UnreadableImage
from ..names import file_name

TIFF = (".tif", ".tiff")
LOSSY = (".jpg", ".jpeg", ".webp")
COUNTED_BELOW = 1 << 24  # `_labels_in` counts numbers below this in a table, which takes memory for every number

# Sentences for the user.
_JPEG = "JPEG and WebP change the values of a mask: save it as PNG, TIFF or npy."
_DAMAGED = "The file is damaged or is no label image (TIFF, PNG, BMP or npy): export it again."
_COLOURS = "The mask is a colour picture: save it as a grey image, one number for each particle and 0 between them."
_STACK = "The file holds {planes} planes (its shape is {shape}): save each plane as a file of its own."
_SHAPE = "A mask is one plane of numbers, this file's shape is {shape}: save it as rows and columns."
_TYPE = "The file holds {kind} values, not labels: save whole numbers, one for each particle."
_NAN = "The file holds values that are no numbers (NaN or infinite): save whole numbers, one for each particle."
_FRACTIONS = "The file holds fractions such as {value:g}: a label is a whole number. Threshold a probability map first."
_LARGE = "The mask has {pixels:,} pixels, {limit:,} are the limit: cut it into parts."

Kind = Literal["auto", "binary", "labels"]
Labels = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Mask:
    """The labels of a file, renumbered.

    labels: (H, W) int32; 0 is background, 1..n are particles, without gaps.
    notes: sentences for the user about how the file's numbers were changed. calibration: as a TIFF states it, else
        absent.
    """

    name: str
    sha256: str
    labels: Labels
    notes: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Calibration.absent)


def read_mask(path: Path, *, kind: Kind = "auto", background: int = 0, corners: bool = False) -> Mask:
    """The Mask in a TIFF, PNG, BMP or npy file, resampled if its pixels are not square.

    kind, background, corners: as in `as_labels`. Raises UnreadableImage, one sentence for the user.
    """
    numbers, picture = read_numbers(path), _as_picture(path)
    notes_on_resampling: tuple[str, ...] = ()
    if picture is not None and (stored := stored_shape(picture.metadata)):
        numbers, notes_on_resampling = resample_labels(numbers, picture.shape, stored), picture.notes
    labels, notes = as_labels(numbers, kind=kind, background=background, corners=corners)
    calibration = Calibration.absent() if picture is None else picture.calibration
    return Mask(file_name(path.name), sha256_of(path), labels, (*notes, *notes_on_resampling), calibration)


def calibration_in_file(path: Path) -> Calibration:
    """The pixel size that a TIFF states, as labels.tif of a result does; absent for other files."""
    picture = _as_picture(path)
    return Calibration.absent() if picture is None else picture.calibration


def _as_picture(path: Path) -> Micrograph | None:
    """A TIFF read as an image, for the metadata in its header; None for other files and unreadable TIFFs."""
    try:
        return read(path) if path.suffix.lower() in TIFF else None
    except UnreadableImage:
        return None


def read_numbers(path: Path) -> NDArray[Any]:
    """The whole numbers (H, W) in a file of labels, unchanged; raises UnreadableImage."""
    return _whole_numbers(one_plane(read_array(path)))


def as_labels(
    values: NDArray[Any], *, kind: Kind = "auto", background: int = 0, corners: bool = False
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """The labels 1..n (H, W) int32 of an array from another tool, and sentences about the changes.

    values: (H, W), or a grey image with 2 to 4 channels (H, W, C); whole numbers of any type. Negative numbers are
        background.
    background: the number between particles. If it is not 0, the pixels with 0 are a particle.
    kind: with "labels" each number is a particle; with "binary" each connected component is one, whatever its
        numbers; "auto" means "binary" if there is only one number besides the background, else "labels".
    corners: whether pixels that share only a corner are connected, too.
    Raises UnreadableImage for anything that is not labels.
    """
    numbers = _whole_numbers(one_plane(values))
    notes = []
    negative = int((numbers < 0).sum()) if numbers.dtype.kind == "i" else 0
    if negative:
        notes.append(f"{negative} pixels with negative labels are counted as background.")
    ids = _labels_in(numbers, background)
    if kind == "binary" or (kind == "auto" and len(ids) == 1):
        inside = np.isin(numbers, ids)
        share = "a side or a corner" if corners else "a side"
        notes.append(f"The mask has no numbers, so each piece of pixels that share {share} is one object.")
        return components(inside, corners=corners)[0], tuple(notes)
    labels = np.zeros(numbers.shape, np.int32)
    if len(ids):
        index = np.searchsorted(ids, numbers)
        is_listed = ids[np.minimum(index, len(ids) - 1)] == numbers
        labels = np.where(is_listed, index + 1, 0).astype(np.int32)
    if len(ids) and not np.array_equal(ids, np.arange(1, len(ids) + 1)):
        notes.append(f"The labels {ids[0]} to {ids[-1]} have gaps and are numbered 1 to {len(ids)}, in their order.")
    pieces = _count_of_pieces(labels)
    if pieces > len(ids):
        notes.append(f"{len(ids)} labels are {pieces} separate pieces; each label is one particle, as in the file.")
    return labels, tuple(notes)


def _count_of_pieces(labels: Labels) -> int:
    """The number of connected pieces of all labels (H, W); pixels that share a side or a corner are connected."""
    strip = Strip.of(labels, 0)  # a strip of all rows
    runs = runs_of(strip.starts, strip.ends, strip.ids)[strip.ids > 0]
    return int(piece_numbers(cut_at_rows(runs, labels.shape[1]), labels.shape[1], corners=True).max(initial=-1)) + 1


def read_array(path: Path) -> NDArray[Any]:
    """The array in a TIFF, PNG, BMP or npy file, unchanged; raises UnreadableImage."""
    suffix = path.suffix.lower()
    if suffix in LOSSY:
        raise UnreadableImage(_JPEG)
    try:
        if suffix == ".npy":
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        if suffix in TIFF:
            with tifffile.TiffFile(path) as file:
                count_pages(file)  # refuses a circular list of pages, which tifffile would read without end
                declared = file.series[0]
                if declared.nbytes > 4 * MAX_PIXELS:  # 4 bytes of a pixel; checked before memory is allocated
                    limit = 4 * MAX_PIXELS // declared.dtype.itemsize
                    raise UnreadableImage(_LARGE.format(pixels=declared.size, limit=limit))
                pages = np.asarray(file.asarray())
            if not pages.size:
                raise UnreadableImage(_DAMAGED)
            return pages
        with Image.open(path, formats=["PNG", "BMP", "TIFF"]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise UnreadableImage(_LARGE.format(pixels=picture.width * picture.height, limit=MAX_PIXELS))
            return np.asarray(picture)
    except (UnreadableImage, FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:  # decoders raise exceptions of many types
        raise UnreadableImage(_DAMAGED) from error


def one_plane(values: NDArray[Any]) -> NDArray[Any]:
    """The plane (H, W) of an array that may have equal channels, or axes of length 1; raises UnreadableImage."""
    if values.dtype.kind not in "buif":
        raise UnreadableImage(_TYPE.format(kind=values.dtype.name))
    if values.ndim == 3 and values.shape[2] in (2, 3, 4) and values.shape[0] > 1:
        colours = values[..., : 1 if values.shape[2] == 2 else 3]
        if (colours != colours[..., :1]).any():
            raise UnreadableImage(_COLOURS)
        values = values[..., 0]
    plane = values.squeeze() if values.ndim > 2 else values
    if plane.ndim == 3:
        raise UnreadableImage(_STACK.format(planes=plane.shape[0], shape=_shape_words(plane.shape)))
    if plane.ndim != 2 or not plane.size:
        raise UnreadableImage(_SHAPE.format(shape=_shape_words(values.shape)))
    if plane.size > MAX_PIXELS:
        raise UnreadableImage(_LARGE.format(pixels=plane.size, limit=MAX_PIXELS))
    return plane


def _whole_numbers(plane: NDArray[Any]) -> NDArray[Any]:
    """The values of a plane (H, W) as integers; raises UnreadableImage where they are no whole numbers."""
    if plane.dtype.kind == "b":
        return plane.astype(np.uint8)
    if plane.dtype.kind != "f":
        return plane
    if not np.isfinite(plane).all():
        raise UnreadableImage(_NAN)
    fractions = plane[plane != np.rint(plane)]
    if fractions.size:
        raise UnreadableImage(_FRACTIONS.format(value=float(fractions[0])))
    if float(np.abs(plane).max(initial=0)) >= 2**53:
        raise UnreadableImage(_TYPE.format(kind="very large"))
    return plane.astype(np.int64)


def _labels_in(numbers: NDArray[Any], background: int) -> NDArray[Any]:
    """The labels of particles (n,) in an array (H, W), ascending.

    Unsigned numbers of at most 32 bits below COUNTED_BELOW are counted in a table, which is faster than sorting the
    pixels.
    """
    largest = int(numbers.max(initial=0))
    if largest < COUNTED_BELOW and numbers.dtype.itemsize <= 4 and numbers.dtype.kind == "u":
        values = np.flatnonzero(np.bincount(numbers.ravel(), minlength=1))
    else:
        values = np.unique(numbers)
    labels: NDArray[Any] = values[(values != background) & ((values > 0) | (background != 0)) & (values >= 0)]
    return labels


def _shape_words(shape: tuple[int, ...]) -> str:
    return " × ".join(str(length) for length in shape) or "a single number"
