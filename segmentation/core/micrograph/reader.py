"""Reads an image file as a Micrograph (`read`). Every fault of a file becomes an UnreadableImage with one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..names import file_name
from .calibration.header import SideFile, checked_against_pixels, with_side_files
from .calibration.square import make_square, resample_labels
from .colours import CHANNEL, CHANNEL_HERE, CHANNELS, COLOURS, channel_of, colours_of
from .decoded import Decoded, as_image, page_index
from .drawn.marks import regions_of, regions_text
from .formats.base import Format
from .kinds import HEAD_BYTES, recognise, sha256_of, wrong_suffix_note
from .pages import PANELS, Panel, panels_note, panels_of
from .types import Calibration, Micrograph, UnreadableImage
from .vendors.facts import MARKS, Facts

MAX_PIXELS = 500_000_000  # pixels of one image
# A header that states fewer rows than this share of the image's belongs to another image: a data bar takes a quarter
# of the rows at most.
LEAST_ROWS_SHARE = 0.7
_DAMAGED = "The {kind} file is damaged or incomplete and cannot be read: copy or export it again."
_NO_IMAGE = (
    "The program's part that reads {name} files is at fault: it gives no image. Ask whoever runs it to correct or"
    " remove that part, or save the image as TIFF or PNG."
)
MEMORY = "The image needs more memory than there is: upload a smaller part of it."
NOT_HERE = (
    "{name} files cannot be read here, as a part of the program is missing ({error}): ask whoever runs it"
    " to install that."
)


def read(
    path: Path,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    side: Sequence[Path | SideFile] = (),
    page: int = 0,
) -> Micrograph:
    """The Micrograph in a file of one of the `formats`. The file's content decides the format, not its name.

    name: the file's name as the user knows it, if `path` has another name.
    max_pixels: larger images are refused before they are decoded.
    side: files that the microscope wrote beside the image, each as a path or as (its name, path). Their facts are used
        where the image's header has none. For a side file that cannot be read the Micrograph has a note.
    page: number of an image in a stack, from 1. 0 means the first image, or the average of aligned frames.
    Raises UnreadableImage with one sentence for the user, for every file that cannot be analysed.
    """
    tidy_name = file_name(name if name is not None else path.name)
    head = _head(path)
    file_format = recognise(head, tidy_name)
    decoded, part_metadata = _decode(path, file_format, max_pixels, page)
    wrong_name = wrong_suffix_note(tidy_name, file_format)
    header = checked_against_pixels(with_side_files(decoded.header, side, decoded.size), decoded)
    micrograph = _micrograph(decoded, header, max_pixels, tidy_name, sha256_of(path))
    if wrong_name:
        micrograph = replace(micrograph, notes=(wrong_name, *micrograph.notes))
    if decoded.pages > 1:
        micrograph.metadata.update({"pages": decoded.pages} | ({"page": page} if page else {}))
    micrograph.metadata.update(part_metadata)
    return micrograph


def _decode(path: Path, file_format: Format, max_pixels: int, page: int) -> tuple[Decoded, dict[str, str]]:
    """The image in a file of this format, and metadata of its panels and colours. Every fault of a decoder becomes
    UnreadableImage."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoded = _checked_image(file_format.read(path, max_pixels, page), file_format, max_pixels)
            if not file_format.is_picture:
                return _requested_part(decoded, [], page)
            has_seams = decoded.colours is None or colours_of(decoded.colours) is None
            return _requested_part(decoded, panels_of(decoded.pixels, seams=has_seams), page)
    except UnreadableImage:
        raise
    except SystemExit as end:  # a plug-in may not end this program
        raise UnreadableImage(_NO_IMAGE.format(name=file_format.name)) from end
    except MemoryError:
        raise UnreadableImage(MEMORY) from None
    except ImportError as error:
        raise UnreadableImage(NOT_HERE.format(name=file_format.name, error=str(error).rstrip("."))) from error
    except Exception as error:  # decoders raise exceptions of many types
        raise UnreadableImage(_DAMAGED.format(kind=file_format.name)) from error


def _checked_image(answer: object, file_format: Format, max_pixels: int) -> Decoded:
    """The image that a format's reader returned; raises UnreadableImage if it cannot be analysed."""
    try:
        return as_image(answer, max_pixels)
    except (TypeError, AttributeError) as error:
        raise UnreadableImage(_NO_IMAGE.format(name=file_format.name)) from error


def _requested_part(decoded: Decoded, panels: Sequence[Panel], page: int) -> tuple[Decoded, dict[str, str]]:
    """The whole image (page 0) or its part number `page` (from 1), and metadata about panels and colours.

    The parts of a figure are its `panels`, those of a map of elements its channels."""
    if panels and page:
        top, left, bottom, right = panels[page_index(page, len(panels))].box
        pixels = np.ascontiguousarray(decoded.pixels[top:bottom, left:right])
        colours = None if decoded.colours is None else decoded.colours[top:bottom, left:right]
        marks = None if decoded.marks is None else decoded.marks[top:bottom, left:right]
        panel_image, metadata = _with_colours(replace(decoded, pixels=pixels, colours=colours, marks=marks), 0)
        return replace(panel_image, pages=len(panels)), {name: metadata[name] for name in metadata if name != CHANNELS}
    if panels:
        entries = (
            ",".join(map(str, (number, *panel.box))) for number, panel in enumerate(panels, 1) if panel.is_picture
        )
        metadata = {PANELS: " ".join(entries)}
        note = panels_note(metadata | {"pages": len(panels)})
        return replace(decoded, pages=len(panels), notes=(*decoded.notes, note)), metadata
    return _with_colours(decoded, page)


def _with_colours(decoded: Decoded, page: int) -> tuple[Decoded, dict[str, str]]:
    """The image, or the channel `page` (from 1) of a map of elements, and metadata about its colours."""
    colour = None if decoded.colours is None else colours_of(decoded.colours)
    channels = colour.channels if colour and decoded.pages == 1 else []
    if decoded.pages == 1:
        page_index(page, len(channels))
    if colour is None or decoded.colours is None:
        return decoded, {}
    if not page or not channels:
        pages = max(decoded.pages, len(channels))
        metadata = {COLOURS: colour.kind} | ({CHANNELS: ", ".join(channels)} if channels else {})
        return replace(decoded, pages=pages, notes=(*decoded.notes, colour.note)), metadata
    channel = channel_of(decoded.colours, colour.hues, page - 1)
    channel_image = replace(decoded, pixels=channel, pages=len(channels), marks=None)
    return channel_image, {COLOURS: CHANNEL, CHANNEL_HERE: channels[page - 1]}


def _head(path: Path) -> bytes:
    """The first HEAD_BYTES of a file; raises UnreadableImage if it cannot be opened."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise UnreadableImage("There is no such file: check its name and folder.") from None
    except IsADirectoryError:
        raise UnreadableImage("This is a folder, not a file: name the images in it.") from None
    except (OSError, ValueError) as error:
        raise UnreadableImage("The file cannot be opened: check that it may be read.") from error


def _micrograph(decoded: Decoded, header: Facts, max_pixels: int, name: str, sha256: str) -> Micrograph:
    """The Micrograph with square pixels. Its metadata gets `image_rows`, the first row of a data bar by the header."""
    square = make_square(decoded, header, max_pixels)
    nm_per_pixel = square.header.nm_per_pixel
    metadata: dict[str, Any] = {"kind": decoded.kind, **header.metadata, **(square.metadata or {})}
    rows, columns = decoded.pixels.shape
    is_as_in_header = not decoded.is_reoriented and header.columns in (None, columns)
    if header.rows and is_as_in_header and LEAST_ROWS_SHARE * rows <= header.rows < rows:
        metadata["image_rows"] = float(int(header.rows * square.row_factor))
    if decoded.marks is not None and decoded.marks.any():
        metadata[MARKS] = regions_text(
            regions_of(resample_labels(decoded.marks, square.pixels.shape, decoded.marks.shape))
        )
    return Micrograph(
        pixels=square.pixels,
        name=name,
        sha256=sha256,
        calibration=Calibration(nm_per_pixel, header.source, square.header.detail, square.header.relative_uncertainty)
        if nm_per_pixel
        else Calibration.absent(),
        metadata=metadata,
        notes=(*decoded.notes, *square.header.notes),
    )
