"""Checks whether an image may join a sample that grows by a method: by its scale and its kind of analysis; and whether
a result is one of its method, so that charts and studies count it without a person's yes.

`measure.pooling` finds images that are outliers among the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TypedDict

from ..analysis import MethodUsed
from ..measure.quantities import significant
from ..measure.uncertainty.pooled_fields import COARSER
from ..micrograph.calibration.sources import Source
from ..tasks import find
from .method import MethodDescription, source_words
from .method_file import UNAPPROVED


class Choice(TypedDict, total=False):
    """What a person decided about an image of a sample, or a result in a chart or study. by: the account. at: when, in
    ISO 8601. included: whether it counts since then. waited: why it had waited for this yes, "" if it had not."""

    by: str
    at: str
    included: bool
    waited: str


def choice_words(choice: Choice) -> str:
    """The decision as a sentence; "" without one."""
    if not choice:
        return ""
    act = "Counted" if choice["included"] else "Left out"
    why = f", although it had waited: {choice['waited'].removesuffix('.')}" if choice.get("waited") else ""
    return f"{act} by {choice['by']} on {choice['at'][:10]}{why}."


def reasons_not_to_count(
    method: MethodDescription | None, used: MethodUsed | None, doubt: str, images: int, particles: int | None
) -> list[str]:
    """The reasons why a result does not count in charts and studies of its method without a person's yes, as
    sentences; [] if it does.

    method: the description; None if it cannot be read. used: the method as the result says it. doubt: why nothing may
    be decided by the numbers, "" if something may. images, particles: how many of them count; particles is None for a
    kind of analysis that counts none.
    """
    lines = [f"Nothing may be decided by its numbers: {doubt}."] if doubt else []
    if used is not None:
        lines += [*([UNAPPROVED] if used.state == "draft" else []), *used.departures]
    if method is not None and images < method.least_images:
        lines.append(f"It is of {images} image{'' if images == 1 else 's'}; the method asks for {method.least_images}.")
    if method is not None and particles is not None and particles < method.least_particles:
        things = find(method.task).things if method.least_particles != 1 else find(method.task).thing
        lines.append(f"It has {particles:,} {things}; the method asks for {method.least_particles:,}.")
    return lines


ENOUGH = "Enough was measured before this image came"  # a reason, like those of `reasons_not_to_join`


def reasons_not_to_join(
    method: MethodDescription, task: str, source: Source, nm_per_pixel: float | None, others: Sequence[float]
) -> list[str]:
    """The reasons why an image may not join a sample, as sentences without a full stop; [] if it may.

    method: the method of the sample. task: the image's kind of analysis. source, nm_per_pixel: source and pixel size of
    its scale. others: nm per pixel of the images that count.
    """
    lines = []
    if task != method.task:
        lines.append(f"This is an analysis of {find(task).title}; the method is for {find(method.task).title}")
    if source not in method.scale_sources:
        lines.append(f"The scale is {source.words}; the method asks for one {source_words(method.scale_sources)}")
    if nm_per_pixel is not None and others:
        usual = median(others)
        if max(nm_per_pixel / usual, usual / nm_per_pixel) > COARSER:
            new, median_size = (significant(size, 3) for size in (nm_per_pixel, usual))
            lines.append(f"A pixel is {new} nm; in the images that count it is {median_size} nm")
    return lines
