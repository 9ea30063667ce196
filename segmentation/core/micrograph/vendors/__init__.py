"""Headers and side files of the makers of microscopes and software: one module for each."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..crosscheck import contradict, crosscheck
from . import cameras, emi, fei, fibics, hitachi, imagej, jeol, ome, page, sis, tescan, velox, zeiss
from .facts import Facts, Tags

READERS = (
    *(page.read, zeiss.read, fei.read, tescan.read, jeol.read, sis.read, fibics.read),
    *(cameras.read_gatan, cameras.read_tvips, ome.read, imagej.read),
)
UNUSED = "As they contradict each other, none of them is used. Type the image width."
SIDE_READERS = (hitachi.read_side, jeol.read_side, tescan.read_side, emi.read_side)  # not all need the size


def facts(tags: Tags) -> Facts:
    """The Facts of the first vendor that gives a pixel size, else of the first that says anything, else empty ones. If
    the sizes of two vendors contradict each other, neither is used.

    A malformed header is ignored, so that the image is not lost because of it.
    """
    answers = [answer for reader in READERS if (answer := checked(reader, tags)) is not None]
    answer_used, sized = _best(answers), {answer.detail: answer for answer in answers if answer.nm_per_pixel}
    if not any(contradict(answer_used, answer) for answer in sized.values()):
        return answer_used
    notes = (*answer_used.notes, *crosscheck(sized), UNUSED)
    return replace(answer_used, nm_per_pixel=None, detail="", relative_uncertainty=None, notes=notes)


def side_facts(raw: bytes, columns: int, rows: int) -> Facts | None:
    """What a side file says about an image of `columns` x `rows` px; None for a file that no vendor's reader knows."""
    answers = [answer for reader in SIDE_READERS if (answer := checked(reader, raw, columns, rows)) is not None]
    return _best(answers) if answers else None


def _best(answers: Iterable[Facts]) -> Facts:
    """The first answer with a pixel size, else the first that says anything."""
    silent = Facts()
    for candidate in answers:
        if candidate.nm_per_pixel:
            return candidate
        if not silent.metadata and not silent.notes:
            silent = candidate
    return silent


def checked(read: Callable[..., Facts | None], *header: Any) -> Facts | None:
    """What a reader says of a header, checked; None where it says nothing or the header is malformed."""
    try:
        answer = read(*header)
    except (ValueError, KeyError, IndexError, TypeError, ArithmeticError, RecursionError, struct.error):
        return None
    return None if answer is None else answer.checked()
