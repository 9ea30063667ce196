"""Gatan DM3/DM4, TIA SER and MRC: read as they were written, refused with a sentence when damaged."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from tests.core.micrograph.instrument_files import (
    Dm,
    berkeley,
    dm,
    dm_tags,
    mrc,
    ser,
    thermo_header,
    velox,
    with_extended,
    written,
)
from tests.hostile import image


def same(micrograph: Micrograph, pixels: np.ndarray) -> bool:
    """Whether the pixels are those written, shifted where they were negative."""
    values = micrograph.pixels.astype(np.float64)
    return bool(np.allclose(values - values.min(), pixels.astype(np.float64) - pixels.min(), atol=1e-3))


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64])
def test_gatan(tmp_path: Path, version: int, order: str, dtype: Any) -> None:
    pixels = image(40, 72, dtype, 100)
    micrograph = written(tmp_path, dm(pixels, version, order), f"a.dm{version}")
    assert same(micrograph, pixels)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(0.5)
    assert micrograph.calibration.source == "metadata"
    assert micrograph.calibration.detail.startswith("Gatan")
    assert micrograph.calibration.relative_uncertainty == pytest.approx(2**-24 / 3**0.5)
    facts = dict(micrograph.metadata)
    assert facts.pop("kind").startswith(f"DM{version}, ")
    assert facts == {
        "instrument": "JEM-2100",
        "detector": "Orius",
        "voltage_kv": 200.0,
        "magnification": 50000.0,
        "date": "20/11/2026 09:30:00",
    }
    assert all("negative" in note for note in micrograph.notes)


@pytest.mark.parametrize(
    ("unit", "scale", "nm"),
    [("nm", 0.25, 0.25), ("µm", 0.002, 2), ("μm", 0.002, 2), ("um", 0.002, 2), ("pm", 500.0, 0.5), ("mm", 1e-5, 10),
     ("m", 1e-9, 1), ("Å", 2.0, 0.2), ("", 1.0, None), ("1/nm", 0.01, None), ("eV", 0.3, None), ("nm", 0.0, None),
     ("nm", -1.0, None), ("nm", float("nan"), None), ("nm", float("inf"), None), ("m", 1.0, None)],
)  # fmt: skip
def test_gatan_units(tmp_path: Path, unit: str, scale: float, nm: float | None) -> None:
    calibration = written(tmp_path, dm(image(), scale=scale, unit=unit)).calibration
    assert calibration.nm_per_pixel == (None if nm is None else pytest.approx(nm, rel=1e-6))
    assert calibration.source == ("none" if nm is None else "metadata")


def test_gatan_diffraction_is_said(tmp_path: Path) -> None:
    assert "diffraction" in written(tmp_path, dm(image(), unit="1/nm")).notes[0]


def test_gatan_stack_and_colour_and_complex(tmp_path: Path) -> None:
    stack = np.stack([image(), image()[::-1]])
    micrograph = written(tmp_path, dm(stack))
    assert same(micrograph, stack[0])
    assert "stack of 2" in micrograph.notes[0]
    tags = dm_tags(image())
    colours = np.random.default_rng(0).integers(0, 256, (48, 64, 4)).astype(np.uint8)
    tags["ImageList"] = [
        {"ImageData": {"Data": colours.view(np.uint32).ravel(), "DataType": 23, "Dimensions": [64, 48]}}
    ]
    grey = written(tmp_path, Dm().file(tags)).pixels
    assert grey[5, 6] == round(float(colours[5, 6, 2::-1] @ np.array([0.299, 0.587, 0.114])))
    assert "complex" in written(tmp_path, dm(image(dtype=np.complex64, top=9))).notes[0]


def test_gatan_without_an_image(tmp_path: Path) -> None:
    line = dm_tags(image())
    line["ImageList"][1]["ImageData"]["Dimensions"] = [64 * 48]
    line["ImageList"] = line["ImageList"][1:]
    with pytest.raises(UnreadableImage, match="spectrum"):
        written(tmp_path, Dm().file(line))
    with pytest.raises(UnreadableImage, match="holds no image"):
        written(tmp_path, Dm().file({"ImageList": []}))
    wrong = dm_tags(image())
    wrong["ImageList"][1]["ImageData"]["DataType"] = 99
    with pytest.raises(UnreadableImage, match="kind"):
        written(tmp_path, Dm().file(wrong))
    short = dm_tags(image())
    short["ImageList"][1]["ImageData"]["Dimensions"] = [640, 480]
    with pytest.raises(UnreadableImage, match="incomplete"):
        written(tmp_path, Dm().file(short) + b"\0" * 1_000_000)


def test_gatan_without_any_other_tag(tmp_path: Path) -> None:
    tags = dm_tags(image())
    bare = tags["ImageList"][1]
    del bare["ImageTags"], bare["ImageData"]["Calibrations"]
    micrograph = written(tmp_path, Dm().file(tags))
    assert micrograph.calibration.nm_per_pixel is None
    assert set(micrograph.metadata) == {"kind"}


@pytest.mark.parametrize("version", [3, 4])
def test_gatan_hostile_counts_and_depth(tmp_path: Path, version: int) -> None:
    writer = Dm(version)
    head = struct.pack(">I", version) + writer.number(10) + struct.pack(">I", 1)
    most = 2 ** (64 if version == 4 else 32) - 1
    size = writer.number(9) if version == 4 else b""
    deep = (b"\1\0" + writer.number(1) + struct.pack(">BH", 20, 0) + size) * 5000
    value = b"\1\0" + writer.number(1) + struct.pack(">BH", 21, 1) + b"a" + size + b"%%%%"
    for body in (
        b"\1\0" + writer.number(most),
        deep,
        value + writer.number(most),
        value + writer.number(3) + writer.number(20) + writer.number(2) + writer.number(most),
        value + writer.number(2) + writer.number(18) + writer.number(most),
        value + writer.number(3) + writer.number(15) + writer.number(0) + writer.number(most),
        value + writer.number(1) + writer.number(77),
    ):
        with pytest.raises(UnreadableImage):
            written(tmp_path, head + body)


@pytest.mark.parametrize("version", [0x210, 0x220])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64])
def test_ser(tmp_path: Path, version: int, dtype: Any) -> None:
    pixels = image(40, 72, dtype, 100)
    micrograph = written(tmp_path, ser(pixels, version=version), "a_1.ser")
    assert same(micrograph, pixels)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(2)
    assert micrograph.calibration.detail.startswith("TIA SER")
    assert micrograph.metadata["date"] == "2020-09-13 12:26:40 UTC"
    assert all("negative" in note for note in micrograph.notes)


@pytest.mark.parametrize("metres", [0.0, -1e-9, float("nan"), float("inf"), 5e6, 1e-20])
def test_ser_impossible_sizes(tmp_path: Path, metres: float) -> None:
    """5e6 is what a diffraction pattern has: reciprocal metres."""
    assert written(tmp_path, ser(image(), (metres, metres))).calibration.nm_per_pixel is None


def test_ser_series_and_spectra(tmp_path: Path) -> None:
    assert "series of 3" in written(tmp_path, ser(image(), images=3)).notes[0]
    with pytest.raises(UnreadableImage, match="spectra"):
        written(tmp_path, ser(image(), kind=0x4120))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float32, np.float16])
def test_mrc(tmp_path: Path, order: str, dtype: Any) -> None:
    pixels = image(40, 72, dtype, 100)
    micrograph = written(tmp_path, mrc(pixels, order=order), "a.mrc")
    assert same(micrograph, pixels)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(2.5)
    assert micrograph.calibration.detail == "MRC, cell length"


@pytest.mark.parametrize("name", ["a.mrc", "a.map", "a.st"])
def test_mrc_of_an_independent_writer(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    volume = np.stack([image(40, 72, np.float32, 9), image(40, 72, np.float32, 5)])
    with mrcfile.new(path) as file:
        file.set_data(volume)
        file.voxel_size = 12.5
    micrograph = read(path)
    assert np.array_equal(micrograph.pixels, volume[0])
    assert micrograph.calibration.nm_per_pixel == pytest.approx(1.25)
    (note,) = micrograph.notes
    assert "2 sections" in note and "first" in note


@pytest.mark.parametrize("order", ["<", ">"])
def test_mrc_extended_header_comes_first(tmp_path: Path, order: str) -> None:
    content = with_extended(mrc(image(dtype=np.int16), order=order), b"FEI1", thermo_header(3e-9, order), order)
    micrograph = written(tmp_path, content)
    assert same(micrograph, image(dtype=np.int16))
    assert micrograph.calibration.nm_per_pixel == pytest.approx(3)
    assert micrograph.metadata["instrument"] == "Talos F200"
    assert micrograph.metadata["voltage_kv"] == 200
    assert micrograph.metadata["magnification"] == 73_000
    old = bytearray(1024 * 128)
    struct.pack_into("<f", old, 44, 4e-9)
    content = with_extended(mrc(image(dtype=np.int16)), b"\0\0\0\0", bytes(old))
    assert written(tmp_path, content).calibration.nm_per_pixel == pytest.approx(4)


def test_mrc_traps(tmp_path: Path) -> None:
    assert written(tmp_path, mrc(image(dtype=np.int16), 0.0)).calibration.nm_per_pixel is None
    assert written(tmp_path, mrc(image(dtype=np.int16), -2.0)).calibration.nm_per_pixel is None
    assert written(tmp_path, mrc(image(dtype=np.int16), float("nan"))).calibration.nm_per_pixel is None
    for guess in (1.0, 1 / image().shape[1]):  # ångströms a pixel, or for the whole image
        unsure = written(tmp_path, mrc(image(dtype=np.int16), guess))
        assert unsure.calibration.nm_per_pixel is None and "1 ångström" in unsure.notes[0]
    content = bytearray(mrc(image(top=100).view(np.int8)))
    struct.pack_into("<ii", content, 152, 1146047817, 0)
    content[1024] = 200
    assert written(tmp_path, bytes(content)).pixels[0, 0] == 200, "IMOD writes unsigned bytes"
    struct.pack_into("<i", content, 12, 101)
    with pytest.raises(UnreadableImage, match="kind"):
        written(tmp_path, bytes(content))


FILES = {
    "dm3": dm(image(dtype=np.uint16)),
    "dm4": dm(image(dtype=np.uint16), 4),
    "ser": ser(image(dtype=np.uint16)),
    "ser64": ser(image(dtype=np.uint16), version=0x220),
    "mrc": mrc(image(dtype=np.uint16)),
    "velox": velox(image(dtype=np.uint16)[..., np.newaxis], chunks=(48, 64, 1), compression="gzip"),
    "berkeley": berkeley(image(dtype=np.uint16)),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.6, 0.95])
def test_truncated_files_are_refused(tmp_path: Path, kind: str, share: float) -> None:
    with pytest.raises(UnreadableImage) as caught:
        written(tmp_path, FILES[kind][: int(share * len(FILES[kind]))])
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("kind", ["dm3", "ser", "mrc", "velox", "berkeley"])
def test_declared_sizes_are_checked_before_reading(tmp_path: Path, kind: str) -> None:
    content = FILES[kind]
    with pytest.raises(UnreadableImage, match="too large"):
        written(tmp_path, content, max_pixels=3071)
    assert written(tmp_path, content, max_pixels=3072).shape == (48, 64)
    huge = bytearray(mrc(image(dtype=np.int16)))
    for size in ((-5, 48), (0, 0), (2**31 - 1, 2**31 - 1)):
        struct.pack_into("<ii", huge, 0, *size)
        with pytest.raises(UnreadableImage):
            written(tmp_path, bytes(huge))


@pytest.mark.parametrize(("name", "says"), [("a.dm3", ""), ("a.tif", "DM3"), ("a.ser", "DM3")])
def test_names_that_promise_something_else(tmp_path: Path, name: str, says: str) -> None:
    notes = " ".join(written(tmp_path, FILES["dm3"], name).notes)
    assert says in notes
    assert bool(notes) is bool(says)
