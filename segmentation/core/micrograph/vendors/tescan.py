"""Reads TESCAN's `Key=value` lines, at the end of tag 50431 (after a thumbnail) or in a `.hdr` side file.

Lengths are in metres.
"""

from __future__ import annotations

import re

from .facts import Facts, Tags, entries_of, metadata_of, scaled, text_of, tilt_facts, yes_or_no
from .units import number, rounding

TAG = 50431
WIDTH_TOLERANCE = 0.02  # relative: widths of the field of view that differ by less are equal
ION = "[FIB]"  # title of the section in images of the ion beam, in place of "[SEM]"
OTHER_WIDTH = (
    "TESCAN's header is that of an image {:.0f} px wide but this one is {} px wide: it was resized or cropped, so the"
    " pixel size of the header is not used: type the image width."
)
_LINE = re.compile(rb"(?:^|[\r\n\0\x01-\x09])([A-Za-z][A-Za-z0-9]{1,40})=([^\r\n\0]{0,200})")


def read(tags: Tags) -> Facts | None:
    """The facts in TESCAN's tag; None without it."""
    raw = tags.raw(TAG)
    if raw is None:
        return None
    fields: dict[str, str] = {}  # "AccFrames" is the first of them
    for key, value in _LINE.findall(raw[max(0, raw.find(b"AccFrames=") - 1) :]):
        fields.setdefault(key.decode("ascii"), value.decode("utf-8", "replace").strip())
    return _facts(fields, f"TESCAN tag {TAG}", tags.columns, tags.rows, ion=ION.encode() in raw)


def read_side(raw: bytes, columns: int, rows: int) -> Facts | None:
    """The facts in the header file beside an image of `columns` x `rows` px; None if it is not TESCAN's."""
    text = text_of(raw)
    if "PixelSizeX" not in text:
        return None
    return _facts(entries_of(text), "TESCAN header file", columns, rows, ion=ION in text)


def _facts(fields: dict[str, str], where: str, columns: int, rows: int, *, ion: bool) -> Facts:
    """The facts in the lines. The width of the field of view is MagnificationReference over Magnification: if the image
    has another width, the pixel size is left out. ion: whether the image is of the ion beam; its tilt is left out, as
    the header does not say the beam's angle to the stage."""
    width, height = number(fields.get("PixelSizeX")), number(fields.get("PixelSizeY"))
    strip = number(fields.get("ImageStripSize"))
    reference, magnification = number(fields.get("MagnificationReference")), number(fields.get("Magnification"))
    notes: tuple[str, ...] = ()
    if width and reference and magnification and abs(reference / magnification / width / columns - 1) > WIDTH_TOLERANCE:
        acquired = reference / magnification / width
        notes = (OTHER_WIDTH.format(acquired, columns),)
        width = height = None
    return Facts(
        nm_per_pixel=width * 1e9 if width else None,
        detail=f"{where}, PixelSizeX",
        relative_uncertainty=rounding(fields.get("PixelSizeX")),
        height_nm=height * 1e9 if height else None,
        rows=rows - int(strip) if strip and 0 < strip < rows else None,
        notes=notes,
        metadata=metadata_of(
            instrument=fields.get("Device"),
            detector=fields.get("Detector"),
            voltage_kv=scaled(number(fields.get("HV")), 1e-3),
            working_distance_mm=scaled(number(fields.get("WD")), 1e3),
            magnification=magnification,
            date=f"{fields.get('Date', '')} {fields.get('Time', '')}",
            **({} if ion else _tilt(fields)),
        ),
    )


def _tilt(fields: dict[str, str]) -> dict[str, str | float | None]:
    """The metadata of `tilt_facts`; angles are in degrees. `TiltCorrection` is the corrected angle, 0, or a word."""
    written = fields.get("TiltCorrection", "")
    angle = number(written or None)
    return tilt_facts(
        number(fields.get("StageTilt") or None),
        corrected=yes_or_no(written) if angle in (None, 1.0) else True,
        angle=None if angle == 1.0 else angle,
        rotation=number(fields.get("ScanRotation") or None),
    )
