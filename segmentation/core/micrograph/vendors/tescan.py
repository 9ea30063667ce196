"""TESCAN (tag 50431): a block that begins with a thumbnail and ends with `Key=value` lines, lengths in metres."""

from __future__ import annotations

import re

from .facts import Facts, Tags, kept, scaled
from .units import number

TAG = 50431
_LINE = re.compile(rb"(?:^|[\n\0\x01-\x09])([A-Za-z][A-Za-z0-9]{1,40})=([^\r\n\0]{0,200})")


def read(tags: Tags) -> Facts | None:
    """What the TESCAN block says, None without one."""
    raw = tags.raw(TAG)
    if raw is None:
        return None
    found: dict[str, str] = {}
    for key, value in _LINE.findall(raw[max(0, raw.find(b"AccFrames=") - 1) :]):
        found.setdefault(key.decode("ascii"), value.decode("utf-8", "replace").strip())
    width, height = number(found.get("PixelSizeX")), number(found.get("PixelSizeY"))
    strip = number(found.get("ImageStripSize"))
    return Facts(
        nm_per_pixel=width * 1e9 if width else None,
        detail=f"TESCAN tag {TAG}, PixelSizeX",
        height_nm=height * 1e9 if height else None,
        rows=tags.rows - int(strip) if strip and 0 < strip < tags.rows else None,
        metadata=kept(
            instrument=found.get("Device"),
            detector=found.get("Detector"),
            voltage_kv=scaled(number(found.get("HV")), 1e-3),
            working_distance_mm=scaled(number(found.get("WD")), 1e3),
            magnification=number(found.get("Magnification")),
            date=f"{found.get('Date', '')} {found.get('Time', '')}",
        ),
    )
