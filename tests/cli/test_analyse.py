"""The main job from the shell."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import NO_SCALE
from segmentation.management.commands import _inputs, analyse, measure
from tests.core.micrograph.test_barlayout import EARLIER, drawn, image_with
from tests.shell import manage

SQRT3 = 3**0.5
ROOT = Path(__file__).resolve().parents[2]
USUAL = {"result.json", "particles.csv", "particles.xlsx", "labels.tif", "rois.zip", "figure.png", "timings.json"}
SAMPLE = ROOT / "static" / "sample" / "sem-sample.tif"


def rows_of(file):
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample analysed once."""
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        for reader in ("barreading", "burntin"):
            patch.setattr(f"segmentation.core.micrograph.scale_bar.{reader}.texts_by_child", lambda *strip, **how: [])
        done = manage("analyse", SAMPLE, "--out", out)
    assert done.returncode == 0, done.stderr
    return out / "sem-sample"


@pytest.mark.slow
def test_neither_data_folder_nor_database_is_needed(tmp_path):
    """In a process of its own, with both at places that cannot be."""
    nowhere = {"DEEPSEGM_DATA": "/nonexistent/data", "DEEPSEGM_DATABASE_URL": "postgres://nobody@127.0.0.1:1/x"}
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "analyse", write(tmp_path, "plain.tif"), "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **nowhere},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "plain" / "figure.png").stat().st_size


def test_the_usual_files_are_there(sample):
    assert {file.name for file in sample.iterdir()} == USUAL
    assert all(file.stat().st_size for file in sample.iterdir())


def test_result_and_table_and_labels_agree(sample):
    result = json.loads((sample / "result.json").read_text())
    rows = rows_of(sample / "particles.csv")
    labels = tifffile.imread(sample / "labels.tif")
    kept_labels = [int(row["label"]) for row in rows if row["kept"] == "1" or row["kept"].lower() == "true"]
    assert result["statistics"]["n_kept"] == len(kept_labels) > 40
    assert result["statistics"]["n_set_aside"] == len(rows) - len(kept_labels)
    assert labels.shape == (768, 1024) and np.issubdtype(labels.dtype, np.integer)
    assert sorted(np.unique(labels[labels > 0])) == sorted(kept_labels)
    assert not labels[704:].any()


def test_the_calibration_comes_from_the_file(sample):
    result = json.loads((sample / "result.json").read_text())
    assert result["calibration"]["nm_per_pixel"] == pytest.approx(5.0)
    assert result["calibration"]["source"] == "metadata"
    assert "min_feret_nm" in rows_of(sample / "particles.csv")[0]


def test_the_result_says_what_made_it(sample):
    result = json.loads((sample / "result.json").read_text())
    assert result["model"]["name"] == "particles" and len(result["model"]["sha256"]) == 64
    assert result["settings"]["filter"] is False
    assert result["versions"]["deepsegm"]


def test_running_times_have_a_file_of_their_own(sample):
    timings = json.loads((sample / "timings.json").read_text())
    assert {"network", "measure"} <= set(timings) and all(seconds >= 0 for seconds in timings.values())
    assert "timings" not in json.loads((sample / "result.json").read_text())


def write(folder, name, pixels=None, **options):
    pixels = tifffile.imread(SAMPLE)[:256, :256] if pixels is None else pixels
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / name, pixels, **options)
    return folder / name


def test_without_width_sizes_are_in_pixels_never_7520(tmp_path, no_text):
    done = manage("analyse", write(tmp_path, "plain.tif"), "--out", tmp_path / "out")
    assert done.returncode == 0
    assert f"\n  {NO_SCALE}" in done.stdout
    result = json.loads((tmp_path / "out/plain/result.json").read_text())
    assert result["calibration"]["nm_per_pixel"] is None and result["calibration"]["source"] == "none"
    assert "min_feret_px" in rows_of(tmp_path / "out/plain/particles.csv")[0]


def test_pages_of_a_stack(tmp_path, monkeypatch):
    stack = write(tmp_path, "stack.tif", np.stack([tifffile.imread(SAMPLE)[:256, :256]] * 3), photometric="minisblack")
    image, out, analysed = write(tmp_path, "one.tif"), tmp_path / "out", []
    monkeypatch.setattr(analyse.Command, "measure", lambda command, files, *how: analysed.extend(files))
    assert manage("analyse", stack, image, "--pages", "all", "--out", out).returncode == 0
    assert analysed == [*(out / "pages" / f"stack page {page}.tif" for page in (1, 2, 3)), image]
    wrong = manage("analyse", stack, "--pages", "2-4", "--out", out)
    assert wrong.returncode == 2 and "so there is no page 4" in wrong.stderr


def test_two_inputs_of_one_stem_and_a_bad_one(tmp_path, no_text, one_core):
    first, second = write(tmp_path / "a", "x.tif"), write(tmp_path / "b", "x.tif")
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no picture at all")
    images = first, bad, second, tmp_path / "missing.tif"
    done = manage("analyse", *images, "--out", tmp_path / "out", "--width-nm", "2.56 um", "--all")
    assert done.returncode == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["x", "x-2"]
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 2 and "bad.tif" in lines[0] and "missing.tif" in lines[1]
    assert "Traceback" not in done.stderr
    result = json.loads((tmp_path / "out/x-2/result.json").read_text())
    assert result["calibration"]["nm_per_pixel"] == pytest.approx(10.0)
    assert result["calibration"]["relative_uncertainty"] == pytest.approx(0.005 / 2.56 / SQRT3)
    everything = tifffile.imread(tmp_path / "out/x/labels.tif")
    assert len(np.unique(everything)) - 1 == len(rows_of(tmp_path / "out/x/particles.csv"))


def test_a_device_that_is_not_here_is_said_in_one_sentence(tmp_path, settings, no_text):
    settings.DEEPSEGM_DEVICE = "abacus"
    done = manage("analyse", write(tmp_path, "plain.tif"), "--out", tmp_path / "out")
    assert done.returncode == 2 and "'abacus'" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [analyse.Command(), measure.Command()], ids=["analyse", "measure"])
@pytest.mark.parametrize(
    ("option", "text", "nm_per_pixel", "uncertainty"),
    [("--width-nm", "7.52 um", 7.52, 0.005 / 7.52), ("--width-nm", " 7,5200 µm", 7.52, 0.00005 / 7.52),
     ("--width-nm", "7520", 7.52, 0.5 / 7520), ("--nm-per-pixel", "14.7", 14.7, 0.05 / 14.7),
     ("--nm-per-pixel", " 14.70 ", 14.7, 0.005 / 14.7), ("--nm-per-pixel", "2", 2.0, 0.25),
     ("--nm-per-pixel", "1.47e1", 14.7, 0.005 / 1.47)],
)  # fmt: skip
def test_a_typed_scale_is_as_uncertain_as_its_last_digit(command, option, text, nm_per_pixel, uncertainty):
    typed = command.create_parser("manage.py", "x").parse_args(["a.tif", "--out", "out", option, text])
    calibration = _inputs.typed_calibration(vars(typed), 1000)
    assert (calibration.nm_per_pixel, calibration.source) == (pytest.approx(nm_per_pixel), "typed")
    assert calibration.relative_uncertainty == pytest.approx(uncertainty / SQRT3)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--width-nm", "0"], "width"),
        (["--width-nm", "wide"], "width"),
        (["--nm-per-pixel", "-1"], "number"),
        (["--nm-per-pixel", "1_4"], "number"),
        (["--nm-per-pixel", "1,470"], "two sizes"),
        (["--threshold", "1.5"], "--threshold: “Threshold” takes auto or a number from 0.05 to 0.95"),
        (["--polarity", "grey"], "auto, bright or dark"),
        (["--border-correction", "ignore"], "--border-correction: “Border correction” takes exclude or weight"),
        (["--model", "nosuch"], "no model named"),
        (["--width-nm", "10", "--nm-per-pixel", "1"], "not allowed"),
        (["--scale", "1000"], "0.02 to 2"),
        (["--files", "report.pdf,*.doc"], "--files: “*.doc” is none of the files of a result: report.pdf, "),
        (["--files", "images.csv"], "is none of the files"),
        (["--jobs", "0"], "not a whole number from 1 to 64"),
        (["--data-bar", "5000"], "The data bar cannot take 5000 rows"),
    ],
)
def test_bad_options_are_explained(tmp_path, options, word, no_text):
    done = manage("analyse", SAMPLE, "--out", tmp_path / "out", *options)
    assert done.returncode == 2
    assert word in done.stderr and "Traceback" not in done.stderr


def test_the_same_bar_is_read_once_in_a_run(monkeypatch):
    read_bar = Mock(return_value=EARLIER)
    monkeypatch.setattr("segmentation.core.library.inputs.read_bar", read_bar)
    options = {"size": None}
    strips = [drawn(time=time)[0] for time in ("10:00:00", "11:11:11", "12:22:22")]
    micrographs = [_inputs.with_scale_bar(image_with(strip), options) for strip in (*strips, drawn("2 µm")[0])]
    assert read_bar.call_count == 2
    assert {micrograph.reading.nm_per_pixel for micrograph in micrographs} == {EARLIER.nm_per_pixel}
    _inputs.with_scale_bar(image_with(strips[0]), {"size": None})
    assert read_bar.call_count == 3  # another run


def test_a_data_bar_is_read_beside_a_typed_width_as_well():
    micrograph = _inputs.with_scale_bar(
        read(ROOT / "tests" / "data" / "sem-sample.png"), {"size": lambda columns: None}
    )
    assert micrograph.reading.nm_per_pixel == pytest.approx(5.0, rel=0.01)
