"""Reads JEOL's headers: `$CM_…` and `$SM_…` entries in the Exif MakerNote (tag 37500) or in a `.txt` side file.

TEM images have XML in the description (tag 270) instead. The entries have two notations: lines `$CM_MAG 10000` and
`$$SM_WD 8.1`, and `$CM_MAG=10000` and `$SM_WD=8.1` with tabs between them.
"""

from __future__ import annotations

import re
from dataclasses import replace

from .facts import (
    Facts,
    Tags,
    columns_and_rows,
    lines_of,
    metadata_of,
    pixel_count,
    scaled,
    text_of,
    tilt_facts,
    xml_of,
    yes_or_no,
)
from .units import SQRT3, height_unless_rounded, leading_number, number, plausible_pixel, quantity_nm, rounding

TAG, DESCRIPTION = 37500, 270
LARGEST_NOTE = 1 << 20  # bytes of a MakerNote that are read
LONGEST_VALUE = 200  # characters
ENTRY_TOLERANCE = 0.01  # relative: pixel sizes that differ by less, beyond their rounding, are equal
_UNICODE = b"UNICODE\0"
_NEEDLES = (("$CM_", "utf-16-le"), ("$CM_", "utf-16-be"), ("$CM_", "ascii"))
_ENTRY = re.compile(r"\s*\$+([A-Z][A-Z0-9_]*)[ \t]*=?(.*)")
_LENGTH = r"([0-9.,]+(?:[eE][+-]?[0-9]+)?)\s*([^\s0-9.,]\S*)?"
_TILT = re.compile(r"\bT\s*=\s*([+-]?[0-9]+(?:\.[0-9]*)?)")
_LENGTHS = re.compile(rf"{_LENGTH}(?:\s+{_LENGTH})?")


def read(tags: Tags) -> Facts | None:
    """The facts in the MakerNote, or in the XML of a TEM; None if there are none by JEOL."""
    raw = tags.raw(TAG) or tags.exif(TAG)
    return _transmission(tags) if raw is None else read_note(raw)


def _transmission(tags: Tags) -> Facts | None:
    """The facts in a TEM's XML. The pixel size is that on the detector (from its pixels per metre) over the
    magnification.

    The camera software draws its scale bar from the same two numbers (`InstrumentsParameter` beside each drawn object).
    """
    raw = tags.raw(DESCRIPTION)
    root = xml_of(text_of(raw)) if raw is not None and b"<TemReporter" in raw[:200] else None
    if root is None:
        return None
    drawn = root.find(".//DrawObject[InstrumentsParameter]")
    if drawn is None or drawn.findtext("InstrumentsParameter/Measurement_UnitType") != "UnitType_Length":
        return Facts(metadata=metadata_of(instrument=f"JEOL {root.findtext('Instruments', '')}"))
    density = ".//PixelsPerMeter/"
    across, down = (number(drawn.findtext(density + side)) for side in ("Horizontal", "Vertical"))
    magnification = number(drawn.findtext("InstrumentsParameter/SelectorValue"))
    columns, rows = (pixel_count(number(drawn.findtext(f".//ImageSize/{side}"))) for side in ("Width", "Height"))
    if not across or not magnification:  # malformed
        return None
    return Facts(
        nm_per_pixel=1e9 / (across * magnification),
        detail=f"JEOL tag {DESCRIPTION}, PixelsPerMeter and magnification",
        relative_uncertainty=rounding(drawn.findtext(density + "Horizontal")),
        height_nm=1e9 / (down * magnification) if down else None,
        columns=columns,
        rows=rows,
        metadata=metadata_of(
            instrument=f"JEOL {root.findtext('Instruments', '')}",
            voltage_kv=scaled(number(drawn.findtext("InstrumentsParameter/AccVoltage")), 1e-3),
            magnification=magnification,
            date=root.findtext("DateTime"),
        ),
    )


def read_note(raw: bytes) -> Facts | None:
    """The facts in the bytes of a MakerNote: UTF-16 after the word UNICODE, or any encoding after a few other bytes."""
    raw = raw[:LARGEST_NOTE]
    if raw.startswith(_UNICODE):
        return _facts(raw[len(_UNICODE) :].decode("utf-16-le", errors="replace"), "JEOL MakerNote")
    for needle, encoding in _NEEDLES:
        start = raw.find(needle.encode(encoding))
        if start >= 0:
            text = raw[start:].decode(encoding, errors="replace") if encoding != "ascii" else text_of(raw[start:])
            return _facts(text, "JEOL MakerNote")
    return None


def read_side(raw: bytes, columns: int, rows: int) -> Facts | None:
    """The facts in the text file beside an image; None if it is not JEOL's."""
    return _facts(text_of(raw), "JEOL text file")


def _facts(text: str, where: str) -> Facts | None:
    """The facts in a text of entries; None without any. The pixel size comes from the first of these that is
    there: its own entry, field of view over columns, length of the scale bar over its pixels. where: the place of the
    text, for people."""
    if "$CM_" not in text and "$SM_" not in text:
        return None
    entries: dict[str, str] = {}  # of two equal keys the first is taken
    for match in filter(None, map(_ENTRY.match, lines_of(text.replace("\t$", "\n$")))):
        entries.setdefault(match[1], match[2].strip("\0 \t")[:LONGEST_VALUE])

    columns, rows = columns_and_rows(entries.get("CM_IMAGE_SIZE") or entries.get("CM_FULL_SIZE"))
    banner = number(entries.get("SM_PNU_HEIGHT"))
    stated = _size("$CM_PIXEL_SIZE", entries.get("CM_PIXEL_SIZE", "").replace("/pixel", ""), 1, 1)
    field = _size("$CM_FIELD_OF_VIEW", entries.get("CM_FIELD_OF_VIEW", ""), columns, rows)
    marker, bar = quantity_nm(entries.get("SM_MICRON_MARKER", "")), number(entries.get("SM_MICRON_BAR"))
    # The length of the scale bar is nominal, so it has no rounding.
    by_bar = Facts(
        nm_per_pixel=marker / bar if marker and bar and bar > 0 else None,
        detail="$$SM_MICRON_BAR",
        relative_uncertainty=rounding(entries.get("SM_MICRON_BAR")),
    )
    size = next((size for size in (stated, field) if plausible_pixel(size.nm_per_pixel)), by_bar)
    doubt = _doubt(stated, field)
    return replace(
        size,
        nm_per_pixel=None if doubt else size.nm_per_pixel,
        height_nm=size.height_nm or _height(size.nm_per_pixel, field),
        detail=f"{where}, {size.detail}",
        columns=columns,
        rows=rows,
        stored_rows=rows + int(banner) if rows and banner and 0 < banner < rows else None,
        metadata=_metadata(entries),
        notes=doubt,
    )


def _size(key: str, text: str, columns: int | None, rows: int | None) -> Facts:
    """The size of a pixel of a field of `columns` x `rows` px. text: its width, or width and height with one unit or
    two."""
    match = _LENGTHS.fullmatch(text)
    if match is None:
        return Facts(detail=key)
    across, unit, down, last = (part or "" for part in match.groups())
    width, height = quantity_nm(f"{across} {unit or last}"), quantity_nm(f"{down} {last or unit}")
    size = width / columns if width and columns else None
    return Facts(
        nm_per_pixel=size,
        detail=key,
        relative_uncertainty=rounding(across),
        height_nm=height_unless_rounded(size, height / rows, across, down) if size and height and rows else None,
    )


def _height(size: float | None, field: Facts) -> float | None:
    """The height of a pixel of width `size`, by the aspect ratio of the field of view's pixels; None without one."""
    return size * field.height_nm / field.nm_per_pixel if size and field.height_nm and field.nm_per_pixel else None


def _doubt(stated: Facts, field: Facts) -> tuple[str, ...]:
    """A sentence if the stated pixel size and that of the field of view differ by more than their digits allow."""
    one, other = plausible_pixel(stated.nm_per_pixel), plausible_pixel(field.nm_per_pixel)
    allowed_by_rounding = SQRT3 * ((stated.relative_uncertainty or 0.0) + (field.relative_uncertainty or 0.0))
    if not one or not other or abs(one / other - 1) <= ENTRY_TOLERANCE + allowed_by_rounding:
        return ()
    return (
        f"The file's header gives {one:.4g} nm per pixel, but its field of view {other:.4g} nm: "
        "neither is used, so type the image width.",
    )


def _metadata(entries: dict[str, str]) -> dict[str, str | float]:
    signal = entries.get("CM_SIGNAL_NAME") or entries.get("CM_SIGNAL") or entries.get("SM_DETECTOR")
    distance = entries.get("SM_WD", "")
    in_nm = quantity_nm(distance)
    return metadata_of(
        instrument=f"JEOL {entries.get('SM_NICKNAME') or entries.get('CM_INSTRUMENT', '')}",
        detector=entries.get("FE_DETECTOR_NAME") or signal,
        voltage_kv=leading_number(entries.get("CM_ACCEL_VOLT") or entries.get("CM_ACCEL_VOLTAGE")),
        working_distance_mm=scaled(in_nm, 1e-6) if in_nm else leading_number(distance),
        magnification=leading_number(entries.get("CM_MAG")),
        date=f"{entries.get('CM_DATE', '')} {entries.get('CM_TIME', '')}",
        **tilt_facts(  # in degrees
            _stage_tilt(entries),
            corrected=yes_or_no(next((text for key, text in entries.items() if "TILT_COR" in key), "")),
            rotation=leading_number(entries.get("SM_SCAN_ROTATION")),
        ),
    )


def _stage_tilt(entries: dict[str, str]) -> float | None:
    """The tilt of the stage in degrees: after the letter T, or the fifth of x, y, z, rotation and tilt."""
    if lettered := _TILT.search(entries.get("CM_STAGE_POSITION", "")):
        return number(lettered[1])
    places = entries.get("CM_STAGE_POS", "").split()
    return number(places[4]) if len(places) in (5, 6) else None
