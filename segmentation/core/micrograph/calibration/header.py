"""Completes the facts in the header of an image by those in its side files, and checks them against its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...names import file_name
from .. import vendors
from ..decoded import Decoded
from ..vendors.facts import Facts
from .crosscheck import crosscheck
from .sources import Source
from .square import PERHAPS_NOT_SQUARE, are_square

SideFile = tuple[str, Path]  # name as the user knows it, path
LARGEST_SIDE_FILE = 1 << 24  # bytes that are read
MOST_EXTRA_ROWS = 1  # rows by which an image may be taller than its header says
MOST_ROWS_FACTOR = 1.25  # with its data bar an image has at most 1.25 times the rows without it
TALLER = (
    "The image is taller than the file's header says, so we do not use the pixel size of the header:"
    " type the image width."
)
EITHER = (
    "A pixel is {:.4g} nm wide if the image was only cropped and {:.4g} nm wide if it was resized."
    " We do not know which, so type the image width."
)
UNUSED = "The files beside the image contradict each other, so we use none of them. Type the image width."


def with_side_files(header: Facts, side: Sequence[Path | SideFile], frame: tuple[int, int]) -> Facts:
    """The header's facts, completed by those of side files. frame: columns and rows of the image as its file has them.

    The header takes precedence. A note is added if its pixel size differs by more than 2 % from that of the first side
    file with a pixel size. If only side files have a pixel size and they agree, the facts of the first one are used,
    with columns and rows from the header if the side file has none.
    """
    files: list[tuple[str, Facts]] = []
    notes = list(header.notes)
    for item in side:
        name, path = (item.name, item) if isinstance(item, Path) else item
        try:
            with path.open("rb") as file:
                contents = vendors.facts_of_side_file(file.read(LARGEST_SIDE_FILE), *frame)
        except (OSError, ValueError):
            contents = None
        if contents is None:
            notes.append(f"We could not read the side file {file_name(name)}, so we did not use it.")
        else:
            files.append((file_name(name), contents))
    metadata = dict(header.metadata)
    for _, facts in files:
        metadata = {**facts.metadata, **metadata}
    if files:
        metadata["side_files"] = ", ".join(name for name, _ in files)[:200]
    facts_with_scale = {f"side file {name}": facts for name, facts in files if facts.nm_per_pixel}
    first_with_scale = next(iter(facts_with_scale.values()), None)
    if contradictions := [] if header.nm_per_pixel else _differences(facts_with_scale):
        notes += [*contradictions, UNUSED]
    elif first_with_scale is not None and not header.nm_per_pixel:
        names = ("columns", "rows", "stored_rows")
        dimensions = {name: getattr(first_with_scale, name) or getattr(header, name) for name in names}
        all_notes = (*notes, *first_with_scale.notes)
        return replace(first_with_scale, metadata=metadata, notes=all_notes, source=Source.SIDE_FILE, **dimensions)
    elif first_with_scale is not None:
        notes += _differences({"image's own header": header, "side file": first_with_scale})
    rows = header.rows or next((facts.rows for _, facts in files if facts.rows), None)
    return replace(header, metadata=metadata, rows=rows, notes=tuple(notes))


def _differences(facts: Mapping[str, Facts]) -> list[str]:
    """The sentences of `crosscheck` for facts by name, without regard to their uncertainties: files of one image should
    state the same number, so a difference of more than 2 % is reported even if it can come from rounding."""
    return crosscheck({name: replace(stated, relative_uncertainty=None) for name, stated in facts.items()})


def checked_against_pixels(header: Facts, decoded: Decoded) -> Facts:
    """The header's facts; without a pixel size, and with a note, if the image does not have the header's columns or
    rows.

    An image of another width was cropped or resized, and the header does not tell which. So the pixel size is removed.
    It is also removed if the image has more rows than were acquired.
    """
    columns, rows = decoded.size
    if not header.columns:
        return header
    if header.columns == columns:
        if header.stored_rows:
            most_rows: float = header.stored_rows + MOST_EXTRA_ROWS
        else:
            most_rows = MOST_ROWS_FACTOR * (header.rows or rows)
        return _without_pixel_size(header, TALLER) if rows > most_rows else header
    start = (
        f"The file's header describes an image {header.columns} px wide but this one is {columns} px wide: "
        "it was resized or cropped afterwards. "
    )
    if not header.nm_per_pixel:
        return replace(header, notes=(*header.notes, start.strip()))
    nm_if_cropped, nm_if_resized = header.nm_per_pixel, header.nm_per_pixel * header.columns / columns
    return _without_pixel_size(header, start + EITHER.format(nm_if_cropped, nm_if_resized))


def _without_pixel_size(header: Facts, note: str) -> Facts:
    """The facts without the pixel size, and with a note."""
    notes, width, height = (*header.notes, note), header.nm_per_pixel, header.height_nm
    if width and height and not are_square(width, height):
        notes = (*notes, PERHAPS_NOT_SQUARE.format(width=f"{width:.4g}", height=f"{height:.4g}"))
    return replace(header, nm_per_pixel=None, detail="", relative_uncertainty=None, notes=notes)
