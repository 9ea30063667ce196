"""`manage.py synthesise`: its files, its repeatability, its one-sentence refusals; and the page that describes it."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from django.core.management import CommandError, call_command
from PIL import Image

from segmentation.lab.research.rendered import PictureSet
from segmentation.lab.training.data import load_folder
from segmentation.lab.training.settings import FolderEntry
from segmentation.lab.training.sheets import as_grey, contact_sheet, with_outlines
from segmentation.lab.training.synthesis.bodies import FAMILIES
from segmentation.lab.training.synthesis.settings import every_setting
from tests.lab.folders import make_folder

pytestmark = pytest.mark.slow  # research, which no site reaches

DOCS = Path(__file__).resolve().parents[2] / "docs" / "development"


def synthesise(out, *arguments):
    output = io.StringIO()
    call_command("synthesise", "--n", "3", "--size", "96x64", "--out", str(out), *arguments, stdout=output)
    return output.getvalue()


def test_all_files_are_written_and_fit_one_another(tmp_path):
    output = synthesise(
        tmp_path / "out", "--kind", "sem", "--diameter", "20", "--set", "annotation=none", "--set", "drift=0"
    )
    assert "3 of 3" in output
    rows = list(csv.DictReader((tmp_path / "out" / "settings.csv").open()))
    assert len(rows) == 3 and set(every_setting()) < set(rows[0])
    for row in rows:
        stem = Path(row["image"]).stem
        grey = np.asarray(Image.open(tmp_path / "out" / "images" / row["image"]))
        labels = np.asarray(Image.open(tmp_path / "out" / "labels" / row["image"]))
        depth = tifffile.imread(tmp_path / "out" / "depth" / f"{stem}.tif")
        assert grey.shape == labels.shape == depth.shape == (64, 96)
        assert (grey.dtype, labels.dtype, depth.dtype) == (np.uint8, np.uint16, np.float32)
        assert labels.max() == int(row["particles"]) > 0 and (depth[labels > 0] > 0).all()
        assert (row["kind"], float(row["diameter"])) == ("sem", 20.0)
    assert Image.open(tmp_path / "out" / "sheet.png").size[0] > 240


def test_what_it_writes_can_be_trained_on(tmp_path):
    synthesise(tmp_path / "out", "--family", "sphere")
    assert len(load_folder(tmp_path / "out", FolderEntry(path=""))) == 3


def test_composites_of_a_folder_are_written_and_can_be_trained_on(tmp_path):
    mine = make_folder(tmp_path / "mine", 2)
    output = synthesise(tmp_path / "out", "--composed", str(mine), "--diameter", "14")
    assert "3 of 3" in output and sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "images", "labels", "sheet.png"
    ]  # fmt: skip
    pictures = load_folder(tmp_path / "out", FolderEntry(path=""))
    assert len(pictures) == 3 and all(one.grey.shape == (64, 96) and not one.dark for one in pictures)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--kind", "sem"], "takes no --kind"), (["--set", "cover=1"], "takes no --set"),
     (["--diameter", "4"], "8 or more"), (["--diameter", "9:200"], "90 or less"), ([], "no whole particle"),
     (["--composed", "/none"], "There is no folder /none")],
)  # fmt: skip
def test_what_cannot_be_composed_is_one_sentence_and_writes_nothing(tmp_path, arguments, says):
    mine = make_folder(tmp_path / "mine", 1, radius=9 if arguments else 4)
    with pytest.raises(CommandError, match=says):
        synthesise(tmp_path / "out", "--composed", str(mine), *arguments)
    assert not (tmp_path / "out").exists()


def test_a_picture_depends_on_seed_and_number_only(tmp_path):
    for name, n, seed in (("a", 2, 7), ("b", 1, 7), ("c", 1, 8)):
        out = str(tmp_path / name)
        call_command("synthesise", n=n, seed=seed, size="64x64", out=Path(out), diameter="10:20", stdout=io.StringIO())
    first = [(tmp_path / name / "images" / "00000.png").read_bytes() for name in "abc"]
    assert first[0] == first[1] != first[2]


def test_diameters_are_drawn_from_their_range():
    sizes = [PictureSet(9, (64, 64), 3, {}, (12, 14)).picture(k).settings.scene.diameter for k in range(9)]
    assert 12 <= min(sizes) < max(sizes) <= 14


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--n", "0"], "at least 1"), (["--seed", "-1"], "negative"), (["--size", "64"], "WIDTHxHEIGHT"),
     (["--size", "64x9000"], "8192"), (["--diameter", "2"], "diameter cannot be 2"),
     (["--diameter", "40:20"], "lower end"), (["--diameter", "x:20"], "diameter cannot be x"),
     (["--family", "stars"], "family cannot be stars"), (["--kind", "optical"], "kind cannot be optical"),
     (["--polarity", "grey"], "polarity cannot be grey"), (["--set", "cover"], "NAME=VALUE"),
     (["--set", "covers=1"], "no setting 'covers'")],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path, arguments, says):
    with pytest.raises(CommandError, match=says):
        synthesise(tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CommandError, match="already holds something"):
        synthesise(tmp_path)
    with pytest.raises(CommandError, match=r"cannot be written|already holds"):
        synthesise(tmp_path / "mine.txt" / "out")
    with pytest.raises(CommandError, match="--out"):
        call_command("synthesise")


def test_every_setting_is_listed_and_described():
    output = io.StringIO()
    call_command("synthesise", "--list", stdout=output)
    page = (DOCS / "synthesis.md").read_text(encoding="utf-8")
    assert all(name in output.getvalue() for name in (*every_setting(), *FAMILIES))
    assert all(family in page for family in FAMILIES)
    pictures = list((DOCS / "synthesis").glob("*.png"))
    assert pictures and all(file.stat().st_size < 600_000 and file.name in page for file in pictures)


def test_sheets():
    grey = np.arange(64 * 80, dtype=np.uint32).reshape(64, 80).astype(np.uint8)
    labels = np.zeros((64, 80), np.int32)
    labels[10:30, 20:50] = 1
    marked = with_outlines(grey, labels, (255, 120, 0))
    assert (marked[10, 20] == (255, 120, 0)).all() and (marked[20, 35] == grey[20, 35]).all()
    assert contact_sheet([grey] * 5, columns=3, side=40).shape == (88, 132)
    assert contact_sheet([marked] * 5, columns=3, side=40).shape == (88, 132, 3)
    assert as_grey(np.array([[0, 2.0], [4, 1]], np.float32)).max() == 255
