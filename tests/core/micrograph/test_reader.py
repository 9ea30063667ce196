"""Every way of storing the same micrograph must give the same grey values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import UnreadableImage
from tests.core.micrograph.instrument_files import written as reads
from tests.hostile import image, picture, raw_tiff, tiff


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "lzw"}, {"compression": "lzw", "predictor": True}, {"compression": "zlib"},
     {"compression": "packbits"}, {"compression": "lzma"}, {"compression": "zstd"}, {"bigtiff": True},
     {"byteorder": ">"}, {"tile": (16, 32)}, {"tile": (32, 48), "compression": "zlib"}, {"rowsperstrip": 7},
     {"rowsperstrip": 7, "compression": "lzw"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff_storage_does_not_matter(tmp_path: Path, options: dict[str, Any], dtype: Any) -> None:
    pixels = image(dtype=dtype, top=200)
    micrograph = reads(tmp_path, tiff(pixels, **options))
    assert micrograph.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(micrograph.pixels, pixels)
    assert micrograph.notes == ()


def test_jpeg_compressed_tiff_is_close(tmp_path: Path) -> None:
    smooth = np.tile(np.linspace(0, 250, 64).astype(np.uint8), (48, 1))
    grey = reads(tmp_path, tiff(smooth, compression="jpeg")).pixels
    assert np.abs(grey.astype(int) - smooth).max() <= 6
    colour = np.stack([smooth] * 3, axis=-1)
    subsampled = tiff(colour, compression="jpeg", photometric="rgb")
    assert np.abs(reads(tmp_path, subsampled).pixels.astype(int) - smooth).max() <= 8


@pytest.mark.parametrize(
    ("stored", "expected"),
    [(np.int16, np.uint16), (np.int8, np.uint8), (np.uint32, np.float32), (np.int32, np.float32),
     (np.uint64, np.float32), (np.float64, np.float32), (np.float16, np.float32)],
)  # fmt: skip
def test_number_types(tmp_path: Path, stored: Any, expected: Any) -> None:
    pixels = image(dtype=stored, top=100)
    micrograph = reads(tmp_path, tiff(pixels))
    assert micrograph.pixels.dtype == expected
    np.testing.assert_allclose(micrograph.pixels, pixels, rtol=1e-6)


def test_negative_16_bit_values_are_shifted_and_said(tmp_path: Path) -> None:
    pixels = (image(dtype=np.int32, top=60000) - 30000).astype(np.int16)
    micrograph = reads(tmp_path, tiff(pixels))
    np.testing.assert_array_equal(micrograph.pixels.astype(int) - 32768, pixels)
    assert "32768 was added" in micrograph.notes[0]


def test_one_bit(tmp_path: Path) -> None:
    pixels = image() > 128
    for content, name in (
        (tiff(pixels, photometric="minisblack"), "a.tif"),
        (tiff(~pixels, photometric="miniswhite"), "a.tif"),
        (picture(Image.fromarray(pixels), "PNG"), "a.png"),
    ):
        np.testing.assert_array_equal(reads(tmp_path, content, name).pixels, pixels * np.uint8(255))


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_white_is_zero_is_inverted(tmp_path: Path, dtype: Any, top: int) -> None:
    pixels = image(dtype=dtype, top=top)
    stored = tiff((top - pixels).astype(dtype), photometric="miniswhite")
    np.testing.assert_array_equal(reads(tmp_path, stored).pixels, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_becomes_luminance_and_alpha_is_ignored(tmp_path: Path, planar: str, dtype: Any) -> None:
    top = np.iinfo(dtype).max
    colours = np.zeros((48, 64, 4), dtype)
    colours[:, :20, 0], colours[:, 20:40, 1], colours[:, 40:, 2] = top, top, top
    colours[:10] = top
    colours[..., 3] = 7
    stored = np.moveaxis(colours, -1, 0) if planar == "separate" else colours
    micrograph = reads(tmp_path, tiff(stored, photometric="rgb", planarconfig=planar, extrasamples=["unassalpha"]))
    shares = micrograph.pixels[30, [5, 30, 60]] / top
    np.testing.assert_allclose(shares, [0.299, 0.587, 0.114], atol=0.003)
    assert (micrograph.pixels[:10] == top).all()
    assert micrograph.pixels.dtype == dtype
    assert ["in colour" in note for note in micrograph.notes] == [True]


def test_grey_stored_as_colour_is_exact(tmp_path: Path) -> None:
    pixels = image()
    for content, name in (
        (tiff(np.stack([pixels] * 3, axis=-1), photometric="rgb"), "a.tif"),
        (picture(Image.fromarray(pixels).convert("RGB"), "PNG"), "a.png"),
        (picture(Image.fromarray(pixels).convert("RGBA"), "PNG"), "a.png"),
        (picture(Image.fromarray(pixels).convert("LA"), "PNG"), "a.png"),
        (picture(Image.fromarray(pixels).convert("RGB"), "BMP"), "a.bmp"),
        (picture(pixels, "BMP"), "a.bmp"),
    ):
        np.testing.assert_array_equal(reads(tmp_path, content, name).pixels, pixels)


def palette_with_coloured_entries() -> np.ndarray:
    """A grey ramp in which a few entries are colours for the data bar, as Zeiss writes it."""
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))
    ramp[:, 9] = 65535, 0, 0
    ramp[:, 243] = 65535, 65535, 65535
    return ramp


def test_palette_of_a_grey_ramp_gives_the_index(tmp_path: Path) -> None:
    pixels = image()
    pixels[0, 0] = 9
    stored = tiff(pixels, photometric="palette", colormap=palette_with_coloured_entries())
    np.testing.assert_array_equal(reads(tmp_path, stored).pixels, pixels)


def test_other_palettes_give_luminance(tmp_path: Path) -> None:
    pixels = image()
    falling = np.tile(np.arange(255, -1, -1, dtype=np.uint16) * 257, (3, 1))
    stored = tiff(pixels, photometric="palette", colormap=falling)
    np.testing.assert_array_equal(reads(tmp_path, stored).pixels, 255 - pixels)
    red = np.zeros((3, 256), np.uint16)
    red[0] = 65535
    stored = tiff(pixels, photometric="palette", colormap=red)
    assert (reads(tmp_path, stored).pixels == 76).all()


def test_palette_png(tmp_path: Path) -> None:
    indexed = Image.fromarray(image() // 100, mode="P")
    indexed.putpalette([0, 0, 0, 255, 255, 255, 0, 255, 0])
    grey = reads(tmp_path, picture(indexed, "PNG"), "a.png").pixels
    np.testing.assert_array_equal(grey, np.array([0, 255, 150], np.uint8)[image() // 100])


def test_png_of_16_bits(tmp_path: Path) -> None:
    pixels = image(dtype=np.uint16, top=65535)
    micrograph = reads(tmp_path, picture(pixels, "PNG"), "a.png")
    np.testing.assert_array_equal(micrograph.pixels, pixels)
    assert micrograph.metadata["kind"] == "PNG, 16 bit"


@pytest.mark.parametrize(
    ("axis", "options", "counted"),
    [
        (0, {"photometric": "minisblack"}, "2 pages"),
        (-1, {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unspecified"]}, "2 channels"),
        (0, {"imagej": True, "metadata": {"axes": "ZYX"}}, "2 "),
    ],
)
def test_first_of_several_pages_or_channels_and_it_is_said(tmp_path, axis, options, counted):
    micrograph = reads(tmp_path, tiff(np.stack([image(), image()[::-1]], axis=axis), **options))
    np.testing.assert_array_equal(micrograph.pixels, image())
    (note,) = micrograph.notes
    assert counted in note and "first" in note


def test_cmyk_is_as_bright_as_it_looks(tmp_path: Path) -> None:
    inks = Image.fromarray(image()).convert("CMYK")
    grey = reads(tmp_path, picture(inks, "TIFF")).pixels
    assert np.abs(grey.astype(int) - image()).max() <= 1
    grey = reads(tmp_path, picture(inks, "JPEG", quality=100), "a.jpg").pixels
    assert np.abs(grey.astype(int) - image()).mean() <= 3


def test_nan_and_infinity_become_the_smallest_value(tmp_path: Path) -> None:
    pixels = image(dtype=np.float32, top=1.0)
    lowest = pixels.min()
    pixels[3, 4], pixels[5, 6], pixels[7, 8] = np.nan, np.inf, -np.inf
    micrograph = reads(tmp_path, tiff(pixels))
    assert np.isfinite(micrograph.pixels).all()
    assert {float(micrograph.pixels[p]) for p in ((3, 4), (5, 6), (7, 8))} == {float(lowest)}
    assert micrograph.notes[0].startswith("3 pixels are NaN")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_as_pillow_does(tmp_path: Path, orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = picture(image(), "PNG", exif=exif)
    micrograph = reads(tmp_path, content, "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(micrograph.pixels, expected)
    assert bool(micrograph.notes) == (orientation != 1)
    turned = reads(tmp_path, raw_tiff({274: (3, 1, orientation)}))
    np.testing.assert_array_equal(turned.pixels, expected)


def test_size_is_checked_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for content in (tiff(image()), picture(image(), "PNG")):
        path.write_bytes(content)
        assert read(path, max_pixels=48 * 64).shape == (48, 64)
        with pytest.raises(UnreadableImage, match="too large"):
            read(path, max_pixels=48 * 64 - 1)


def test_sha256_and_name(tmp_path: Path) -> None:
    import hashlib

    content = tiff(image())
    micrograph = reads(tmp_path, content, "upload", name="C:\\lab\\probe.tif")
    assert micrograph.sha256 == hashlib.sha256(content).hexdigest()
    assert micrograph.name == "probe.tif"
    assert read(tmp_path / "upload").name == "upload"
    assert micrograph.metadata["kind"] == "TIFF, 8 bit"


@pytest.mark.parametrize(
    ("name", "head", "maker"), [("a.PRZ", b"PK\x03\x04", "Panta Rhei"), ("a.bcf", b"AAMVHFSS", "Bruker")]
)
def test_files_of_makers_are_refused_with_the_way_out(tmp_path, name, head, maker):
    (tmp_path / name).write_bytes(head + bytes(64))
    with pytest.raises(UnreadableImage, match=f"{maker}.*export") as refused:
        read(tmp_path / name)
    assert "ZIP" not in str(refused.value)
