"""The pages of a stack, or the pictures among the panels of a figure: which ones are asked for, and one as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .decoded import page_index
from .types import Micrograph
from .vendors.page import FORMAT

ALL = "all"
LONGEST = 100  # characters of what is asked for
LARGEST = 10_000  # number of a page
LONGEST_STEM = 100  # characters of a name
FIGURE = "This is a figure of {count} panels."
WRONG = "Pages are numbers from 1, ranges or all, such as 3, 2-5 or all."
TOO_MANY = "These are {count} pages, and a sample takes {most} images: choose fewer, such as 1-{most}."
Box = tuple[int, int, int, int]  # top, left, bottom, right
WHITE = 0.92  # of full white, from which on all pixels of a gutter are
LEAST_PANEL, LEAST_GUTTER = 96, 3  # px; JPEG may blur a narrower gutter
CHART = 0.4  # share of white pixels from which on a panel is a chart or text
SAMPLED = 2**22  # px that are looked at
_PART = re.compile(r"([0-9]{1,5})(?:\s*[-–]\s*([0-9]{1,5}))?")


class WrongPages(UserError):
    """What is asked for is no list of pages; the message is one sentence for the user."""


def pages_of(text: str, pages: int = LARGEST, *, most: int = LARGEST) -> list[int]:
    """The pages that a text such as "3", "2-5, 8" or "all" asks for, each once, in its order.

    pages: how many the file has, for "all". Raises WrongPages where it is no such text, or asks for more than `most`.
    """
    if len(text) > LONGEST:
        raise WrongPages(WRONG)
    chosen: dict[int, None] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if part.strip().lower() == ALL:
            first, last = 1, pages
        elif not 1 <= first <= last <= LARGEST:
            raise WrongPages(WRONG)
        if last - first >= LARGEST:  # the header of a damaged file may claim billions of pages
            raise WrongPages(TOO_MANY.format(count=last, most=most))
        chosen.update(dict.fromkeys(range(first, last + 1)))
    if len(chosen) > most:
        raise WrongPages(TOO_MANY.format(count=len(chosen), most=most))
    return list(chosen)


def take_pages(
    text: str, take: Callable[[int], tuple[Path, int]], *, most: int = LARGEST
) -> Iterator[tuple[int, Path]]:
    """Each page that a text asks for as its number and file; of a file with one page 0 and the file itself.

    take: gives the file of a page, and how many pages there are. Raises WrongPages, and UnreadableImage as `take` does.
    """
    first = pages_of(text, 1)[0]
    file, pages = take(first)
    if pages == 1:
        yield 0, file
        return
    numbers = pages_of(text, pages, most=most)
    page_index(max(numbers), pages)  # raises where it is not there, before any page is taken
    for page in numbers:
        yield page, file if page == first else take(page)[0]


def page_name(name: str, page: int) -> str:
    """What the file of a page is called: "stack.mrc" has "stack page 3.tif"."""
    return f"{PurePosixPath(name).stem[:LONGEST_STEM]} page {page}.tif"


def write_page(micrograph: Micrograph, path: Path) -> None:
    """Write an image that was read as a page of a stack (`page` from 1 on) as a TIFF of one page, grey as read.

    Its description holds scale, instrument and notes as JSON (`vendors.page` reads them), and names the stack with its
    SHA-256; "format" comes first, by which they are known. Equal pages of equal stacks give equal bytes.
    """
    from tifffile import imwrite  # which the web process never reaches

    metadata = micrograph.metadata
    origin = "page {page} of {pages}, {kind}".format_map(metadata)
    stack = {"stack": f"{micrograph.name}, {origin}", "stack_sha256": micrograph.sha256}
    facts = {"calibration": asdict(micrograph.calibration), "metadata": {**metadata, **stack}}
    text = json.dumps({"format": FORMAT, **facts, "notes": micrograph.notes}, allow_nan=False)
    imwrite(path, micrograph.pixels, description=text, metadata=None, photometric="minisblack")


class Panel(NamedTuple):
    """box: of a figure, in px. is_picture: no chart and no text."""

    box: Box
    is_picture: bool


def panels_of(pixels: NDArray[Any]) -> list[Panel]:
    """The panels of a figure (H, W), in the order of reading; none of a picture that white gutters do not part, and
    none of charts alone."""
    step, (height, width) = max(1, int(np.sqrt(pixels.size / SAMPLED))), pixels.shape
    if pixels.dtype != np.uint8:  # figures are drawn in 8 bits
        return []
    is_white = pixels[::step, ::step] >= WHITE * 255
    if not is_white.all(1).any() and not is_white.all(0).any():
        return []
    panels = list[Panel]()
    for top, left, bottom, right in _parted(is_white, (0, 0, *is_white.shape), max(1, LEAST_GUTTER // step)):
        if min(bottom - top, right - left) * step >= LEAST_PANEL:
            box = top * step, left * step, min(bottom * step, height), min(right * step, width)
            panels.append(Panel(box, float(is_white[top:bottom, left:right].mean()) < CHART))
    is_figure = len(panels) > 1 and any(panel.is_picture for panel in panels)
    return panels if is_figure else []


def _parted(is_white: NDArray[np.bool_], box: Box, gutter: int, done: int = 0) -> Iterator[Box]:
    """The boxes that white rows and columns part, without their margins. done: directions in which nothing was parted;
    rows come first."""
    top, left, bottom, right = box
    across = done % 2
    dark = np.flatnonzero(~is_white[top:bottom, left:right].all(1 - across))
    if not len(dark):
        return
    ends = np.flatnonzero(np.diff(dark) > gutter)
    firsts, lasts = dark[np.r_[0, ends + 1]], dark[np.r_[ends, len(dark) - 1]] + 1
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        part = (top, left + first, bottom, left + last) if across else (top + first, left, top + last, right)
        if len(firsts) == 1 and done >= 2:
            yield part
        else:
            yield from _parted(is_white, part, gutter, done + 1 if len(firsts) == 1 else 1 - across)
