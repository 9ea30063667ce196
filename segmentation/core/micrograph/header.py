"""What the header of an image says: completed by the files beside it, and fitted to the pixels that there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from . import vendors
from .crosscheck import crosscheck
from .databar import find_data_bar
from .decoded import Decoded
from .kinds import clean_name
from .types import Calibration
from .vendors.facts import Facts

Side = tuple[str, Path]
LARGEST = 1 << 24  # bytes of a side file that are looked at
SLACK = 1.0  # px by which a resampled height may be rounded
BAR_SLACK = 2.0  # px by which a data bar's first row may be found wrongly


def joined(header: Facts, side: Sequence[Path | Side], size: tuple[int, int]) -> Facts:
    """The header's facts, completed by those of side files; size: columns and rows as the image's file stores them.

    The header comes first wherever both say something; a pixel size that differs by more than 2 % is noted.
    """
    found: list[tuple[str, Facts]] = []
    notes = list(header.notes)
    for item in side:
        name, path = (item.name, item) if isinstance(item, Path) else item
        said = _said_in(path, size)
        if said is None:
            notes.append(f"The side file {clean_name(name)} says nothing that can be read, so it was not used.")
        else:
            found.append((clean_name(name), said))
    metadata = dict(header.metadata)
    for _, facts in found:
        metadata = {**facts.metadata, **metadata}
    if found:
        metadata["side_files"] = ", ".join(name for name, _ in found)[:200]
    sized = next((facts for _, facts in found if facts.nm_per_pixel), None)
    if sized is not None and not header.nm_per_pixel:
        return replace(sized, metadata=metadata, notes=(*notes, *sized.notes), source="side file")
    if sized is not None:
        known = {"image's own header": header, "side file": sized}
        notes += crosscheck({name: Calibration(facts.nm_per_pixel, "metadata") for name, facts in known.items()})
    rows = header.rows or next((facts.rows for _, facts in found if facts.rows), None)
    return replace(header, metadata=metadata, rows=rows, notes=tuple(notes))


def _said_in(path: Path, size: tuple[int, int]) -> Facts | None:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST)
    except (OSError, ValueError):
        return None
    return vendors.side_facts(raw, *size)


def fitted(header: Facts, decoded: Decoded) -> Facts:
    """The header's facts for the pixels that there are, with a sentence where they are not those it describes.

    Another width with the same aspect: the image was resampled, so the field of view stays and the pixel size is
    computed from it. A smaller one with another aspect: it was cropped, and the pixel size stays. Anything else can
    be neither, and the header's pixel size is not used. A crop of the very same aspect cannot be told from a
    resampled image: the sentence says what was taken to be.
    """
    columns, _ = decoded.size
    if not header.columns or header.columns == columns:
        return header
    start = (
        f"The file's header describes an image {header.columns} px wide but this one is {columns} px wide: "
        "it was resized or cropped after it was taken. "
    )
    if not header.nm_per_pixel:
        return replace(header, notes=(*header.notes, start.strip()))
    return _decided(header, decoded, start)


def _decided(header: Facts, decoded: Decoded, start: str) -> Facts:
    columns, rows = decoded.size
    size, whole = header.nm_per_pixel or 0.0, header.columns or columns
    highest = header.stored_rows or header.rows
    if _is_resampled(header, decoded):
        size *= whole / columns
        told = f"Its shape says resized: the pixel size was changed to {size:.4g} nm, which keeps the field of view"
    elif columns < whole and (highest is None or rows <= 1.25 * highest):
        told = f"It is taken to be cropped: the pixel size of the header, {size:.4g} nm, is used as it is"
    else:
        note = f"{start}The pixel size of the header is not used, since it may not be that of this image."
        return replace(header, nm_per_pixel=None, detail="", relative_uncertainty=None, notes=(*header.notes, note))
    return replace(header, nm_per_pixel=size, notes=(*header.notes, f"{start}{told}; please check the image width."))


def _is_resampled(header: Facts, decoded: Decoded) -> bool:
    """Whether the height has changed as the width has; a data bar may have been cut off or kept."""
    columns, rows = decoded.size
    scale = columns / (header.columns or columns)
    if any(known and abs(rows - scale * known) <= SLACK for known in (header.stored_rows, header.rows)):
        return True
    if not header.rows or decoded.was_turned:
        return False
    return abs(find_data_bar(decoded.pixels) - scale * header.rows) <= BAR_SLACK
