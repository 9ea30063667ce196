"""Checks that a typical change of the code touches few files, that no file imports too many others, and that no
attribute of another package is replaced."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("segmentation", "worker", "deepsegm")
MOST_IMPORTED = 25  # files of this repository that one file may import directly
# Attributes of other packages that are meant to be set.
CONFIGURATION = ("django.", "PIL.Image.MAX_IMAGE_PIXELS", "reportlab.rl_config", "sys.", "tempfile.tempdir")


def files() -> list[Path]:
    every = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [path for path in every if "migrations" not in path.parts]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    return {module_of(path): path for path in files()}


def imported(path: Path) -> set[str]:
    """The modules of this repository that a file imports anywhere, except those that it needs only for types."""
    tree, name = ast.parse(path.read_text(encoding="utf-8")), module_of(path)
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    names = set[str]()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            names |= {full if (full := f"{source}.{alias.name}") in modules() else source for alias in node.names}
    return (names & modules().keys()) - {name}


def lines_of(paths: set[Path]) -> int:
    return sum(path.read_text(encoding="utf-8").count("\n") for path in paths)


# For each typical change the files of an example, and the most lines of this repository that these files import.
CHANGES = {
    "a kind": (["tests/tasks/brightness.py", "tests/tasks/taught_brightness.py"], 2300),
    "a descriptor": (["segmentation/core/measure/descriptors.py"], 450),
    "a headline number": (["segmentation/core/tasks/bubbles.toml"], 0),
    "a format": (["segmentation/core/micrograph/formats/ser.py"], 200),
    "an export": (["segmentation/core/report/exports/coco.py"], 1000),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_typical_change_touches_few_files_with_few_imports(change: str):
    names, most = CHANGES[change]
    paths = [ROOT / name for name in names]
    needed = {modules()[name] for path in paths if path.suffix == ".py" for name in imported(path)}
    print(f"\n{change}: {len(paths)} files, which import {len(needed)} of ours with {lines_of(needed)} lines")
    assert len(paths) <= 2 and lines_of(needed) <= most


def test_no_file_depends_on_too_many_others():
    counts = {str(path.relative_to(ROOT)): len(imported(path)) for path in files()}
    largest = sorted(counts.items(), key=lambda pair: -pair[1])[:10]
    print("\n" + "\n".join(f"{count} {name}" for name, count in largest))
    assert not {name: count for name, count in largest if count > MOST_IMPORTED}


def replaced_in(path: Path) -> set[str]:
    """The attributes of imported foreign packages that a file sets."""
    tree, names = ast.parse(path.read_text(encoding="utf-8")), dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    others = {short: full for short, full in names.items() if full.partition(".")[0] not in PACKAGES}
    targets = [target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets]
    return {
        f"{others[root]}{attribute.removeprefix(root)}"
        for target in targets
        if isinstance(target, ast.Attribute)
        and (root := (attribute := ast.unparse(target)).partition(".")[0].partition("[")[0]) in others
    }


def test_nothing_of_another_package_is_replaced_in_place():
    replaced = {name for path in files() for name in replaced_in(path) if not name.startswith(CONFIGURATION)}
    assert not replaced, f"set in place: {sorted(replaced)}"
