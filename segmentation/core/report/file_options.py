"""The options of the figure and of the report, and the names of some files of a result.

The web process turns the options of a request into the name of a file, such as
`figure-AD-8pt-grey.svg`; a worker reads them from the name and writes the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

REPORT, ANNEX, FORM, NOTEBOOK = "report.pdf", "report-annex.pdf", "oecd-tg125.json", "notebook.eln"
CONFORMITY = "conformity.pdf"
ALL, FONT = "ABCD", 6  # default: all panels, and height of letters in points
FONTS = range(4, 11)  # points
COLOURS = ("colour", "grey")
KINDS = ("png", "svg", "pdf")
MICROGRAPH = "micrograph"  # name of the uploaded image within an archive; its suffix is added
NAME = re.compile(r"figure-(A?B?C?D?)-(\d{1,2})pt(-grey)?\.(png|svg|pdf)")
WRONG_PANELS = "panels are one to four of the letters A, B, C and D, such as AD."
WRONG_FONT = f"font is a whole number of points from {FONTS[0]} to {FONTS[-1]}, the height of letters at 85 mm width."
WRONG_COLOURS = f"colours is one of: {', '.join(COLOURS)}."


class FigureOptions(NamedTuple):
    """The options of the figure of one image.

    panels: letters of the panels to show.
    font: height of letters in points when the figure is reduced to one column (85 mm).
    grey: draw without colours.
    caption: write a caption below the figure and warnings above it.
    """

    panels: str = ALL
    font: int = FONT
    grey: bool = False
    caption: bool = True


def with_options(name: str, options: Mapping[str, str]) -> str:
    """The name of a file with options, from its usual name.

    options: "annex" for the report; "panels", "font", "colours" and "format" for a figure. Raises
    ValueError with a sentence for a wrong value; a format that is not in KINDS is ignored.
    """
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


def options_in_name(name: str) -> FigureOptions | None:
    """The options in the name of a figure; None if `name` is no name of a figure with options."""
    match = NAME.fullmatch(name)
    if match is None or not match[1] or int(match[2]) not in FONTS:
        return None
    return FigureOptions(match[1], int(match[2]), bool(match[3]))
