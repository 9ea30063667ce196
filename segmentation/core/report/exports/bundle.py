"""`bundle.zip`: all files that a user takes away in one, but those written last, with their checksums.

Byte for byte the same when it is made again from the same result by the same version: no file in it holds a running
time, a random number or the time of writing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...archive import write_zip
from ..wording import one_line, version
from .base import LAST, Export

if TYPE_CHECKING:
    from ..context import Context

CHECKSUMS = "SHA256SUMS"


def _write(context: Context, path: Path) -> None:
    """The files that the context `holds`, in the order of the lists, with README.txt and SHA256SUMS."""
    readme = _readme(context.contents, context.description).encode()
    sums = {
        "README.txt": hashlib.sha256(readme).hexdigest(),
        **{name: context.checksums[name] for name in context.contents},
    }
    listed = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    contents = [(name, (path.parent / name).read_bytes()) for name in context.contents]
    write_zip(path, [("README.txt", readme), *contents, (CHECKSUMS, listed.encode())])


def _readme(contents: Mapping[str, str], description: Sequence[str]) -> str:
    wide = max(map(len, contents), default=0)
    lines = [
        "\n".join(one_line(line, 300) for line in description),
        "\n".join(f"{name:{wide}}  {words}" for name, words in contents.items()),
        f"{CHECKSUMS} has the SHA-256 of every file; `sha256sum -c {CHECKSUMS}` checks them.",
        f"Made by {version()}.",
    ]
    # A file name may hold halves of characters that no encoding can write.
    return ("\n\n".join(lines) + "\n").encode("utf-8", "replace").decode()


EXPORTS = (
    Export(
        "bundle.zip",
        "All files in one, ZIP",
        place=80,
        write=_write,
        both="reports, figures, tables and data, with their checksums",
        turn=LAST,
    ),
)
