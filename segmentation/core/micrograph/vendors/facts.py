"""The type `Facts` (what the header of a file states about its image), and functions that the vendors' readers
share."""

from __future__ import annotations

import math
import re
import struct
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from xml.etree import ElementTree

from ..calibration.sources import Source
from .units import SQRT3, plausible_pixel

ION_COLUMN = 52.0  # degrees between the columns of Thermo's microscopes with two beams
MOST_TILT = 90.0  # degrees
LEAST_TILT = 0.5  # degrees: smaller tilts and rotations count as none


def moment_of(date: str) -> datetime | None:
    """The time in a date text of a file; None if it can be read in two ways, such as "07/08/2019"."""
    text = date.removesuffix(" UTC").replace("/", "-")
    with suppress(ValueError):
        return datetime.fromisoformat(text).replace(tzinfo=None)
    for date_format in ("%d %b %Y %H:%M:%S", "%d %b %Y"):
        with suppress(ValueError):
            return datetime.strptime(text, date_format)
    return None


class Tags(Protocol):
    """The TIFF tags of one page. Values are undecoded bytes, because those of vendors are often malformed."""

    columns: int
    rows: int
    little_endian: bool

    def raw(self, code: int) -> bytes | None:
        """The bytes of tag `code`; None if the page has no such tag."""

    def exif(self, code: int) -> bytes | None:
        """The bytes of tag `code` in the page's Exif directory; None if there is none."""

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes of the file from `offset`: some vendors' tags point to places in it."""


def tag_bytes(tags: Tags, code: int, limit: int) -> bytes | None:
    """The bytes of tag `code`; if it has four, they are an offset in the file, and up to `limit` bytes from there."""
    raw = tags.raw(code)
    if raw is None or len(raw) != 4:
        return raw
    return tags.at(int.from_bytes(raw, "little" if tags.little_endian else "big"), limit)


MARKS = "marks"  # key of metadata: where coloured marks lie on the image (`marks.regions_from_metadata`)


@dataclass(frozen=True)
class Facts:
    """The facts that one reader found in a header or side file; a field without an entry is None or empty.

    nm_per_pixel: the width of a pixel.
    detail: for people, the entry from which nm_per_pixel comes.
    relative_uncertainty: standard uncertainty of nm_per_pixel as a fraction, from the rounding of the written number.
    height_nm: the height of a pixel.
    columns, rows: the size of the acquired image in px, without a data bar.
    stored_rows: the rows of the image in the file, with a data bar.
    source: METADATA for the image's own header, SIDE_FILE for a file beside it.
    metadata: instrument, detector, voltage_kv, working_distance_mm, magnification, date, and the keys of `tilt_facts`.
    notes: sentences for the user.
    """

    nm_per_pixel: float | None = None
    detail: str = ""
    relative_uncertainty: float | None = None
    height_nm: float | None = None
    columns: int | None = None
    rows: int | None = None
    stored_rows: int | None = None
    source: Source = Source.METADATA
    metadata: dict[str, str | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def checked(self) -> Facts:
        """These facts with impossible pixel sizes removed."""
        size, height = plausible_pixel(self.nm_per_pixel), plausible_pixel(self.height_nm)
        stated = self.relative_uncertainty
        is_share = stated is not None and math.isfinite(stated) and 0 <= stated < 1
        return replace(
            self,
            nm_per_pixel=size,
            detail=self.detail if size else "",
            relative_uncertainty=stated if size and is_share else None,
            height_nm=height,
        )


def text_of(raw: bytes) -> str:
    """The text in the bytes of a header. The encoding is that of the byte order mark, else UTF-16 or UTF-8 if the bytes
    look like it, else Windows-1252.

    Trailing zero bytes and spaces are left out.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, errors="replace").rstrip("\0 ")
    cut = raw.rstrip(b"\0 ")
    if utf16 := _utf16_of(cut):
        return raw.decode(utf16, errors="replace").rstrip("\0 ")
    try:
        return cut.decode("utf-8")
    except UnicodeDecodeError:
        return cut.decode("cp1252", errors="replace")


_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def _utf16_of(raw: bytes) -> str | None:
    """The UTF-16 encoding of `raw`, recognised by the zero bytes of Latin text; None if it is not UTF-16."""
    start = raw[:4096]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) < 0.35 * len(start) or min(even, odd) > 0.05 * len(start):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def reciprocal_notes(unit: str) -> tuple[str, ...]:
    """A sentence for the user if the unit of a pixel is one over a length."""
    if not unit.startswith("1/") and not unit.endswith("^-1"):
        return ()
    return (f"The file's pixels are in {unit[:10]}: it is a diffraction pattern or a transform.",)


def lines_of(text: str) -> list[str]:
    """The lines of a text, which end in CR, LF or both.

    A program that saves a text again may double its line ends (CR CR LF, or CR LF CR LF). If every second line is blank
    for that reason, the blank ones are left out.
    """
    lines = re.sub(r"(?<!\r)\r+\n", "\n", text).splitlines()  # the look-behind keeps the search linear in time
    return lines[::2] if len(lines) > 2 and not any(line.strip() for line in lines[1::2]) else lines


def entries_of(text: str) -> dict[str, str]:
    """The values of `Key=value` lines by key, without regard to sections; of two equal keys the first is taken."""
    entries: dict[str, str] = {}
    for line in lines_of(text):
        key, equals, value = line.partition("=")
        if equals:
            entries.setdefault(key.strip(), value.strip())
    return entries


def xml_of(text: str) -> ElementTree.Element | None:
    """The root of an XML document; None if it is broken, or defines entities, which could fill the memory."""
    start = text.find("<")
    if start < 0 or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text[start:].encode("utf-8"), ElementTree.XMLParser(encoding="utf-8"))
    except (ElementTree.ParseError, ValueError):
        return None


def rational(raw: bytes | None, little_endian: bool) -> float | None:
    """The value of a TIFF RATIONAL; None if it is missing or not positive."""
    if raw is None or len(raw) < 8:
        return None
    numerator, denominator = struct.unpack(("<" if little_endian else ">") + "II", raw[:8])
    return numerator / denominator if numerator and denominator else None


def rational_rounding(raw: bytes | None, little_endian: bool) -> float | None:
    """The relative standard uncertainty of a TIFF RATIONAL whose numerator was rounded.

    The denominator must be a power of ten, and the numerator must have three digits or more. Otherwise None: the
    fraction may be a reduced one (0.1 as 1/10), so that its rounding is not known.
    """
    if raw is None or rational(raw, little_endian) is None:
        return None
    numerator, denominator = struct.unpack(("<" if little_endian else ">") + "II", raw[:8])
    is_decimal = denominator >= 10 and str(denominator).strip("0") == "1"
    return 0.5 / (numerator * SQRT3) if numerator >= 100 and is_decimal else None


def metadata_of(**values: str | float | None) -> dict[str, str | float]:
    """The values that are neither None nor empty; texts have 200 characters at most."""
    tidy = {
        name: value.strip()[:200] if isinstance(value, str) else value
        for name, value in values.items()
        if value is not None
    }
    return {name: value for name, value in tidy.items() if value != ""}


def tilt_facts(
    stage: float | None,
    *,
    corrected: bool | None = None,
    angle: float | None = None,
    rotation: float | None = None,
    radians: bool = False,
    ion: bool = False,
) -> dict[str, str | float | None]:
    """Metadata of a tilted stage: `tilt_degrees` between the specimen's surface and the plane across the beam,
    `tilt_corrected` ("yes" or "no", if known), and `scan_rotation_degrees` if the scan was rotated.

    stage: tilt of the stage; without it nothing is returned.
    corrected: whether the microscope stretched the scan to correct a tilt.
    angle: the tilt that it corrected; an angle of 0 corrects nothing.
    rotation: of the scan.
    radians: whether stage, angle and rotation are in radians; else in degrees.
    ion: whether the image is of Thermo's ion beam, whose column is at ION_COLUMN to that of the electron beam.
    """
    if stage is None:
        return {}
    tilt, corrected_angle, scan_rotation = (
        None if value is None else math.degrees(value) if radians else value for value in (stage, angle, rotation)
    )
    assert tilt is not None
    tilt = abs(ION_COLUMN - tilt if ion else tilt)
    if tilt > MOST_TILT:
        return {}
    if corrected and corrected_angle is not None and abs(corrected_angle) < LEAST_TILT:
        corrected = False
    scan_rotation = (scan_rotation or 0.0) % 360
    is_rotated = min(scan_rotation, 360 - scan_rotation) >= LEAST_TILT
    return {
        "tilt_degrees": round(tilt, 2) + 0.0,
        "tilt_corrected": None if corrected is None else "yes" if corrected else "no",
        "scan_rotation_degrees": round(scan_rotation, 2) if is_rotated else None,
    }


def yes_or_no(word: str) -> bool | None:
    """True for a word that means yes, False for one that means no; None for any other."""
    words = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)
    return words.get(word.strip().lower())


def local_name(element: ElementTree.Element) -> str:
    """The name of an XML element without its namespace."""
    return element.tag.rpartition("}")[2]


def scaled(value: float | None, factor: float) -> float | None:
    """`value` in another unit, rounded to 6 significant digits; None stays None."""
    return None if value is None else float(f"{value * factor:.6g}")


def columns_and_rows(text: str | None) -> tuple[int | None, int | None]:
    """Columns and rows of "1024 x 768", "1024 * 768" or "1024 768"; (None, None) for any other text."""
    match = re.search(r"([0-9]{1,6})\s*[xX*×\s]\s*([0-9]{1,6})", text or "")
    return (pixel_count(float(match[1])), pixel_count(float(match[2]))) if match else (None, None)


def pixel_count(value: float | None) -> int | None:
    """`value` as a number of pixels; None if it is not a positive whole number."""
    return int(value) if value is not None and 0 < value < 1e6 and value == int(value) else None
