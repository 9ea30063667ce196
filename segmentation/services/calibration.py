"""Widths, accepted suggestions and drawn lines, turned into Calibrations."""

from __future__ import annotations

import math
import re
from typing import Any

from ..core.micrograph import parse_width
from ..core.micrograph.crosscheck import crosscheck
from ..core.micrograph.types import Calibration
from ..core.settings import DEFAULT_WIDTH_NM, AnalysisSettings
from ..models import Micrograph, Sample

SAME_NM = 0.0051  # widths are shown with two decimals
SHORTEST_PX = 5.0
LONGEST_TEXT = 60
LEAST_CONFIDENCE = 0.5  # of a reading; below it what is printed contradicts itself
_LINE = re.compile(r"drawn:([0-9]{1,6}(?:\.[0-9]{1,3})?):([0-9]{1,6}(?:\.[0-9]{1,3})?):(.{1,40})")
NO_LINE = "The line could not be understood: draw it on the scale bar again."
SHORT_LINE = "The line is too short to measure: draw it from one end of the scale bar to the other."
LONG_LINE = "The line is longer than the image: draw it on the scale bar again."
NO_LENGTH = "Type the length that is written at the scale bar, such as 200 nm or 1 µm."
NAMES = {"metadata": "file", "side file": "side file", "drawn": "drawn line", "typed": "typed width"}
BADGES = {"data bar": "read from the data bar", "drawn": "drawn on the scale bar", "typed": "typed"}


def width_text(width_nm: float) -> str:
    """A width as it stands in the field: plain digits, at most two decimals."""
    return f"{width_nm:.2f}".rstrip("0").rstrip(".")


def own_calibration(micrograph: Micrograph) -> Calibration | None:
    """What the file itself says, or None where it says nothing."""
    said = Calibration(**micrograph.calibration) if micrograph.calibration else Calibration.absent()
    return said if said.nm_per_pixel else None


def suggested(micrograph: Micrograph) -> Calibration | None:
    """What was read in the data bar, for the user to accept; None where nothing was."""
    said = micrograph.reading or {}
    pixel = said.get("nm_per_pixel")
    if not pixel:
        return None
    return Calibration(pixel, "data bar", _read_words(said), said.get("relative_uncertainty"))


def _read_words(said: dict[str, Any]) -> str:
    """What was read, in quotes, the text that counted first; and the scale bar."""
    texts = [said.get("text"), *(way["text"] for way in (said.get("ways") or {}).values())]
    quoted = [f"“{text[:LONGEST_TEXT]}”" for text in dict.fromkeys(filter(None, texts))]
    length, across = said.get("length_nm"), said.get("length_px")
    bar = [f"scale bar of {length:g} nm over {across:g} px"] if length and across else []
    return ", ".join(quoted + bar)


def contradictions(micrograph: Micrograph) -> str:
    """A sentence where the texts of one data bar say different things, else ""."""
    said = micrograph.reading or {}
    ways = said.get("ways") or {}
    if len(ways) < 2 or said.get("confidence", 1.0) >= LEAST_CONFIDENCE:
        return ""
    each = ", ".join(f"“{way['text'][:LONGEST_TEXT]}” gives {way['nm_per_pixel']:.4g} nm/px" for way in ways.values())
    return f"The data bar contradicts itself or was misread: {each}. Check which is right."


def calibration_for(text: str, origin: str, micrograph: Micrograph) -> Calibration | None:
    """The calibration meant by the text of a width field; None means what the file says.

    origin: how the page says that the text came about: "file", "default", "typed", "data bar" (the suggestion was
    accepted), "drawn:PIXELS:ERROR:LENGTH" (a line of so many px, read to so many px), or "" where it noted nothing.
    Raises ValueError with a sentence where the text is not a width, or the line no line.
    """
    offered = _offered(origin, micrograph)
    if offered and _means(text, offered, micrograph):
        return offered
    own = own_calibration(micrograph)
    untouched = origin in {"", "default", "file"}
    if own and untouched and text.strip() in _shown(own, origin, micrograph):
        return None
    width = parse_width(text)
    if width is None:
        return Calibration.absent()
    source = "default" if width == DEFAULT_WIDTH_NM and untouched else "typed"
    return Calibration.of_width(width, micrograph.width, source, typed=text.strip())


def asked_calibration(asked: dict[str, Any], micrograph: Micrograph) -> Calibration | None:
    """The calibration meant by what was asked for before the image had been read: {"width": text, "origin": origin}.

    No text means what the file says. Raises ValueError as `calibration_for`.
    """
    text = asked.get("width")
    return None if text is None else calibration_for(text, asked.get("origin", ""), micrograph)


def waits_for_reading(micrograph: Micrograph, asked: dict[str, Any], rule: str = Sample.Rule.OWN) -> bool:
    """Whether the scale of an image hangs on its data bar, which is still to be read.

    asked: as for `asked_calibration`, {} where nothing was said. rule: of its sample.
    """
    if micrograph.is_finished or own_calibration(micrograph) is not None:
        return False
    said = asked.get("width") is not None and asked.get("origin", "") not in {"", "default", "file"}
    return not said and rule == Sample.Rule.OWN


def refuse_tall_bar(recipe: AnalysisSettings, micrograph: Micrograph) -> None:
    """Raises ValueError where the data bar leaves no row to analyse."""
    if recipe.segmentation.data_bar != "auto" and recipe.segmentation.data_bar >= micrograph.height:
        raise ValueError(
            f"The data bar cannot take {recipe.segmentation.data_bar} rows: the image has only {micrograph.height}."
        )


def _shown(own: Calibration, origin: str, micrograph: Micrograph) -> set[str]:
    """What a field shows while nobody has edited it."""
    shown = {width_text(own.width_nm(micrograph.width) or 0.0)}
    return shown if origin == "file" else shown | {width_text(DEFAULT_WIDTH_NM)}


def accepted(origin: str) -> str:
    """The origin of a width if it says that a suggestion was accepted or a line drawn, else ""."""
    return origin if origin == "data bar" or origin.startswith("drawn") else ""


def _offered(origin: str, micrograph: Micrograph) -> Calibration | None:
    """What was accepted or drawn, whatever stands in the field."""
    if not accepted(origin):
        return None
    return suggested(micrograph) if origin == "data bar" else _drawn(origin, micrograph)


def _drawn(origin: str, micrograph: Micrograph) -> Calibration:
    """The calibration of a drawn line; raises ValueError with a sentence."""
    line = _LINE.fullmatch(origin)
    if line is None:
        raise ValueError(NO_LINE)
    across, error = float(line[1]), float(line[2])
    if across < SHORTEST_PX or error >= across:
        raise ValueError(SHORT_LINE)
    if across > math.hypot(micrograph.width, micrograph.height) + 1:
        raise ValueError(LONG_LINE)
    try:
        length = parse_width(line[3])
    except ValueError:
        raise ValueError(NO_LENGTH) from None
    if length is None:
        raise ValueError(NO_LENGTH)
    return Calibration.of_line(length, across, error)


def _means(text: str, calibration: Calibration, micrograph: Micrograph) -> bool:
    """Whether a field shows the width that a calibration gives the image."""
    try:
        width = parse_width(text)
    except ValueError:
        return False
    return width is not None and abs(width - (calibration.width_nm(micrograph.width) or 0.0)) <= SAME_NM


def disagreements(micrograph: Micrograph, used: Calibration | None = None) -> list[str]:
    """A sentence for each two of file, data bar and the calibration in use that are more than 2 % apart.

    The first is about a data bar that contradicts itself.
    """
    chosen = used if used and used.source in {"drawn", "typed"} else None
    known = filter(None, (own_calibration(micrograph), suggested(micrograph), chosen))
    found = crosscheck({NAMES.get(each.source, each.source): each for each in known})
    return [*filter(None, [contradictions(micrograph)]), *found]


def file_badge(own: Calibration) -> str:
    """Where a file's own calibration comes from, and what it is."""
    source = f" ({own.detail})" if own.detail else ""
    return f"from the file{source}: {own.nm_per_pixel:.4g} nm/px"


def badge(text: str, origin: str, micrograph: Micrograph) -> dict[str, str]:
    """What the text of a width field means, as its badge says it; `static/js/width.js` says the same."""
    try:
        calibration = calibration_for(text, origin, micrograph)
    except ValueError:
        return {"text": "not a width", "look": "bad"}
    if calibration is None:
        return {"text": file_badge(own_calibration(micrograph) or Calibration.absent()), "look": "good"}
    if calibration.nm_per_pixel is None:
        return {"text": "measured in pixels", "look": ""}
    scale = f"{calibration.nm_per_pixel:.4g} nm/px"
    if calibration.source == "default":
        return {"text": f"default, please check: {scale}", "look": "check"}
    look = "" if calibration.source == "typed" else "good"
    return {"text": f"{BADGES[calibration.source]}: {scale}", "look": look}
