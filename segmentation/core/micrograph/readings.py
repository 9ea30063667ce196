"""What a reading of the bar in an image (`BarReading`, as it is stored) means, as a calibration and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .crosscheck import Source
from .types import Calibration, Micrograph

CUT_OFF = "Reading the scale bar took too long and was stopped. Draw the bar or type the width of the image."
LEAST_SIDE = 128  # px; over a smaller image no text is drawn
LONGEST_TEXT = 60
SAME = 0.03  # ways that differ by less say the same


def calibration_of(reading: Mapping[str, Any] | None) -> Calibration:
    """The calibration that was read, doubtful or not; absent where there is none."""
    if not reading or not reading.get("nm_per_pixel"):
        return Calibration.absent()
    texts = [reading.get("text"), *(way["text"] for way in (reading.get("ways") or {}).values())]
    quoted = [f"“{text[:LONGEST_TEXT]}”" for text in dict.fromkeys(filter(None, texts))]
    length, across = reading.get("length_nm"), reading.get("length_px")
    bar = [f"scale bar of {length:g} nm over {across:g} px"] if length and across else []
    words, uncertainty = ", ".join(quoted + bar), reading.get("relative_uncertainty")
    return Calibration(reading["nm_per_pixel"], Source.READ, words, uncertainty)


def sure_calibration(reading: Mapping[str, Any] | None) -> Calibration:
    """The calibration that was read if it is beyond doubt, else absent."""
    return calibration_of(reading) if reading and reading.get("sure") else Calibration.absent()


def texts_agree(reading: Mapping[str, Any] | None) -> bool:
    """Whether two independent texts, such as the scale bar's and the width, led to the same pixel size."""
    sizes = [way["nm_per_pixel"] for way in ((reading or {}).get("ways") or {}).values()]
    return len([size for size in sizes if abs(size / reading["nm_per_pixel"] - 1) <= SAME]) > 1 if reading else False


def with_scale_read(micrograph: Micrograph, reading: Mapping[str, Any] | None) -> Micrograph:
    """The micrograph with what was read in it: its scale where that is beyond doubt, and notes about it."""
    note = (reading or {}).get("note", "")
    note = note if note == CUT_OFF or calibration_of(reading).nm_per_pixel else ""
    notes = (*micrograph.notes, note) if note else micrograph.notes
    return replace(micrograph, reading=sure_calibration(reading), texts_agree=texts_agree(reading), notes=notes)


def confirmed(reading: Mapping[str, Any] | None) -> Calibration:
    """The calibration that was read, as one that the user has confirmed."""
    calibration = calibration_of(reading)
    return replace(calibration, source=Source.DATA_BAR) if calibration.nm_per_pixel else calibration


def contradictions(reading: Mapping[str, Any] | None) -> str:
    """The note of a reading, else a sentence if its ways to the pixel size differ, else ""."""
    ways = (reading or {}).get("ways") or {}
    if reading and reading.get("note"):
        return str(reading["note"])
    sizes = [way["nm_per_pixel"] for way in ways.values()]
    if not reading or not sizes or max(sizes) <= (1 + SAME) * min(sizes):
        return ""
    scales = ", ".join(f"“{way['text'][:LONGEST_TEXT]}” gives {way['nm_per_pixel']:.4g} nm/px" for way in ways.values())
    return f"The data bar contradicts itself or was misread: {scales}. Check which is right."
