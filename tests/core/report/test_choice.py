"""Which files of a result are written where somebody says which, or says nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segmentation.core.report import choice
from segmentation.core.tasks import every, find

PARTICLES = find("particles")
NAMES = [*choice.offered_exports("image", PARTICLES)]
DOCS = Path(__file__).resolve().parents[3] / "docs" / "use" / "exports.md"


@pytest.mark.parametrize("task", every(), ids=lambda task: task.name)
def test_each_kind_has_its_table_picture_labels_and_numbers(task):
    table = task.table
    image = {"result.json", f"{table}.csv", f"{table}.xlsx", "labels.tif", "rois.zip", "figure.png"}
    assert set(choice.chosen_names((), "image", task)) == image
    sample = {"result.json", f"{table}.csv", "images.csv", "sample.xlsx", "figure.png"}
    assert set(choice.chosen_names((), "sample", task)) == sample


@pytest.mark.parametrize("of", ["image", "sample"])
def test_the_documentation_lists_them(of):
    (line,) = re.findall(rf"^- of an? {of} (.+)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert re.findall(r"`(.+?)`", line) == choice.usual_file_names(of, PARTICLES)


def test_names_patterns_and_all():
    def chosen(text):
        return choice.chosen_names(choice.read_choice(text, NAMES), "image", PARTICLES)

    assert chosen("") == chosen(" , ") == choice.usual_file_names("image", PARTICLES)
    assert chosen("all") == chosen("report.pdf, *") == NAMES
    assert chosen("labels*.tif,report.pdf") == ["report.pdf", "labels.tif", "labels-all.tif"]
    # Of a sample there is no such file.
    assert choice.chosen_names(choice.read_choice("labels.tif", NAMES), "sample", PARTICLES) == []


@pytest.mark.parametrize("text", ["reprot.pdf", "report.pdf,*.doc", "outlines.json", "FIGURE.PNG"])
def test_what_no_file_is_called_is_one_sentence_with_the_names(text):
    with pytest.raises(choice.UnknownFile) as refused:
        choice.read_choice(text, NAMES)
    sentence = str(refused.value)
    assert text.rpartition(",")[2] in sentence and "\n" not in sentence and all(name in sentence for name in NAMES)
