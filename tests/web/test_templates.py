"""Templates that can be read: no long lines, and no logic inside the values of attributes."""

import re
from pathlib import Path

TEMPLATES = sorted(Path(__file__).parents[2].glob("templates/**/*.html"))
LONGEST = 160
# A value in quotes that holds a tag of logic; quotes within Django's own tags are no ends of the value.
LOGIC = re.compile(r"""=(["'])(?:(?!\1)[^{<>]|\{(?![{%])|\{[{%](?:(?![}%]\}).)*[}%]\})*?\{% *(?:if|for|ifchanged)\b""")


def test_no_line_is_long():
    lines = [(path, number, line) for path in TEMPLATES for number, line in enumerate(text(path).splitlines(), 1)]
    assert lines and [f"{path}:{number}" for path, number, line in lines if len(line) > LONGEST] == []


def test_no_value_of_an_attribute_holds_logic():
    assert LOGIC.search('<p class="a{% if b %} c{% endif %}">') and LOGIC.search("""<p id='{% url "a" %}{% if b %}'>""")
    assert not LOGIC.search('<p class="a"{% if b %} id="c"{% endif %}>')
    assert [f"{path}: {match[0]}" for path in TEMPLATES for match in LOGIC.finditer(text(path))] == []


def test_the_strip_of_doubt_has_the_same_keys_everywhere():
    """On its buttons, in the list of keys, in the help and in the documents."""
    strip = text(TEMPLATES[0].parent / "_doubt.html")
    buttons = {name: re.search(rf"data-doubt-{name} title=\"(\w)\b.*?<kbd[^>]*>(\w)</kbd>", strip, re.S).groups()
               for name in ("right", "wrong", "go")}  # fmt: skip
    assert buttons == {"right": ("Y", "Y"), "wrong": ("N", "N"), "go": ("U", "U")}
    keys = text(TEMPLATES[0].parent / "_tools.html")
    assert "<kbd>Y</kbd> <kbd>N</kbd> <kbd>U</kbd></dt><dd>answer yes, no, unsure" in keys
    assert "“Yes” (Y) cuts, “No” (N) leaves it, “Unsure” (U) goes on" in text(TEMPLATES[0].parent / "help.html")
    docs = TEMPLATES[0].parents[1] / "docs" / "use"
    corrections = text(docs / "corrections.md")
    assert all(words in corrections for words in ("*Yes* (Y or Enter)", "*No* (N or Delete)", "*Unsure* (U) goes on"))
    assert "Y yes, N no, U unsure" in text(docs / "own-model.md")


def text(path: Path) -> str:
    return path.read_text("utf-8")
