"""Reads the page numbers that a user typed, writes a page of a stack as a file, and finds the panels of a figure.

Panels of a figure are numbered and taken like pages of a stack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
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

ALL_PAGES = "all"
LONGEST_REQUEST = 100  # characters of the text with the page numbers
LARGEST_PAGE = 10_000  # largest number of a page
LONGEST_STEM = 100  # characters of a file's name
PANELS = "panels"  # key in the metadata of a figure: number and box of each panel that is a picture
SIGNS_OF_PANELS = "signs_of_panels"  # key of `Segmentation.used`: what shows that a picture holds several panels
FIGURE = "This is a figure of {count} panels. {which}. Take each as an image: pages {pages}."
WRONG = "Pages are numbers from 1, ranges or all, such as 3, 2-5 or all."
TOO_MANY = "These are {count} pages, and a sample takes {most} images: choose fewer, such as 1-{most}."
Box = tuple[int, int, int, int]  # top, left, bottom, right
WHITE = 0.92  # share of full white: all pixels of a white gutter (the space between panels) are at least as bright
LEAST_PANEL, LEAST_GUTTER = 96, 3  # px; JPEG may blur a narrower gutter
CHART_SHARE = 0.4  # share of white pixels, or of pixels of one grey, from which on a panel is a chart or text
THINNEST_PX, WIDEST_SHARE = 2, 0.06  # width of a grey gutter: least px, largest share of the side
TOLERANCE = 20  # grey levels by which pixels of one grey differ in a JPEG
# Least share of a row that has the grey of the gutter, in the gutter; that has another grey, beside the gutter.
LEAST_INSIDE, LEAST_BESIDE = 0.97, 0.6
FILLED_SHARE = 0.8  # share of a figure that its panels fill where its gutters are not white
SEGMENTS, LEAST_CHANGED = 8, 0.5  # parts of a row, and the share of them that change at a seam
SEAM_MEAN_PX = 15  # px along the row of which means are compared, too: noise hides where panels of one grey touch
SEAM_DISTANCE = 16  # px between two seams, at least
SEAM_FACTOR = 1.5  # a seam changes so many times as much as other rows
SAMPLED_PX = 2**22  # px of the thinned figure in which panels are searched
_PART = re.compile(r"([0-9]{1,5})(?:\s*[-–]\s*([0-9]{1,5}))?")


class WrongPages(UserError):
    """A text that is no valid list of pages; the message is one sentence for the user."""


def panels_note(metadata: Mapping[str, Any]) -> str:
    """A sentence for the user: how many panels a figure has, and which of them are pictures; "" for another image."""
    *others, last = [entry.partition(",")[0] for entry in str(metadata.get(PANELS, "")).split()] or [""]
    which = f"Panel {last} is a picture" if not others else f"Panels {', '.join(others)} and {last} are pictures"
    return last and FIGURE.format(count=metadata.get("pages"), which=which, pages=",".join([*others, last]))


def pages_of(text: str, pages: int = LARGEST_PAGE, *, limit: int = LARGEST_PAGE) -> list[int]:
    """The page numbers in a text such as "3", "2-5, 8" or "all", each once, in the order of the text.

    pages: number of pages of the file, for "all". Raises WrongPages for any other text, and for more than `limit`
    pages.
    """
    if len(text) > LONGEST_REQUEST:
        raise WrongPages(WRONG)
    chosen: dict[int, None] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        lowest, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if part.strip().lower() == ALL_PAGES:
            lowest, last = 1, pages
        elif not 1 <= lowest <= last <= LARGEST_PAGE:
            raise WrongPages(WRONG)
        if last - lowest >= LARGEST_PAGE:  # the header of a damaged file may claim billions of pages
            raise WrongPages(TOO_MANY.format(count=last, most=limit))
        chosen.update(dict.fromkeys(range(lowest, last + 1)))
    if len(chosen) > limit:
        raise WrongPages(TOO_MANY.format(count=len(chosen), most=limit))
    return list(chosen)


def take_pages(
    text: str, take: Callable[[int], tuple[Path, int]], *, limit: int = LARGEST_PAGE
) -> Iterator[tuple[int, Path]]:
    """(number, file) of each page in a text of page numbers; (0, the file itself) for a file with one page.

    take(number): (file of this page, number of pages). Raises WrongPages, and UnreadableImage like `take`.
    """
    lowest = pages_of(text, 1)[0]
    file, pages = take(lowest)
    if pages == 1:
        yield 0, file
        return
    numbers = pages_of(text, pages, limit=limit)
    page_index(max(numbers), pages)  # raises before any page is taken
    for page in numbers:
        yield page, file if page == lowest else take(page)[0]


def page_name(name: str, page: int) -> str:
    """The name of the file of a page, such as "stack page 3.tif" for page 3 of "stack.mrc"."""
    return f"{PurePosixPath(name).stem[:LONGEST_STEM]} page {page}.tif"


def write_page(micrograph: Micrograph, path: Path) -> None:
    """Write an image that was read as a page of a stack as a TIFF of one page, with its grey values.

    The TIFF's description is JSON with scale, instrument, notes, and name and SHA-256 of the stack, which
    `vendors.page` reads. It begins with "format", by which `vendors.page` recognises it. Equal pages of equal stacks
    give equal bytes.
    """
    from tifffile import imwrite  # here, so that the web process does not load it

    metadata = micrograph.metadata
    origin = "page {page} of {pages}, {kind}".format_map(metadata)
    stack = {"stack": f"{micrograph.name}, {origin}", "stack_sha256": micrograph.sha256}
    facts = {"calibration": asdict(micrograph.calibration), "metadata": {**metadata, **stack}}
    text = json.dumps({"format": FORMAT, **facts, "notes": micrograph.notes}, allow_nan=False)
    imwrite(path, micrograph.pixels, description=text, metadata=None, photometric="minisblack")


class Panel(NamedTuple):
    """A panel of a figure. box: in px of the figure. is_picture: whether it is neither a chart nor text."""

    box: Box
    is_picture: bool


def panels_of(pixels: NDArray[Any], *, seams: bool = True) -> list[Panel]:
    """The panels of a figure (H, W), in the order of reading; [] for a single picture, and for charts alone.

    Panels are divided by white gutters, else by thin gutters of one grey, else by seams, where two panels touch.
    seams: whether seams are searched; in a photograph the horizon looks like one."""
    step, (height, width) = max(1, int(np.sqrt(pixels.size / SAMPLED_PX))), pixels.shape
    if pixels.dtype != np.uint8:  # figures are drawn in 8 bits
        return []
    small = pixels[::step, ::step]
    methods = ((_white_gutters, 0.0), (_grey_gutters, FILLED_SHARE), (_seams, FILLED_SHARE))
    for find_gutters, share in methods[: 3 if seams else 2]:
        boxes = [
            (top, left, bottom, right)
            for top, left, bottom, right in _panel_boxes(partial(find_gutters, step=step), small, (0, 0, *small.shape))
            if min(bottom - top, right - left) * step >= LEAST_PANEL
        ]
        pictures = [_is_picture(small[top:bottom, left:right], find_gutters) for top, left, bottom, right in boxes]
        filled = sum((bottom - top) * (right - left) for top, left, bottom, right in boxes) / small.size
        has_pictures = any(pictures) if find_gutters is _white_gutters else all(pictures)
        if len(boxes) > 1 and filled >= share and has_pictures:
            ends = (height, width)
            scaled = [
                (top * step, left * step, min(bottom * step, ends[0]), min(right * step, ends[1]))
                for top, left, bottom, right in boxes
            ]
            return [Panel(box, is_picture) for box, is_picture in zip(scaled, pictures, strict=True)]
    return []


FindGutters = Callable[[NDArray[np.uint8]], list[tuple[int, int]]]  # first row and last + 1 of each gutter or margin


def _is_picture(part: NDArray[np.uint8], find_gutters: Callable[..., Any]) -> bool:
    """Whether a panel is neither a chart nor text: little of it is white or, if the gutters are not white, of one
    grey."""
    if find_gutters is _white_gutters:
        return float((part >= WHITE * 255).mean()) < CHART_SHARE
    return float(np.bincount(part.ravel(), minlength=256).max()) < CHART_SHARE * part.size


def _white_gutters(part: NDArray[np.uint8], step: int) -> list[tuple[int, int]]:
    """White gutters between rows of a part (h, w) of the thinned figure, which has every `step`-th pixel."""
    runs = _runs(np.asarray((part >= WHITE * 255).all(1)))
    return [(start, last) for start, last in runs if last - start >= max(1, LEAST_GUTTER // step)]


def _grey_gutters(part: NDArray[np.uint8], step: int) -> list[tuple[int, int]]:
    """Thin runs of rows of one grey, on both sides of which nearly the whole row has another."""
    grey = np.median(part, 1)
    differs = np.abs(part - grey[:, np.newaxis].astype(np.float32)) > TOLERANCE
    gutters = list[tuple[int, int]]()
    is_even = np.asarray(differs.mean(1) <= 1 - LEAST_INSIDE)
    # A panel may be as even as a gutter, in another grey.
    changes = np.flatnonzero(np.abs(np.diff(grey)) > TOLERANCE / 2) + 1
    ends = {start for start, _ in _runs(is_even)} | {last for _, last in _runs(is_even)} | set(changes.tolist())
    for start, last in pairwise(sorted(ends)):
        if not is_even[start]:
            continue
        level = np.median(grey[start:last])
        rows_beside = [row for row in (start - 2, last + 1) if 0 <= row < len(part)]
        differs_beside = all((np.abs(part[row] - level) > TOLERANCE).mean() >= LEAST_BESIDE for row in rows_beside)
        if THINNEST_PX <= (last - start) * step <= WIDEST_SHARE * len(part) * step and rows_beside and differs_beside:
            gutters.append((start, last))
    return gutters


def _seams(part: NDArray[np.uint8], step: int) -> list[tuple[int, int]]:
    """Places between two rows, as (row, row), at which half of the parts of the row change far more than elsewhere, in
    their pixels or in means of some."""
    if len(part) < 2 * LEAST_PANEL // step or part.shape[1] < SEGMENTS:
        return []
    grey = part.astype(np.float32)
    sums = np.cumsum(np.pad(grey, ((0, 0), (SEAM_MEAN_PX // 2 + 1, SEAM_MEAN_PX // 2)), mode="symmetric"), axis=1)
    means = ((sums[:, SEAM_MEAN_PX:] - sums[:, :-SEAM_MEAN_PX]) / SEAM_MEAN_PX).astype(np.float32)
    jumps = _jumps(grey, 1.0) | _jumps(means, 0.5)
    rows = np.flatnonzero(jumps.mean(1) >= LEAST_CHANGED) + 1
    # A faulty line of the scan changes twice, before and after it.
    single = [row for row in rows.tolist() if np.sum(np.abs(rows - row) <= SEAM_DISTANCE) == 1]
    margin = LEAST_PANEL // step
    return [(row, row) for row in single if margin <= row <= len(part) - margin]


def _jumps(grey: NDArray[np.float32], least: float) -> NDArray[np.bool_]:
    """(h - 1, SEGMENTS) whether each part of a row changes far more to the next row than usual, and than `least`."""
    change = np.array_split(np.abs(np.diff(grey, axis=0)), SEGMENTS, axis=1)
    segments = np.stack([segment.mean(1) for segment in change], 1)
    usual = np.maximum(np.median(segments, 0), least)
    return np.asarray(segments > SEAM_FACTOR * np.maximum(np.quantile(segments, 0.99, axis=0), usual))


def _runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First index and last + 1 of each run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, marked, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _panel_boxes(find_gutters: FindGutters, pixels: NDArray[np.uint8], box: Box, undivided: int = 0) -> Iterator[Box]:
    """The boxes between the gutters of a box, without margins; rows and columns are divided in turns.

    undivided: how many directions have been tried without a gutter; after two the box is a panel."""
    top, left, bottom, right = box
    across = undivided % 2
    part = pixels[top:bottom, left:right]
    length = part.shape[across]
    ends = [0, *(place for gutter in find_gutters(part.T if across else part) for place in gutter), length]
    spans = [(start, last) for start, last in zip(ends[::2], ends[1::2], strict=True) if last > start]
    for start, last in spans:
        inner = (top, left + start, bottom, left + last) if across else (top + start, left, top + last, right)
        if len(spans) == 1 and undivided >= 2:
            yield inner
        else:
            yield from _panel_boxes(find_gutters, pixels, inner, undivided + 1 if len(spans) == 1 else 1 - across)
