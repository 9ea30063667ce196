"""What the web hands to the child process, and what it gets back."""

from __future__ import annotations

from pathlib import Path

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
