"""JEOL's MakerNote as JSM-IT800 write it: UTF-16 after "UNICODE", `$NAME=value` with tabs between them."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.scale_bar.databar import first_bar_row
from segmentation.core.micrograph.types import Micrograph
from tests.core.micrograph.instrument_files import exif_tiff, noted_tiff, written
from tests.hostile import image, picture, raw_tiff, tiff

ENTRIES = {
    "CM_FORMAT": "JEOL/EO",
    "CM_VERSION": "1.0",
    "CM_DATE": "2026/11/20",
    "CM_TIME": "09:30:00",
    "CM_MAG": "50000",
    "CM_ACCEL_VOLT": "10",
    "CM_SIGNAL": "SED",
    "CM_PIXEL_SIZE": "2.00nm/pixel",
    "CM_FIELD_OF_VIEW": "2.56 1.92\u03bcm",
    "CM_IMAGE_SIZE": "1280 960",
    "SM_MICRON_MARKER": "100nm",
    "SM_MICRON_BAR": "49",
    "SM_PNU_HEIGHT": "66",
    "SM_WD": "8.438442",
    "SM_NICKNAME": "JSM-IT800",
}
GREYS = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))
STORED = np.resize(image(), (1026, 1280))


def note(**changes: str | None) -> bytes:
    """The MakerNote with some entries changed, or left out where None."""
    entries = {name: value for name, value in {**ENTRIES, **changes}.items() if value is not None}
    text = "\t".join(f"${name}={value}" for name, value in entries.items())
    return b"UNICODE\0" + text.encode("utf-16-le")


def small(folder: Path, content: bytes) -> Micrograph:
    """The 64 x 48 TIFF with `content` as MakerNote."""
    return written(folder, exif_tiff(content))


@pytest.mark.parametrize("options", [{}, {"photometric": "palette", "colormap": GREYS}], ids=["grey", "palette"])
def test_image_with_bar(tmp_path: Path, options: dict[str, Any]) -> None:
    micrograph = written(tmp_path, noted_tiff(STORED, note(), **options))
    assert micrograph.shape == (1026, 1280)
    assert np.array_equal(micrograph.pixels, STORED)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(2.0, rel=1e-12)
    assert micrograph.calibration.width_nm(1280) == pytest.approx(2560)
    assert micrograph.calibration.source == "metadata"
    assert micrograph.calibration.detail == "JEOL MakerNote, $CM_PIXEL_SIZE"
    assert micrograph.calibration.relative_uncertainty == pytest.approx(0.005 / math.sqrt(3) / 2.00)
    assert first_bar_row(micrograph) == 960
    assert micrograph.notes == ()
    assert {name: value for name, value in micrograph.metadata.items() if name != "kind"} == {
        "instrument": "JEOL JSM-IT800",
        "detector": "SED",
        "voltage_kv": 10.0,
        "working_distance_mm": 8.438442,
        "magnification": 50000.0,
        "date": "2026/11/20 09:30:00",
        "image_rows": 960.0,
    }


def test_note_in_the_main_directory_beside_a_broken_exif_directory(tmp_path: Path) -> None:
    content = note(CM_IMAGE_SIZE=None)
    tags = {34665: (4, 1, 0x7FFFFFF0), 37500: (7, len(content), 0)}
    tags[37500] = (7, len(content), len(raw_tiff(tags)))
    assert written(tmp_path, raw_tiff(tags) + content).calibration.nm_per_pixel == pytest.approx(2.0)


def test_note_of_a_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = note()
    micrograph = written(tmp_path, picture(STORED, "JPEG", exif=exif), "a.jpg")
    assert micrograph.calibration.nm_per_pixel == pytest.approx(2.0)
    assert first_bar_row(micrograph) == 960


@pytest.mark.parametrize(
    ("rows", "columns"), [(960, 1280), (513, 640), (480, 640), (500, 1000), (2052, 2560), (1026, 2000)]
)
def test_images_that_are_not_as_they_were_taken(tmp_path: Path, rows: int, columns: int) -> None:
    micrograph = written(tmp_path, noted_tiff(np.resize(image(), (rows, columns)), note()))
    taken = columns == 1280
    assert micrograph.calibration.nm_per_pixel == (pytest.approx(2.0) if taken else None)
    assert "image_rows" not in micrograph.metadata
    assert ["only cropped" in sentence for sentence in micrograph.notes] == ([] if taken else [True])


@pytest.mark.parametrize("micro", ["\u03bc", "\u00b5", "u"])
@pytest.mark.parametrize(
    "written_size", [None, "", "0nm/pixel", "-2nm/pixel", "nan", "2.00", "1e300nm/pixel", "2nm/foot"]
)
def test_field_of_view_where_there_is_no_pixel_size(tmp_path: Path, micro: str, written_size: str | None) -> None:
    content = note(CM_PIXEL_SIZE=written_size, CM_FIELD_OF_VIEW=f"2.56 1.92{micro}m")
    calibration = written(tmp_path, noted_tiff(STORED, content)).calibration
    assert calibration.nm_per_pixel == pytest.approx(2560 / 1280)
    assert calibration.detail == "JEOL MakerNote, $CM_FIELD_OF_VIEW"
    assert calibration.relative_uncertainty == pytest.approx(0.005 / math.sqrt(3) / 2.56)


@pytest.mark.parametrize("field", [None, "0 0μm", "2.56 1.92", "μm", "2.56.1 1.92μm", "1,002.56 1.92μm"])
def test_micron_bar_where_there_is_neither(tmp_path: Path, field: str | None) -> None:
    entries = {"CM_PIXEL_SIZE": None, "CM_FIELD_OF_VIEW": field, "CM_IMAGE_SIZE": "64 48", "SM_PNU_HEIGHT": None}
    calibration = small(tmp_path, note(**entries)).calibration
    assert calibration.nm_per_pixel == pytest.approx(100 / 49)
    assert calibration.detail == "JEOL MakerNote, $$SM_MICRON_BAR"
    assert calibration.relative_uncertainty == pytest.approx(0.5 / math.sqrt(3) / 49)


@pytest.mark.parametrize(
    ("size", "nm", "digit"),
    [("2.00nm/pixel", 2.0, 0.01), ("2,00 nm/pixel", 2.0, 0.01), ("2nm/pixel", 2.0, 1.0), ("0.850nm/pixel", 0.85, 0.001),
     ("850pm/pixel", 0.85, 1e-3), ("0.0125\u03bcm/pixel", 12.5, 0.1), ("0.0125\u00b5m/pixel", 12.5, 0.1),
     ("2.00 2.00nm/pixel", 2.0, 0.01), ("2.00nm/pixel 2.00nm/pixel", 2.0, 0.01), ("1.5e1nm/pixel", 15.0, 1.0)],
)  # fmt: skip
def test_pixel_sizes(tmp_path: Path, size: str, nm: float, digit: float) -> None:
    """digit: one unit of the last written digit in nm."""
    micrograph = small(tmp_path, note(CM_PIXEL_SIZE=size, CM_IMAGE_SIZE=None))
    assert micrograph.calibration.nm_per_pixel == pytest.approx(nm)
    assert micrograph.calibration.relative_uncertainty == pytest.approx(0.5 * digit / math.sqrt(3) / nm)
    assert micrograph.notes == ()


@pytest.mark.parametrize(
    ("size", "field", "says"),
    [("2.00nm/pixel", "2.56 1.92μm", 0), ("2.00nm/pixel", "2.53 1.90μm", 0), ("0.2nm/pixel", "0.26 0.20μm", 0),
     ("2.00nm/pixel", "2.50 1.88μm", 1), ("2.00nm/pixel", "5.12 3.84μm", 1), ("2.00nm/pixel", "2.56 1.92mm", 1)],
)  # fmt: skip
def test_a_field_of_view_that_contradicts_is_said(tmp_path: Path, size: str, field: str, says: int) -> None:
    micrograph = written(tmp_path, noted_tiff(STORED, note(CM_PIXEL_SIZE=size, CM_FIELD_OF_VIEW=field)))
    assert micrograph.calibration.detail == ("" if says else "JEOL MakerNote, $CM_PIXEL_SIZE")
    assert (micrograph.calibration.nm_per_pixel is None) == bool(says)
    assert len(micrograph.notes) == says
    assert all("field of view" in sentence for sentence in micrograph.notes)


def test_pixels_that_are_not_square_are_said(tmp_path: Path) -> None:
    micrograph = small(tmp_path, note(CM_PIXEL_SIZE="2.00 2.50nm/pixel", CM_IMAGE_SIZE=None))
    assert micrograph.calibration.nm_per_pixel == pytest.approx(2.0)
    assert re.search(r"\b2 nm wide.*\b2\.5 nm high", micrograph.notes[0])


@pytest.mark.parametrize("end", [b"", b"\0\0", b"\0", b"\t\0\0\0\r\0\n\0"])
@pytest.mark.parametrize(
    "entry", ["$CM_PIXEL_SIZE=4.50nm/pixel", "$CM_PIXEL_SIZE = 4.50 nm/pixel", "$$CM_PIXEL_SIZE\t4.5nm"]
)
def test_other_entries_around_it(tmp_path: Path, entry: str, end: bytes) -> None:
    """Before the first `$CM_`, empty, in Japanese, with a dollar or a tab inside."""
    text = f"$AP_X=1\t$CM_TITLE=試料 7 = $5\t$CM_COMMENT=\t\t{entry}\t$SM_WD=8.4"
    micrograph = small(tmp_path, b"UNICODE\0" + text.encode("utf-16-le") + end)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(4.5)
    assert micrograph.metadata["working_distance_mm"] == 8.4


def test_a_note_of_nothing_but_the_micron_bar(tmp_path: Path) -> None:
    content = b"UNICODE\0" + "$SM_MICRON_BAR=50\t$SM_MICRON_MARKER=100nm".encode("utf-16-le")
    assert small(tmp_path, content).calibration.nm_per_pixel == pytest.approx(2.0)


def test_text_file_in_the_same_notation(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(STORED))
    side = tmp_path / "a.txt"
    side.write_bytes(note()[8:])
    micrograph = read(tmp_path / "a.tif", side=[side])
    assert micrograph.calibration.nm_per_pixel == pytest.approx(2.0)
    assert micrograph.calibration.source == "side file"
    assert first_bar_row(micrograph) == 960


@pytest.mark.parametrize(
    "content",
    [
        b"UNICODE\0",
        b"UNICODE\0$",
        b"UNICODE",
        b"UNICODE\0" + b"\0" * 999,
        b"UNICODE\0" + b"\xff\xd8" * 999,
        b"UNICODE\0" + np.random.default_rng(1).bytes(9999),
        note()[:40],
        note()[:8] + note()[9:],
        note(CM_PIXEL_SIZE="0nm/pixel", CM_FIELD_OF_VIEW="0 0μm", SM_MICRON_BAR="0"),
        note(CM_PIXEL_SIZE="-2nm/pixel", CM_FIELD_OF_VIEW="-2.56 1.92μm", SM_MICRON_BAR="-49"),
        note(CM_PIXEL_SIZE="nm/pixel", CM_FIELD_OF_VIEW="μm", SM_MICRON_MARKER="nm"),
        note(CM_PIXEL_SIZE="nan", CM_FIELD_OF_VIEW="inf infμm", SM_MICRON_BAR="nan"),
        note(CM_PIXEL_SIZE="9" * 5000 + "nm/pixel", CM_IMAGE_SIZE="0 0", SM_MICRON_BAR="1e999"),
        note(CM_PIXEL_SIZE=None, CM_IMAGE_SIZE="1280", SM_MICRON_MARKER="100"),
        note(CM_PIXEL_SIZE=None, CM_IMAGE_SIZE="-1280 -960", SM_MICRON_BAR="4\x009"),
    ],
)
def test_no_scale_from_malformed_notes(tmp_path: Path, content: bytes) -> None:
    micrograph = small(tmp_path, content)
    assert micrograph.calibration.nm_per_pixel is None
    assert micrograph.shape == (48, 64)


@pytest.mark.parametrize("height", ["0", "-66", "nan", "99999", "", "66px"])
def test_the_image_is_kept_whatever_the_height_of_the_bar(tmp_path: Path, height: str) -> None:
    micrograph = written(tmp_path, noted_tiff(STORED, note(SM_PNU_HEIGHT=height)))
    assert micrograph.calibration.nm_per_pixel == pytest.approx(2.0)
    assert first_bar_row(micrograph) == 960, "from the image size"


@pytest.mark.parametrize("filling", [" ", "1", "\r", "\t", "$", "\t$", "\t$A=", "1 ", "\0"])
@pytest.mark.parametrize("start", ["$CM_X", "$CM_PIXEL_SIZE=1", "$CM_FIELD_OF_VIEW=1 "])
def test_huge_notes_take_no_time(tmp_path: Path, start: str, filling: str) -> None:
    """Half a million characters through patterns that try every start take minutes; one pass takes milliseconds."""
    began = time.monotonic()
    content = b"UNICODE\0" + (start + filling * 1_500_000 + "x").encode("utf-16-le")
    assert small(tmp_path, content).calibration.nm_per_pixel is None
    assert time.monotonic() - began < 10
