"""Checks that no argument, variable, attribute or function has a bare preposition, participle or vague word as its
name."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("segmentation", "worker", "deepsegm", "client")
BARE = (
    *("of", "first", "most", "own", "found", "said", "given", "about", "told", "taken", "into"),
    *("here", "both", "rest", "made", "some"),
)
# Names that are used outside of the code: keys of the API, of result.json and other stored files, of weights, of
# settings files, of exports by plug-ins. And `rest` as a verb: an idle network gives its memory back.
ALLOWED = {
    "segmentation/learning/schemas.py": {"of"},
    "segmentation/api/shared/schemas.py": {"of", "first", "made"},
    "segmentation/learning/trainings/api.py": {"most"},
    "segmentation/core/compare/results.py": {"first"},
    "segmentation/core/measure/results.py": {"said"},
    "segmentation/core/micrograph/scale_bar/barlayout.py": {"first"},
    "segmentation/core/network/architectures/multires.py": {"first"},
    "segmentation/core/network/runtime.py": {"rest"},
    "segmentation/core/network/served.py": {"rest"},
    "segmentation/core/network/with_openvino.py": {"rest"},
    "segmentation/core/network/with_torch.py": {"rest"},
    "segmentation/core/report/exports/base.py": {"both"},
    "segmentation/core/report/schema.py": {"found"},
    "segmentation/core/stored.py": {"found"},
    "segmentation/lab/research/gan/settings.py": {"most"},
    "segmentation/services/ground/bounds.py": {"most", "of"},
}


def defined_names(tree: ast.Module) -> Iterator[str]:
    """Every name that a file defines, except class methods: `of` is allowed there, because `Bar.of(result)` reads
    well."""
    constructors = {
        id(function)
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for function in owner.body
        if isinstance(function, ast.FunctionDef)
        if any(ast.unparse(decorator) == "classmethod" for decorator in function.decorator_list)
    }
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if id(node) not in constructors:
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


def name_counts() -> dict[str, Counter[str]]:
    """For each file how often it defines each name."""
    files = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {
        str(path.relative_to(ROOT)): Counter(defined_names(ast.parse(path.read_text(encoding="utf-8"))))
        for path in files
        if "migrations" not in path.parts
    }


def test_no_name_is_a_bare_word():
    bare = {
        f"{count} `{word}` in {file}"
        for file, names in name_counts().items()
        for word in BARE
        if (count := names[word]) and word not in ALLOWED.get(file, ())
    }
    assert not bare, "a name is a noun that says what it holds: " + ", ".join(sorted(bare))


@pytest.mark.parametrize("code", ["for of in rows: pass", "def first(): pass", "f = lambda most: 0", "self.said = 1"])
def test_each_way_to_give_a_name_is_seen(code):
    assert set(defined_names(ast.parse(code))) & set(BARE)
