"""File -> Micrograph: every fault of a file becomes one sentence here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .decoded import Decoded, page_index
from .emd import read_emd
from .gatan import read_gatan
from .header import Side, fitted, joined
from .kinds import HEAD_BYTES, Kind, clean_name, misnamed, recognise, sha256_of
from .marks import as_text, regions_of
from .mrc import read_mrc
from .pages import FIGURE, Panel, panels_of
from .picture import read_picture
from .ser import read_ser
from .tiff import read_tiff
from .types import Calibration, Micrograph, UnreadableImage
from .vendors.facts import MARKS

MAX_PIXELS = 500_000_000
LEAST_ROWS = 0.7  # of the rows: a header with fewer is of another picture, as no data bar takes more than a quarter
_DAMAGED = "The {kind} file is damaged or incomplete and cannot be read: copy or export it again."
MEMORY = "The image needs more memory than there is: upload a smaller part of it."


_READERS: dict[Kind, Callable[[Path, int, int], Decoded]] = {
    "TIFF": read_tiff,
    "DM3": read_gatan,
    "DM4": read_gatan,
    "SER": read_ser,
    "MRC": read_mrc,
    "EMD": read_emd,
}


def read(
    path: Path,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    side: Sequence[Path | Side] = (),
    page: int = 0,
) -> Micrograph:
    """The Micrograph in a TIFF, PNG, JPEG, BMP, DM3, DM4, SER, MRC or EMD file; its content decides which.

    name: the file's name as the user knows it, where `path` has another.
    max_pixels: larger images are refused before they are decoded.
    side: files that the microscope wrote beside the image, each as a path or as (its name, path). What they say is
        used where the image itself says nothing; one that cannot be read never loses the image, but is noted.
    page: the image of a stack, from 1; 0: the first, or the average of frames that lie over each other.
    Raises UnreadableImage, one sentence for the user, for whatever cannot be analysed, whatever the reason.
    """
    tidy_name = clean_name(name if name is not None else path.name)
    head = _head(path)
    kind = recognise(head, tidy_name)
    decoded, panels = _decode(path, kind, max_pixels, page)
    wrong_name = misnamed(tidy_name, kind)
    micrograph = _micrograph(decoded, tidy_name, sha256_of(path), [wrong_name] if wrong_name else [], side)
    if decoded.pages > 1 or panels:
        micrograph.metadata.update({"pages": decoded.pages} | ({"page": page} if page else {}))
    if panels and not page:
        micrograph.metadata["panels"] = " ".join(
            ",".join(map(str, (number, *panel.box))) for number, panel in enumerate(panels, 1) if panel.is_picture
        )
    return micrograph


def _decode(path: Path, kind: Kind, max_pixels: int, page: int) -> tuple[Decoded, list[Panel]]:
    """The pixels and header of a file of this kind, and its panels if it is a figure; any fault of a decoder becomes
    UnreadableImage."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = _READERS.get(kind)
            if reader:
                return reader(path, max_pixels, page), []
            return _picture(read_picture(path, kind, max_pixels), page)
    except UnreadableImage:
        raise
    except MemoryError:
        raise UnreadableImage(MEMORY) from None
    except Exception as error:  # decoders raise exceptions of many types
        raise UnreadableImage(_DAMAGED.format(kind=kind)) from error


def _picture(decoded: Decoded, page: int) -> tuple[Decoded, list[Panel]]:
    """A picture, or the panel of a figure that is asked for, with the panels that are pictures."""
    panels = panels_of(decoded.pixels)
    index = page_index(page, len(panels))
    if not panels:
        return decoded, []
    if page:
        top, left, bottom, right = panels[index].box
        pixels = np.ascontiguousarray(decoded.pixels[top:bottom, left:right])
        marks = None if decoded.marks is None else decoded.marks[top:bottom, left:right]
        return replace(decoded, pixels=pixels, pages=len(panels), marks=marks), panels
    numbers = [str(number) for number, panel in enumerate(panels, 1) if panel.is_picture]
    *others, last = numbers
    which = f"Panel {last} is a picture" if not others else f"Panels {', '.join(others)} and {last} are pictures"
    note = f"{FIGURE.format(count=len(panels))} {which}. Take each as an image: pages {','.join(numbers)}."
    return replace(decoded, pages=len(panels), notes=(*decoded.notes, note)), panels


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


def _micrograph(decoded: Decoded, name: str, sha256: str, notes: list[str], side: Sequence[Path | Side]) -> Micrograph:
    """What was decoded, with the facts of side files; `image_rows`: where a data bar begins, if the header says so."""
    header = fitted(joined(decoded.header, side, decoded.size), decoded)
    nm_per_pixel = header.nm_per_pixel
    metadata: dict[str, str | float] = {"kind": decoded.kind, **header.metadata}
    rows, columns = decoded.pixels.shape
    is_as_in_header = not decoded.was_turned and header.columns in (None, columns)
    if header.rows and is_as_in_header and LEAST_ROWS * rows <= header.rows < rows:
        metadata["image_rows"] = float(header.rows)
    if decoded.marks is not None and decoded.marks.any():
        metadata[MARKS] = as_text(regions_of(decoded.marks))
    return Micrograph(
        pixels=decoded.pixels,
        name=name,
        sha256=sha256,
        calibration=Calibration(nm_per_pixel, header.source, header.detail, header.relative_uncertainty)
        if nm_per_pixel
        else Calibration.absent(),
        metadata=metadata,
        notes=(*notes, *decoded.notes, *header.notes),
    )
