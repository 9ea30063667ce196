"""Checks whether an image may join a sample that grows by a method: by its scale and its kind of analysis.

`measure.pooling` finds images that are outliers among the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TypedDict

from ..measure.pooled_fields import COARSER
from ..measure.quantities import significant
from ..micrograph.sources import Source
from ..tasks import find
from .method import MethodDescription, source_words


class Choice(TypedDict, total=False):
    """What a person decided about an image of a sample. by: the account. at: when, in ISO 8601. included: whether the
    image counts since then. waited: why it had waited for this yes, "" if it had not."""

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
