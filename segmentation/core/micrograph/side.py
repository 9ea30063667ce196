"""What the files beside an image add to what the image's own header says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from . import vendors
from .crosscheck import crosscheck
from .names import clean_name
from .types import Calibration
from .vendors.facts import Facts

Side = tuple[str, Path]
LARGEST = 1 << 24  # bytes of a side file that are looked at


@dataclass(frozen=True)
class Joined:
    """facts: of the image and its side files together. source: which of them gave the pixel size."""

    facts: Facts
    source: Literal["metadata", "side file"]


def joined(header: Facts, side: Sequence[Path | Side], size: tuple[int, int]) -> Joined:
    """The header's facts, completed by those of side files; size: columns and rows as the image's file stores them.

    The header comes first wherever both say something; a pixel size that differs by more than 2 % is noted.
    """
    found: list[tuple[str, Facts]] = []
    notes: list[str] = []
    for name, path in _named(side):
        said = _read(path, size)
        if said is None:
            notes.append(f"The side file {name} says nothing that can be read, so it was not used.")
        else:
            found.append((name, said))
    return _together(header, found, notes)


def _named(side: Sequence[Path | Side]) -> list[Side]:
    pairs = [(item.name, item) if isinstance(item, Path) else item for item in side]
    return [(clean_name(name), path) for name, path in pairs]


def _read(path: Path, size: tuple[int, int]) -> Facts | None:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST)
    except (OSError, ValueError):
        return None
    return vendors.side_facts(raw, *size)


def _together(header: Facts, found: list[tuple[str, Facts]], notes: list[str]) -> Joined:
    metadata = dict(header.metadata)
    for _, facts in found:
        metadata = {**facts.metadata, **metadata}
    if found:
        metadata["side_files"] = ", ".join(name for name, _ in found)[:200]
    sized = next((facts for _, facts in found if facts.nm_per_pixel), None)
    if header.nm_per_pixel or sized is None:
        doubts = _doubts(header, sized)
        rows = header.rows or next((facts.rows for _, facts in found if facts.rows), None)
        facts = replace(header, metadata=metadata, rows=rows, notes=(*header.notes, *notes, *doubts))
        return Joined(facts, "metadata")
    return Joined(replace(sized, metadata=metadata, notes=(*header.notes, *notes, *sized.notes)), "side file")


def _doubts(header: Facts, sized: Facts | None) -> list[str]:
    if sized is None:
        return []
    known = {"image's own header": header, "side file": sized}
    return crosscheck({name: Calibration(facts.nm_per_pixel, "metadata") for name, facts in known.items()})
