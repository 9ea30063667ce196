"""Recognises the format of a file by its first bytes. For other files a sentence tells the user what the file is."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePath

from . import formats
from .formats.base import Format
from .types import UnreadableImage

HEAD_BYTES = 4096  # at the beginning of a file, by which it is recognised

_EXPORT_ADVICE = "open it in the microscope's or camera's own software and export a TIFF"
_SAVE_ADVICE = "save it as PNG or TIFF and upload that"
# First bytes of a file, what it is, and what the user can do; "" where only another file helps.
_OTHER_FILES: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or an Office document", "unpack it and upload the micrograph inside"),
    (b"PK\x05\x06", "an empty ZIP archive", ""),
    (b"\x1f\x8b", "a gzip archive", "unpack it and upload the micrograph inside"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and upload the micrograph inside"),
    (b"Rar!", "a RAR archive", "unpack it and upload the micrograph inside"),
    (b"%PDF", "a PDF document", ""),
    (b"%!PS", "a PostScript document", ""),
    (b"\xd0\xcf\x11\xe0", "an old Office document", ""),
    (b"{\\rtf", "a text document", ""),
    (b"GIF8", "a GIF image", _SAVE_ADVICE),
    (b"8BPS", "a Photoshop image", _SAVE_ADVICE),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image", _SAVE_ADVICE),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image", _SAVE_ADVICE),
    (b"AAMVHFSS", "a Bruker BCF file", "open it in Bruker ESPRIT and export the image as TIFF"),
    (b"ZISRAWFILE", "a Zeiss CZI file", _EXPORT_ADVICE),
    (b"JK\0\2", "a TIA EMI file", "upload the .ser file that lies beside it, or both together"),
    (b"SIMPLE  =", "a FITS file", _EXPORT_ADVICE),
    (b"MZ", "a Windows program", ""),
    (b"\x7fELF", "a program", ""),
)
# Suffixes of makers' files that begin like other files (ZIP): what the file is, and what the user can do.
_MAKER_SUFFIXES = {
    ".bcf": ("a Bruker BCF file", "open it in Bruker ESPRIT and export the image as TIFF"),
    ".elid": ("a Phenom project (ELID)", "open it in Phenom's Element Identification and export the image as TIFF"),
    ".prz": ("a Panta Rhei file (PRZ)", "open it in Panta Rhei and export the image as TIFF or DM4"),
    ".img": ("an image of the JEOL Analysis Station (IMG)", "export the image there as TIFF"),
    ".tvips": ("a TVIPS recording", "open it in EMMENU or EMTools and export one frame as TIFF"),
}
TEXT = "a text file"
_SIDE_FILE_MARKS = (b"$CM_", b"$SM_", b"[SemImageFile]", b"[TemImageFile]", b"PixelSizeX")  # in texts of microscopes


def recognise(head: bytes, name: str = "") -> Format:
    """The format of a file that begins with `head` (its first HEAD_BYTES).

    Raises UnreadableImage for a file of no known format; its sentence says what the file is. Some makers' files are
    recognised by `name`, the file's name."""
    if not head:
        raise UnreadableImage(f"The file is empty; {_upload_advice()}.")
    if file_format := formats.format_of(head):
        return file_format
    if maker := maker_file(name):
        raise UnreadableImage(f"The file looks like {maker[0]}, which is not read yet; {maker[1]}.")
    raise UnreadableImage(f"The file looks like {_other_file_text(head)}.")


def maker_file(name: str) -> tuple[str, str] | None:
    """(what the file is, what the user can do) for the file of a microscope maker, by its name; None for other
    names."""
    return _MAKER_SUFFIXES.get(PurePath(name).suffix.lower())


def _other_file_text(head: bytes) -> str:
    """What an unreadable file is, by its first bytes, and what the user can do, as the end of a sentence."""
    for magic, kind, instead in _OTHER_FILES:
        if head.startswith(magic):
            return f"{kind}, not an image that can be read; {instead or _upload_advice()}"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return f"a WebP image, which is not read; {_SAVE_ADVICE}"
    if head[4:8] == b"ftyp":
        return f"a HEIC picture or a film, which is not read; {_SAVE_ADVICE}"
    if not any(head):
        return f"a run of zero bytes, as after a failed copy; copy it again and {_upload_advice()}"
    text = _text_kind(head)
    if text == TEXT and any(mark in head.replace(b"\0", b"") for mark in _SIDE_FILE_MARKS):  # UTF-16, too
        return "a text file that a microscope wrote beside an image; upload it together with the image of the same name"
    return f"{text or 'no image file that we know'}; {_upload_advice()}"


def _upload_advice() -> str:
    """The end of a sentence that tells what to upload."""
    return f"upload the micrograph itself as {formats.names_text(' or ')}"


def _text_kind(head: bytes) -> str | None:
    """The kind of a text file in words, by its first bytes; None if the file is no text."""
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page (HTML)"
    if start.startswith((b"<?xml", b"<svg", b"<!doctype")):
        return "an XML or SVG document"
    printable = sum(byte >= 32 or byte in b"\t\r\n" for byte in head.replace(b"\0", b""))
    return TEXT if printable > 0.97 * len(head.replace(b"\0", b"")) else None


def wrong_suffix_note(name: str, file_format: Format) -> str | None:
    """A sentence for the user if the suffix of the file's name does not belong to this format, else None."""
    suffix = PurePath(name).suffix.lower()
    if not suffix or suffix in file_format.suffixes:
        return None
    return f"The file is named {suffix[:12]} but its content is {file_format.name}; it was read as {file_format.name}."


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
