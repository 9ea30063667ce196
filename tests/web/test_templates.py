"""Templates that can be read: no long lines, and no logic inside the values of attributes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.template import engines
from django.template.base import FilterExpression, Node, Template, Variable
from django.template.smartif import TokenBase

ROOT = Path(__file__).parents[2]
FOLDERS = ("templates", "segmentation/quality/templates", "segmentation/learning/templates")
TEMPLATES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.html"))]
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


EVERYWHERE = {"user", "request", "forloop", "csrf_token", "True", "False", "None"}  # of every page and of Django
COMMENT = re.compile(r"\s*(?:(?:\{#.*?#\}\s*)+|\{% comment %\}.*?\{% endcomment %\})", re.S)
BEHIND = {"token", "origin", "engine"}  # what else a node holds on to
PARTS = [path for path in TEMPLATES if path.name.startswith("_")]


@pytest.mark.parametrize("path", PARTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_part_begins_with_what_it_needs(path):
    """Each variable that it reads and does not make itself, and no script that is not there."""
    comment = COMMENT.match(text(path))
    assert comment, "a comment at its head says what it shows and needs"
    words = set(re.findall(r"\w+", comment[0]))
    needed = names_read(engines["django"].from_string(text(path)).template) - EVERYWHERE
    assert needed <= words, f"not named in its comment: {needed - words}"
    scripts = TEMPLATES[0].parents[1] / "static" / "js"
    assert [name for name in re.findall(r"[\w/-]+\.js\b", comment[0]) if not (scripts / name).is_file()] == []
    attributes = set(re.findall(r"\bdata-[a-z-]+", comment[0]))
    assert attributes <= set(re.findall(r"\bdata-[a-z-]+", text(path)[comment.end() :])), "an attribute that it lacks"


def names_read(nodes) -> set[str]:
    """The roots of the variables that nodes read, less those that these nodes make for what is in them or follows."""
    read: set[str] = set()
    made: set[str] = set()
    for part in parts_of(nodes):
        if isinstance(part, Variable) and part.lookups:
            read.add(part.lookups[0])
        for key in ("loopvars", "extra_context", "asvar", "target_var", "var_name"):
            names = getattr(part, key, None) or ()
            if not (key == "extra_context" and hasattr(part, "template")):  # of an include: for the other template
                made |= {names} if isinstance(names, str) else set(names)
    return read - made


def parts_of(thing) -> Iterator[object]:
    """A node and all that hangs on it: nodes, conditions, expressions and variables."""
    yield thing
    if isinstance(thing, dict):
        inner = list(thing.values())
    elif isinstance(thing, (list, tuple)):
        inner = list(thing)
    elif isinstance(thing, (Template, Node, FilterExpression, TokenBase)):
        names = [name for owner in type(thing).__mro__ for name in getattr(owner, "__slots__", ())]
        inner = [getattr(thing, name, None) for name in {*names, *getattr(thing, "__dict__", ())} - BEHIND]
    else:
        inner = []
    for part in inner:
        yield from parts_of(part)


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
