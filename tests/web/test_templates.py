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


def text(path: Path) -> str:
    return path.read_text("utf-8")
