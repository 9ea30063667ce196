"""Side files, JEOL's MakerNote and Olympus SIS: units, encodings, what is missing, what is absurd."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from segmentation.core.micrograph.calibration.header import with_side_files
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Micrograph
from segmentation.core.micrograph.vendors.facts import Facts
from tests.core.micrograph.instrument_files import EMI_XML, emi, exif_tiff, ser, sis_tiff, written
from tests.core.micrograph.vendors.test_shared_files import VENDORS
from tests.hostile import image, picture, tiff

JEOL = (
    "$CM_FORMAT JEOL/EO\r\n$CM_VERSION 1.0\r\n$CM_INSTRUMENT JSM-7600F\r\n$CM_DATE 2026/11/20\r\n$CM_TIME 09:30:00\r\n"
    "$CM_ACCEL_VOLT 15.00\r\n$CM_MAG 10000\r\n$CM_SIGNAL SEI\r\n$$SM_WD 8.1\r\n"
)
HITACHI = (
    "[SemImageFile]\r\nInstructName=SU8020\r\nDate=2026/11/20\r\nTime=09:30:00\r\nDataSize=64x48\r\n"
    "PixelSize=9.921875\r\nSignalName=SE(U)\r\nAcceleratingVoltage=5000 Volt\r\nMagnification=10000\r\n"
    "WorkingDistance=8100 um\r\nMicronMarker=5000\r\n"
)
TESCAN = (
    "[MAIN]\r\nDate=2026-11-20\r\nTime=09:30:00\r\nDevice=TESCAN MIRA3\r\nImageStripSize=8\r\nMagnification=50000.0\r\n"
    "PixelSizeX={0}\r\nPixelSizeY={0}\r\n\r\n[SEM]\r\nDetector=InBeam\r\nHV=10000.0\r\nWD=0.0051\r\n"
)
WIDE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]


def beside(folder: Path, name: str, content: bytes | str, encoding: str = "utf-8") -> Micrograph:
    """The 64 x 48 picture, read with a side file."""
    side = folder / name
    side.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return written(folder, tiff(image()), "a.tif", side=[side])


def facts(micrograph: Micrograph) -> dict[str, object]:
    return {name: value for name, value in micrograph.metadata.items() if name not in ("kind", "image_rows")}


@pytest.mark.parametrize("end", ["\n", "\r", "\r\r\n", "\n\n"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", JEOL + "$CM_IMAGE_SIZE 64 48\r\n$CM_FIELD_OF_VIEW 1.28um 0.96um\r\n"),
        ("a.txt", HITACHI.replace("9.921875", "20")),
        ("a.hdr", TESCAN.format("2e-8")),
    ],
)
def test_every_line_end(tmp_path: Path, name: str, text: str, end: str) -> None:
    micrograph = beside(tmp_path, name, text.replace("\r\n", end).encode())
    assert micrograph.calibration.nm_per_pixel == pytest.approx(20)
    assert micrograph.metadata["date"].endswith("09:30:00")


FIELD = "$CM_IMAGE_SIZE 64 48\r\n$CM_FIELD_OF_VIEW 1.28µm 0.96µm\r\n"
# By vendor: name and text of the file, encodings besides WIDE, size of a pixel, where it stands, facts.
FILES = {
    "JEOL": ("a.txt", JEOL + FIELD, ("cp932", "cp1252"), 20, "JEOL text file, $CM_FIELD_OF_VIEW",
             ("JEOL JSM-7600F", "SEI", 15.0, 8.1, 10000.0, "2026/11/20 09:30:00")),
    "Hitachi": ("a.TXT", HITACHI, ("cp932", "cp1252"), 9.921875, "Hitachi text file, PixelSize",
                ("Hitachi SU8020", "SE(U)", 5.0, 8.1, 10000.0, "2026/11/20 09:30:00")),
    "TESCAN": ("a-tif.hdr", TESCAN.format("0.0000000015625"), (), 1.5625, "TESCAN header file, PixelSizeX",
               ("TESCAN MIRA3", "InBeam", 10.0, 5.1, 50000.0, "2026-11-20 09:30:00")),
}  # fmt: skip
FACTS = ("instrument", "detector", "voltage_kv", "working_distance_mm", "magnification", "date")


@pytest.mark.parametrize(
    ("vendor", "encoding"), [(name, code) for name, (_, _, more, *_) in FILES.items() for code in (*WIDE, *more)]
)
def test_every_encoding(tmp_path: Path, vendor: str, encoding: str) -> None:
    name, text, _, nm, detail, values = FILES[vendor]
    micrograph = beside(tmp_path, name, text.replace("µ", "μ") if encoding == "cp932" else text, encoding)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(nm)
    assert (micrograph.calibration.source, micrograph.calibration.detail) == ("side file", detail)
    assert facts(micrograph) == {**dict(zip(FACTS, values, strict=True)), "side_files": name}
    assert micrograph.notes == () and micrograph.metadata.get("image_rows") == (40 if vendor == "TESCAN" else None)


@pytest.mark.parametrize(
    ("line", "nm", "key"),
    [
        ("$CM_PIXEL_SIZE 12.5nm", 12.5, "$CM_PIXEL_SIZE"),
        ("$$SM_MICRON_BAR 107\n$$SM_MICRON_MARKER 1um", 1000 / 107, "$$SM_MICRON_BAR"),
        ("$SM_MICRON_BAR 107\n$SM_MICRON_MARKER 1um", 1000 / 107, "$$SM_MICRON_BAR"),
        ("$CM_PIXEL_SIZE 12.5nm\n$$SM_MICRON_BAR 10\n$$SM_MICRON_MARKER 1um", 12.5, "$CM_PIXEL_SIZE"),
        ("$CM_PIXEL_SIZE 12.5", None, ""),
        ("$CM_PIXEL_SIZE 3m", None, ""),
        ("$CM_FIELD_OF_VIEW 1.28um 0.96um", None, ""),
        ("$$SM_MICRON_BAR 107", None, ""),
        ("$$SM_MICRON_BAR 107\n$$SM_MICRON_MARKER 1furlong", None, ""),
    ],
)
def test_jeol_units(tmp_path: Path, line: str, nm: float | None, key: str) -> None:
    calibration = beside(tmp_path, "a.txt", JEOL + line + "\n").calibration
    assert calibration.nm_per_pixel == (None if nm is None else pytest.approx(nm))
    assert calibration.detail == (f"JEOL text file, {key}" if key else "")
    assert calibration.source == ("side file" if nm else "none")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
@pytest.mark.parametrize("header", [b"", b"JEOL\0\0\0\1"])
def test_jeol_maker_note(tmp_path: Path, encoding: str, header: bytes) -> None:
    text = (JEOL + "$CM_PIXEL_SIZE 4.5nm\r\n").encode(encoding)
    micrograph = written(tmp_path, exif_tiff(header + text + b"\0\0"))
    assert micrograph.calibration.nm_per_pixel == pytest.approx(4.5)
    assert micrograph.calibration.detail == "JEOL MakerNote, $CM_PIXEL_SIZE"
    assert micrograph.calibration.source == "metadata"
    assert micrograph.metadata["instrument"] == "JEOL JSM-7600F"


@pytest.mark.parametrize(
    ("written", "nm"),
    [("24.8", 24.8), ("24,8", 24.8), ("850 pm", 0.85),
     ("2.48e1", 24.8), ("", None), ("0", None), ("nan", None), ("1e99", None),
     ("9" * 5000, None), ("24.8 px", None)],
)  # fmt: skip
def test_hitachi_units(tmp_path: Path, written: str, nm: float | None) -> None:
    text = HITACHI.replace("9.921875", written)
    nm_per_pixel = beside(tmp_path, "a.txt", text).calibration.nm_per_pixel
    assert nm_per_pixel == (None if nm is None else pytest.approx(nm))


def test_hitachi_other_units_of_the_rest(tmp_path: Path) -> None:
    text = HITACHI.replace("5000 Volt", "1.5 kV").replace("8100 um", "8.1 mm")
    micrograph = beside(tmp_path, "a.txt", text)
    assert micrograph.metadata["voltage_kv"] == 1.5
    assert micrograph.metadata["working_distance_mm"] == 8.1
    micrograph = beside(tmp_path, "a.txt", HITACHI.replace("8100 um", "8100").replace("5000 Volt", "5000"))
    assert micrograph.metadata["working_distance_mm"] == 8.1
    assert micrograph.metadata["voltage_kv"] == 5.0


@pytest.mark.parametrize(
    ("written", "nm"),
    [("2e-9", 2), ("2,5e-9", 2.5), ("0", None), ("nan", None), ("", None), ("5", None)],
)  # fmt: skip
def test_tescan_metres(tmp_path: Path, written: str, nm: float | None) -> None:
    nm_per_pixel = beside(tmp_path, "a.hdr", TESCAN.format(written)).calibration.nm_per_pixel
    assert nm_per_pixel == (None if nm is None else pytest.approx(nm))


def test_real_tescan_header_says_what_the_tag_says(tmp_path: Path) -> None:
    tag = read(VENDORS / "tescan-pfib_dataZeroed.tif")
    side = VENDORS / "tescan-pfib_dataZeroed.hdr"
    assert read(VENDORS / "tescan-pfib_dataZeroed.tif", side=[side]).calibration == tag.calibration
    alone = written(tmp_path, tiff(np.zeros((1578, 1280), np.uint8) + 7), side=[side])
    assert alone.calibration.nm_per_pixel == pytest.approx(tag.calibration.nm_per_pixel)
    assert alone.metadata["image_rows"] == 1280
    for name in ("instrument", "detector", "voltage_kv", "working_distance_mm", "magnification", "date"):
        assert alone.metadata[name] == tag.metadata[name]


def test_emi_beside_ser(tmp_path: Path) -> None:
    (tmp_path / "s_1.ser").write_bytes(ser(image()))
    (tmp_path / "s.emi").write_bytes(emi())
    micrograph = read(tmp_path / "s_1.ser", side=[tmp_path / "s.emi"])
    assert micrograph.calibration.nm_per_pixel == pytest.approx(2)
    assert micrograph.calibration.source == "metadata"
    assert micrograph.metadata["instrument"] == "Titan 300 kV"
    assert micrograph.metadata["voltage_kv"] == 300
    assert micrograph.metadata["magnification"] == 225_000
    assert micrograph.metadata["date"].startswith("2020"), "the image's own header comes first"
    for content in (emi("<ObjectInfo>"), emi(EMI_XML[:-20]), emi("<ObjectInfo><a></ObjectInfo>"), b"JK\0\2"):
        (tmp_path / "s.emi").write_bytes(content)
        assert read(tmp_path / "s_1.ser", side=[tmp_path / "s.emi"]).notes == ()


@pytest.mark.parametrize(
    ("exponent", "width", "nm"),
    [(-9, 2.5, 2.5), (-6, 0.0025, 2.5), (-10, 25.0, 2.5), (0, 2.5e-9, 2.5),
     (-9, 0.0, None), (-9, -1.0, None), (-9, float("nan"), None), (300, 1.0, None), (32767, 1.0, None)],
)  # fmt: skip
def test_olympus_sis(tmp_path: Path, exponent: int, width: float, nm: float | None) -> None:
    micrograph = written(tmp_path, sis_tiff(exponent, width))
    assert micrograph.calibration.nm_per_pixel == (None if nm is None else pytest.approx(nm))
    if nm:
        assert micrograph.calibration.detail == "Olympus SIS tag 33560, pixel size"
        assert facts(micrograph) == {"detector": "Veleta", "magnification": 20000.0, "date": "2026-11-20 09:30"}


def test_the_size_in_the_header_stays_where_only_a_side_file_has_a_pixel_size(tmp_path: Path) -> None:
    side = tmp_path / "a.hdr"
    side.write_text(TESCAN.format("2e-9"))
    joint = with_side_files(Facts(columns=1280, rows=960, stored_rows=1024), [side], (640, 512))
    assert (joint.nm_per_pixel, joint.columns, joint.rows, joint.stored_rows) == (pytest.approx(2), 1280, 504, 1024)


def test_olympus_sis_that_points_nowhere(tmp_path: Path) -> None:
    for offset in (0, 8, 10**6, 2**32 - 1):
        assert written(tmp_path, sis_tiff(-9, 2.5, offset=offset)).shape == (48, 64)


def test_the_image_comes_first_and_disagreement_is_said(tmp_path: Path) -> None:
    path, side = tmp_path / "a.tif", tmp_path / "a.txt"
    path.write_bytes(tiff(image(), imagej=True, resolution=(0.1, 0.1), metadata={"unit": "nm"}))
    side.write_text(HITACHI)
    micrograph = read(path, side=[side])
    assert micrograph.calibration.source == "metadata"
    assert micrograph.calibration.nm_per_pixel == pytest.approx(10)
    assert micrograph.notes == ()
    assert micrograph.metadata["detector"] == "SE(U)"
    side.write_text(HITACHI.replace("9.921875", "20"))
    (note,) = read(path, side=[side]).notes
    assert re.search(r"\b10 nm .*side file 20 nm", note)


def test_side_files_that_contradict_each_other_are_not_used(tmp_path: Path) -> None:
    path, side_file, other = tmp_path / "a.tif", tmp_path / "a.txt", tmp_path / "a.hdr"
    path.write_bytes(tiff(image()))
    side_file.write_text(HITACHI)
    other.write_text(TESCAN.format("20e-9"))
    micrograph = read(path, side=[side_file, other])
    assert micrograph.calibration.nm_per_pixel is None
    assert re.search(r"a\.txt gives 9\.922 nm", micrograph.notes[0]) and "none of them" in micrograph.notes[1]


def test_a_tescan_header_of_a_larger_image_is_not_used(tmp_path: Path) -> None:
    """The field of view is MagnificationReference / Magnification, as in the real file of the shared folder."""
    for columns, nm in ((64, 10.0), (128, None)):
        header = TESCAN.format("10e-9") + f"\nMagnificationReference={columns * 10e-9 * 50000}\n"
        micrograph = beside(tmp_path, "a.hdr", header)
        assert micrograph.calibration.nm_per_pixel == (None if nm is None else pytest.approx(nm))


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\0" * 5000, b"\xff\xfe", b"PixelSize", b"\x80" * 100, b"$" * 10_000,
     "PixelSizeX".encode("utf-16") * 2, b"[SemImageFile]", b"<ObjectInfo>" * 10_000],
)  # fmt: skip
def test_hostile_side_files_lose_no_picture(tmp_path: Path, content: bytes) -> None:
    micrograph = beside(tmp_path, "a.txt", content)
    assert micrograph.shape == (48, 64)
    assert micrograph.calibration.nm_per_pixel is None


def test_unknown_and_missing_side_files_are_noted(tmp_path: Path) -> None:
    (note,) = beside(tmp_path, "a.txt", "bought on Monday").notes
    assert "could not read" in note and "a.txt" in note
    (note,) = read(tmp_path / "a.tif", side=[tmp_path / "b.txt"]).notes
    assert "b.txt" in note
    (note,) = read(tmp_path / "a.tif", side=[("../x\n.txt", tmp_path)]).notes
    assert "could not read" in note and " x .txt," in note


def test_side_files_go_with_every_kind_of_image(tmp_path: Path) -> None:
    side = tmp_path / "a.txt"
    side.write_text(HITACHI)
    for kind in ("PNG", "BMP", "JPEG"):
        micrograph = written(tmp_path, picture(image(), kind), f"a.{kind.lower()}", side=[("a.txt", side)])
        assert micrograph.calibration.nm_per_pixel == pytest.approx(9.921875)
