"""JEOL: `$CM_…` and `$$SM_…` lines in the Exif MakerNote (tag 37500) or in a `.txt` file beside the image."""

from __future__ import annotations

import re

from .facts import Facts, Tags, kept, lines_of, pair_of, scaled, text_of
from .units import leading_number, nanometres, number, quantity_nm, rounding

TAG = 37500
_NEEDLES = (("$CM_", "utf-16-le"), ("$CM_", "utf-16-be"), ("$CM_", "ascii"))
_LINE = re.compile(r"\s*\$+([A-Z][A-Z0-9_]*)[ \t]*(.*?)\s*")
_EACH = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?\s*[^\s0-9.,]+")


def read(tags: Tags) -> Facts | None:
    """What the MakerNote says, None where it is not JEOL's."""
    raw = tags.exif(TAG) or tags.raw(TAG)
    return None if raw is None else read_note(raw)


def read_note(raw: bytes) -> Facts | None:
    """What the bytes of a MakerNote say: the text may follow a header of a few bytes, in UTF-16 or plain."""
    for needle, encoding in _NEEDLES:
        start = raw.find(needle.encode(encoding))
        if start >= 0:
            text = raw[start:].decode(encoding, errors="replace") if encoding != "ascii" else text_of(raw[start:])
            return _facts(text, "JEOL MakerNote")
    return None


def read_side(raw: bytes, columns: int, rows: int) -> Facts | None:
    """What the text file beside an image says, None where it is not JEOL's."""
    text = text_of(raw)
    return _facts(text, "JEOL text file") if "$CM_" in text or "$$SM_" in text else None


def _facts(text: str, where: str) -> Facts:
    """A pixel size in the order in which they are told: as such, by the field of view, by the micron bar."""
    entries: dict[str, str] = {}
    for form in filter(None, map(_LINE.fullmatch, lines_of(text))):
        entries.setdefault(form[1], form[2])
    columns, rows = pair_of(entries.get("CM_IMAGE_SIZE") or entries.get("CM_FULL_SIZE"))
    banner = number(entries.get("SM_PNU_HEIGHT"))
    size, height, uncertainty, key = _pixel_size(entries, columns, rows)
    return Facts(
        nm_per_pixel=size,
        detail=f"{where}, {key}",
        relative_uncertainty=uncertainty,
        height_nm=height,
        columns=columns,
        rows=rows,
        stored_rows=rows + int(banner) if rows and banner and 0 < banner < rows else None,
        metadata=_metadata(entries),
    )


def _pixel_size(
    entries: dict[str, str], columns: int | None, rows: int | None
) -> tuple[float | None, float | None, float | None, str]:
    """Width and height of a pixel in nm, the width's relative uncertainty, and the key."""
    sizes = _EACH.findall(entries.get("CM_PIXEL_SIZE", ""))
    if sizes and quantity_nm(sizes[0]):
        return quantity_nm(sizes[0]), quantity_nm(sizes[-1]), rounding(sizes[0]), "$CM_PIXEL_SIZE"
    fields = _EACH.findall(entries.get("CM_FIELD_OF_VIEW", ""))
    field = quantity_nm(fields[0]) if fields else None
    if field and columns:
        down = quantity_nm(fields[1]) if len(fields) > 1 else None
        return field / columns, down / rows if down and rows else None, rounding(fields[0]), "$CM_FIELD_OF_VIEW"
    marker, bar = _marker(entries.get("SM_MICRON_MARKER", "")), number(entries.get("SM_MICRON_BAR"))
    if marker and bar and bar > 0:
        return marker / bar, None, rounding(entries["SM_MICRON_BAR"]), "$$SM_MICRON_BAR"
    return None, None, None, ""


def _marker(text: str) -> float | None:
    """The length of the micron bar: nominal, so without rounding of its own."""
    form = re.fullmatch(r"\s*([0-9.,]+)\s*(\S+)\s*", text)
    value, factor = (number(form[1]), nanometres(form[2])) if form else (None, None)
    return value * factor if value and factor else None


def _metadata(entries: dict[str, str]) -> dict[str, str | float]:
    signal = entries.get("CM_SIGNAL_NAME") or entries.get("CM_SIGNAL") or entries.get("SM_DETECTOR")
    distance = entries.get("SM_WD", "")
    in_nm = quantity_nm(distance)
    return kept(
        instrument=f"JEOL {entries.get('CM_INSTRUMENT', '')}",
        detector=entries.get("FE_DETECTOR_NAME") or signal,
        voltage_kv=leading_number(entries.get("CM_ACCEL_VOLT") or entries.get("CM_ACCEL_VOLTAGE")),
        working_distance_mm=scaled(in_nm, 1e-6) if in_nm else leading_number(distance),
        magnification=leading_number(entries.get("CM_MAG")),
        date=f"{entries.get('CM_DATE', '')} {entries.get('CM_TIME', '')}",
    )
