"""Bad input becomes one sentence; unusual input is read and, where something was done to it, said so."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from segmentation.core.micrograph.contrast import preview
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.readers import picture as picture_module
from segmentation.core.micrograph.scale_bar.databar import find_first_bar_row
from segmentation.core.micrograph.types import UnreadableImage
from tests.hostile import READABLE, REFUSED, Hostile, files_of_equal_name, image, tiff


def is_one_sentence(text: str) -> bool:
    return not text[0].islower() and text.endswith(".") and "\n" not in text and "Error" not in text and len(text) < 240


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No decoder warns or logs."""
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert not [record for record in caplog.records if record.name == "tifffile"]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refused_with_one_sentence(case: Hostile, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage) as caught:
        read(case.write(tmp_path), name=case.name)
    assert is_one_sentence(str(caught.value)), str(caught.value)
    assert case.says in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("case", READABLE, ids=str)
def test_read_and_said(case: Hostile, tmp_path: Path) -> None:
    micrograph = read(case.write(tmp_path), name=case.name)
    assert micrograph.pixels.dtype in (np.uint8, np.uint16, np.float32)
    assert micrograph.pixels.ndim == 2
    assert np.isfinite(micrograph.pixels).all()
    assert case.says in " ".join(micrograph.notes)
    assert all(is_one_sentence(note) for note in micrograph.notes)
    assert "/" not in micrograph.name
    assert "\\" not in micrograph.name
    assert micrograph.name.isprintable()
    assert find_first_bar_row(micrograph.pixels) == micrograph.shape[0]
    assert max(preview(micrograph).shape) <= 640


def test_running_out_of_memory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_module, "to_grey", Mock(side_effect=MemoryError))
    case = next(case for case in READABLE if case.label == "animated_png")
    with pytest.raises(UnreadableImage, match="memory"):
        read(case.write(tmp_path))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="no such file"):
        read(tmp_path / "nothing.tif")
    with pytest.raises(UnreadableImage, match="folder"):
        read(tmp_path)


@pytest.mark.parametrize("cut", [9, 40, 100, 200, 400, 1000, 2500])
@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"tile": (16, 16), "compression": "zlib"}], ids=str)
def test_truncated_anywhere(tmp_path: Path, cut: int, options: dict[str, object]) -> None:
    """However a file is cut, it is refused: never a picture with a black or stale part."""
    content = tiff(image(), **options)
    path = tmp_path / "cut.tif"
    path.write_bytes(content[: min(cut, len(content) - 1)])
    with pytest.raises(UnreadableImage):
        read(path)


def test_two_files_of_one_name_stay_apart(tmp_path: Path) -> None:
    first, second = (read(path) for path in files_of_equal_name(tmp_path))
    assert first.name == second.name
    assert first.sha256 != second.sha256
