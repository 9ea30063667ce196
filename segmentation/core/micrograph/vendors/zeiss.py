"""Reads Zeiss SmartSEM's tag (34118): a line with a key, such as `AP_WIDTH`, then a line such as `Width = 7.520 µm`."""

from __future__ import annotations

import re
from itertools import pairwise

from .facts import Facts, Tags, columns_and_rows, lines_of, metadata_of, scaled, text_of, tilt_facts, yes_or_no
from .units import height_unless_rounded, leading_number, number, plausible_pixel, quantity_nm, rounding

TAG = 34118
FIELD_TOLERANCE = 0.005  # relative: the field of view and the image have the same width if they differ by less
ROUNDING_TOLERANCE = 0.001  # relative: two values that differ by less are one value with two roundings
_KEY = re.compile(r"^(?:AP|DP|SV)_[A-Z0-9_]+$")
SCREEN, SCREEN_COLUMNS = "Pixel Size", 1024  # entry for a pixel of the screen, which is 4 : 3
_SIZES = (("AP_IMAGE_PIXEL_SIZE", "Image Pixel Size"), ("AP_PIXEL_SIZE", SCREEN))


def read(tags: Tags) -> Facts | None:
    """The facts in the SmartSEM header; None without one.

    "Image Pixel Size" is a pixel of the stored image; "Pixel Size" may be one of the screen. The fourth line of the
    block without keys at the top is the pixel size in metres, with more digits. Zeiss' helium-ion microscopes write
    only this line.
    """
    raw = tags.raw(TAG)
    if raw is None:
        return None
    lines = [line.strip() for line in lines_of(text_of(raw))]
    entries: dict[str, str] = {}  # key -> value, after its name and "=" or ":"
    for key, line in pairwise(lines):
        if _KEY.match(key) and not _KEY.match(line):
            value = re.split(r"[=:]", line, maxsplit=1)
            entries[key] = value[-1].strip() if len(value) == 2 else ""
    columns, rows = columns_and_rows(entries.get("DP_IMAGE_STORE"))
    size, name, written = _pixel_size(entries, lines, columns or tags.columns)
    width = quantity_nm(entries.get("AP_WIDTH", ""))
    is_whole_screen = 4 * tags.rows == 3 * tags.columns
    if name == SCREEN and size and width and is_whole_screen and not _doubt(size, width, SCREEN_COLUMNS):
        size = width / tags.columns  # the whole screen was stored with another number of pixels
    doubt = _doubt(size, width, columns or tags.columns)
    block = number(lines[3] if len(lines) > 3 else "")
    if doubt and block and not _doubt(block * 1e9, width, columns or tags.columns):  # two of three agree
        size, name, written, doubt = block * 1e9, "first block", lines[3], ()
    return Facts(
        nm_per_pixel=None if doubt else size,
        detail=f"Zeiss tag {TAG}, {name}",
        relative_uncertainty=rounding(written),
        height_nm=None if doubt else _height(entries, size, columns or tags.columns, rows),
        columns=columns,
        stored_rows=rows,
        metadata=_metadata(entries),
        notes=doubt,
    )


def _pixel_size(entries: dict[str, str], lines: list[str], columns: int) -> tuple[float | None, str, str]:
    """The pixel size in nm, the name of its entry, and the text there."""
    block = lines[3] if len(lines) > 3 else ""
    stored = number(block)
    exact = plausible_pixel(stored * 1e9) if stored else None
    for key, name in _SIZES:
        written = entries.get(key, "")
        size = plausible_pixel(quantity_nm(written))
        if size:
            is_same = exact is not None and abs(exact / size - 1) < ROUNDING_TOLERANCE
            return (exact, name, block) if is_same else (size, name, written)
    width = quantity_nm(entries.get("AP_WIDTH", ""))
    if width and plausible_pixel(width / columns):
        return width / columns, "Width", entries["AP_WIDTH"]
    return exact, "first block", block


def _doubt(size: float | None, width: float | None, columns: int) -> tuple[str, ...]:
    """A note if `columns` pixels of `size` nm differ by more than 1 % from `width` (nm); else ()."""
    if not size or not width or abs(size * columns / width - 1) <= 0.01:
        return ()
    return (
        f"The file's header gives a width of {width:.4g} nm, but {columns} px of {size:.4g} nm are "
        f"{size * columns:.4g} nm: neither is used, so type the image width.",
    )


def _metadata(entries: dict[str, str]) -> dict[str, str | float]:
    distance = quantity_nm(entries.get("AP_WD", ""))
    when = f"{entries.get('AP_DATE', '')} {entries.get('AP_TIME', '')}"
    voltage = entries.get("AP_ACTUALKV", "")
    volts = leading_number(voltage)
    magnification = entries.get("AP_MAG", "")
    times = leading_number(magnification)
    return metadata_of(
        instrument=f"Zeiss {entries.get('SV_SERIAL_NUMBER', '')}",
        detector=entries.get("DP_DETECTOR_CHANNEL") or entries.get("DP_DETECTOR_TYPE"),
        voltage_kv=scaled(volts, 1e-3) if volts and re.search(r"\d\s*V", voltage) else volts,
        working_distance_mm=scaled(distance, 1e-6),
        magnification=scaled(times, 1e3) if times and re.search(r"K\s*X", magnification, re.IGNORECASE) else times,
        date=when,
        **_tilt(entries),
    )


def _tilt(entries: dict[str, str]) -> dict[str, str | float | None]:
    """The metadata of `tilt_facts`; angles are in degrees. AP_TILT_ANGLE is the corrected angle; on a stage without
    motors it is the only entry for the tilt."""
    stage, angle, rotation = (
        leading_number(entries.get(key)) for key in ("AP_STAGE_AT_T", "AP_TILT_ANGLE", "AP_SCANROTATION")
    )
    is_rotated = yes_or_no(entries.get("DP_SCAN_ROT", "")) is not False
    return tilt_facts(
        angle if stage is None else stage,
        corrected=yes_or_no(entries.get("DP_TILT_CORRN") or entries.get("DP_TILT_CORRECTION", "")),
        angle=angle,
        rotation=rotation if is_rotated else None,
    )


def _height(entries: dict[str, str], size: float | None, columns: int, rows: int | None) -> float | None:
    """The height of a pixel from that of the field of view; None if the field and the image differ in width."""
    width, height = (quantity_nm(entries.get(key, "")) for key in ("AP_WIDTH", "AP_HEIGHT"))
    if not size or not width or not height or not rows or abs(width / columns / size - 1) > FIELD_TOLERANCE:
        return None
    return height_unless_rounded(size, height / rows, entries["AP_WIDTH"], entries["AP_HEIGHT"])
