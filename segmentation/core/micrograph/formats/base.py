"""What a file format is to the upload, the reader, the pages and the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from ..decoded import Decoded

LAST = 1000  # the place of formats that choose none


@dataclass(frozen=True, eq=False)
class Format:
    """One format of image files. The web process has all formats, too, and never reads a file.

    name: one word for people, such as "TIFF". title: the same with what is read of it, for the help
        page; "" for the name alone.
    suffixes: of its files' names, in lower case with the dot.
    magic: how its files begin, one of these: bytes, or the bytes at several places by their offsets
        in the first `kinds.HEAD_BYTES`.
    read(path, max_pixels, page): the pixels and header of a file as a `Decoded`. It checks the size
        (`grey.check_size`) before it decodes, and makes its pixels by `grey.to_grey`; page: of a
        stack, from 1, or 0 for the first (`decoded.page_index`). Raises UnreadableImage, one
        sentence for people; whatever else it raises says that the file is damaged. What it needs
        beyond numpy is imported inside. It runs in a process that can read this file alone.
    imports: modules that `read` imports, which the process that forks readers imports ahead. They
        must start no thread.
    place: in every list, ascending.
    end(file, size): where the image in a file of `size` bytes ends, beyond `size` in one that was
        cut off, by a few reads; None where only reading tells. What struct raises comes through.
    is_picture: whether its files may be figures with several panels (`pages.panels_of`).
    examples(): the bytes of small whole files, with which tests and fuzzing begin.
    Raises ValueError where name, suffixes or magic are none.
    """

    name: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes | Mapping[int, bytes], ...]
    read: Callable[[Path, int, int], Decoded]
    title: str = ""
    imports: tuple[str, ...] = ()
    place: int = LAST
    end: Callable[[IO[bytes], int], int] | None = None
    is_picture: bool = False
    examples: Callable[[], Iterable[bytes]] = tuple

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w .+-]{0,19}", self.name):
            raise ValueError(f"{self.name!r} is no name of a format: up to 20 letters and digits")
        if not self.suffixes or not all(re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) for suffix in self.suffixes):
            raise ValueError(f"suffixes of {self.name} are a dot and up to five small letters or digits")
        if not self.magic or not all(self.magic):
            raise ValueError(f"no bytes say how a file of {self.name} begins")

    def is_of(self, head: bytes) -> bool:
        """Whether a file with these first bytes is of this format."""
        places = ({0: magic} if isinstance(magic, bytes) else magic for magic in self.magic)
        return any(all(head.startswith(part, at) for at, part in parts.items()) for parts in places)
