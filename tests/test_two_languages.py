"""Checks that no rule is implemented both in Python and in JavaScript: scripts draw, and the server makes every number
and every judgement.

A script that repeats a computation of the server is recognised by its words: a mean or a median, a logarithm or a root,
a factor of an interval, a table of units, a remark that the server does the same. No line may have such a word, except
those in EXCEPTIONS, each with its reason. If both must implement a rule, because the server cannot be asked in time, a
test below compares their answers.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from segmentation.core.micrograph.calibration.stated import SHORTEST_PX
from segmentation.core.micrograph.calibration.width import VERY_WIDE_NM, parse_length, width_text
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.report.exports import viewer

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "static" / "js"
SIGNS = {
    "a statistic": r"\b(quantile|percentile|median|mean of|average|variance|deviation|bootstrap|erf|histogramOf)\b",
    "a measure": r"\b(iou|feret|perimeter|circularity|elongation|equivalent|convexity)\w*\s*=[^=]",
    "a formula": r"Math\.(log|exp|sqrt|SQRT2|cbrt|pow|E)\b",
    "a factor of an interval": r"\b(1\.64\d*|1\.96|2\.576)\b",
    "a table of units": r"// nm\b|\b(nm|um|mm)\b\"?: [0-9]",
    "a remark that it is one": r"\bas (on the server|the (server|result|report) (does|says|has it|cuts|counts))\b",
}
# By script and a part of the line: why it is no rule of the server, or why both implement the rule.
TYPED_LENGTH = "said while a length is typed, by one rule: test_a_typed_length_is_told_as_it_counts"
DRAWN_LINE = "said while a line is dragged, by one rule: test_a_line_is_told_as_it_counts"
EXCEPTIONS = {
    ("chart-scale.js", "const turn = log"): "places on an axis: the server sends the ends of the bars",
    ("chart-scale.js", "as the server does"): "signs of thousands at ticks, which the width of the window decides on",
    ("doubt.js", "data-number=median"): "the number on the page, which the server has sent",
    ("doubt.js", "checked: the median"): "names that number",
    ("picture.js", "as the server cuts them"): "asked for by number: test_tiles_are_asked_for_as_they_are_cut",
    ("viewport.js", "Math.exp(-event.deltaY"): "the wheel magnifies",
    ("viewer-drawing.js", "The median of the widths"): "how broad lines are drawn; no number of it is shown",
    ("ruler.js", "as on the server"): DRAWN_LINE,
    ("ruler.js", "const HALF_WIDTH_95 = 1.96"): "said while a line is dragged; the server says its own interval",
    ("ruler.js", "Math.SQRT2 * error"): DRAWN_LINE,
    ("width.js", "const VERY_WIDE"): TYPED_LENGTH,
    ("width.js", "const UNITS"): TYPED_LENGTH,
}
TYPED = (
    *("7520", "7520 nm", "7.52 µm", "7.52 μm", "7,52 um", "0.5 mm", ".5 µm", "3. nm", "1e3", "1.5e-2 mm", "100 mm"),
    *("7520 NM", "5 cm", "12 microns", "5 Å", "5 \u212b", "500 pm", " 12,5\u00a0um ", "\ufeff7520\u200b nm", "7,5200"),
    *("7,520", "120,000 nm", "7.520", "7.520 nm", "7.520 µm", "0,500", "1234,567"),
    *("", "wide", "-5", "0", "7 520", "5 stones", "1.2.3", "nan", "0x10", "nm", "\u0667\u0665"),
)


def lines() -> list[tuple[str, int, str]]:
    scripts = sorted(SCRIPTS.rglob("*.js"))
    return [
        (path.relative_to(SCRIPTS).as_posix(), number, line)
        for path in scripts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]


def test_no_rule_is_kept_in_two_languages():
    counted, used = [], set()
    for script, number, line in lines():
        for sign, pattern in SIGNS.items():
            if not re.search(pattern, line):
                continue
            reasons = {key for key in EXCEPTIONS if key[0] == script and key[1] in line}
            used |= reasons
            if not reasons:
                counted.append(f"{script}:{number}: {sign}: {line.strip()}")
    print(f"\n{len(counted)} rules in two languages, {len(EXCEPTIONS)} exceptions with a reason\n" + "\n".join(counted))
    assert not counted
    assert used == EXCEPTIONS.keys(), "an exception that nothing needs any more is taken away"


@pytest.mark.parametrize(
    "line",
    [
        "const middle = Math.log(high / low);",
        "return 1.96 * sd;",
        "const median = sizes[half];",
        "const SMALLEST = 100; // nm",
        "const feret = least(box);",
        "limit(5); // as on the server",
    ],
)
def test_a_rule_gives_itself_away(line: str):
    assert any(re.search(pattern, line) for pattern in SIGNS.values())


def evaluate_in_node(code: str) -> object:
    """The value of a JavaScript expression with functions of our scripts, which node computes."""
    if not (node := shutil.which("node")):
        pytest.skip("there is no node here")
    imports = "".join(f'import * as {name} from "./{name}.js";' for name in ("width", "ruler", "picture"))
    answer = subprocess.run(
        [node, "--input-type=module", "-e", f"{imports} console.log(JSON.stringify({code}))"],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not answer.returncode, answer.stderr
    return json.loads(answer.stdout)


def test_a_typed_length_is_told_as_it_counts():
    answer = evaluate_in_node(f"{json.dumps(TYPED)}.map((text) => width.ambiguous(text) ? null : width.lengthOf(text))")
    assert answer == [
        pytest.approx(length, rel=1e-12) if (length := length_on_server(text)) else None for text in TYPED
    ]
    just_wide = [f"{VERY_WIDE_NM:.0f}", f"{VERY_WIDE_NM - 1:.0f}"]
    assert evaluate_in_node(f"{json.dumps(just_wide)}.map((text) => width.widthQuestion(text) !== '')") == [True, False]


def length_on_server(text: str) -> float | None:
    """The length in nm as which the server reads a text; None if it is no length above 0."""
    try:
        length = parse_length(text)
    except ValueError:
        return None
    return length if length > 0 else None


@pytest.mark.parametrize(
    ("pixels", "error", "text"), [(123.45, 0.5, "200 nm"), (8.0, 2.0, "1 µm"), (2000.0, 0.05, "5")]
)
def test_a_line_is_told_as_it_counts(pixels: float, error: float, text: str):
    line = json.dumps({"drawn": True, "length": pixels, "error": error})
    answer = evaluate_in_node(f"ruler.scaleFromLine({line}, {json.dumps(text)}, 1000)")
    calibration = Calibration.of_line(parse_length(text), pixels, error)
    assert answer["pixel"] == pytest.approx(calibration.nm_per_pixel, rel=1e-12)
    assert answer["relativeUncertainty"] == pytest.approx(calibration.relative_uncertainty, rel=1e-12)
    assert answer["stated"]["width"] == width_text(calibration.width_nm(1000))
    short = json.dumps({"drawn": True, "length": SHORTEST_PX - 0.01, "error": error})
    assert evaluate_in_node(f"ruler.scaleFromLine({short}, '1 nm', 9).missing") == "line"


def test_tiles_are_asked_for_as_they_are_cut():
    rows, columns = 600, 2300
    micrograph = Micrograph(np.zeros((rows, columns), np.uint8), "a.tif", "0" * 64, Calibration.absent())
    box = json.dumps({"left": 0, "top": 0, "right": columns, "bottom": rows})
    levels = f"Array.from({{length: picture.levelsOf({columns}, {rows})}}, (_, level) => level)"
    tiles = f"picture.tilesIn({box}, {columns}, {rows}, level).map(({{name}}) => name)"
    assert evaluate_in_node(f"{levels}.flatMap((level) => {tiles})") == [name for name, _ in viewer.tiles(micrograph)]
