"""Electronic signatures as the report for filing and the page print them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MEANING = (
    "Each signature covers the stored outlines (segmentation.npz), result.json and the numbers on the page as they were"
    " measured, by these SHA-256 checksums. It covers no correction made since: that makes a new result without a"
    " signature."
)
DIGESTS = {"labels": "segmentation.npz", "result": "result.json", "numbers": "numbers"}


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
