"""The description of a file format: upload, reader, pages and command line use nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from ..decoded import Decoded

LAST = 1000  # the place of formats that name no place


@dataclass(frozen=True, eq=False)
class Format:
    """One format of image files. The web process has all formats, too, but never reads a file.

    name: one word for people, such as "TIFF". title: the name with what is read of such a file, for
        the help page; "" for the name alone.
    suffixes: the endings of file names, in lower case with the dot.
    magic: how a file begins, as one of several ways. A way is either bytes, or the bytes at several
        offsets within the first `kinds.HEAD_BYTES`.
    read(path, max_pixels, page): the pixels and the header of a file as a `Decoded`. It checks the
        size (`grey.check_size`) before it decodes, and makes its pixels by `grey.to_grey`. page: of
        a stack, from 1; 0 is the first page (`decoded.page_index`). Raises UnreadableImage with one
        sentence for people. Any other exception means that the file is damaged. It imports inside
        what it needs beyond numpy. It runs in a process that can read this file and no other.
    imports: modules that `read` imports. The process that forks readers imports them before. They
        must start no thread.
    place: in every list, ascending.
    end(file, size): the offset at which the image ends in a file of `size` bytes, found by a few
        reads; it is larger than `size` if the file is incomplete. None where only `read` can tell.
        Exceptions of struct come through.
    is_picture: whether its files may be figures with several panels (`pages.panels_of`).
    examples(): the bytes of small complete files, for tests and fuzzing.
    Raises ValueError if name, suffixes or magic are not valid.
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
            raise ValueError(f"{self.name!r} is no name of a format: it has up to 20 letters and digits")
        if not self.suffixes or not all(re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) for suffix in self.suffixes):
            raise ValueError(f"a suffix of {self.name} is a dot and one to five small letters or digits")
        if not self.magic or not all(self.magic):
            raise ValueError(f"{self.name} has no magic: name the bytes with which its files begin")

    def is_of(self, head: bytes) -> bool:
        """Whether a file with these first bytes is of this format."""
        places = ({0: magic} if isinstance(magic, bytes) else magic for magic in self.magic)
        return any(all(head.startswith(part, at) for at, part in parts.items()) for parts in places)
