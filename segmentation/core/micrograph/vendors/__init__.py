"""Reads facts (pixel size, instrument) in headers and side files of microscopes and programs: a module for each
maker."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..calibration.crosscheck import contradict, crosscheck
from . import cameras, emi, fei, fibics, hitachi, imagej, jeol, ome, page, sis, tescan, velox, zeiss
from .facts import Facts, Tags

READERS = (
    *(page.read, zeiss.read, fei.read, tescan.read, jeol.read, sis.read, fibics.read),
    *(cameras.read_gatan, cameras.read_tvips, ome.read, imagej.read),
)
UNUSED = "As they contradict each other, none of them is used. Type the image width."
SIDE_READERS = (hitachi.read_side, jeol.read_side, tescan.read_side, emi.read_side)


def facts_of_tags(tags: Tags) -> Facts:
    """The Facts of the first vendor whose header has a pixel size, else of the first vendor with any facts, else empty.
    If the pixel sizes of two vendors contradict each other, neither is used.

    A malformed header is ignored, so that the image is not lost because of it.
    """
    answers = [answer for reader in READERS if (answer := facts_or_none(reader, tags)) is not None]
    answer_used, with_size = _best(answers), {answer.detail: answer for answer in answers if answer.nm_per_pixel}
    if not any(contradict(answer_used, answer) for answer in with_size.values()):
        return answer_used
    notes = (*answer_used.notes, *crosscheck(with_size), UNUSED)
    return replace(answer_used, nm_per_pixel=None, detail="", relative_uncertainty=None, notes=notes)


def facts_of_side_file(raw: bytes, columns: int, rows: int) -> Facts | None:
    """The Facts in a side file of an image of `columns` x `rows` px; None for a file that no vendor's reader knows."""
    answers = [answer for reader in SIDE_READERS if (answer := facts_or_none(reader, raw, columns, rows)) is not None]
    return _best(answers) if answers else None


def _best(answers: Iterable[Facts]) -> Facts:
    """The first answer with a pixel size, else the first with any facts, else empty Facts."""
    without_size = Facts()
    for candidate in answers:
        if candidate.nm_per_pixel:
            return candidate
        if not without_size.metadata and not without_size.notes:
            without_size = candidate
    return without_size


def facts_or_none(read: Callable[..., Facts | None], *header: Any) -> Facts | None:
    """The plausible facts that a reader finds in a header; None if it finds none or the header is malformed."""
    try:
        answer = read(*header)
    except (ValueError, KeyError, IndexError, TypeError, ArithmeticError, RecursionError, struct.error):
        return None
    return None if answer is None else answer.checked()
