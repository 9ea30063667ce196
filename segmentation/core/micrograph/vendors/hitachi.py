"""Reads Hitachi's side file: a `.txt` with `[SemImageFile]` and `Key=value` lines, in ASCII or UTF-16."""

from __future__ import annotations

from .facts import Facts, columns_and_rows, entries_of, metadata_of, scaled, text_of, tilt_facts, yes_or_no
from .units import leading_number, number, quantity_nm, rounding


def read_side(raw: bytes, columns: int, rows: int) -> Facts | None:
    """The facts in the text file; None if it is not Hitachi's. A `PixelSize` without a unit is in nm."""
    text = text_of(raw)
    if "[SemImageFile]" not in text and "[TemImageFile]" not in text:
        return None
    entries = entries_of(text)
    written = entries.get("PixelSize", "")
    data_columns, data_rows = columns_and_rows(entries.get("DataSize"))
    # Without a unit the voltage is in volts, and the working distance in micrometres.
    voltage, distance = entries.get("AcceleratingVoltage", ""), entries.get("WorkingDistance", "")
    volts, distance_nm = leading_number(voltage), quantity_nm(distance)
    return Facts(
        nm_per_pixel=quantity_nm(written) or number(written),
        detail="Hitachi text file, PixelSize",
        relative_uncertainty=rounding(written),
        columns=data_columns,
        rows=data_rows,
        metadata=metadata_of(
            instrument=f"Hitachi {entries.get('InstructName', '')}",
            detector=entries.get("SignalName"),
            voltage_kv=volts if "kv" in voltage.lower() else scaled(volts, 1e-3),
            working_distance_mm=scaled(distance_nm, 1e-6) if distance_nm else scaled(number(distance), 1e-3),
            magnification=leading_number(entries.get("Magnification")),
            date=f"{entries.get('Date', '')} {entries.get('Time', '')}",
            **tilt_facts(  # in degrees
                leading_number(entries.get("StagePositionT")),
                corrected=yes_or_no(entries.get("TiltCorrection", "")),
                rotation=leading_number(entries.get("ScanRotation")),
            ),
        ),
    )
