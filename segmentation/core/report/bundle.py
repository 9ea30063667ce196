"""`bundle.zip`: all files that a user takes away in one, with their checksums.

Byte for byte the same when it is made again from the same input by the same version: no file in it holds a date, a
running time or a random number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..archive import write_zip
from .wording import one_line, version

CHECKSUMS = "SHA256SUMS"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bundle(
    files: Mapping[str, Path], sums: Mapping[str, str], contents: Mapping[str, str], about: Sequence[str], file: Path
) -> None:
    """Write the files that `contents` describes, in its order, with README.txt and SHA256SUMS.

    sums: SHA-256 of each by name. about: lines that say what was analysed.
    """
    taken = {name: files[name].read_bytes() for name in contents if name in files}
    readme = _readme({name: contents[name] for name in taken}, about).encode()
    known = {"README.txt": hashlib.sha256(readme).hexdigest(), **{name: sums[name] for name in taken}}
    listed = "".join(f"{digest}  {name}\n" for name, digest in known.items())
    write_zip(file, [("README.txt", readme), *taken.items(), (CHECKSUMS, listed.encode())])


def _readme(contents: Mapping[str, str], about: Sequence[str]) -> str:
    wide = max(map(len, contents), default=0)
    lines = [
        "\n".join(one_line(line, 300) for line in about),
        "\n".join(f"{name:{wide}}  {words}" for name, words in contents.items()),
        f"{CHECKSUMS} has the SHA-256 of every file; `sha256sum -c {CHECKSUMS}` checks them.",
        f"Made by {version()}.",
    ]
    # A file name may hold halves of characters that no encoding can write.
    return ("\n\n".join(lines) + "\n").encode("utf-8", "replace").decode()
