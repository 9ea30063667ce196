"""The export `bundle.zip`: all files for users in one archive, with their checksums. Only files of
the turn LAST, such as the bundle itself, are not in it.

The same result and the same version of the software give the same bytes: no file in it has a
running time, a random number or the time of writing.
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
    """Write README.txt, the files in the context's `contents`, and SHA256SUMS."""
    readme = _readme(context.contents, context.description).encode()
    sums = {
        "README.txt": hashlib.sha256(readme).hexdigest(),
        **{name: context.checksums[name] for name in context.contents},
    }
    checksum_lines = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    contents = [(name, (path.parent / name).read_bytes()) for name in context.contents]
    write_zip(path, [("README.txt", readme), *contents, (CHECKSUMS, checksum_lines.encode())])


def _readme(contents: Mapping[str, str], description: Sequence[str]) -> str:
    """The text of README.txt. contents: name of each file -> its content in a line."""
    width = max(map(len, contents), default=0)
    lines = [
        "\n".join(one_line(line, 300) for line in description),
        "\n".join(f"{name:{width}}  {words}" for name, words in contents.items()),
        f"{CHECKSUMS} has the SHA-256 of every file; `sha256sum -c {CHECKSUMS}` checks them.",
        f"Made by {version()}.",
    ]
    # A file name may hold half characters (lone surrogates), which UTF-8 cannot encode: they become "?".
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
