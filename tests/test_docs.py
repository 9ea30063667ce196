"""Checks of the documents: their links lead to existing files and headings, documents named in the code exist, and the
page of settings agrees with the code (`python -m tests.test_docs` writes it anew)."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "client" / "README.md",
    ROOT / "client" / "napari-deepsegm" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
SETTINGS = ROOT / "docs" / "operate" / "settings.md"
FILES_THAT_NAME_DOCUMENTS = [ROOT / "CHANGELOG.md", *PAGES]
FILES_THAT_NAME_DOCUMENTS += [
    file for part in ("segmentation", "worker", "tests", "tools") for file in (ROOT / part).rglob("*.py")
]
TEMPLATES = [*(ROOT / "templates").rglob("*.html"), *ROOT.glob("segmentation/*/templates/**/*.html")]
FILES_THAT_NAME_DOCUMENTS += [*(ROOT / "segmentation").rglob("*.toml"), *TEMPLATES]


def anchors(page: Path) -> set[str]:
    """The anchors of all headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", link):
            path, _, heading = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not heading or heading in anchors(target), link


def test_named_documents_exist():
    for file in FILES_THAT_NAME_DOCUMENTS:
        for name in re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{file.relative_to(ROOT)} names {name}"


def test_the_list_of_documents_is_whole():
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*/*.md"):
        assert f"]({page.parent.name}/{page.name})" in listed


def test_the_page_of_data_has_each_set_and_each_recipe_of_a_model():
    page = (ROOT / "docs" / "development" / "data.md").read_text(encoding="utf-8")
    recipes = [*(ROOT / "segmentation" / "lab" / "recipes").glob("*.toml")]
    sets = {name for file in recipes for name in re.findall(r'"\.\./shared/data/([^"]+)"', file.read_text("utf-8"))}
    sets |= set(re.findall(r"\.\./shared/data/([\w/-]+)", (ROOT / "docs" / "method" / "scores.md").read_text("utf-8")))
    assert sets and not [name for name in sets if f"`{name}`" not in page]
    models = {file.stem for file in (ROOT / "segmentation" / "cards").glob("*.toml")}
    assert not [file.stem for file in recipes if file.stem in models and f"`{file.stem}`" not in page]


# Words that must not take the place of a word of docs/use/glossary.md.
OTHER_WORDS = re.compile(
    r"\bsample (image|picture)\b|\bframe (cuts|does not cut)\b|\bcut by the frame\b"
    r"|\bchance (that|to be) |\breadings? of (the|an) (image|picture|layer)\b",
    re.IGNORECASE,
)
# Texts that users see: pages, and definitions in tables. The page of experiments may keep old words.
TEXTS = [page for page in PAGES if page.name != "experiments.md"]
TEXTS += [*TEMPLATES, *(ROOT / "segmentation" / "core").rglob("*.toml")]


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_words_have_the_meaning_of_the_glossary(file):
    other = OTHER_WORDS.search(file.read_text(encoding="utf-8"))
    assert other is None, other[0]


def test_the_glossary_names_each_word_once_in_order():
    page = (ROOT / "docs" / "use" / "glossary.md").read_text(encoding="utf-8")
    words = [word.lower() for word in re.findall(r"^\| ([^|]+) \| ", page, re.MULTILINE)][1:]
    assert words == sorted(set(words)) and len(words) >= 30


def variables() -> dict[str, str]:
    """For each environment variable that the settings read: its default and limits, or the mark of a secret."""
    rows = {}
    for node in ast.walk(ast.parse((ROOT / "deepsegm" / "settings.py").read_text(encoding="utf-8"))):
        match node:
            case ast.Call(ast.Attribute(ast.Name("env"), reader), [ast.Constant(name), *others], limits):
                values = [str(value.value) for value in others if isinstance(value, ast.Constant)]
                if reader in ("flag", "per_cent"):
                    values = ["0"]
                signs = {"least": "≥", "greatest": "≤"}
                values += [f"{signs[limit.arg]} {ast.unparse(limit.value)}" for limit in limits]
                default = f" ({', '.join(values)})" if values else ""
                rows[name] = " *secret*" if reader == "secret" else default
    return rows


def settings_of_a_site() -> str:
    """The text of the page of settings, with its tables made anew and the rest unchanged."""
    read, lines = variables(), []
    for group, meanings in tomllib.loads((ROOT / "deepsegm" / "variables.toml").read_text(encoding="utf-8")).items():
        lines += [f"## {group}", "", *(f"- `{name}`{read[name]}: {text}" for name, text in meanings.items()), ""]
    head, end = "<!-- variables -->\n", "<!-- end of variables -->"
    page = SETTINGS.read_text(encoding="utf-8")
    return page.split(head)[0] + head + "\n".join(lines) + end + page.split(end)[1]


def test_the_settings_of_a_site_are_those_of_the_code():
    text = (ROOT / "deepsegm" / "variables.toml").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^(DEEPSEGM_\w+) = ", text, re.MULTILINE)) == sorted(variables())
    assert settings_of_a_site() == SETTINGS.read_text(encoding="utf-8"), "run: python -m tests.test_docs"


if __name__ == "__main__":
    SETTINGS.write_text(settings_of_a_site(), encoding="utf-8")
