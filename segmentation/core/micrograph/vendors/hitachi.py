"""Hitachi: a `.txt` file beside the image, `[SemImageFile]` and `Key=value` lines, plain or UTF-16."""

from __future__ import annotations

from .facts import Facts, entries_of, metadata_of, pair_of, scaled, text_of
from .units import leading_number, number, quantity_nm, rounding


def read_side(raw: bytes, columns: int, rows: int) -> Facts | None:
    """What the text file says, None where it is not Hitachi's; `PixelSize` without a unit is in nanometres."""
    text = text_of(raw)
    if "[SemImageFile]" not in text and "[TemImageFile]" not in text:
        return None
    entries = entries_of(text)
    written = entries.get("PixelSize", "")
    across, down = pair_of(entries.get("DataSize"))
    return Facts(
        nm_per_pixel=quantity_nm(written) or number(written),
        detail="Hitachi text file, PixelSize",
        relative_uncertainty=rounding(written),
        columns=across,
        rows=down,
        metadata=metadata_of(
            instrument=f"Hitachi {entries.get('InstructName', '')}",
            detector=entries.get("SignalName"),
            voltage_kv=_kilovolts(entries.get("AcceleratingVoltage", "")),
            working_distance_mm=_millimetres(entries.get("WorkingDistance", "")),
            magnification=leading_number(entries.get("Magnification")),
            date=f"{entries.get('Date', '')} {entries.get('Time', '')}",
        ),
    )


def _kilovolts(text: str) -> float | None:
    """`15000 Volt` and `15 kV` alike; a number without a unit is in volts."""
    value = leading_number(text)
    return value if "kv" in text.lower() else scaled(value, 1e-3)


def _millimetres(text: str) -> float | None:
    """`8100 um`; a number without a unit is in micrometres."""
    distance = quantity_nm(text)
    return scaled(distance, 1e-6) if distance else scaled(number(text), 1e-3)
