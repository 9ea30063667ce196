"""ZIP archives of micrographs: unpacked one file at a time; every entry is either used or reported.

An archive is never trusted: the size of its directory is checked before reading, no name in it becomes a path, no
bytes are used twice, and the unpacked bytes and the time of each entry are limited while unpacking.
"""

from __future__ import annotations

import io
import lzma
import re
import stat
import struct
import time
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from django.conf import settings
from django.core.files import File

from ...core.micrograph.kinds import HEAD_BYTES, recognise
from ...core.micrograph.pairing import pair
from ...core.micrograph.types import UnreadableImage
from ...models import shown_name
from ..ground.refusal import Refused
from ..ground.trouble import trouble

MOST_ENTRIES = 10_000
LARGEST_DIRECTORY = 4 * 2**20  # bytes; 10,000 entries with names of 300 characters have 3.5 MB
LARGE, MOST_PACKED = 20 * 2**20, 200  # an entry that unpacks to more than LARGE must not shrink more than so many times
DIRECTORY_SECONDS = 10.0
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
BOMB = "It unpacks to more than {times} times its size, unlike any micrograph, so it was left out."
LARGE_ENTRY = "It is larger than the {limit} MB that one image may have, so it was left out."
TOO_MUCH = "With it the archive would unpack to more than {limit} MB, so it was left out: make two archives."
TOO_MANY = "We take {limit} images from one archive, so this one was left out: put it into another archive."
OUTSIDE = "Its name points out of the archive; it was taken as {name}."
SLOW = "The ZIP archive takes too long to unpack: make it again, or drop the images themselves."
REST = "The archive takes too long to unpack, so {count} more {files} left out: make it again."
SAME_BYTES = "{count} {files} left out because another file of the archive uses the same bytes: make it again."
SYSTEM = "{count} {files} left out because only the operating system needs {them}: {names}."


class Note(NamedTuple):
    """A sentence about an uploaded file; the name is "" if it is not about a single file. status: of HTTP."""

    name: str
    sentence: str
    status: int = 200


class Incoming(NamedTuple):
    """A file that may be an image, with its side files: Django `File`s."""

    file: Any
    side: list[Any]


class LocalFile(File):
    """Our own file on this disk, which can be read without another copy."""

    def temporary_file_path(self) -> str:
        return str(self.file.name)


@dataclass
class Unpacked:
    """How far an archive is unpacked; the next turn continues from there.

    entries: number of its images examined. images, bytes: amount unpacked. seconds: time spent.
    """

    entries: int = 0
    images: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def is_slow(self) -> bool:
        return self.seconds > DIRECTORY_SECONDS + SECONDS_PER_MB * self.bytes / 2**20


def is_archive(file: Any) -> bool:
    """Whether an uploaded file is a ZIP archive, by its first bytes."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head in (b"PK\x03\x04", b"PK\x05\x06")


def unpacked(path: Path, folder: Path, done: Unpacked | None = None) -> Iterator[Incoming | Note]:
    """The images of an archive, each with its side files, and a Note for everything that was not taken.

    The files of an Incoming lie in `folder` and are removed when the next one is requested. done: the progress so far,
    kept up to date; earlier notes are not repeated.
    Raises Refused if nothing in the archive can be used (422).
    """
    done, began = done or Unpacked(), time.monotonic()
    with _opened(path) as (archive, entries):
        notes: list[Note] = []
        usable = _usable(entries, notes)
        images = pair(list(usable))
        if time.monotonic() - began > DIRECTORY_SECONDS:
            raise Refused(SLOW, 422)
        if not done.entries:
            yield from notes
        yield from _images(archive, usable, images, folder, done)


def every_file(path: Path, folder: Path) -> tuple[dict[str, Path], list[Note]]:
    """All files of an archive, by their names with their folders, unpacked into `folder` under names of ours; and a
    Note for everything that was left out. Raises Refused as `unpacked`."""
    with _opened(path) as (archive, entries):
        notes: list[Note] = []
        files, done = dict[str, Path](), Unpacked()
        usable = _usable(entries, notes)
        for number, (name, info) in enumerate(usable.items()):
            if done.is_slow:
                notes.append(Note("", REST.format(**_counted(len(usable) - number)), 422))
                break
            began, place = time.monotonic(), folder / f"entry-{number}{_harmless(name)}"
            try:
                _extract(archive, info, place, done)
                files[name] = place
            except _Unusable as bad:
                place.unlink(missing_ok=True)
                notes.append(Note(_shown(name), str(bad), 422))
            done.seconds += time.monotonic() - began
    return files, notes


def _harmless(name: str) -> str:
    """The suffix of a name, where it is one."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""


class _Bounded(io.BufferedReader):
    """A file for zipfile, which reads a whole directory at once. A directory too large for the memory is refused."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size and size > LARGEST_DIRECTORY:
            raise Refused(CROWDED, 422)
        return super().read(size)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """An archive and the files in it; raises Refused where there is none, or it is no archive of files."""
    with _Bounded(io.FileIO(path)) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (*_FAULTS, IndexError) as error:
            if trouble(error):  # the disk's fault, not the archive's
                raise
            raise Refused(DAMAGED, 422) from None
        if len(archive.filelist) > MOST_ENTRIES:
            raise Refused(CROWDED, 422)
        entries = [info for info in archive.infolist() if not info.filename.endswith("/")]
        if not entries:
            raise Refused(EMPTY, 422)
        if any(info.filename == "[Content_Types].xml" for info in entries):
            raise Refused(OFFICE, 422)
        yield archive, entries


def _images(
    archive: zipfile.ZipFile,
    usable: dict[str, zipfile.ZipInfo],
    images: dict[str, list[str]],
    folder: Path,
    done: Unpacked,
) -> Iterator[Incoming | Note]:
    """The images, by name with the names of their side files, from where the last turn ended."""
    for name, sides in islice(images.items(), done.entries, None):
        if done.is_slow:
            yield Note("", REST.format(**_counted(len(images) - done.entries)), 422)
            return
        began = time.monotonic()
        done.entries += 1
        why = _unlike_an_image(archive, usable[name])
        if not why and done.images >= settings.DEEPSEGM_SAMPLE_IMAGES:
            why = TOO_MANY.format(limit=settings.DEEPSEGM_SAMPLE_IMAGES)
        if why:
            done.seconds += time.monotonic() - began
            yield Note(_shown(name), why, 422)
            continue
        if _points_outside(name):
            yield Note(_shown(name), OUTSIDE.format(name=shown_name(name)))
        try:
            with _extracted(archive, {each: usable[each] for each in (name, *sides)}, folder, done) as files:
                done.images += 1
                done.seconds += time.monotonic() - began
                yield Incoming(files[0], files[1:])
        except _Unusable as bad:
            done.seconds += time.monotonic() - began
            yield Note(_shown(name), str(bad), 422)


def _usable(entries: Sequence[zipfile.ZipInfo], notes: list[Note]) -> dict[str, zipfile.ZipInfo]:
    """The entries that may be images or side files, by name; the others are noted."""
    usable: dict[str, zipfile.ZipInfo] = {}
    numbers: Counter[str] = Counter()
    junk, overlapping = [], _overlapping(entries)
    for place, info in enumerate(entries):
        name = _name(info)
        if place in overlapping:
            continue
        if is_junk(name):
            junk.append(_shown(name))
        elif why := _unusable(info, name):
            notes.append(Note(_shown(name), why, 422))
        else:
            usable[_unique_name(name, usable, numbers)] = info
    if overlapping:
        notes.append(Note("", SAME_BYTES.format(**_counted(len(overlapping))), 422))
    if junk:
        listed = ", ".join(junk[:5]) + (" …" if len(junk) > 5 else "")
        them = "it" if len(junk) == 1 else "them"
        notes.append(Note("", SYSTEM.format(**_counted(len(junk)), them=them, names=listed)))
    return usable


def _counted(count: int) -> dict[str, str]:
    return {"count": f"{count:,}", "files": "file was" if count == 1 else "files were"}


def _overlapping(entries: Sequence[zipfile.ZipInfo]) -> set[int]:
    """The places of entries that begin within the bytes of another one; the first of several at one place stays."""
    overlapping, end = set(), 0
    for place, info in sorted(enumerate(entries), key=lambda each: each[1].header_offset):
        if info.header_offset < end:
            overlapping.add(place)
        else:
            end = info.header_offset + HEADER_BYTES + info.compress_size
    return overlapping


def _unique_name(name: str, taken: Any, numbers: Counter[str]) -> str:
    """The name, made unique: an archive may hold one name twice, and both are files.

    numbers: the last number tried for each name, so that thousands of equal names are as fast as others.
    """
    suffix, unique = PurePosixPath(name).suffix, name
    while unique in taken:
        numbers[name] += 1
        unique = f"{name.removesuffix(suffix)} ({numbers[name] + 1}){suffix}"
    return unique


def _unusable(info: zipfile.ZipInfo, name: str) -> str:
    """Why an entry is not opened at all; "" if it may be opened."""
    if info.flag_bits & 0x1:
        return ENCRYPTED
    if stat.S_ISLNK(info.external_attr >> 16):
        return LINK
    if PurePosixPath(name.lower()).suffix in ARCHIVES:
        return NESTED
    if info.file_size > LARGE and info.file_size > MOST_PACKED * max(1, info.compress_size):
        return BOMB.format(times=MOST_PACKED)
    return ""


def _unlike_an_image(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """The kind of an entry that is not an image, by its first bytes."""
    try:
        with archive.open(info) as entry:
            recognise(entry.read(HEAD_BYTES), info.filename)
    except UnreadableImage as bad:
        return str(bad)
    except _FAULTS:
        return BROKEN
    return ""


class _Unusable(Exception):
    """An entry that cannot be unpacked; the message is a sentence."""


_FAULTS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError, OSError,
)  # fmt: skip


@contextmanager
def _extracted(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], folder: Path, done: Unpacked
) -> Iterator[list[LocalFile]]:
    """The entries as files in `folder` under names of ours, known by their own."""
    files: list[LocalFile] = []
    try:
        for number, (name, info) in enumerate(entries.items()):
            path = folder / f"entry-{number}"
            _extract(archive, info, path, done)
            files.append(LocalFile(path.open("rb"), name=shown_name(name)))
        yield files
    finally:
        for file in files:
            file.close()
        for number in range(len(entries)):
            (folder / f"entry-{number}").unlink(missing_ok=True)


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, done: Unpacked) -> None:
    """Write one entry, counting its bytes."""
    limit, most = settings.DEEPSEGM_MAX_UPLOAD_MB, settings.DEEPSEGM_MAX_ARCHIVE_MB
    size = 0
    try:
        with archive.open(info) as entry, path.open("wb") as copy:
            while block := entry.read(2**20):
                size += len(block)
                if size > limit * 2**20:
                    raise _Unusable(LARGE_ENTRY.format(limit=limit))
                if done.bytes + size > most * 2**20:
                    raise _Unusable(TOO_MUCH.format(limit=most))
                copy.write(block)
    except _FAULTS as error:
        if trouble(error):  # the disk's fault, not the archive's
            raise
        raise _Unusable(BROKEN) from None
    done.bytes += size


def _name(info: zipfile.ZipInfo) -> str:
    """The entry's name; many programs write UTF-8 without marking it, so it was decoded as code page 437."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _shown(name: str) -> str:
    """The name with its folders, fit for display."""
    clean = "".join(c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C")
    return clean if len(clean) <= LONGEST_SHOWN else f"{clean[:80]}…{clean[-100:]}"


def is_junk(name: str) -> bool:
    """Whether a file, by its name with its folders, is one that operating systems leave behind."""
    *folders, own = name.lower().split("/")
    return own in JUNK or own.startswith("._") or any(folder in JUNK_FOLDERS for folder in folders)


def _points_outside(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/") or bool(re.match(r"[A-Za-z]:", name))
