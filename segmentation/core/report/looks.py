"""Names of files, and options of a figure and of the report, which the web process reads and the worker draws.

A figure with options has them in its name, such as `figure-AD-8pt-grey.svg`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

REPORT, ANNEX, FORM, NOTEBOOK = "report.pdf", "report-annex.pdf", "oecd-tg125.json", "notebook.eln"
CONFORMITY = "conformity.pdf"
ALL, FONT = "ABCD", 6
FONTS = range(4, 11)
COLOURS = ("colour", "grey")
KINDS = ("png", "svg", "pdf")
MICROGRAPH = "micrograph"  # the image as uploaded in an archive, with the suffix of its file
NAME = re.compile(r"figure-(A?B?C?D?)-(\d{1,2})pt(-grey)?\.(png|svg|pdf)")
WRONG_PANELS = "panels are one to four of the letters A, B, C and D, such as AD."
WRONG_FONT = f"font is a whole number of points from {FONTS[0]} to {FONTS[-1]}, the height of letters at 85 mm width."
WRONG_COLOURS = f"colours is one of: {', '.join(COLOURS)}."


class Look(NamedTuple):
    """How a figure of one image is drawn. panels: letters of those to show. font: height of the letters in points where
    the figure is one column (85 mm) wide. grey: without colours. caption: below it."""

    panels: str = ALL
    font: int = FONT
    grey: bool = False
    caption: bool = True


def with_options(name: str, options: Mapping[str, str]) -> str:
    """The name of the file that options ask for: "annex" of the report; "panels", "font", "colours" and "format" of a
    figure. Raises ValueError with a sentence; another format than KINDS is passed over."""
    if name == REPORT:
        return ANNEX if options.get("annex", "").lower() in ("true", "on", "1", "yes") else name
    stem, _, kind = name.partition(".")
    if stem != "figure":
        return name
    kind = options["format"] if options.get("format") in KINDS else kind
    panels = "".join(sorted(set(options.get("panels", "").upper()))) or ALL
    font, colours = options.get("font") or str(FONT), options.get("colours") or COLOURS[0]
    if not set(panels) <= set(ALL):
        raise ValueError(WRONG_PANELS)
    if not (font.isascii() and font.isdigit() and len(font) < 3 and int(font) in FONTS):
        raise ValueError(WRONG_FONT)
    if colours not in COLOURS:
        raise ValueError(WRONG_COLOURS)
    if (panels, int(font), colours) == (ALL, FONT, COLOURS[0]):
        return f"{stem}.{kind}"
    return f"{stem}-{panels}-{int(font)}pt{'-grey' if colours == 'grey' else ''}.{kind}"


def look_of(name: str) -> Look | None:
    """What the name of a figure with options says; None of any other name."""
    match = NAME.fullmatch(name)
    if match is None or not match[1] or int(match[2]) not in FONTS:
        return None
    return Look(match[1], int(match[2]), bool(match[3]))
