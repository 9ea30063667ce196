"""Unpacks a ZIP archive in a child process: `python -m segmentation.core.micrograph.unpacking INPUT FOLDER`.

Like `inspect` it prints one line of JSON. Every entry of the archive is either unpacked or mentioned in a note.

An archive may be made to do harm. So the size of its directory is checked before it is read, names in it are never used
as paths, entries that share bytes are refused, and unpacked bytes and time are limited.
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
from .pairing import is_side_file, pair
from .types import UnreadableImage

MOST_ENTRIES = 10_000
LARGEST_DIRECTORY = 4 * 2**20  # bytes; 10,000 entries with names of 300 characters have 3.5 MB
# An entry that unpacks to more than LARGE_ENTRY_BYTES may have at most MOST_PACKING_RATIO times its packed size, and so
# may all side files together from LARGE_SIDE_BYTES on: they are texts of some kB, which are packed about 5 to 1.
LARGE_ENTRY_BYTES = 20 * 2**20
LARGE_SIDE_BYTES = 2**20
MOST_PACKING_RATIO = 200
DIRECTORY_SECONDS = 10.0  # for the directory; and again for the entries, in addition to SECONDS_PER_MB
MEMORY = "The ZIP archive needs more memory than there is: make several smaller archives."
SECONDS_PER_MB = 2.0  # per MB of unpacked bytes, which is about a megapixel of a grey image
HEADER_BYTES = 30  # of an entry, before its name
LONGEST_SHOWN = 200  # characters of a name in a note
JUNK = {"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", ".localized"}
JUNK_FOLDERS = {"__macosx", "$recycle.bin", "system volume information", ".trashes", ".spotlight-v100"}
ARCHIVES = {".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz", ".tar"}

DAMAGED = "The ZIP archive is damaged or incomplete: make it again."
CROWDED = f"The ZIP archive lists more than {MOST_ENTRIES:,} files: put only the images of one sample into it."
OFFICE_ENTRY = b"[Content_Types].xml"  # the name of an entry of each Office document, in most of the first one
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
class UnpackingLimits:
    """The limits of unpacking.

    entry_mb, archive_mb: MB of one unpacked file, and of all. images: largest number of images that are unpacked, with
    their side files; 0: all files of any kind are unpacked. free_bytes: bytes that may be written; None if that is not
    known.
    """

    entry_mb: int
    archive_mb: int
    images: int = 0
    free_bytes: int | None = None


@dataclass
class Unpacked:
    """The result of unpacking.

    files: for each image a list of the image and its side files; a file is (name in the archive, name in the folder).
    notes: (name, sentence) for entries that were left out; the name is "" if the sentence is about several. bytes:
    number of bytes of all unpacked files.
    """

    files: list[list[tuple[str, str]]]
    notes: list[tuple[str, str]]
    bytes: int = 0


def unpack(path: Path, folder: Path, limits: UnpackingLimits) -> Unpacked:
    """Unpack an archive into `folder`. If no file can be used, the notes say why.

    Raises UnreadableImage if the file is no archive of files, lists too many, or takes too long to list; OSError if the
    disk is full."""
    began = time.monotonic()
    with _open_archive(path) as (archive, entries):
        result = Unpacked([], [])
        usable = _usable_by_name(entries, result.notes)
        groups = (
            [[name, *sides] for name, sides in pair(list(usable)).items()] if limits.images else [[n] for n in usable]
        )
        if time.monotonic() - began > DIRECTORY_SECONDS:
            raise UnreadableImage(SLOW)
        # A side file of several images is unpacked once.
        began, unpacked_names = time.monotonic(), dict[str, str]()  # name in the archive -> name in the folder
        for number, names in enumerate(groups):
            if time.monotonic() - began > DIRECTORY_SECONDS + SECONDS_PER_MB * result.bytes / 2**20:
                result.notes.append(("", REST.format(**_count_words(len(groups) - number))))
                break
            files = [
                unpacked_names.get(name) or f"entry-{number}-{part}{harmless_suffix(name)}"
                for part, name in enumerate(names)
            ]
            try:
                if limits.images:
                    _check_is_image(archive, usable[names[0]], limits, len(result.files))
                for name, file in zip(names, files, strict=True):
                    if name not in unpacked_names:
                        _extract(archive, usable[name], folder / file, limits, result)
                unpacked_names.update(zip(names, files, strict=True))
                result.files.append(list(zip(names, files, strict=True)))
                if limits.images and (".." in names[0].split("/") or re.match(r"/|[A-Za-z]:", names[0])):
                    name = _visible_name(names[0].rsplit("/", 1)[-1])
                    result.notes.append((_visible_name(names[0]), OUTSIDE.format(name=name)))
            except _Unusable as error:
                result.notes.append((_visible_name(names[0]), str(error)))
                for name, file in zip(names, files, strict=True):
                    if name not in unpacked_names:
                        (folder / file).unlink(missing_ok=True)
    return result


class _Bounded(io.BufferedReader):
    """A file for zipfile, which reads the whole directory at once. Raises UnreadableImage if the directory is too
    large."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size and size > LARGEST_DIRECTORY:
            raise UnreadableImage(CROWDED)
        return super().read(size)


@contextmanager
def _open_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """An archive and its files, without folders; raises UnreadableImage if it is damaged, empty, or no archive of
    files."""
    with _Bounded(io.FileIO(path)) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (*_ZIP_ERRORS, IndexError) as error:
            if isinstance(error, UnreadableImage) or _is_disk_error(error):
                raise
            raise UnreadableImage(DAMAGED) from None
        if len(archive.filelist) > MOST_ENTRIES:
            raise UnreadableImage(CROWDED)
        entries = [info for info in archive.infolist() if not info.filename.endswith("/")]
        if not entries:
            raise UnreadableImage(EMPTY)
        if any(info.filename == OFFICE_ENTRY.decode() for info in entries):
            raise UnreadableImage(OFFICE)
        yield archive, entries


def _usable_by_name(entries: Sequence[zipfile.ZipInfo], notes: list[tuple[str, str]]) -> dict[str, zipfile.ZipInfo]:
    """The entries that may be images or side files, by unique name; adds notes about the others."""
    usable: dict[str, zipfile.ZipInfo] = {}
    numbers: Counter[str] = Counter()
    junk, overlapping = [], _overlapping(entries)
    unpacked = packed = 0  # bytes of all side files
    for index, info in enumerate(entries):
        name = _name(info)
        if index in overlapping:
            continue
        if is_junk(name):
            junk.append(_visible_name(name))
        elif sentence := _sentence_if_unusable(info, name):
            notes.append((_visible_name(name), sentence))
        elif (
            is_side_file(name)
            and (total := unpacked + info.file_size) > LARGE_SIDE_BYTES
            and _is_bomb(total, packed + info.compress_size)
        ):
            notes.append((_visible_name(name), BOMB.format(times=MOST_PACKING_RATIO)))
        else:
            usable[_unique_name(name, usable, numbers)] = info
            if is_side_file(name):
                unpacked, packed = unpacked + info.file_size, packed + info.compress_size
    if overlapping:
        notes.append(("", SAME_BYTES.format(**_count_words(len(overlapping)))))
    if junk:
        listed = ", ".join(junk[:5]) + (" …" if len(junk) > 5 else "")
        them = "it" if len(junk) == 1 else "them"
        notes.append(("", SYSTEM.format(**_count_words(len(junk)), them=them, names=listed)))
    return usable


def _count_words(count: int) -> dict[str, str]:
    """The values of {count} and {files} in a sentence."""
    return {"count": f"{count:,}", "files": "file was" if count == 1 else "files were"}


def _overlapping(entries: Sequence[zipfile.ZipInfo]) -> set[int]:
    """The indices of entries that begin within the bytes of another entry. If several begin at the same place, the
    first is not among them."""
    overlapping, end = set(), 0
    for index, info in sorted(enumerate(entries), key=lambda entry: entry[1].header_offset):
        if info.header_offset < end:
            overlapping.add(index)
        else:
            end = info.header_offset + HEADER_BYTES + info.compress_size
    return overlapping


def _unique_name(name: str, names: Any, numbers: Counter[str]) -> str:
    """The name, with a number if `names` has it already: an archive may have two files with the same name.

    numbers: the last number of each name, so that thousands of equal names take no longer than others.
    """
    suffix, unique = PurePosixPath(name).suffix, name
    while unique in names:
        numbers[name] += 1
        unique = f"{name.removesuffix(suffix)} ({numbers[name] + 1}){suffix}"
    return unique


def _sentence_if_unusable(info: zipfile.ZipInfo, name: str) -> str:
    """A sentence why an entry is not opened; "" if it may be opened."""
    if info.flag_bits & 0x1:
        return ENCRYPTED
    if stat.S_ISLNK(info.external_attr >> 16):
        return LINK
    if PurePosixPath(name.lower()).suffix in ARCHIVES:
        return NESTED
    if info.file_size > LARGE_ENTRY_BYTES and _is_bomb(info.file_size, info.compress_size):
        return BOMB.format(times=MOST_PACKING_RATIO)
    return ""


def _is_bomb(unpacked: int, packed: int) -> bool:
    """Whether a file of these unpacked and packed bytes unpacks to more than any file of a microscope."""
    return unpacked > MOST_PACKING_RATIO * max(1, packed)


def _check_is_image(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: UnpackingLimits, count: int) -> None:
    """Raises _Unusable for an entry that is no image by its first bytes, and if no more images are allowed. count: of
    the images so far."""
    try:
        with archive.open(info) as entry:
            recognise(entry.read(HEAD_BYTES), info.filename)
    except UnreadableImage as error:
        raise _Unusable(str(error)) from None
    except _ZIP_ERRORS:
        raise _Unusable(BROKEN) from None
    if count >= limits.images:
        raise _Unusable(TOO_MANY.format(limit=limits.images))


class _Unusable(Exception):
    """An entry that cannot be unpacked; the message is a sentence."""


_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError, OSError,
)  # fmt: skip


def _is_disk_error(error: BaseException) -> bool:
    """Whether an error comes from the disk, and not from a wrong offset in a damaged archive."""
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


def _extract(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, limits: UnpackingLimits, result: Unpacked
) -> None:
    """Write one entry to `path`, and add its bytes to those of `result`; raises _Unusable, and OSError on a full
    disk."""
    size = 0
    try:
        with archive.open(info) as entry, path.open("wb") as copy:
            while block := entry.read(2**20):
                size += len(block)
                if size > limits.entry_mb * 2**20:
                    raise _Unusable(LARGE_ENTRY.format(limit=limits.entry_mb))
                if result.bytes + size > limits.archive_mb * 2**20:
                    raise _Unusable(TOO_MUCH.format(limit=limits.archive_mb))
                if limits.free_bytes is not None and result.bytes + size > limits.free_bytes:
                    raise OSError(errno.ENOSPC, "the disk is nearly full")
                copy.write(block)
    except _ZIP_ERRORS as error:
        if _is_disk_error(error):
            raise
        raise _Unusable(BROKEN) from None
    result.bytes += size


def _name(info: zipfile.ZipInfo) -> str:
    """The name of an entry with / between folders. zipfile decodes it as code page 437 if the flag for UTF-8 is
    missing, but many programs write UTF-8 without that flag."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _visible_name(name: str) -> str:
    """A name with its folders for a note: cleaned, and shortened in the middle if it is long."""
    clean = clean_text(name)
    return clean if len(clean) <= LONGEST_SHOWN else f"{clean[:80]}…{clean[-100:]}"


def is_junk(name: str) -> bool:
    """Whether a file is one that only operating systems need, by its name with folders."""
    *folders, last = name.lower().split("/")
    return last in JUNK or last.startswith("._") or any(folder in JUNK_FOLDERS for folder in folders)


def main(arguments: Sequence[str] | None = None) -> int:
    """Unpack the archive that the command line names, and print the report. Returns the exit status, which is always
    0."""
    from .inspect import report_confined  # here, because it imports all decoders

    parser = argparse.ArgumentParser(description="Unpack a ZIP archive and say what is in it, as one line of JSON.")
    parser.add_argument("input", type=Path)
    parser.add_argument("folder", type=Path)
    for name in ("--entry-mb", "--archive-mb", "--images", "--room"):
        parser.add_argument(name, type=int, default=None if name == "--room" else 0)
    parser.add_argument("--max-memory-mb", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="of processor time, for everything")
    options = parser.parse_args(arguments)
    limits = UnpackingLimits(options.entry_mb, options.archive_mb, options.images, options.room)

    def report() -> dict[str, Any]:
        result = unpack(options.input, options.folder, limits)
        return {"ok": True, "files": result.files, "notes": result.notes}

    bounds = options.max_memory_mb, options.seconds, [options.folder], [options.input]
    largest_written_bytes = (options.entry_mb + 1) * 2**20
    return report_confined(report, *bounds, out_of_memory_sentence=MEMORY, largest_written_bytes=largest_written_bytes)


if __name__ == "__main__":
    sys.exit(main())
