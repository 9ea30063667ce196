"""The kind of a file, by its first bytes; what an unreadable one is, also by its name; a clean name; a checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePath
from typing import Literal

from .types import UnreadableImage

Kind = Literal["TIFF", "PNG", "JPEG", "BMP", "DM3", "DM4", "SER", "MRC", "EMD"]

SUFFIXES: dict[str, Kind] = {
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".bmp": "BMP",
    ".dm3": "DM3",
    ".dm4": "DM4",
    ".ser": "SER",
    ".mrc": "MRC",
    ".map": "MRC",
    ".st": "MRC",
    ".emd": "EMD",
}
HEAD_BYTES = 4096
INSTEAD = "upload the micrograph itself as TIFF, PNG, JPEG, BMP, DM3, DM4, SER, MRC or EMD"

_READABLE: tuple[tuple[bytes, Kind], ...] = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"II\x97\x01", "SER"),
    (b"\x89HDF\r\n\x1a\n", "EMD"),
)

_EXPORT = "open it in the microscope's or camera's own software and export a TIFF"
_SAVE = "save it as PNG or TIFF and upload that"
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or an Office document", "unpack it and upload the micrograph inside"),
    (b"PK\x05\x06", "an empty ZIP archive", INSTEAD),
    (b"\x1f\x8b", "a gzip archive", "unpack it and upload the micrograph inside"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and upload the micrograph inside"),
    (b"Rar!", "a RAR archive", "unpack it and upload the micrograph inside"),
    (b"%PDF", "a PDF document", INSTEAD),
    (b"%!PS", "a PostScript document", INSTEAD),
    (b"\xd0\xcf\x11\xe0", "an old Office document", INSTEAD),
    (b"{\\rtf", "a text document", INSTEAD),
    (b"GIF8", "a GIF image", _SAVE),
    (b"8BPS", "a Photoshop image", _SAVE),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image", _SAVE),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image", _SAVE),
    (b"AAMVHFSS", "a Bruker BCF file", "open it in Bruker ESPRIT and export the image as TIFF"),
    (b"ZISRAWFILE", "a Zeiss CZI file", _EXPORT),
    (b"JK\0\2", "a TIA EMI file", "upload the .ser file that lies beside it, or both together"),
    (b"SIMPLE  =", "a FITS file", _EXPORT),
    (b"MZ", "a Windows program", INSTEAD),
    (b"\x7fELF", "a program", INSTEAD),
)
# Files of makers, by their suffixes: their first bytes are those of other things, too (ZIP).
_OF_MAKERS = {
    ".bcf": ("a Bruker BCF file", "open it in Bruker ESPRIT and export the image as TIFF"),
    ".elid": ("a Phenom project (ELID)", "open it in Phenom's Element Identification and export the image as TIFF"),
    ".prz": ("a Panta Rhei file (PRZ)", "open it in Panta Rhei and export the image as TIFF or DM4"),
    ".img": ("an image of the JEOL Analysis Station (IMG)", "export the image there as TIFF"),
    ".tvips": ("a TVIPS recording", "open it in EMMENU or EMTools and export one frame as TIFF"),
}
TEXT = "a text file"
_OF_VENDORS = (b"$CM_", b"$SM_", b"[SemImageFile]", b"[TemImageFile]", b"PixelSizeX")  # in text beside an image
_GATAN = {b"\0\0\0\x03": 8, b"\0\0\0\x04": 12}  # version: place of the byte order, 0 or 1


def recognise(head: bytes, name: str = "") -> Kind:
    """The kind of image that begins with `head` (the first HEAD_BYTES); UnreadableImage says what it is instead, for
    some makers' files by the `name`."""
    if not head:
        raise UnreadableImage(f"The file is empty; {INSTEAD}.")
    for magic, kind in _READABLE:
        if head.startswith(magic):
            return kind
    if head[:4] in _GATAN and head[_GATAN[head[:4]] :][:4] in (b"\0\0\0\0", b"\0\0\0\x01"):
        return "DM3" if head[3] == 3 else "DM4"
    if head[208:212] == b"MAP ":
        return "MRC"
    if maker := maker_of(name):
        raise UnreadableImage(f"The file looks like {maker[0]}, which is not read yet; {maker[1]}.")
    raise UnreadableImage(f"The file looks like {_foreign(head)}.")


def maker_of(name: str) -> tuple[str, str] | None:
    """What a maker's file of this name is, and the way out of it; None of any other name."""
    return _OF_MAKERS.get(PurePath(name).suffix.lower())


def _foreign(head: bytes) -> str:
    """What a file is that cannot be read, by its first bytes, and what to do; continues a sentence."""
    for magic, kind, instead in _FOREIGN:
        if head.startswith(magic):
            return f"{kind}, not an image that can be read; {instead}"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return f"a WebP image, which is not read; {_SAVE}"
    if head[4:8] == b"ftyp":
        return f"a HEIC picture or a film, which is not read; {_SAVE}"
    if not any(head):
        return f"a run of zero bytes, as after a failed copy; copy it again and {INSTEAD}"
    text = _text(head)
    if text == TEXT and any(mark in head.replace(b"\0", b"") for mark in _OF_VENDORS):  # UTF-16, too
        return "a text file that a microscope wrote beside an image; upload it together with the image of the same name"
    return f"{text or 'no image file that we know'}; {INSTEAD}"


def _text(head: bytes) -> str | None:
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page (HTML)"
    if start.startswith((b"<?xml", b"<svg", b"<!doctype")):
        return "an XML or SVG document"
    printable = sum(byte >= 32 or byte in b"\t\r\n" for byte in head.replace(b"\0", b""))
    return TEXT if printable > 0.97 * len(head.replace(b"\0", b"")) else None


def misnamed(name: str, kind: Kind) -> str | None:
    """A sentence if the file has a suffix that is none of this kind, else None."""
    suffix = PurePath(name).suffix.lower()
    if not suffix or SUFFIXES.get(suffix) == kind:
        return None
    article = "an" if kind in ("EMD", "MRC") else "a"
    return f"The file is named {suffix[:12]} but is {article} {kind} image; it was read as {kind}."


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
