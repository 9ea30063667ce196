"""Checks that no JavaScript formats a number of a result: the server sends the text of each number."""

from __future__ import annotations

import re
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "static" / "js"
# Code that rounds a number, or writes a number with a unit. `${...}%` without a space is a length in CSS.
FORMATS = re.compile(r"toFixed|toPrecision|toExponential|toLocaleString|Intl\.|\} (?:%|nm|µm|px)(?!\w)")
ALLOWED = {
    "chart-draw.js": "coordinates of a path on the screen",
    "chart-scale.js": "the round numbers at ticks: how many have room depends on the width of the window",
    "display.js": "what a slider for brightness or contrast is set to",
    "editor/chooser.js": "what the slider for alikeness is set to",
    "editor/panel.js": "the width of the brush",
    "page.js": "dates in the time zone of the reader, and a typed length that is read back",
    "ruler.js": "a line while it is drawn: no result has it yet",
    "ruler-stage.js": "where an end of that line is, for those who do not see it",
    "width.js": "a typed length that is read back",
    "work.js": "how much of a file is sent",
}


def test_no_script_writes_a_number_of_a_result():
    scripts = {str(path.relative_to(SCRIPTS)): path.read_text(encoding="utf-8") for path in SCRIPTS.rglob("*.js")}
    assert len(scripts) > 40
    assert {name for name, text in scripts.items() if FORMATS.search(text)} == ALLOWED.keys()


def test_what_would_write_one_is_noticed():
    assert FORMATS.search("cell(value.toFixed(2))") and FORMATS.search("`${Math.round(100 * chance)} %`")
    assert not FORMATS.search("`${share}%`") and not FORMATS.search("`${title} parts`")
