"""Pixels that are not square: every format that tells of them, what becomes of them, and what stays as it was."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from segmentation.core.labels.corrections.geometry import components
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.micrograph.calibration.square import make_square, resample_labels, resample_pixels, stored_shape
from segmentation.core.micrograph.decoded import Decoded
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from segmentation.core.micrograph.vendors.facts import Facts
from tests.core.micrograph.instrument_files import berkeley, dm, mrc, ser, sis_tiff, velox, velox_json, written
from tests.core.micrograph.vendors.test_headers import zeiss
from tests.hostile import image, tiff

CENTRES = [(y, x) for y in range(40, 400, 60) for x in range(40, 400, 60)]
DIAMETER = 41.0  # finest pixels


def discs(down: int = 1, across: int = 1) -> np.ndarray:
    """(H, W) uint8 of bright discs of DIAMETER on 400 x 400 fine pixels, each pixel the mean of so many."""
    y, x = np.mgrid[:400, :400]
    inside = np.zeros((400, 400))
    for row, column in CENTRES:
        inside[np.hypot(y - row, x - column) <= DIAMETER / 2] = 1
    mean = inside.reshape(400 // down, down, 400 // across, across).mean((1, 3))
    return np.rint(50 + 150 * mean).astype(np.uint8)


def imagej(pixels: np.ndarray, width: float, height: float, unit: str = "nm", **entries: str) -> bytes:
    resolution = (round(10_000 / width) / 10_000, round(10_000 / height) / 10_000)
    return tiff(pixels, imagej=True, resolution=resolution, metadata={"unit": unit, **entries})


def ome(pixels: np.ndarray, width: float, height: float) -> bytes:
    sizes = {
        "PhysicalSizeX": width / 1000,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": height,
        "PhysicalSizeYUnit": "nm",
    }
    return tiff(pixels, ome=True, metadata={"axes": "YX", **sizes})


def fei(pixels: np.ndarray, width: float, height: float) -> bytes:
    text = f"[Beam]\r\nBeam=EBeam\r\nScan=EScan\r\n[Scan]\r\nPixelWidth={width}e-9\r\nPixelHeight={height}e-9\r\n"
    return tiff(pixels, extratags=[(34682, 2, len(text) + 1, text.encode() + b"\0", True)])


def smartsem(pixels: np.ndarray, width: float, height: float) -> bytes:
    rows, columns = pixels.shape
    header = zeiss(
        AP_IMAGE_PIXEL_SIZE=f"Image Pixel Size = {width:.4f} nm",
        AP_WIDTH=f"Width = {width * columns / 1000:.4f} µm",
        AP_HEIGHT=f"Height = {height * rows / 1000:.4f} µm",
        DP_IMAGE_STORE=f"Store resolution = {columns} * {rows}",
    )
    return tiff(pixels, extratags=[(34118, 2, len(header) + 1, header + b"\0", True)])


def velox_emd(pixels: np.ndarray, width: float, height: float) -> bytes:
    rows, columns = pixels.shape
    size = {"width": f"{width}e-9", "height": f"{height}e-9"}
    metadata = json.dumps(velox_json(columns, rows, PixelSize=size)).encode()
    return velox(pixels[..., np.newaxis], metadata=metadata[:1] + metadata[1:].ljust(1999))


FORMATS: dict[str, Callable[[np.ndarray, float, float], bytes]] = {
    "ImageJ": imagej,
    "OME": ome,
    "FEI": fei,
    "Zeiss": smartsem,
    "DM3": lambda pixels, width, height: dm(pixels, scale=width, down=height),
    "DM4": lambda pixels, width, height: dm(pixels, 4, scale=width, down=height),
    "SER": lambda pixels, width, height: ser(pixels, (width * 1e-9, height * 1e-9)),
    "MRC": lambda pixels, width, height: mrc(pixels.astype(np.int16), 10 * width, 10 * height),
    "Velox": velox_emd,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("width", "height"), [(4.0, 8.0), (8.0, 4.0), (4.0, 4.12)])
def test_pixels_become_square(tmp_path: Path, name: str, width: float, height: float) -> None:
    micrograph = written(tmp_path, FORMATS[name](image(60, 80), width, height), "a.ome.tif" if name == "OME" else "a")
    finer = min(width, height)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(finer, rel=1e-4)
    assert micrograph.shape == (int(60 * height / finer + 1e-3), int(80 * width / finer + 1e-3))
    (note,) = [note for note in micrograph.notes if "square" in note]
    assert f"{width:.4g} nm wide and {height:.4g} nm high" in note and f"square pixels of {finer:.4g} nm" in note
    assert (micrograph.metadata["file_rows"], micrograph.metadata["file_columns"]) == (60, 80)
    assert stored_shape(micrograph.metadata) == (60, 80)


@pytest.mark.parametrize("name", FORMATS)
def test_square_pixels_stay(tmp_path: Path, name: str) -> None:
    micrograph = written(tmp_path, FORMATS[name](image(60, 80), 4.0, 4.01), "a.ome.tif" if name == "OME" else "a")
    assert micrograph.shape == (60, 80) and micrograph.notes == () and stored_shape(micrograph.metadata) is None


def test_each_axis_of_a_file_has_its_unit(tmp_path: Path) -> None:
    pixels = image(60, 80)
    assert written(tmp_path, sis_tiff(-9, 0.5, 0.25)).calibration.nm_per_pixel == pytest.approx(0.25)
    assert written(tmp_path, imagej(pixels, 4.0, 0.008, yunit="um")).shape == (120, 80)
    content = io.BytesIO(berkeley(pixels, step=2.0))
    with h5py.File(content, "r+") as file:
        down = file["data/micrograph/dim1"]
        down[:] = 0.004 * np.arange(60)
        down.attrs["units"] = "[u_m]"
    micrograph = written(tmp_path, content.getvalue())
    assert micrograph.calibration.nm_per_pixel == pytest.approx(2) and micrograph.shape == (120, 80)


def median_nm(micrograph: Micrograph) -> float:
    """Of the minimum Feret diameters of what is brighter than half."""
    labels, count = components(micrograph.pixels > 125)
    assert count == len(CENTRES)
    sizes = measure(
        labels, micrograph.pixels, np.ones(count, np.float32), micrograph.calibration.nm_per_pixel, len(labels)
    )
    return float(np.median(sizes.length("min_feret")))


def test_discs_have_one_size_whatever_the_pixels(tmp_path: Path) -> None:
    square, tall, wide = (
        median_nm(written(tmp_path, imagej(discs(*sides), 2.0 * sides[1], 2.0 * sides[0])))
        for sides in ((1, 1), (2, 1), (1, 2))
    )
    assert tall == pytest.approx(square, rel=0.03) and wide == pytest.approx(square, rel=0.03)
    assert square == pytest.approx(2 * DIAMETER, rel=0.03)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("shape", "steps"), [((120, 80), (0.5, 1)), ((60, 160), (1, 0.5)), ((30, 80), (2, 1))])
def test_grey_keeps_its_type_and_range(dtype: type, shape: tuple[int, int], steps: tuple[float, float]) -> None:
    pixels = image(60, 80, dtype, 200)
    out = resample_pixels(pixels, shape, steps)
    assert out.shape == shape and out.dtype == dtype
    assert pixels.min() <= out.min() and out.max() <= pixels.max()
    assert float(out.mean()) == pytest.approx(float(pixels.mean()), rel=0.02)


def test_the_limit_of_pixels_is_kept(tmp_path: Path) -> None:
    content = imagej(image(60, 80), 4.0, 8.0)
    (tmp_path / "a.tif").write_bytes(content)
    micrograph = read(tmp_path / "a.tif", max_pixels=60 * 80)
    assert micrograph.shape == (60, 40) and micrograph.calibration.nm_per_pixel == pytest.approx(8)
    assert "coarser" in micrograph.notes[0]


def test_what_no_microscope_scans_is_not_used(tmp_path: Path) -> None:
    micrograph = written(tmp_path, ser(image(60, 80), (2e-9, 4e-8)))
    assert micrograph.calibration.nm_per_pixel is None and micrograph.shape == (60, 80)
    assert "type the image width" in micrograph.notes[0]
    narrow = Decoded(image(16, 1600), "TIFF")
    with pytest.raises(UnreadableImage, match="long and narrow"):
        make_square(narrow, Facts(4.0, height_nm=2.0), 10**6)


def test_a_data_bar_follows(tmp_path: Path) -> None:
    text = (
        b"[Beam]\r\nBeam=EBeam\r\nScan=EScan\r\n[Scan]\r\nPixelWidth=4e-9\r\nPixelHeight=8e-9\r\n"
        b"[Image]\r\nResolutionX=80\r\nResolutionY=50\r\n"
    )
    micrograph = written(tmp_path, tiff(image(60, 80), extratags=[(34682, 2, len(text) + 1, text + b"\0", True)]))
    assert micrograph.metadata["image_rows"] == 100 and micrograph.shape == (120, 80)


def test_an_image_that_was_turned_has_its_sides_turned(tmp_path: Path) -> None:
    content = tiff(
        image(60, 80), description="ImageJ=1.5\nunit=nm\n", resolution=(0.25, 0.125), extratags=[(274, 3, 1, 6, True)]
    )
    micrograph = written(tmp_path, content)
    assert micrograph.shape == (80, 120) and micrograph.calibration.nm_per_pixel == pytest.approx(4)


def test_a_cropped_image_says_what_is_not_known(tmp_path: Path) -> None:
    text = b"[Scan]\r\nPixelWidth=4e-9\r\nPixelHeight=8e-9\r\n[Image]\r\nResolutionX=100\r\nResolutionY=60\r\n"
    micrograph = written(tmp_path, tiff(image(60, 80), extratags=[(34682, 2, len(text) + 1, text + b"\0", True)]))
    assert micrograph.calibration.nm_per_pixel is None and micrograph.shape == (60, 80)
    assert "8 nm high" in " ".join(micrograph.notes)


def test_labels_of_the_file_follow() -> None:
    labels = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert np.array_equal(resample_labels(labels, (6, 4), (3, 4)), labels.repeat(2, 0))
    assert np.array_equal(resample_labels(labels, (6, 4), None), labels)
