"""Masks of other tools, and folders as samples, from the shell."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdf
import pytest
import tifffile
from django.core.management import call_command
from PIL import Image
from roifile import ImagejRoi

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.combine import combine
from segmentation.core.imported.labelled import analyse_mask
from segmentation.core.labels.segmentation import MASKS as MASKS_OF_OTHERS
from segmentation.core.labels.segmentation import NONE_IN_MASK
from segmentation.core.masks.label_images import read_mask
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Calibration
from segmentation.core.network import cards
from segmentation.core.sample import Member
from segmentation.management.commands import _measuring
from segmentation.management.commands.measure import MASK_SUFFIXES, NO_IMAGE
from tests.core.builders import segmentation_of
from tests.core.test_labelled import TWO
from tests.shell import manage

from .test_analyse import ROOT, SAMPLE, USUAL

TRUTH = ROOT.parent / "shared" / "data" / "evaluation-only" / "tio2-sem" / "masks"
NM_PER_PIXEL = 7.34375
POOLED = {"figure.png", "particles.csv", "images.csv", "sample.xlsx", "result.json"}


def result_of(folder: Path):
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Good and bad masks of one call, pooled, with the usual files."""
    folder = tmp_path_factory.mktemp("masks")
    tifffile.imwrite(folder / "a.tif", TWO)
    Image.fromarray((TWO > 0).astype(np.uint8) * 255).save(folder / "b_mask.png")
    np.save(folder / "c.npy", TWO.astype(np.float64))
    np.save(folder / "bad.npy", TWO / 3.0)
    np.save(folder / "stack.npy", np.stack([TWO] * 5))
    (folder / "notes.doc").write_text("words")
    (folder / "Thumbs.db").write_text("x")
    images = tmp_path_factory.mktemp("images")
    for stem in ("a", "b", "c", "bad", "stack"):
        tifffile.imwrite(images / f"{stem}.tif", np.full(TWO.shape, 9, np.uint8))
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_measuring, "cores", lambda: 1)
        arguments = (folder, "--nm-per-pixel", 2, "--images", images, "--out", out, "--sample", "Two squares")
        return manage("measure", *arguments), out


def test_each_mask_has_a_folder_and_the_sample_its_files(measured):
    _, out = measured
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"a", "b_mask", "c"}
    assert {path.name for path in out.iterdir() if path.is_file()} == POOLED
    for stem in ("a", "b_mask", "c"):
        assert {path.name for path in (out / stem).iterdir()} == USUAL
        result = result_of(out / stem)
        assert result["statistics"]["n_kept"] == 2 and result["statistics"]["median"] == pytest.approx(20, rel=0.02)
        assert result["model"]["name"] == MASKS_OF_OTHERS


def test_bad_ones_are_one_line_each_and_end_with_2(measured):
    done, _ = measured
    assert done.returncode == 2 and "Traceback" not in done.stderr
    messages = {line.split(":")[0].rpartition("/")[2]: line for line in done.stderr.splitlines()}
    assert "fractions such as" in messages["bad.npy"] and "5 planes" in messages["stack.npy"]
    assert "notes.doc" in done.stderr and "Thumbs.db" not in done.stderr


def test_the_pooled_numbers_are_those_of_all(measured):
    _, out = measured
    assert result_of(out)["statistics"]["n_kept"] == 6
    rows = list(csv.DictReader((out / "images.csv").open(encoding="utf-8-sig")))
    counted = [(row["image"], row["n"]) for row in rows if not row["excluded"]]
    assert counted == [("a.tif", "2"), ("b_mask.png", "2"), ("c.npy", "2")]


def test_the_pooled_files_name_those_that_failed_with_the_reason(measured):
    done, out = measured
    rows = {row["image"]: row for row in csv.DictReader((out / "images.csv").open(encoding="utf-8-sig"))}
    for name, reason in (("bad.npy", "fractions such as"), ("stack.npy", "5 planes")):
        assert reason in rows[name]["excluded"]
        assert rows[name]["sha256"] == hashlib.sha256((out.parent / name).read_bytes()).hexdigest()
    assert re.search("3 of 5 images counted, 6 particles counted, pooled, 2 ", done.stdout)


@pytest.mark.slow
def test_it_can_be_run_again_over_its_own_output(measured, one_core):
    _, out = measured
    done = manage("measure", out.parent, "--nm-per-pixel", 2, "--out", out)
    assert "3 particles" not in done.stdout and done.stdout.count("->") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.tif"], "There is no such file"),
        (["{empty}"], "no mask in this folder"),
        (["{mask}", "--images", "/nonexistent"], "There is no folder"),
        (["{mask}", "--images", "{empty}"], "There is no image a in"),
        (["{mask}", "--nm-per-pixel", "0"], "not a number"),
        (["{mask}", "--sample", "  "], "give the sample a name"),
    ],
)
def test_what_cannot_be_is_explained(tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    tifffile.imwrite(tmp_path / "a.tif", TWO)
    places = {"mask": tmp_path / "a.tif", "empty": tmp_path / "empty"}
    done = manage("measure", *(argument.format(**places) for argument in arguments), "--out", tmp_path / "out")
    assert message in done.stderr and "Traceback" not in done.stderr


def test_binary_or_not_and_background_can_be_said(tmp_path):
    np.save(tmp_path / "dark.npy", np.where(TWO > 0, 0, 255).astype(np.uint8))
    done = manage("measure", tmp_path / "dark.npy", "--background", 255, "--out", tmp_path / "out")
    assert done.returncode == 0 and "2 particles counted" in done.stdout
    result = result_of(tmp_path / "out/dark")
    assert result["calibration"]["nm_per_pixel"] is None and result["statistics"]["unit"] == "px"


@pytest.mark.skipif(not TRUTH.is_dir(), reason=f"{TRUTH} is not there")
def test_the_reference_values_of_the_truth_masks():
    """What `measure TRUTH --nm-per-pixel 7.34375 --sample TiO2` pools, without the files that it writes."""
    settings = AnalysisSettings.of(calibration=Calibration.of_pixel(NM_PER_PIXEL))
    masks = [read_mask(file) for file in sorted(TRUTH.iterdir()) if file.suffix in MASK_SUFFIXES]
    members = [Member.of(analyse_mask(mask, settings)) for mask in masks]
    statistics = combine("TiO2", members).pooled.as_dict()
    # Published values are those of pixel corners: 160.1, 73.6, 62.5, 157.1, 255.6 (docs/method/accuracy.md).
    expected = {"n_kept": 924, "mean": 155.362, "sd": 73.234, "d10": 56.394, "d50": 151.726, "d90": 253.271}
    assert {name: pytest.approx(statistics[name], abs=0.01) for name in expected} == expected
    ecd = np.concatenate([member.table["ecd_nm"][member.table.kept] for member in members])
    assert np.mean(ecd) == pytest.approx(176.726, abs=0.01)
    assert np.median(ecd) == pytest.approx(174.313, abs=0.01)


@pytest.mark.skipif(not cards.available(), reason="no model is installed")
@pytest.mark.parametrize("task", ["grains", "bubbles", "lines"])
@pytest.mark.slow
def test_masks_may_show_other_objects_than_particles(tmp_path, one_core, task):
    mask, empty, out = tmp_path / "mask.tif", tmp_path / "empty.tif", tmp_path / "out"
    tifffile.imwrite(mask, TWO)
    tifffile.imwrite(empty, TWO * 0)
    asked = ("--files", "result.json,report.pdf")
    done = manage("measure", mask, empty, "--task", task, "--nm-per-pixel", 2, "--out", out, *asked)
    assert done.returncode == 0, done.stderr
    result = result_of(out / "mask")
    answers = {quantity["name"]: quantity["value"] for quantity in result["quantities"]}
    assert answers[task] == 2 and result["model"]["name"] == MASKS_OF_OTHERS
    assert result_of(out / "empty")["warnings"][0] == NONE_IN_MASK.format(things=task)
    report = " ".join(page.extract_text() for page in pypdf.PdfReader(out / "mask" / "report.pdf").pages)
    assert "another tool" in report and "network" not in report


@pytest.mark.slow
def test_a_folder_is_analysed_as_one_sample(tmp_path, one_core):
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    pixels = tifffile.imread(SAMPLE)
    tifffile.imwrite(folder / "left.tif", pixels[:256, :256])
    tifffile.imwrite(folder / "deep" / "left.tif", pixels[:256, 256:512])
    (folder / "left.txt").write_text("$CM_MAG 5000\n")
    (folder / "broken.tif").write_bytes(b"II*\0junk")
    (folder / "paper.pdf").write_bytes(b"%PDF-1.4")
    out = tmp_path / "out"
    done = manage(
        "analyse", folder, "--nm-per-pixel", 5, "--border-correction", "weight", "--out", out, "--sample", "Left"
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"left", "left-2"}
    assert {path.name for path in out.iterdir()} >= POOLED
    assert "broken.tif" in done.stderr and "paper.pdf" in done.stderr
    pooled = result_of(out)
    parts = [result_of(out / name)["statistics"]["n_kept"] for name in ("left", "left-2")]
    assert pooled["statistics"]["n_kept"] == sum(parts)
    counted = [row["name"] for row in pooled["images"] if not row["excluded"]]
    assert counted == ["left.tif", "left.tif (2)"]
    (failed,) = [row for row in pooled["images"] if row["name"] == "broken.tif"]
    assert failed["excluded"].startswith("Not analysed: ") and failed["excluded"].split(": ")[1] in done.stderr
    assert pooled["statistics"]["edge"] == "weight"


def test_an_empty_folder_says_so(tmp_path):
    (tmp_path / "empty").mkdir()
    done = manage("analyse", tmp_path / "empty", "--out", tmp_path / "out", "--sample", "None")
    assert "no image" in done.stderr and "nothing to pool" in done.stderr


class TestStored:
    """A stored segmentation is measured without its model."""

    @pytest.fixture
    def stored(self, tmp_path, no_text):
        micrograph = read(SAMPLE)
        labels = np.zeros(micrograph.shape, np.int32)
        for number in range(9):
            labels[100 : 120 + number, 40 + 60 * number : 70 + 60 * number] = number + 1
        segmentation = segmentation_of(labels)
        provenance = replace(segmentation.provenance, micrograph=micrograph.sha256)
        (tmp_path / "images").mkdir()
        shutil.copy(SAMPLE, tmp_path / "images" / "named otherwise.tif")
        path = tmp_path / "segmentation.npz"
        with path.open("wb") as file:
            replace(segmentation, provenance=provenance).save(file)
        return path

    def test_with_its_image(self, stored, tmp_path):
        folders = ("--images", str(tmp_path / "images"), "--out", str(tmp_path / "out"))
        call_command("measure", str(stored), *folders, "--faint-limit", "0")
        assert result_of(tmp_path / "out" / "segmentation")["statistics"]["n_kept"] == 9

    def test_without_it(self, stored, tmp_path, capsys):
        (tmp_path / "images" / "named otherwise.tif").write_bytes(b"something else")
        for more, message in (((), NO_IMAGE), (("--images", str(tmp_path / "images")), "No image in")):
            with pytest.raises(SystemExit):
                call_command("measure", str(stored), *more, "--out", str(tmp_path / "out"))
            assert message in capsys.readouterr().err

    def test_damaged(self, tmp_path, capsys):
        (tmp_path / "bad.npz").write_bytes(b"PK not really")
        with pytest.raises(SystemExit):
            call_command("measure", str(tmp_path / "bad.npz"), "--out", str(tmp_path / "out"))
        assert "damaged" in capsys.readouterr().err


def test_rois_and_coco_are_measured_with_their_image(tmp_path, one_core):
    image, out = tmp_path / "images", tmp_path / "out"
    image.mkdir()
    tifffile.imwrite(image / "a.tif", np.full((80, 100), 9, np.uint8))
    square = ImagejRoi.frompoints([(10, 10), (30, 10), (30, 30), (10, 30)])
    square.tofile(tmp_path / "a.roi")
    polygon = {"id": 1, "segmentation": [[10, 10, 30, 10, 30, 30, 10, 30]]}
    (tmp_path / "a_2.json").write_text(json.dumps({"annotations": [polygon]}))
    arguments = (tmp_path / "a.roi", tmp_path / "a_2.json", "--nm-per-pixel", 2, "--out", out)
    assert NO_IMAGE in manage("measure", *arguments).stderr
    assert manage("measure", *arguments, "--images", image).returncode == 0
    for stem in ("a", "a_2"):
        assert result_of(out / stem)["statistics"]["n_kept"] == 1


def test_regions_to_ignore_are_typed_once_or_several_times(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", TWO)
    for name, flags in (("one", ("0,0,9,9",)), ("two", ("[[[0, 0], [9, 9]]]", "0,0,5,0,0,5; 1,1,2,2"))):
        arguments = [word for flag in flags for word in ("--ignore", flag)]
        answer = manage("measure", tmp_path / "a.tif", "--nm-per-pixel", 2, "--out", tmp_path / name, *arguments)
        assert answer.returncode == 0, answer.stderr
        regions = result_of(tmp_path / name / "a")["settings"]["ignore"]
        assert regions[0] == [[0, 0], [9, 9]] and len(regions) == (1 if name == "one" else 3)
    answer = manage("measure", tmp_path / "a.tif", "--nm-per-pixel", 2, "--out", tmp_path / "bad", "--ignore", "1,2,3")
    assert answer.returncode == 2 and "--ignore: “Regions to ignore” is a list of" in answer.stderr
