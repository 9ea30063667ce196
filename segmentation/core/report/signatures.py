"""What a report for filing says of its making: date, address and electronic signatures; pages print the last, too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

MEANING = (
    "Each signature covers the stored outlines (segmentation.npz), result.json and the numbers on the page as they were"
    " measured, by these SHA-256 checksums. It covers no correction made since: that makes a new result without a"
    " signature."
)
DIGESTS = {"labels": "segmentation.npz", "result": "result.json", "numbers": "numbers"}


class Filing(NamedTuple):
    """created: when the result was made, which is also the date in the PDF. address: of its page; sample: to which an
    image belongs; "" without one. image: the file as it was uploaded, for a notebook entry."""

    created: datetime | None = None
    address: str = ""
    sample: str = ""
    image: Path | None = None

    @property
    def date(self) -> str:
        return f"{self.created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.created else ""


UNFILED = Filing()


class Signed(NamedTuple):
    """meaning: made, reviewed or approved. name: as printed. time: with "UTC". digests: what is signed, as DIGESTS call
    it, and its SHA-256."""

    meaning: str
    name: str
    account: str
    time: str
    digests: tuple[tuple[str, str], ...]


def digests(signatures: Sequence[Signed]) -> list[tuple[str, str]]:
    """The checksums under all signatures, each once; of an unchanged result these are three."""
    return list(dict.fromkeys(digest for signed in signatures for digest in signed.digests))
