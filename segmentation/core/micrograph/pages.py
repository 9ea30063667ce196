"""The pages of a stack, or the pictures among the panels of a figure: which ones are asked for, and one as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import pairwise
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
PANELS = "panels"  # in the metadata of a figure: number and box of each panel that is a picture
FIGURE = "This is a figure of {count} panels."
WRONG = "Pages are numbers from 1, ranges or all, such as 3, 2-5 or all."
TOO_MANY = "These are {count} pages, and a sample takes {most} images: choose fewer, such as 1-{most}."
Box = tuple[int, int, int, int]  # top, left, bottom, right
WHITE = 0.92  # of full white, from which on all pixels of a gutter are
LEAST_PANEL, LEAST_GUTTER = 96, 3  # px; JPEG may blur a narrower gutter
CHART = 0.4  # share of white pixels, or of one grey, from which on a panel is a chart or text
THINNEST, WIDEST = 2, 0.06  # px, and share of the side, of a gutter that is not white
ALIKE = 20  # greys that are one grey, in JPEG
ALONG, BESIDE = 0.97, 0.6  # shares of a row that have this grey in a gutter, and that have another beside it
FILLED = 0.8  # share of a figure that its panels fill where its gutters are not white
SEGMENTS, ALL_ALONG = 8, 0.85  # of a row: parts, and share of these that change at a seam
APART = 16  # px between two seams
JUMP = 1.5  # times the change between other rows, from which on it is a seam
SAMPLED = 2**22  # px that are looked at
_PART = re.compile(r"([0-9]{1,5})(?:\s*[-–]\s*([0-9]{1,5}))?")


class WrongPages(UserError):
    """What is asked for is no list of pages; the message is one sentence for the user."""


def pages_of(text: str, pages: int = LARGEST, *, limit: int = LARGEST) -> list[int]:
    """The pages that a text such as "3", "2-5, 8" or "all" asks for, each once, in its order.

    pages: how many the file has, for "all". Raises WrongPages where it is no such text, or asks for more than `limit`.
    """
    if len(text) > LONGEST:
        raise WrongPages(WRONG)
    chosen: dict[int, None] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        lowest, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if part.strip().lower() == ALL:
            lowest, last = 1, pages
        elif not 1 <= lowest <= last <= LARGEST:
            raise WrongPages(WRONG)
        if last - lowest >= LARGEST:  # the header of a damaged file may claim billions of pages
            raise WrongPages(TOO_MANY.format(count=last, most=limit))
        chosen.update(dict.fromkeys(range(lowest, last + 1)))
    if len(chosen) > limit:
        raise WrongPages(TOO_MANY.format(count=len(chosen), most=limit))
    return list(chosen)


def take_pages(
    text: str, take: Callable[[int], tuple[Path, int]], *, limit: int = LARGEST
) -> Iterator[tuple[int, Path]]:
    """Each page that a text asks for as its number and file; of a file with one page 0 and the file itself.

    take: gives the file of a page, and how many pages there are. Raises WrongPages, and UnreadableImage as `take` does.
    """
    lowest = pages_of(text, 1)[0]
    file, pages = take(lowest)
    if pages == 1:
        yield 0, file
        return
    numbers = pages_of(text, pages, limit=limit)
    page_index(max(numbers), pages)  # raises where it is not there, before any page is taken
    for page in numbers:
        yield page, file if page == lowest else take(page)[0]


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


def panels_of(pixels: NDArray[Any], *, seams: bool = True) -> list[Panel]:
    """The panels of a figure (H, W), in the order of reading; none of a picture that neither white gutters, nor thin
    ones of one grey, nor seams part, and none of charts alone. seams: whether these are looked for; in a photograph
    the horizon is one."""
    step, (height, width) = max(1, int(np.sqrt(pixels.size / SAMPLED))), pixels.shape
    if pixels.dtype != np.uint8:  # figures are drawn in 8 bits
        return []
    small = pixels[::step, ::step]
    for between, share in ((_white, 0.0), (_of_one_grey, FILLED), (_seams, FILLED))[: 3 if seams else 2]:
        boxes = [
            (top, left, bottom, right)
            for top, left, bottom, right in _parted(partial(between, step=step), small, (0, 0, *small.shape))
            if min(bottom - top, right - left) * step >= LEAST_PANEL
        ]
        pictures = [_is_picture(small[top:bottom, left:right], between) for top, left, bottom, right in boxes]
        filled = sum((bottom - top) * (right - left) for top, left, bottom, right in boxes) / small.size
        if len(boxes) > 1 and filled >= share and (any if between is _white else all)(pictures):
            ends = (height, width)
            scaled = [
                (top * step, left * step, min(bottom * step, ends[0]), min(right * step, ends[1]))
                for top, left, bottom, right in boxes
            ]
            return [Panel(box, is_picture) for box, is_picture in zip(scaled, pictures, strict=True)]
    return []


Gutters = Callable[[NDArray[np.uint8]], list[tuple[int, int]]]  # rows first to last - 1 of each, margins included


def _is_picture(part: NDArray[np.uint8], between: Callable[..., Any]) -> bool:
    """Whether a panel is no chart and no text: little of it is white or, beside gutters of another grey, of one
    grey."""
    if between is _white:
        return float((part >= WHITE * 255).mean()) < CHART
    return float(np.bincount(part.ravel(), minlength=256).max()) < CHART * part.size


def _white(part: NDArray[np.uint8], step: int) -> list[tuple[int, int]]:
    """White rows of a part (h, w)."""
    runs = _runs(np.asarray((part >= WHITE * 255).all(1)))
    return [(start, last) for start, last in runs if last - start >= max(1, LEAST_GUTTER // step)]


def _of_one_grey(part: NDArray[np.uint8], step: int) -> list[tuple[int, int]]:
    """Thin runs of rows of one grey, on both sides of which nearly the whole row has another."""
    grey = np.median(part, 1)
    off = np.abs(part - grey[:, np.newaxis].astype(np.float32)) > ALIKE
    gutters = list[tuple[int, int]]()
    is_even = np.asarray(off.mean(1) <= 1 - ALONG)
    steps = np.flatnonzero(np.abs(np.diff(grey)) > ALIKE / 2) + 1  # a panel may be as even as a gutter, in its own grey
    cuts = {start for start, _ in _runs(is_even)} | {last for _, last in _runs(is_even)} | set(steps.tolist())
    for start, last in pairwise(sorted(cuts)):
        if not is_even[start]:
            continue
        level = np.median(grey[start:last])
        beside = [row for row in (start - 2, last + 1) if 0 <= row < len(part)]
        stands_out = all((np.abs(part[row] - level) > ALIKE).mean() >= BESIDE for row in beside)
        if THINNEST <= (last - start) * step <= WIDEST * len(part) * step and beside and stands_out:
            gutters.append((start, last))
    return gutters


def _seams(part: NDArray[np.uint8], step: int) -> list[tuple[int, int]]:
    """Places between two rows, as (row, row), at which all parts of the row change far more than elsewhere."""
    if len(part) < 2 * LEAST_PANEL // step or part.shape[1] < SEGMENTS:
        return []
    change = np.abs(np.diff(part.astype(np.int16), axis=0))
    segments = np.stack([piece.mean(1) for piece in np.array_split(change, SEGMENTS, axis=1)], 1)
    usual = np.maximum(np.median(segments, 0), 1.0)
    jumps = (segments > JUMP * np.quantile(segments, 0.99, axis=0)) & (segments > JUMP * usual)
    rows = np.flatnonzero(jumps.mean(1) >= ALL_ALONG) + 1
    alone = [row for row in rows.tolist() if np.sum(np.abs(rows - row) <= APART) == 1]  # a lost line changes twice
    margin = LEAST_PANEL // step
    return [(row, row) for row in alone if margin <= row <= len(part) - margin]


def _runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last + 1 of each run of marked places."""
    edges = np.flatnonzero(np.diff(np.r_[False, marked, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _parted(gutters: Gutters, pixels: NDArray[np.uint8], box: Box, done: int = 0) -> Iterator[Box]:
    """The boxes that gutters part, rows first, without their margins. done: directions in which nothing was parted."""
    top, left, bottom, right = box
    across = done % 2
    part = pixels[top:bottom, left:right]
    length = part.shape[across]
    ends = [0, *(place for gutter in gutters(part.T if across else part) for place in gutter), length]
    spans = [(start, last) for start, last in zip(ends[::2], ends[1::2], strict=True) if last > start]
    for start, last in spans:
        inner = (top, left + start, bottom, left + last) if across else (top + start, left, top + last, right)
        if len(spans) == 1 and done >= 2:
            yield inner
        else:
            yield from _parted(gutters, pixels, inner, done + 1 if len(spans) == 1 else 1 - across)
