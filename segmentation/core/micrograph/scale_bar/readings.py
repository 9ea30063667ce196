"""Turns the stored reading of a data bar or scale bar (`barresult.BarReading` as a dict) into a scale and sentences.

The web process uses it, because it needs none of the modules that read a bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..calibration.sources import Source
from ..types import Calibration, Micrograph, Scale

CUT_OFF = "Reading the scale bar took too long and was stopped. Draw the bar or type the width of the image."
LEAST_SIDE = 128  # px; in a smaller image no bar is searched, because there is no room for its text
LINE_WANTED = "“{}” is written in the image. Where is its line?"
LENGTH_WANTED = "A scale bar is drawn in the image. How long is it?"
LONGEST_QUOTE = 60  # characters of a text from the image that are quoted
PIXEL_SIZE_TOLERANCE = 0.03  # relative: pixel sizes that differ by less are taken as equal


def scale_of(file: Calibration, reading: Mapping[str, Any] | None, shape: tuple[int, int] = (0, 0)) -> Scale:
    """The Scale of an image, from the calibration of its file and the stored reading of its bar (None: no reading).

    file: absent where the file states none. shape: rows and columns of the image in px.
    """
    is_sure = bool(reading and reading.get("sure"))
    bar, texts_agree, note = _calibration(reading), _texts_agree(reading), _note(reading)
    return Scale(
        file,
        bar,
        shape=shape,
        is_bar_sure=is_sure,
        texts_agree=texts_agree,
        bar_note=note,
        question=question_of(reading),
    )


def question_of(reading: Mapping[str, Any] | None) -> str:
    """The question for the line of the length, or the length of the line, that alone was found; "" without one."""
    if not reading or reading.get("nm_per_pixel"):
        return ""
    if reading.get("length_nm"):
        return LINE_WANTED.format(reading.get("text", "")[:LONGEST_QUOTE])
    return LENGTH_WANTED if reading.get("ends") else ""


def with_stored_reading(micrograph: Micrograph, reading: Mapping[str, Any] | None) -> Micrograph:
    """The micrograph with the calibration that was read from its bar, if that is certain. Its
    stored note is added if it gave a pixel size or was cut off."""
    scale, note = scale_of(micrograph.calibration, reading), (reading or {}).get("note", "")
    note = note if note == CUT_OFF or scale.bar.nm_per_pixel else ""
    notes = (*micrograph.notes, note) if note else micrograph.notes
    return replace(
        micrograph,
        reading=scale.certain_bar,
        texts_agree=scale.texts_agree,
        scale_question=scale.question,
        notes=notes,
    )


def _calibration(reading: Mapping[str, Any] | None) -> Calibration:
    """The calibration that was read, certain or not; absent without one."""
    if not reading or not reading.get("nm_per_pixel"):
        return Calibration.absent()
    texts = [reading.get("text"), *(statement["text"] for statement in (reading.get("ways") or {}).values())]
    quoted = [f"“{text[:LONGEST_QUOTE]}”" for text in dict.fromkeys(filter(None, texts))]
    length, across = reading.get("length_nm"), reading.get("length_px")
    bar = [f"scale bar of {length:g} nm over {across:g} px"] if length and across else []
    words, uncertainty = ", ".join(quoted + bar), reading.get("relative_uncertainty")
    return Calibration(reading["nm_per_pixel"], Source.READ, words, uncertainty)


def _texts_agree(reading: Mapping[str, Any] | None) -> bool:
    """Whether two independent texts, such as the scale bar and the width, state the same pixel size."""
    if not reading:
        return False
    sizes = [statement["nm_per_pixel"] for statement in (reading.get("ways") or {}).values()]
    return len([size for size in sizes if abs(size / reading["nm_per_pixel"] - 1) <= PIXEL_SIZE_TOLERANCE]) > 1


def _note(reading: Mapping[str, Any] | None) -> str:
    """The stored note of a reading. If it has none: a sentence if its statements of the pixel size differ, else ""."""
    statements = (reading or {}).get("ways") or {}
    if reading and reading.get("note"):
        return str(reading["note"])
    sizes = [statement["nm_per_pixel"] for statement in statements.values()]
    if not reading or not sizes or max(sizes) <= (1 + PIXEL_SIZE_TOLERANCE) * min(sizes):
        return ""
    scales = ", ".join(
        f"“{statement['text'][:LONGEST_QUOTE]}” gives {statement['nm_per_pixel']:.4g} nm/px"
        for statement in statements.values()
    )
    return f"The data bar contradicts itself or was misread: {scales}. Check which is right."
