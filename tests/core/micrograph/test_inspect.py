"""The child process that looks at an upload: one line of JSON, whatever comes, and a quick start."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from segmentation.core.micrograph.inspect import main
from segmentation.core.micrograph.scale_bar.readings import CUT_OFF
from tests.core.micrograph.test_barlayout import EARLIER, drawn, image_with
from tests.hostile import HOSTILE, Hostile, image, raw_tiff, tiff

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("scipy", "skimage", "matplotlib", "torch", "django", "segmentation.models", "pydantic")


def inspect(*arguments: str | Path) -> dict[str, Any]:
    """The answer of the process itself."""
    command = [sys.executable, "-m", "segmentation.core.micrograph.inspect", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    assert done.stderr == "" or done.stderr.startswith("The data bar")
    return json.loads(lines[0])


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    calibrated = {"imagej": True, "resolution": (0.5, 0.5), "metadata": {"unit": "nm"}}
    path.write_bytes(tiff(image(1000, 1500, np.uint16, 4095), **calibrated))
    answer = inspect(path, "--name", "../Probe µ.tif", "--preview", tmp_path / "small.npy")
    assert answer["ok"] is True
    assert (answer["width"], answer["height"]) == (1500, 1000)
    assert answer["name"] == "Probe µ.tif"
    assert len(answer["sha256"]) == 64
    assert answer["kind"] == "TIFF, 16 bit"
    assert answer["calibration"]["nm_per_pixel"] == pytest.approx(2.0)
    assert answer["calibration"]["source"] == "metadata"
    assert answer["notes"] == []
    assert answer["data_bar"] is None
    small = np.load(tmp_path / "small.npy")
    assert (small.shape, small.dtype) == ((427, 640), np.uint8)


SAMPLE = ROOT / "static" / "sample" / "sem-sample.tif"


@pytest.mark.slow
def test_the_data_bar_is_read() -> None:
    pytest.importorskip("rapidocr")
    answer = inspect(SAMPLE, "--seconds", "300")
    assert answer["data_bar"] == 704
    assert answer["reading"]["nm_per_pixel"] == pytest.approx(5)
    assert answer["reading"]["length_nm"] == 500
    assert set(answer["reading"]) == {
        *("nm_per_pixel", "relative_uncertainty", "text", "length_nm", "length_px"),
        *("box", "ways", "texts", "confidence", "sure", "note", "steps", "layout", "same_as"),
    }


@pytest.mark.parametrize(
    ("options", "note"),
    [(("--no-reading",), ""), (("--seconds", "1"), CUT_OFF), (("--max-memory-mb", "500"), "")],
    ids=["unwanted", "late", "memory"],
)
@pytest.mark.slow
def test_a_bar_that_is_not_read_loses_no_upload(options: tuple[str, ...], note: str) -> None:
    answer = inspect(SAMPLE, *options)
    assert answer["ok"] is True and answer["data_bar"] == 704
    assert answer["reading"].get("note", "") == note and not answer["reading"].get("nm_per_pixel")


@pytest.mark.parametrize(
    "tags",
    [{258: (3, 1, 128), 339: (3, 1, 6)}, {277: (3, 1, 16)}, {258: (3, 1, 64), 339: (3, 1, 3)}],
    ids=["complex128", "16 samples", "float64"],
)
def test_what_unpacks_to_more_than_the_largest_image_may_take_is_not_unpacked(tmp_path: Path, tags: Any) -> None:
    """A file of 13 kB took 2.5 GB; in so little memory only the header can be read."""
    path = tmp_path / "bomb.tif"
    path.write_bytes(raw_tiff({256: (4, 1, 9000), 257: (4, 1, 9000), 278: (4, 1, 9000), 259: (3, 1, 8), **tags}))
    answer = inspect(path, "--max-pixels", str(90_000_000), "--max-memory-mb", "500")
    assert "unpacked" in answer["error"]


def test_a_failing_reader_loses_no_upload(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("segmentation.core.micrograph.inspect.confine", lambda *_, **__: None)
    monkeypatch.setattr(
        "segmentation.core.micrograph.scale_bar.barreading.read_bar", Mock(side_effect=RuntimeError("a defect"))
    )
    assert main([str(SAMPLE)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert answer["reading"] == {}


@pytest.mark.parametrize("later", [True, False])
def test_a_known_bar_is_not_read(
    later: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    read_bar = Mock(return_value=None)
    monkeypatch.setattr("segmentation.core.micrograph.inspect.confine", lambda *_, **__: None)
    monkeypatch.setattr("segmentation.core.micrograph.scale_bar.barreading.read_bar", read_bar)
    strip, _ = drawn(time="12:00:00")
    path = tmp_path / "upload"
    path.write_bytes(tiff(image_with(strip, 3).pixels))
    stored = {**asdict(EARLIER), "layout": {**asdict(EARLIER)["layout"], "first": 641}}, asdict(EARLIER)
    known = [f"--known={json.dumps(reading)}" for reading in stored]

    def answer(*options: str) -> Any:
        assert main([str(path), *options, *(["--later"] if later else [])]) == 0
        return json.loads(capsys.readouterr().out)

    assert answer(*known)["reading"] == json.loads(json.dumps({**asdict(EARLIER), "texts": []}))
    assert read_bar.call_count == 0
    nothing = None if later else {}
    assert answer(known[0])["reading"] == nothing
    assert answer('--known={"ways": 7}')["reading"] == nothing
    assert read_bar.call_count == (0 if later else 2)


def test_side_files(tmp_path: Path) -> None:
    path, side = tmp_path / "upload", tmp_path / "other"
    path.write_bytes(tiff(image()))
    side.write_text("[SemImageFile]\nPixelSize=9.921875\n")
    name = '-r "f" µ=1.txt'
    answer = inspect(path, f"--side={json.dumps([name, str(side)])}")
    assert answer["calibration"]["nm_per_pixel"] == pytest.approx(9.921875)
    assert answer["calibration"]["source"] == "side file"
    assert answer["metadata"]["side_files"] == name
    assert answer["reading"] == {}


def test_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"<html>")
    answer = inspect(path, "--preview", tmp_path / "small.npy")
    assert answer == {"ok": False, "error": answer["error"]}
    assert "web page" in answer["error"]
    assert not (tmp_path / "small.npy").exists()


def test_pixel_limit(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(tiff(image()))
    assert "too large" in inspect(path, "--max-pixels", "3071")["error"]
    assert inspect(path, "--max-pixels", "3072")["ok"] is True


def test_memory_limit_makes_a_bomb_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(tiff(np.zeros((22_000, 22_000), np.uint8), compression="zlib", rowsperstrip=22_000))
    assert path.stat().st_size < 2_000_000
    assert "memory" in inspect(path, "--max-memory-mb", "400")["error"]


@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_hostile_files_give_one_line(
    case: Hostile, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmentation.core.micrograph.inspect.confine", lambda *_, **__: None)
    assert main([str(case.write(tmp_path)), f"--name={case.name}", "--preview", str(tmp_path / "p.npy")]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    answer = json.loads(line)
    assert answer["ok"] is (case.outcome == "readable")
    assert (tmp_path / "p.npy").exists() is answer["ok"]


def test_starts_without_heavy_libraries() -> None:
    program = f"import sys, segmentation.core.micrograph.inspect; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
