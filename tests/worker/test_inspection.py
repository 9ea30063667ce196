"""What the web hands to the child process, and what it gets back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hostile import image, tiff
from worker import inspection


def test_side_files_reach_the_child(tmp_path: Path) -> None:
    path, side = tmp_path / "upload", tmp_path / "beside"
    path.write_bytes(tiff(image()))
    side.write_bytes("[SemImageFile]\r\nPixelSize=24.8\r\nSignalName=SE(L)\r\n".encode("utf-16"))
    found = inspection.inspect(path, name="a.tif", side=[("--a\x00 µ.txt", side)])
    assert found.facts["calibration"]["nm_per_pixel"] == pytest.approx(24.8)
    assert found.facts["calibration"]["source"] == "side file"
    assert found.facts["metadata"]["detector"] == "SE(L)"
    assert found.facts["reading"] == {}
    assert found.preview.startswith(b"\x89PNG")


def test_the_bar_is_read_only_where_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[list[str]] = []

    def run(command: list[str], alive: object) -> bytes:
        said.append(command)
        raise inspection.Unreadable("enough")

    monkeypatch.setattr(inspection, "_run", run)
    for read_bar in (True, False):
        with pytest.raises(inspection.Unreadable):
            inspection.inspect(tmp_path / "a", name="a", read_bar=read_bar)
    assert ["--no-reading" in command for command in said] == [False, True]


def test_facts_without_a_reading_are_understood() -> None:
    answer = b'{"ok": true, "width": 1, "height": 1, "sha256": "a", "kind": "k", "calibration": {}, "metadata": {}, '
    assert inspection._parse(answer + b'"notes": [], "data_bar": null}')["reading"] == {}
    assert inspection._parse(answer + b'"notes": [], "data_bar": 3, "reading": null}')["reading"] == {}


def test_a_micrograph_comes_as_it_would_be_read_here(tmp_path: Path) -> None:
    from segmentation.core.micrograph.reader import read

    path, side = tmp_path / "upload", tmp_path / "beside"
    side.write_text("[SemImageFile]\nPixelSize=24.8\n")
    for dtype in (np.uint8, np.uint16, np.float32):
        path.write_bytes(tiff(image(48, 64, dtype, 200)))
        given: dict[str, Any] = {"name": "../a µ.png", "side": [("a.txt", side)]}
        here, found = read(path, **given), inspection.read_micrograph(path, **given)
        np.testing.assert_array_equal(found.pixels, here.pixels)
        assert found.pixels.dtype == dtype
        for name in ("name", "sha256", "calibration", "metadata", "notes", "reading"):
            assert getattr(found, name) == getattr(here, name), name


def test_a_file_that_cannot_be_read_says_the_same_as_at_its_upload(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"<html>")
    said = []
    for look in (inspection.inspect, inspection.read_micrograph):
        with pytest.raises(inspection.Unreadable) as refused:
            look(path, name="a.png")
        said.append(str(refused.value))
    assert said[0] == said[1] and "web page" in said[0]


FACTS = {"ok": True, "width": 3, "height": 2, "sha256": "a", "kind": "k", "metadata": {}, "notes": [], "data_bar": None}
ABSENT = {"nm_per_pixel": None, "source": "none"}


@pytest.mark.parametrize(
    ("calibration", "array"),
    [
        (ABSENT, None),
        (ABSENT, np.zeros((2, 3))),
        (ABSENT, np.zeros((2, 3, 1), np.uint8)),
        (ABSENT, np.array([[None]])),
        ({**ABSENT, "other": 1}, np.zeros((2, 3), np.uint8)),
        ([], np.zeros((2, 3), np.uint8)),
    ],
    ids=["no file", "float64", "three dimensions", "pickled", "another fact", "no calibration"],
)
def test_a_child_that_was_taken_over_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calibration: Any, array: Any
) -> None:
    def run(command: list[str], alive: object) -> bytes:
        (place,) = (word.partition("=")[2] for word in command if word.startswith("--pixels="))
        if array is not None:
            np.save(place, array, allow_pickle=True)
        return json.dumps({**FACTS, "calibration": calibration}).encode()

    monkeypatch.setattr(inspection, "_run", run)
    with pytest.raises(inspection.Unreadable) as refused:
        inspection.read_micrograph(tmp_path / "a", name="a")
    assert str(refused.value) == inspection.DIED
