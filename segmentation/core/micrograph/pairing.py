"""Pairs images with their side files, and sorts images, by their names alone; no file is opened.

Microscopes write a second file beside the image: JEOL and Hitachi a `.txt`, TESCAN a `.hdr`, FEI's TIA an `.emi`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Any

SIDE_SUFFIXES = (".txt", ".hdr", ".emi")
MOST_SIDES = 3  # side files of one image; no microscope writes more
_SERIES = re.compile(r"_[0-9]+$")  # TIA numbers the images of `name.emi`: `name_1.ser`, `name_2.ser`


def sort_key(name: str, sha256: str) -> tuple[Any, ...]:
    """A key for `sorted` by which 2.tif comes before 10.tif; it does not depend on the order of uploading."""
    parts = re.split(r"(\d+)", name.casefold())
    return ([int(part) if number % 2 else part for number, part in enumerate(parts)], name, sha256)


def is_side_file(name: str) -> bool:
    """Whether the suffix of this name is that of a side file."""
    return PurePosixPath(_comparable(name)).suffix in SIDE_SUFFIXES


def pair(names: Sequence[str]) -> dict[str, list[str]]:
    """The images among the names of an upload, in the given order, each with the names of its side files ([] for none).

    Names may have folders, which must be equal; case does not matter. A side file without an image, and a file with
    any other name, counts as an image: its content decides when it is read.

    `a.tif` takes `a`, `a.tif`, `a-tif` and `a_tif` with any of SIDE_SUFFIXES; `a_1.ser` takes `a.emi`, too.
    A side file that fits several images (`a.tif`, `a.jpg`) goes to each. A name given twice counts once. An image takes
    MOST_SIDES at most, the longest stems first; further side files count as images.
    """
    sides: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        if is_side_file(name):
            sides.setdefault(_comparable(name), []).append(name)
    side_files = {
        name: list(islice(chain.from_iterable(sides.get(key, ()) for key in _keys(name)), MOST_SIDES))
        for name in names
        if not is_side_file(name)
    }
    paired = {side for names in side_files.values() for side in names}
    return {name: side_files.get(name, []) for name in names if name not in paired}


def _comparable(name: str) -> str:
    """A name in lower case with / between folders."""
    return name.replace("\\", "/").casefold()


def _keys(name: str) -> Iterator[str]:
    """The comparable names that side files of this image may have, longest stems first."""
    path = _comparable(name)
    folder, slash, last = path.rpartition("/")
    stem, suffix = PurePosixPath(last).stem, PurePosixPath(last).suffix
    stems = [last, f"{stem}-{suffix[1:]}", f"{stem}_{suffix[1:]}", stem] if suffix else [last]
    if suffix == ".ser":
        stems.append(_SERIES.sub("", stem))
    for candidate in dict.fromkeys(stems):
        for side in SIDE_SUFFIXES:
            yield f"{folder}{slash}{candidate}{side}"
