"""The facts in the header of a file, and the tags that hold them."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, field, replace
from typing import Protocol
from xml.etree import ElementTree

from ..sources import Source
from .units import SQRT3, plausible_pixel

ION_COLUMN = 52.0  # degrees between the columns of Thermo's microscopes with two beams
MOST_TILT = 90.0
LEAST_TILT = 0.5  # degrees: below it nothing is tilted, corrected or turned


class Tags(Protocol):
    """The TIFF tags of one page as undecoded bytes, because vendors' values are often malformed."""

    columns: int
    rows: int
    little_endian: bool

    def raw(self, code: int) -> bytes | None:
        """The bytes of tag `code`, None where the page has no such tag."""

    def exif(self, code: int) -> bytes | None:
        """The bytes of tag `code` of the page's Exif directory, None where there is none."""

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes of the file from `offset`: some vendors' tags point to places in it."""


def followed(tags: Tags, code: int, limit: int) -> bytes | None:
    """The bytes of tag `code`, or up to `limit` bytes from the place that a value of four bytes points to."""
    raw = tags.raw(code)
    if raw is None or len(raw) != 4:
        return raw
    return tags.at(int.from_bytes(raw, "little" if tags.little_endian else "big"), limit)


MARKS = "marks"  # metadata: where coloured marks lie on the picture (`marks.from_metadata`)


@dataclass(frozen=True)
class Facts:
    """The facts that one vendor's reader found.

    nm_per_pixel: the width of a pixel, None where not given.
    detail: where it is given, for people.
    relative_uncertainty: standard uncertainty of nm_per_pixel as a fraction, from the rounding of what is written.
    height_nm: the height of a pixel where given apart.
    columns, rows: the size of the acquired image as the header has it (without a data bar), where given.
    stored_rows: the rows of the file as the header has it, with a data bar, where given.
    source: where all this is given, in the image's own header or in a file beside it.
    metadata: instrument, detector, voltage_kv, working_distance_mm, magnification, date, and those of `tilt_facts`:
        where given.
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
    """Text as microscopes write it: by its byte order mark, UTF-16 without one, UTF-8, else Windows-1252.

    Trailing zero bytes and spaces are left out.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, errors="replace").rstrip("\0 ")
    cut = raw.rstrip(b"\0 ")
    if wide := _wide(cut):
        return raw.decode(wide, errors="replace").rstrip("\0 ")
    try:
        return cut.decode("utf-8")
    except UnicodeDecodeError:
        return cut.decode("cp1252", errors="replace")


_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def _wide(raw: bytes) -> str | None:
    """The UTF-16 of `raw`, recognised by the zero bytes of Latin text; None where it is something else."""
    start = raw[:4096]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) < 0.35 * len(start) or min(even, odd) > 0.05 * len(start):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def reciprocal_notes(unit: str) -> tuple[str, ...]:
    """A sentence where the unit of a pixel is one over a length."""
    if not unit.startswith("1/") and not unit.endswith("^-1"):
        return ()
    return (f"The file's pixels are in {unit[:10]}: it is a diffraction pattern or a transform.",)


def lines_of(text: str) -> list[str]:
    """The lines of a text, ended by CR, LF or both.

    Saving a text again in another mode can double its line ends (CR CR LF, or CR LF CR LF): where every second line
    is blank for that reason, those are left out.
    """
    lines = re.sub(r"(?<!\r)\r+\n", "\n", text).splitlines()  # tried once for each run of CR: not in square time
    return lines[::2] if len(lines) > 2 and not any(line.strip() for line in lines[1::2]) else lines


def entries_of(text: str) -> dict[str, str]:
    """The values of `Key=value` lines, whatever their sections; the first of a name counts."""
    entries: dict[str, str] = {}
    for line in lines_of(text):
        key, equals, value = line.partition("=")
        if equals:
            entries.setdefault(key.strip(), value.strip())
    return entries


def xml_of(text: str) -> ElementTree.Element | None:
    """The root of an XML document; None where it is broken or defines entities, which could be a bomb."""
    start = text.find("<")
    if start < 0 or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text[start:].encode("utf-8"), ElementTree.XMLParser(encoding="utf-8"))
    except (ElementTree.ParseError, ValueError):
        return None


def rational(raw: bytes | None, little_endian: bool) -> float | None:
    """The value of a TIFF RATIONAL, None where it is missing or no positive number."""
    if raw is None or len(raw) < 8:
        return None
    over, under = struct.unpack(("<" if little_endian else ">") + "II", raw[:8])
    return over / under if over and under else None


def rational_rounding(raw: bytes | None, little_endian: bool) -> float | None:
    """The relative standard uncertainty of a TIFF RATIONAL over a power of ten: its numerator was rounded.

    None for other fractions, and for a numerator of fewer than three digits, which may be a reduced fraction (0.1 as
    1/10): how they were rounded is not known.
    """
    if raw is None or rational(raw, little_endian) is None:
        return None
    over, under = struct.unpack(("<" if little_endian else ">") + "II", raw[:8])
    return 0.5 / (over * SQRT3) if over >= 100 and under >= 10 and str(under).strip("0") == "1" else None


def metadata_of(**values: str | float | None) -> dict[str, str | float]:
    """The values that are given: no None, no empty text; text cut to 200 characters."""
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
    """The metadata of a tilted stage: `tilt_degrees` between the specimen's surface and a plane across the beam,
    `tilt_corrected` ("yes" or "no", where known), and `scan_rotation_degrees` where the scan was turned.

    stage: the tilt; none of them is given without it. corrected: whether the microscope stretched the scan for a tilt.
    angle: for which one; by 0 nothing is corrected. rotation: of the scan. radians: these three are in radians, else
    in degrees. ion: whether the image is of Thermo's ion beam, at ION_COLUMN to the electron beam.
    """
    if stage is None:
        return {}
    tilt, by, turned = (
        None if value is None else math.degrees(value) if radians else value for value in (stage, angle, rotation)
    )
    assert tilt is not None
    tilt = abs(ION_COLUMN - tilt if ion else tilt)
    if tilt > MOST_TILT:
        return {}
    if corrected and by is not None and abs(by) < LEAST_TILT:
        corrected = False
    turned = (turned or 0.0) % 360
    is_turned = min(turned, 360 - turned) >= LEAST_TILT
    return {
        "tilt_degrees": round(tilt, 2) + 0.0,
        "tilt_corrected": None if corrected is None else "yes" if corrected else "no",
        "scan_rotation_degrees": round(turned, 2) if is_turned else None,
    }


def truth(word: str) -> bool | None:
    """What a word for yes or no says; None for any other."""
    known = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)
    return known.get(word.strip().lower())


def local_name(element: ElementTree.Element) -> str:
    """The name of an element of XML without its namespace."""
    return element.tag.rpartition("}")[2]


def scaled(value: float | None, factor: float) -> float | None:
    """`value` in another unit, rounded to 6 significant digits; None stays None."""
    return None if value is None else float(f"{value * factor:.6g}")


def pair_of(text: str | None) -> tuple[int | None, int | None]:
    """Columns and rows of "1024 x 768", "1024 * 768" or "1024 768"; (None, None) where it is neither."""
    form = re.search(r"([0-9]{1,6})\s*[xX*×\s]\s*([0-9]{1,6})", text or "")
    return (whole(float(form[1])), whole(float(form[2]))) if form else (None, None)


def whole(value: float | None) -> int | None:
    """`value` as a number of pixels, None where it is none."""
    return int(value) if value is not None and 0 < value < 1e6 and value == int(value) else None
