"""File -> Micrograph: every fault of a file becomes one sentence here."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..names import file_name
from .colours import CHANNEL, CHANNEL_HERE, CHANNELS, COLOURS, channel_of, colours_of
from .decoded import Decoded, as_image, page_index
from .formats.base import Format
from .header import Side, fitted, joined
from .kinds import HEAD_BYTES, misnamed, recognise, sha256_of
from .marks import as_text, regions_of
from .pages import FIGURE, PANELS, Panel, panels_of
from .square import as_resampled, squared
from .types import Calibration, Micrograph, UnreadableImage
from .vendors.facts import MARKS, Facts

MAX_PIXELS = 500_000_000
LEAST_ROWS = 0.7  # of the rows: a header with fewer is of another picture, as no data bar takes more than a quarter
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
    side: Sequence[Path | Side] = (),
    page: int = 0,
) -> Micrograph:
    """The Micrograph in a file of one of the `formats`; its content decides which.

    name: the file's name as the user knows it, where `path` has another.
    max_pixels: larger images are refused before they are decoded.
    side: files that the microscope wrote beside the image, each as a path or as (its name, path). What they say is
        used where the image itself says nothing; one that cannot be read never loses the image, but is noted.
    page: the image of a stack, from 1; 0: the first, or the average of frames that lie over each other.
    Raises UnreadableImage, one sentence for the user, for whatever cannot be analysed, whatever the reason.
    """
    tidy_name = file_name(name if name is not None else path.name)
    head = _head(path)
    file_format = recognise(head, tidy_name)
    decoded, parts = _decode(path, file_format, max_pixels, page)
    wrong_name = misnamed(tidy_name, file_format)
    header = fitted(joined(decoded.header, side, decoded.size), decoded)
    micrograph = _micrograph(decoded, header, max_pixels, tidy_name, sha256_of(path))
    if wrong_name:
        micrograph = replace(micrograph, notes=(wrong_name, *micrograph.notes))
    if decoded.pages > 1:
        micrograph.metadata.update({"pages": decoded.pages} | ({"page": page} if page else {}))
    micrograph.metadata.update(parts)
    return micrograph


def _decode(path: Path, file_format: Format, max_pixels: int, page: int) -> tuple[Decoded, dict[str, str]]:
    """The pixels and header of a file of this format, and metadata of its panels and colours; any fault of a decoder
    becomes UnreadableImage."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoded = _image(file_format.read(path, max_pixels, page), file_format, max_pixels)
            if not file_format.is_picture:
                return _part(decoded, [], page)
            has_seams = decoded.colours is None or colours_of(decoded.colours) is None
            return _part(decoded, panels_of(decoded.pixels, seams=has_seams), page)
    except UnreadableImage:
        raise
    except SystemExit as end:  # of a plug-in: it may not end the program that reads by it
        raise UnreadableImage(_NO_IMAGE.format(name=file_format.name)) from end
    except MemoryError:
        raise UnreadableImage(MEMORY) from None
    except ImportError as error:
        raise UnreadableImage(NOT_HERE.format(name=file_format.name, error=str(error).rstrip("."))) from error
    except Exception as error:  # decoders raise exceptions of many types
        raise UnreadableImage(_DAMAGED.format(kind=file_format.name)) from error


def _image(answer: object, file_format: Format, max_pixels: int) -> Decoded:
    """What the reader of a format returned; raises UnreadableImage where it is no image that may be analysed."""
    try:
        return as_image(answer, max_pixels)
    except (TypeError, AttributeError) as error:
        raise UnreadableImage(_NO_IMAGE.format(name=file_format.name)) from error


def _part(decoded: Decoded, panels: Sequence[Panel], page: int) -> tuple[Decoded, dict[str, str]]:
    """A picture, or the panel of a figure or the channel of a map of elements that is asked for, and metadata: the
    panels that are pictures, what the colours say, and the channels."""
    if panels and page:
        top, left, bottom, right = panels[page_index(page, len(panels))].box
        pixels = np.ascontiguousarray(decoded.pixels[top:bottom, left:right])
        colours = None if decoded.colours is None else decoded.colours[top:bottom, left:right]
        marks = None if decoded.marks is None else decoded.marks[top:bottom, left:right]
        panel, facts = _coloured(replace(decoded, pixels=pixels, colours=colours, marks=marks), 0)
        return replace(panel, pages=len(panels)), {name: facts[name] for name in facts if name != CHANNELS}
    if panels:
        note = _panels_note(panels)
        entries = (",".join(map(str, (number, *one.box))) for number, one in enumerate(panels, 1) if one.is_picture)
        return replace(decoded, pages=len(panels), notes=(*decoded.notes, note)), {PANELS: " ".join(entries)}
    return _coloured(decoded, page)


def _coloured(decoded: Decoded, page: int) -> tuple[Decoded, dict[str, str]]:
    """A picture, or one channel of a map of elements, and what its colours say."""
    colour = None if decoded.colours is None else colours_of(decoded.colours)
    channels = colour.channels if colour and decoded.pages == 1 else []
    if decoded.pages == 1:
        page_index(page, len(channels))
    if colour is None or decoded.colours is None:
        return decoded, {}
    if not page or not channels:
        pages = max(decoded.pages, len(channels))
        facts = {COLOURS: colour.kind} | ({CHANNELS: ", ".join(channels)} if channels else {})
        return replace(decoded, pages=pages, notes=(*decoded.notes, colour.note)), facts
    channel = channel_of(decoded.colours, colour.hues, page - 1)
    alone = replace(decoded, pixels=channel, pages=len(channels), marks=None)
    return alone, {COLOURS: CHANNEL, CHANNEL_HERE: channels[page - 1]}


def _panels_note(panels: Sequence[Panel]) -> str:
    numbers = [str(number) for number, panel in enumerate(panels, 1) if panel.is_picture]
    *others, last = numbers
    which = f"Panel {last} is a picture" if not others else f"Panels {', '.join(others)} and {last} are pictures"
    return f"{FIGURE.format(count=len(panels))} {which}. Take each as an image: pages {','.join(numbers)}."


def _head(path: Path) -> bytes:
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
    """The image with square pixels, and its facts; `image_rows`: where a data bar begins, if the header says so."""
    square = squared(decoded, header, max_pixels)
    nm_per_pixel = square.header.nm_per_pixel
    metadata: dict[str, Any] = {"kind": decoded.kind, **header.metadata, **(square.metadata or {})}
    rows, columns = decoded.pixels.shape
    is_as_in_header = not decoded.was_turned and header.columns in (None, columns)
    if header.rows and is_as_in_header and LEAST_ROWS * rows <= header.rows < rows:
        metadata["image_rows"] = float(int(header.rows * square.taller))
    if decoded.marks is not None and decoded.marks.any():
        metadata[MARKS] = as_text(regions_of(as_resampled(decoded.marks, square.pixels.shape, decoded.marks.shape)))
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
