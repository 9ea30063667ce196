"""What a file's header says, and the tags in which it says so."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Protocol
from xml.etree import ElementTree

from .units import plausible_pixel


class Tags(Protocol):
    """The TIFF tags of one page, as bytes: vendors' values are often malformed, so nothing is decoded for them."""

    columns: int
    rows: int
    little_endian: bool

    def raw(self, code: int) -> bytes | None:
        """The bytes of tag `code`, None where the page has no such tag."""


@dataclass(frozen=True)
class Facts:
    """What one vendor's reader found.

    nm_per_pixel: the width of a pixel, None where not given.
    detail: where it is given, for people.
    height_nm: the height of a pixel where given apart.
    columns, rows: the size of the acquired image as the header has it (without a data bar), where given.
    metadata: instrument, detector, voltage_kv, working_distance_mm, magnification, date: where given.
    notes: sentences for the user.
    """

    nm_per_pixel: float | None = None
    detail: str = ""
    height_nm: float | None = None
    columns: int | None = None
    rows: int | None = None
    metadata: dict[str, str | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def checked(self, columns: int) -> Facts:
        """These facts with impossible pixel sizes removed and doubts about an image of `columns` px noted."""
        size = plausible_pixel(self.nm_per_pixel)
        notes = list(self.notes)
        height = plausible_pixel(self.height_nm)
        if size and height and abs(size / height - 1) > 0.005:
            notes.append(
                f"The file says that its pixels are not square ({size:.4g} nm wide, {height:.4g} nm high); "
                "the width is used for all lengths."
            )
        if size and self.columns and self.columns != columns:
            notes.append(
                f"The file's header describes an image {self.columns} px wide but this one is {columns} px wide: "
                "it was resized or cropped after it was taken, so please check the image width."
            )
        return Facts(size, self.detail if size else "", height, self.columns, self.rows, self.metadata, tuple(notes))


def text_of(raw: bytes) -> str:
    """A tag's text: UTF-8 where it is that, else Windows-1252; without trailing zero bytes."""
    cut = raw.rstrip(b"\0 ")
    try:
        return cut.decode("utf-8")
    except UnicodeDecodeError:
        return cut.decode("cp1252", errors="replace")


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


def kept(**values: str | float | None) -> dict[str, str | float]:
    """The values that are given: no None, no empty text; text cut to 200 characters."""
    tidy = {
        name: value.strip()[:200] if isinstance(value, str) else value
        for name, value in values.items()
        if value is not None
    }
    return {name: value for name, value in tidy.items() if value != ""}


def scaled(value: float | None, factor: float) -> float | None:
    """`value` in another unit, rounded to 6 significant digits; None stays None."""
    return None if value is None else float(f"{value * factor:.6g}")


def whole(value: float | None) -> int | None:
    """`value` as a number of pixels, None where it is none."""
    return int(value) if value is not None and 0 < value < 1e6 and value == int(value) else None
