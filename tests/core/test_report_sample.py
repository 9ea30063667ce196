"""The files of a sample of several images."""

from __future__ import annotations

import json
import zipfile

import jsonschema
import openpyxl
import pandas
import pypdf
import pytest

from segmentation.core.micrograph.types import Calibration
from segmentation.core.report import contents, result
from segmentation.core.report.sample import write_sample
from segmentation.core.sample import Member, combine

from .builders import make_analysis


def members(count, **options):
    made = []
    for i in range(count):
        one = Member.of(make_analysis(30 + 10 * (i % 3), (200, 260), **options))
        made.append(Member(f"=image {i} Größe.tif", one.table, one.calibration, sha256=f"{i:064x}"))
    return made


CASES = {
    "four": lambda: combine("TiO2, lot 7", members(4)),
    "one": lambda: combine("=1+1", members(1)),
    "pixels": lambda: combine("粒子 $^{", members(2, calibration=Calibration.absent())),
    "mixed": lambda: combine("mixed", [*members(2), *members(1, calibration=Calibration.absent())]),
    "empty": lambda: combine("empty", [Member.of(make_analysis(0)), Member.of(make_analysis(0))]),
    "sixty": lambda: combine("sixty", members(60)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_file_is_written_and_agrees(case, tmp_path):
    sample = CASES[case]()
    told = []
    files = write_sample(sample, tmp_path / "out", progress=lambda stage, done: told.append(done))
    assert set(files) == {*contents.SAMPLE, "bundle.zip"}
    assert told == sorted(told) and len(told) == len(files)
    said = json.loads(files["result.json"].read_text())
    jsonschema.validate(said, json.loads(result.SCHEMA.read_text()))
    assert said["statistics"]["n_kept"] == sample.pooled.n_kept
    images = pandas.read_csv(files["images.csv"], encoding="utf-8-sig")
    assert len(images) == len(sample.members)
    assert int(images["n"][images["excluded"].isna()].sum()) == sample.pooled.n_kept
    particles = pandas.read_csv(files["particles.csv"], encoding="utf-8-sig")
    assert int(particles["kept"].astype(bool).sum()) == sample.pooled.n_kept
    assert set(particles["image"]) <= set(images["image"])
    assert len(pypdf.PdfReader(files["report.pdf"]).pages) >= 2
    assert set(zipfile.ZipFile(files["bundle.zip"]).namelist()) == {"README.txt", "SHA256SUMS", *contents.SAMPLE}


def test_no_cell_begins_like_a_formula(tmp_path):
    files = write_sample(CASES["four"](), tmp_path)
    for name in ("images.csv", "particles.csv"):
        lines = files[name].read_text(encoding="utf-8-sig").splitlines()[1:]
        assert not any(line.startswith(("=", "+", "-", "@", '"=')) for line in lines)
    for sheet in openpyxl.load_workbook(files["sample.xlsx"]):
        assert all(cell.data_type != "f" for line in sheet.iter_rows() for cell in line)


def test_made_again_it_is_the_same(tmp_path):
    one, two = (write_sample(CASES["four"](), tmp_path / name) for name in ("one", "two"))
    assert one["bundle.zip"].read_bytes() == two["bundle.zip"].read_bytes()


def test_outliers_and_excluded_images_are_named_in_the_report(tmp_path):
    files = write_sample(CASES["mixed"](), tmp_path)
    words = " ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(files["report.pdf"]).pages)
    assert "It has no calibration while others have one" in words
    assert all(f"{i:064x}" in words for i in range(2))
