"""What a reading of the bar in an image (`BarReading`, as it is stored) means, as a calibration and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .types import Calibration, Micrograph

LONGEST_TEXT = 60
SAME = 0.03  # ways that differ by less say the same


def calibration_of(said: Mapping[str, Any] | None) -> Calibration:
    """The calibration that was read, doubtful or not; absent where there is none."""
    if not said or not said.get("nm_per_pixel"):
        return Calibration.absent()
    return Calibration(said["nm_per_pixel"], "read", _words(said), said.get("relative_uncertainty"))


def sure_calibration(said: Mapping[str, Any] | None) -> Calibration:
    """The calibration that was read if it is beyond doubt, else absent."""
    return calibration_of(said) if said and said.get("sure") else Calibration.absent()


def texts_agree(said: Mapping[str, Any] | None) -> bool:
    """Whether two independent texts, such as the scale bar's and the width, led to the same reading."""
    sizes = [way["nm_per_pixel"] for way in ((said or {}).get("ways") or {}).values()]
    return len([size for size in sizes if abs(size / said["nm_per_pixel"] - 1) <= SAME]) > 1 if said else False


def with_scale_read(micrograph: Micrograph, said: Mapping[str, Any] | None) -> Micrograph:
    """The micrograph with what was read in it: its scale where that is beyond doubt, and notes about it."""
    note = (said or {}).get("note") if calibration_of(said).nm_per_pixel else ""
    notes = (*micrograph.notes, note) if note else micrograph.notes
    return replace(micrograph, reading=sure_calibration(said), texts_agree=texts_agree(said), notes=notes)


def confirmed(said: Mapping[str, Any] | None) -> Calibration:
    """The calibration that was read, as one that the user has confirmed."""
    found = calibration_of(said)
    return replace(found, source="data bar") if found.nm_per_pixel else found


def contradictions(said: Mapping[str, Any] | None) -> str:
    """A sentence if the texts of one image differ or are no lengths, or if a tick was missed, else ""."""
    ways = (said or {}).get("ways") or {}
    if said and said.get("note"):
        return str(said["note"])
    sizes = [way["nm_per_pixel"] for way in ways.values()]
    if not said or not sizes or max(sizes) <= (1 + SAME) * min(sizes):
        return ""
    each = ", ".join(f"“{way['text'][:LONGEST_TEXT]}” gives {way['nm_per_pixel']:.4g} nm/px" for way in ways.values())
    return f"The data bar contradicts itself or was misread: {each}. Check which is right."


def _words(said: Mapping[str, Any]) -> str:
    """The texts in quotes, first the one that was used; and the scale bar."""
    texts = [said.get("text"), *(way["text"] for way in (said.get("ways") or {}).values())]
    quoted = [f"“{text[:LONGEST_TEXT]}”" for text in dict.fromkeys(filter(None, texts))]
    length, across = said.get("length_nm"), said.get("length_px")
    bar = [f"scale bar of {length:g} nm over {across:g} px"] if length and across else []
    return ", ".join(quoted + bar)
