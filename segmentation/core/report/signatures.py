"""Electronic signatures as the reports and the page of a result print them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

COVERAGE = (
    "Each signature covers the stored outlines (segmentation.npz), result.json, the numbers on the page as they were"
    " measured{further}, by these SHA-256 checksums. It covers no correction made since: that makes a new result"
    " without a signature."
)
# What a signature covers: key in the database -> name for people.
DIGESTS = {"labels": "segmentation.npz", "result": "result.json", "numbers": "numbers"}
DIGESTS |= {"covered": "limits, reference material, decision and the method's contents"}
OWN = ", who made the result"  # follows the name of who reviewed or approved a result of one's own


class PrintedSignature(NamedTuple):
    """One signature in words.

    meaning: made, reviewed or approved.
    name: of the person.
    time: ends with "UTC".
    digests: pairs of what is signed (a value of DIGESTS) and its SHA-256.
    by_maker: OWN, or "".
    """

    meaning: str
    name: str
    account: str
    time: str
    digests: tuple[tuple[str, str], ...]
    by_maker: str = ""


def coverage(signatures: Sequence[PrintedSignature]) -> str:
    """What these signatures cover, in words."""
    is_whole = all(len(signature.digests) == len(DIGESTS) for signature in signatures)
    return COVERAGE.format(further=f", {DIGESTS['covered']}" if is_whole else "")


def digests(signatures: Sequence[PrintedSignature]) -> list[tuple[str, str]]:
    """The checksums of all signatures, without repeats: (what is signed, SHA-256). A result that
    did not change between signatures has one for each entry of DIGESTS."""
    return list(dict.fromkeys(digest for signature in signatures for digest in signature.digests))
