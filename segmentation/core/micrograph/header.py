"""The facts in the header of an image, completed by its side files and checked against its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..names import file_name
from . import vendors
from .crosscheck import crosscheck
from .decoded import Decoded
from .sources import Source
from .square import NOT_KNOWN, are_square
from .vendors.facts import Facts

Side = tuple[str, Path]
LARGEST = 1 << 24  # bytes of a side file that are looked at
SLACK = 1  # row
WITH_BAR = 1.25  # an image with its data bar has at most so many times the rows of the image alone
TALLER = (
    "The image is taller than the file's header says, so we do not use the pixel size of the header:"
    " type the image width."
)
EITHER = (
    "A pixel is {:.4g} nm wide if the image was only cropped and {:.4g} nm wide if it was resized."
    " We do not know which, so type the image width."
)
UNUSED = "The files beside the image contradict each other, so we use none of them. Type the image width."


def joined(header: Facts, side: Sequence[Path | Side], frame: tuple[int, int]) -> Facts:
    """The header's facts, completed by those of side files; frame: columns and rows as the image's file stores them.

    The header takes precedence; a sentence says where the pixel size of the first side file that has one differs from
    the header's by more than 2 %. Where only side files have a pixel size and agree, the facts of the first of them are
    used, completed by the size of the image as the header has it.
    """
    files: list[tuple[str, Facts]] = []
    notes = list(header.notes)
    for item in side:
        name, path = (item.name, item) if isinstance(item, Path) else item
        try:
            with path.open("rb") as file:
                contents = vendors.side_facts(file.read(LARGEST), *frame)
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
        notes += [*contradictions, UNUSED]  # which one is right is not known
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
    """`crosscheck` of facts by name, without their uncertainties: files of one image state one number, so more than 2 %
    between them is to be checked, even where few digits would allow it."""
    return crosscheck({name: replace(one, relative_uncertainty=None) for name, one in facts.items()})


def fitted(header: Facts, decoded: Decoded) -> Facts:
    """The header's facts for the actual pixels, with a sentence if their number differs from the header's.

    An image of another width was cropped or resized. Which of the two is not known, because a crop may have the same
    aspect. So the pixel size of the header is not used. Nor is it used if the image is taller than it can have been.
    """
    columns, rows = decoded.size
    if not header.columns:
        return header
    if header.columns == columns:
        highest = header.stored_rows + SLACK if header.stored_rows else WITH_BAR * (header.rows or rows)
        return _not_used(header, TALLER) if rows > highest else header
    start = (
        f"The file's header describes an image {header.columns} px wide but this one is {columns} px wide: "
        "it was resized or cropped afterwards. "
    )
    if not header.nm_per_pixel:
        return replace(header, notes=(*header.notes, start.strip()))
    nm_if_cropped, nm_if_resized = header.nm_per_pixel, header.nm_per_pixel * header.columns / columns
    return _not_used(header, start + EITHER.format(nm_if_cropped, nm_if_resized))


def _not_used(header: Facts, note: str) -> Facts:
    notes, width, height = (*header.notes, note), header.nm_per_pixel, header.height_nm
    if width and height and not are_square(width, height):
        notes = (*notes, NOT_KNOWN.format(width=f"{width:.4g}", height=f"{height:.4g}"))
    return replace(header, nm_per_pixel=None, detail="", relative_uncertainty=None, notes=notes)
