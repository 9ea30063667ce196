"""`make test` and `.ci/run` stay short: what the list of dear tests may sum up to, and that it names tests."""

from __future__ import annotations

import ast
from pathlib import Path

from .costs import DEAR_FROM, dear_tests

ROOT = Path(__file__).resolve().parents[1]
MOST_SECONDS = 240  # of the processor that .ci/run spends on them beside what `make test` has


def test_the_dear_tests_fit_into_ci():
    costs = dear_tests().values()
    print(f"\n{len(costs)} dear tests: {sum(costs):.0f} processor seconds")
    assert sum(costs) <= MOST_SECONDS and min(costs) >= DEAR_FROM


def test_the_list_names_tests_that_there_are():
    missing = [name for name in dear_tests() if not is_there(*name.split("::"))]
    assert not missing, "renamed or removed: change tests/costs.txt, too"


def is_there(file: str, *names: str) -> bool:
    """Whether the file defines the last of the names, a function, below the others, classes."""
    if not (ROOT / file).exists():
        return False
    tree: ast.AST = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for name in names:
        inner = (node for node in ast.walk(tree) if getattr(node, "name", None) == name)
        if (tree := next(inner, None)) is None:
            return False
    return True


def test_ci_runs_what_make_test_leaves_out():
    commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "in_foreground make test-ci" in commands
