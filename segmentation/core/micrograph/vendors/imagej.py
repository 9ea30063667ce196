"""Reads ImageJ's calibration in TIFFs: `unit=` in the description (tag 270), pixels per unit in the resolution
tags."""

from __future__ import annotations

import re

from .facts import Facts, Tags, rational, rational_rounding, text_of
from .units import nanometres

DESCRIPTION, X_RESOLUTION, Y_RESOLUTION = 270, 282, 283
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")
_MILLIMETRE, _PRINTED = 1e6, 1e3  # nm: a unit from 1 mm on with pixels above 1 µm is a print resolution


def read(tags: Tags) -> Facts | None:
    """The facts in ImageJ's description; None without one.

    ImageJ turns a print resolution into a "calibration" in inches, centimetres or millimetres, which is
    recognised and not used.
    """
    text = text_of(tags.raw(DESCRIPTION) or b"")
    if not text.startswith("ImageJ="):
        return None
    entries = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    unit = entries.get("unit") or entries.get("xunit", "")
    factor = _nanometres(unit)
    across = rational(tags.raw(X_RESOLUTION), tags.little_endian)
    down = rational(tags.raw(Y_RESOLUTION), tags.little_endian)
    if not factor or not across:
        return Facts(detail="ImageJ")
    if factor >= _MILLIMETRE and factor / across > _PRINTED:
        return Facts(notes=("The file gives only a resolution for printing, which says nothing about the sample.",))
    return Facts(
        nm_per_pixel=factor / across,
        detail=f"ImageJ, pixels per {unit.strip()[:20]}",
        relative_uncertainty=rational_rounding(tags.raw(X_RESOLUTION), tags.little_endian),
        # Where a length is set along x alone, y has the unit "pixel": the pixels count as square.
        height_nm=height / down if down and (height := _nanometres(entries.get("yunit", unit))) else None,
    )


def _nanometres(unit: str) -> float | None:
    """Nanometres of a unit as ImageJ writes it: "A" is the ångström, and other letters may be escaped ("\\u00C5")."""
    word = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), unit).strip()
    return nanometres("angstrom" if word == "A" else word)
