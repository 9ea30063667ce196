"""Which side file belongs to which image, and which image comes first, by their names alone; nothing is opened.

Microscopes write a second file beside the image: JEOL and Hitachi a `.txt`, TESCAN a `.hdr`, FEI's TIA an `.emi`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Any

SIDE_SUFFIXES = (".txt", ".hdr", ".emi")
MOST_SIDES = 3  # files beside one image: no microscope writes more, and each has one suffix
_SERIES = re.compile(r"_[0-9]+$")  # TIA numbers the images of `name.emi`: `name_1.ser`, `name_2.ser`


def rank(name: str, sha256: str) -> tuple[Any, ...]:
    """A sorting key by which 2.tif comes before 10.tif, so that files do not depend on the order of uploading."""
    parts = re.split(r"(\d+)", name.casefold())
    return ([int(part) if number % 2 else part for number, part in enumerate(parts)], name, sha256)


def is_side(name: str) -> bool:
    """Whether a file of this name can only be a side file."""
    return PurePosixPath(_comparable(name)).suffix in SIDE_SUFFIXES


def pair(names: Sequence[str]) -> dict[str, list[str]]:
    """The images among the names of an upload, in the order given, with the names of their side files ([] for none).

    Names are with or without folders; case does not matter, folders do. A side file without an image, and any other
    name, counts as an image: the content decides, when it is read, whether it is one.

    `a.tif` takes `a`, `a.tif`, `a-tif` and `a_tif` with any of SIDE_SUFFIXES; `a_1.ser` takes `a.emi`, too.
    A side file that fits several images (`a.tif`, `a.jpg`) goes to each. A name given twice counts once. An image takes
    MOST_SIDES at most, the most telling names first: what is left over counts as an image, as above.
    """
    sides: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        if is_side(name):
            sides.setdefault(_comparable(name), []).append(name)
    beside = {name: list(islice(_sides_of(name, sides), MOST_SIDES)) for name in names if not is_side(name)}
    paired = {side for names in beside.values() for side in names}
    return {name: beside.get(name, []) for name in names if name not in paired}


def _sides_of(image: str, sides: Mapping[str, Sequence[str]]) -> Iterator[str]:
    return chain.from_iterable(sides.get(key, ()) for key in _keys(image))


def _comparable(name: str) -> str:
    return name.replace("\\", "/").casefold()


def _keys(name: str) -> Iterator[str]:
    """The names that side files of this image may have; the most telling first."""
    path = _comparable(name)
    folder, slash, last = path.rpartition("/")
    stem, suffix = PurePosixPath(last).stem, PurePosixPath(last).suffix
    stems = [last, f"{stem}-{suffix[1:]}", f"{stem}_{suffix[1:]}", stem] if suffix else [last]
    if suffix == ".ser":
        stems.append(_SERIES.sub("", stem))
    for candidate in dict.fromkeys(stems):
        for side in SIDE_SUFFIXES:
            yield f"{folder}{slash}{candidate}{side}"
