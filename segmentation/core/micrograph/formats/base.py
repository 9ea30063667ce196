"""The type `Format`, which describes a file format to upload, reader, pages and command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from ..decoded import Decoded

LAST_PLACE = 1000  # `Format.place` of formats that give none: they come last


@dataclass(frozen=True, eq=False)
class Format:
    """One format of image files. The web process has all formats too, but calls no `read`.

    name: one word for people, such as "TIFF".
    title: the name on the help page, with what can be read of such files; "" for the name alone.
    suffixes: the endings of file names, in lower case with the dot.
    magic: the signatures of the format; a file has one of them. A signature is either the first
        bytes, or the bytes at several offsets within the first `kinds.HEAD_BYTES`.
    read(path, max_pixels, page): the pixels and the header of a file as a `Decoded`. It checks the
        size (`grey.check_size`) before it decodes, and makes its pixels by `grey.to_grey`. page:
        number in a stack, from 1; 0 means the first page (`decoded.page_index`). Raises
        UnreadableImage with one sentence for people. Any other exception means that the file is
        damaged. The function itself imports what it needs beyond numpy. It runs in a process that
        can read this file and no other.
    imports: names of modules that `read` imports. The process that forks readers imports them
        beforehand. They must start no thread.
    place: sorting key in lists of formats, ascending.
    end(file, size): the offset at which the image ends in a file of `size` bytes, found without
        decoding; it is larger than `size` if the file is incomplete. It may raise struct.error.
        None if only `read` can tell whether a file is complete.
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
    place: int = LAST_PLACE
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

    def matches(self, head: bytes) -> bool:
        """Whether a file with these first bytes is of this format."""
        signatures = ({0: magic} if isinstance(magic, bytes) else magic for magic in self.magic)
        return any(all(head.startswith(part, at) for at, part in parts.items()) for parts in signatures)
