"""The bundle: complete, checked, and the same when it is made again."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from dataclasses import replace

import pytest

from segmentation.core.micrograph.types import Calibration
from segmentation.core.report import exports
from segmentation.core.report.files import write_all
from segmentation.core.tasks import find
from tests.core.builders import make_analysis, renamed

TAKEN = {name for name, export in exports.by_file_name("image", find("particles")).items() if not export.for_the_page}
IN_BUNDLE = TAKEN - {"bundle.zip", "notebook.eln"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_all(make_analysis(30, (200, 260), filter=True), tmp_path_factory.mktemp("out"))


def test_it_holds_every_file_and_its_checksum(files):
    with zipfile.ZipFile(files["bundle.zip"]) as archive:
        assert set(archive.namelist()) == {"README.txt", "SHA256SUMS", *IN_BUNDLE}
        sums = dict(reversed(line.split("  ")) for line in archive.read("SHA256SUMS").decode().splitlines())
        assert set(sums) == {"README.txt", *IN_BUNDLE}
        for name, digest in sums.items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest
            assert name == "README.txt" or archive.read(name) == files[name].read_bytes()
        readme = archive.read("README.txt").decode()
        assert all(name in readme for name in IN_BUNDLE)
        assert "ab" * 32 in readme and "sample.tif" in readme


def test_it_is_the_same_at_another_time_and_pace_without_the_files_for_the_page(files, tmp_path, monkeypatch):
    """As the command line writes it."""
    later = time.time() + 5e7
    monkeypatch.setattr(time, "time", lambda: later)
    analysis = make_analysis(30, (200, 260), filter=True)
    rewritten = write_all(replace(analysis, timings={"network": 99.0}), tmp_path, for_the_page=False)
    assert set(rewritten) == {path.name for path in tmp_path.iterdir()} == {*TAKEN}
    for name in IN_BUNDLE:
        assert files[name].read_bytes() == rewritten[name].read_bytes(), name
    assert files["bundle.zip"].read_bytes() == rewritten["bundle.zip"].read_bytes()


@pytest.mark.usefixtures("coarse")
def test_with_all_particles_the_files_say_so_and_the_sums_are_theirs(files, tmp_path):
    given = write_all(make_analysis(30, (200, 260), filter=True), tmp_path, for_the_page=False, keep_all=True)
    for name, everything in (("labels.tif", "labels-all.tif"), ("rois.zip", "rois-all.zip")):
        assert given[name].read_bytes() == files[everything].read_bytes() != files[name].read_bytes()
    with zipfile.ZipFile(given["bundle.zip"]) as archive:
        digest = hashlib.sha256(given["labels.tif"].read_bytes()).hexdigest()
        assert f"{digest}  labels.tif" in archive.read("SHA256SUMS").decode().splitlines()
        described = dict(line.split(maxsplit=1) for line in archive.read("README.txt").decode().splitlines() if line)
    assert "all particles" in described["labels.tif"] and "all particles" in described["rois.zip"]


@pytest.mark.usefixtures("coarse")
def test_any_name_of_the_image(tmp_path):
    name = "=cmd|' /C calc'!A0粒子/../x\n\udcff.tif"
    analysis = renamed(make_analysis(3, (60, 80), calibration=Calibration.absent()), name)
    files = write_all(analysis, tmp_path)
    names = zipfile.ZipFile(files["bundle.zip"]).namelist()
    assert set(names) == {"README.txt", "SHA256SUMS", *IN_BUNDLE}


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("count", [0, 1])
def test_few_particles(count, tmp_path):
    files = write_all(make_analysis(count, (40, 50)), tmp_path)
    assert json.loads(files["coco.json"].read_text())["annotations"].__len__() == count
    assert zipfile.ZipFile(files["rois-all.zip"]).namelist().__len__() == count
