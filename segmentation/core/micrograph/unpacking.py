"""`python -m segmentation.core.micrograph.unpacking INPUT FOLDER`: unpack a ZIP archive in a child process; every entry
is either used or reported. Prints one line of JSON, as `inspect` does.

An archive is never trusted: the size of its directory is checked before reading, no name in it becomes a path, no
bytes are used twice, and the unpacked bytes and the time are limited while unpacking.
"""

from __future__ import annotations

import argparse
import errno
import io
import lzma
import re
import stat
import struct
import sys
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..names import clean_text, harmless_suffix
from .kinds import HEAD_BYTES, recognise
from .pairing import is_side, pair
from .types import UnreadableImage

MOST_ENTRIES = 10_000
LARGEST_DIRECTORY = 4 * 2**20  # bytes; 10,000 entries with names of 300 characters have 3.5 MB
LARGE = 20 * 2**20  # bytes: an entry that unpacks to more bytes may be at most MOST_PACKED times its packed size
LARGE_SIDE = 2**20  # the same for all side files together: each is text of some kB, which shrinks five times
MOST_PACKED = 200
DIRECTORY_SECONDS = 10.0  # for the directory, and again for the entries, which have further ones by their size
MEMORY = "The ZIP archive needs more memory than there is: make several smaller archives."
SECONDS_PER_MB = 2.0  # of unpacked bytes: a grey image has about as many megapixels
HEADER_BYTES = 30  # before an entry's name
LONGEST_SHOWN = 200
JUNK = {"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", ".localized"}
JUNK_FOLDERS = {"__macosx", "$recycle.bin", "system volume information", ".trashes", ".spotlight-v100"}
ARCHIVES = {".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz", ".tar"}

DAMAGED = "The ZIP archive is damaged or incomplete: make it again."
CROWDED = f"The ZIP archive lists more than {MOST_ENTRIES:,} files: put only the images of one sample into it."
OFFICE = "The file is an Office document: save the images out of it and drop those."
EMPTY = "The ZIP archive is empty."
ENCRYPTED = "It is protected by a password, so it was left out: make the archive again without one."
NESTED = "It is an archive inside the archive and was left out: unpack it first, or drop it by itself."
LINK = "It is a link to another file and was left out: put the file itself into the archive."
BROKEN = "It is damaged inside the archive, so it was left out: make the archive again."
BOMB = "It unpacks to more than {times} times its size, unlike any file of a microscope, so it was left out."
LARGE_ENTRY = "It is larger than the {limit} MB that one image may have, so it was left out."
TOO_MUCH = "With it the archive would unpack to more than {limit} MB, so it was left out: make two archives."
TOO_MANY = "We take {limit} images from one archive, so this one was left out: put it into another archive."
OUTSIDE = "Its name points out of the archive; it was taken as {name}."
SLOW = "The ZIP archive takes too long to unpack: make it again, or drop the images themselves."
REST = "The archive takes too long to unpack, so {count} more {files} left out: make it again."
SAME_BYTES = "{count} {files} left out because another file of the archive uses the same bytes: make it again."
SYSTEM = "{count} {files} left out because only the operating system needs {them}: {names}."


@dataclass(frozen=True)
class Limits:
    """entry_mb, archive_mb: of one unpacked file, and of all. images: how many are taken, each with its side files; 0:
    every file is taken, of whatever kind. room: free bytes of the disk, None where that is not known."""

    entry_mb: int
    archive_mb: int
    images: int = 0
    room: int | None = None


@dataclass
class Unpacked:
    """files: images with their side files, each as its name and the name of the unpacked file. notes: what was left
    out, as name ("" of several) and sentence. bytes: of all files."""

    files: list[list[tuple[str, str]]]
    notes: list[tuple[str, str]]
    bytes: int = 0


def unpack(path: Path, folder: Path, limits: Limits) -> Unpacked:
    """Unpack an archive into `folder`; raises UnreadableImage if it is no archive of files, lists too many or takes too
    long to list, OSError on a full disk. Nothing may be left to use: `notes` say why."""
    began = time.monotonic()
    with _open_archive(path) as (archive, entries):
        result = Unpacked([], [])
        usable = _usable_by_name(entries, result.notes)
        groups = (
            [[name, *sides] for name, sides in pair(list(usable)).items()] if limits.images else [[n] for n in usable]
        )
        if time.monotonic() - began > DIRECTORY_SECONDS:
            raise UnreadableImage(SLOW)
        began, places = time.monotonic(), dict[str, str]()  # of the files by name: one beside several images has one
        for number, names in enumerate(groups):
            if time.monotonic() - began > DIRECTORY_SECONDS + SECONDS_PER_MB * result.bytes / 2**20:
                result.notes.append(("", REST.format(**_count_words(len(groups) - number))))
                break
            files = [
                places.get(name) or f"entry-{number}-{part}{harmless_suffix(name)}" for part, name in enumerate(names)
            ]
            try:
                if limits.images:
                    _check_is_image(archive, usable[names[0]], limits, len(result.files))
                for name, file in zip(names, files, strict=True):
                    if name not in places:
                        _extract(archive, usable[name], folder / file, limits, result)
                places.update(zip(names, files, strict=True))
                result.files.append(list(zip(names, files, strict=True)))
                if limits.images and (".." in names[0].split("/") or re.match(r"/|[A-Za-z]:", names[0])):
                    name = _visible_name(names[0].rsplit("/", 1)[-1])
                    result.notes.append((_visible_name(names[0]), OUTSIDE.format(name=name)))
            except _Unusable as bad:
                result.notes.append((_visible_name(names[0]), str(bad)))
                for name, file in zip(names, files, strict=True):
                    if name not in places:
                        (folder / file).unlink(missing_ok=True)
    return result


class _Bounded(io.BufferedReader):
    """A file for zipfile, which reads a whole directory at once: one too large for the memory is refused."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size and size > LARGEST_DIRECTORY:
            raise UnreadableImage(CROWDED)
        return super().read(size)


@contextmanager
def _open_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """An archive and the files in it; raises UnreadableImage where there is none, or it is no archive of files."""
    with _Bounded(io.FileIO(path)) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (*_FAULTS, IndexError) as error:
            if isinstance(error, UnreadableImage) or _is_of_the_disk(error):
                raise
            raise UnreadableImage(DAMAGED) from None
        if len(archive.filelist) > MOST_ENTRIES:
            raise UnreadableImage(CROWDED)
        entries = [info for info in archive.infolist() if not info.filename.endswith("/")]
        if not entries:
            raise UnreadableImage(EMPTY)
        if any(info.filename == "[Content_Types].xml" for info in entries):
            raise UnreadableImage(OFFICE)
        yield archive, entries


def _usable_by_name(entries: Sequence[zipfile.ZipInfo], notes: list[tuple[str, str]]) -> dict[str, zipfile.ZipInfo]:
    """The entries that may be images or side files, by name; the others are noted."""
    usable: dict[str, zipfile.ZipInfo] = {}
    numbers: Counter[str] = Counter()
    junk, overlapping = [], _overlapping(entries)
    unpacked = packed = 0  # of files beside images
    for index, info in enumerate(entries):
        name = _name(info)
        if index in overlapping:
            continue
        if is_junk(name):
            junk.append(_visible_name(name))
        elif why := _sentence_if_unusable(info, name):
            notes.append((_visible_name(name), why))
        elif (
            is_side(name)
            and (total := unpacked + info.file_size) > LARGE_SIDE
            and _is_bomb(total, packed + info.compress_size)
        ):
            notes.append((_visible_name(name), BOMB.format(times=MOST_PACKED)))
        else:
            usable[_unique_name(name, usable, numbers)] = info
            if is_side(name):
                unpacked, packed = unpacked + info.file_size, packed + info.compress_size
    if overlapping:
        notes.append(("", SAME_BYTES.format(**_count_words(len(overlapping)))))
    if junk:
        listed = ", ".join(junk[:5]) + (" …" if len(junk) > 5 else "")
        them = "it" if len(junk) == 1 else "them"
        notes.append(("", SYSTEM.format(**_count_words(len(junk)), them=them, names=listed)))
    return usable


def _count_words(count: int) -> dict[str, str]:
    return {"count": f"{count:,}", "files": "file was" if count == 1 else "files were"}


def _overlapping(entries: Sequence[zipfile.ZipInfo]) -> set[int]:
    """The places of entries that begin within the bytes of another one; the first of several at one place stays."""
    overlapping, end = set(), 0
    for index, info in sorted(enumerate(entries), key=lambda entry: entry[1].header_offset):
        if info.header_offset < end:
            overlapping.add(index)
        else:
            end = info.header_offset + HEADER_BYTES + info.compress_size
    return overlapping


def _unique_name(name: str, names: Any, numbers: Counter[str]) -> str:
    """The name, made unique: an archive may hold one name twice, and both are files.

    numbers: the last number tried for each name, so that thousands of equal names are as fast as others.
    """
    suffix, unique = PurePosixPath(name).suffix, name
    while unique in names:
        numbers[name] += 1
        unique = f"{name.removesuffix(suffix)} ({numbers[name] + 1}){suffix}"
    return unique


def _sentence_if_unusable(info: zipfile.ZipInfo, name: str) -> str:
    """Why an entry is not opened at all; "" if it may be opened."""
    if info.flag_bits & 0x1:
        return ENCRYPTED
    if stat.S_ISLNK(info.external_attr >> 16):
        return LINK
    if PurePosixPath(name.lower()).suffix in ARCHIVES:
        return NESTED
    if info.file_size > LARGE and _is_bomb(info.file_size, info.compress_size):
        return BOMB.format(times=MOST_PACKED)
    return ""


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > MOST_PACKED * max(1, packed)


def _check_is_image(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits, count: int) -> None:
    """Raises _Unusable for an entry that is no image, by its first bytes, and for one too many."""
    try:
        with archive.open(info) as entry:
            recognise(entry.read(HEAD_BYTES), info.filename)
    except UnreadableImage as bad:
        raise _Unusable(str(bad)) from None
    except _FAULTS:
        raise _Unusable(BROKEN) from None
    if count >= limits.images:
        raise _Unusable(TOO_MANY.format(limit=limits.images))


class _Unusable(Exception):
    """An entry that cannot be unpacked; the message is a sentence."""


_FAULTS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError, OSError,
)  # fmt: skip


def _is_of_the_disk(error: BaseException) -> bool:
    """Whether the machine is at fault. A wrong place in a file is the archive's fault."""
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, limits: Limits, result: Unpacked) -> None:
    """Write one entry, and add its bytes to those of `result`."""
    size = 0
    try:
        with archive.open(info) as entry, path.open("wb") as copy:
            while block := entry.read(2**20):
                size += len(block)
                if size > limits.entry_mb * 2**20:
                    raise _Unusable(LARGE_ENTRY.format(limit=limits.entry_mb))
                if result.bytes + size > limits.archive_mb * 2**20:
                    raise _Unusable(TOO_MUCH.format(limit=limits.archive_mb))
                if limits.room is not None and result.bytes + size > limits.room:
                    raise OSError(errno.ENOSPC, "the disk is nearly full")
                copy.write(block)
    except _FAULTS as error:
        if _is_of_the_disk(error):
            raise
        raise _Unusable(BROKEN) from None
    result.bytes += size


def _name(info: zipfile.ZipInfo) -> str:
    """The entry's name; many programs write UTF-8 without marking it, so it was decoded as code page 437."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _visible_name(name: str) -> str:
    """The name with its folders, fit for display."""
    clean = clean_text(name)
    return clean if len(clean) <= LONGEST_SHOWN else f"{clean[:80]}…{clean[-100:]}"


def is_junk(name: str) -> bool:
    """Whether a file, by its name with its folders, is one that operating systems leave behind."""
    *folders, last = name.lower().split("/")
    return last in JUNK or last.startswith("._") or any(folder in JUNK_FOLDERS for folder in folders)


def main(arguments: Sequence[str] | None = None) -> int:
    from .inspect import report_confined  # with all that decodes images

    parser = argparse.ArgumentParser(description="Unpack a ZIP archive and say what is in it, as one line of JSON.")
    parser.add_argument("input", type=Path)
    parser.add_argument("folder", type=Path)
    for name in ("--entry-mb", "--archive-mb", "--images", "--room"):
        parser.add_argument(name, type=int, default=None if name == "--room" else 0)
    parser.add_argument("--max-memory-mb", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="of processor time, for everything")
    options = parser.parse_args(arguments)
    limits = Limits(options.entry_mb, options.archive_mb, options.images, options.room)

    def report() -> dict[str, Any]:
        result = unpack(options.input, options.folder, limits)
        return {"ok": True, "files": result.files, "notes": result.notes}

    bounds = options.max_memory_mb, options.seconds, [options.folder], [options.input]
    largest_written_bytes = (options.entry_mb + 1) * 2**20
    return report_confined(report, *bounds, out_of_memory_sentence=MEMORY, largest_written_bytes=largest_written_bytes)


if __name__ == "__main__":
    sys.exit(main())
