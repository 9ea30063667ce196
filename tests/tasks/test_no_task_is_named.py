"""What serves every kind of analysis names none: it asks the task (`core.tasks.base.Task`)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from segmentation.core import tasks

ROOT = Path(__file__).resolve().parents[2]
HUB = ("segmentation/services", "segmentation/views", "segmentation/api")
ROOMS = ("segmentation/core", *HUB, "segmentation/quality", "segmentation/learning", "worker")
OWN = ROOT / "segmentation/core/tasks"
ALLOWED = {
    "segmentation/core/settings.py": "what is analysed when nobody says, and its usual model",
    "segmentation/core/report/exports/viewer.py": "a key of outlines.json, whatever the objects are",
    "segmentation/services/ground/tables.py": "the same key",
}
FILES = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")) if OWN not in file.parents]


def named(file: Path) -> set[str]:
    """The names of tasks that stand in quotes of their own in a file."""
    texts = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
    return {task.name for task in tasks.every()} & texts


def test_there_are_files_and_tasks_to_look_at():
    assert len(FILES) > 150 and len(tasks.every()) > 5


@pytest.mark.parametrize("room", ROOMS)
def test_no_task_is_named(room):
    here = {str(file.relative_to(ROOT)): named(file) for file in FILES if ROOT / room in file.parents}
    assert {file: names for file, names in here.items() if names and file not in ALLOWED} == {}


def test_what_may_name_one_still_does():
    assert all(named(ROOT / file) for file in ALLOWED)
