"""Test files that are broken, misleading or unusual, for tests of the reader, the site and the command line.

Each `Hostile` builds the bytes of its file; nothing is read from disk. `HOSTILE` parametrises a test:

    @pytest.mark.parametrize("case", HOSTILE, ids=str)
    def test_it(case, tmp_path):
        path = case.write(tmp_path)
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from PIL import Image

Outcome = Literal["refused", "readable"]


@dataclass(frozen=True)
class Hostile:
    """A file that should be refused with one sentence, or read with a note; either contains the words `says`.

    label: name of the test case. name: file name of the upload, which may be impossible on a disk. build: makes its
    bytes.
    """

    label: str
    name: str
    outcome: Outcome
    build: Callable[[], bytes]
    says: str = ""

    def __str__(self) -> str:
        return self.label

    def write(self, folder: Path) -> Path:
        """The file on disk, under a harmless name with the suffix of `name`."""
        path = folder / f"{self.label}{Path(self.name).suffix[:10]}"
        path.write_bytes(self.build())
        return path


def image(rows: int = 48, columns: int = 64, dtype: Any = np.uint8, top: float = 255) -> np.ndarray:
    """(rows, columns) a bright disc on noise, with values from 0 to top."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:rows, :columns]
    grey = rng.uniform(0.1, 0.3, (rows, columns))
    grey[(y - rows / 2) ** 2 + (x - columns / 3) ** 2 < (rows / 5) ** 2] = 0.9
    return (grey * top).astype(dtype)


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    """The bytes of a TIFF with these pixels. options: those of tifffile.imwrite."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **{"metadata": None, **options})
    return file.getvalue()


def picture(pixels: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a file in a format of Pillow (kind) with these pixels. options: those of its save."""
    file = io.BytesIO()
    whole = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    whole.save(file, kind, **options)
    return file.getvalue()


def raw_tiff(
    changes: dict[int, tuple[int, int, int]] | None = None, following: int = 0, count: int | None = None
) -> bytes:
    """A hand-made 64 x 48 grey TIFF (IFD at 8, pixels after it); `changes` sets code -> (type, count, value)."""
    tags = {
        256: (4, 1, 64),
        257: (4, 1, 48),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 0),
        277: (3, 1, 1),
        278: (4, 1, 48),
        279: (4, 1, 64 * 48),
        **(changes or {}),
    }
    start = 8 + 2 + 12 * len(tags) + 4
    if tags[273][2] == 0:
        tags[273] = (4, 1, start)
    body = b"".join(struct.pack("<HHII", code, *tags[code]) for code in sorted(tags))
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags) if count is None else count)
    return head + body + struct.pack("<I", following) + image().tobytes()


def tiff_with_large_strip(compression: str, side: int = 256) -> bytes:
    """A TIFF of 64 x 64 px whose only strip contains a picture of `side` x `side` px."""
    file = io.BytesIO(tiff(np.zeros((side, side, 3), np.uint8), photometric="rgb", compression=compression))
    with tifffile.TiffFile(file, mode="r+") as container:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            container.pages.first.tags[name].overwrite(64)
    return file.getvalue()


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG with `count` further empty scans; decoding each takes as long as a scan with content."""
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 63, 0)
    return picture(image(), "JPEG", progressive=True)[:-2] + scan * count + b"\xff\xd9"


def tiff_of_jpeg(stream: bytes) -> bytes:
    """A TIFF of 64 x 48 px whose only strip is this JPEG."""
    return raw_tiff({259: (3, 1, 7), 273: (4, 1, len(raw_tiff())), 279: (4, 1, len(stream))}) + stream


def _tiff_with_circle() -> bytes:
    """A TIFF with two IFDs, each of which names the other as the next one."""
    first = bytearray(raw_tiff())
    second = len(first)
    tags = struct.unpack("<H", first[8:10])[0]
    block = bytes(first[8 : 10 + 12 * tags])
    struct.pack_into("<I", first, 10 + 12 * tags, second)
    return bytes(first) + block + struct.pack("<I", 8)


def _png_header(columns: int, rows: int) -> bytes:
    """A PNG that declares a size and has hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def _zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.tif", b"\0" * 20_000_000)
    return file.getvalue()


def _animated_png() -> bytes:
    frames = [Image.fromarray(np.roll(image(), shift, axis=1)) for shift in (0, 9, 18)]
    return picture(frames[0], "PNG", save_all=True, append_images=frames[1:])


def _rotated_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(image(48, 64), "JPEG", exif=exif, quality=95)


def _with_bad_values() -> np.ndarray:
    pixels = image(dtype=np.float32, top=1.0)
    pixels[3, 4], pixels[5, 6], pixels[7, 8] = np.nan, np.inf, -np.inf
    return pixels


def _stack() -> np.ndarray:
    return np.stack([image(), image()[::-1], image()[:, ::-1]])


def _refused(label: str, name: str, build: Callable[[], bytes], says: str = "") -> Hostile:
    return Hostile(label, name, "refused", build, says)


def _readable(label: str, name: str, build: Callable[[], bytes], says: str = "") -> Hostile:
    return Hostile(label, name, "readable", build, says)


_NOT_IMAGES = (
    _refused("empty", "empty.tif", lambda: b"", "empty"),
    _refused("zeros", "zeros.tif", lambda: b"\0" * 5000, "zero bytes"),
    _refused("noise", "noise.tif", lambda: np.random.default_rng(1).bytes(5000), "no image file"),
    _refused("text", "notes.tif", lambda: b"sample 7, 20 kV, very nice\n" * 20, "text file"),
    _refused("html", "download.tif", lambda: b"<!DOCTYPE html><html><body>Please log in</body></html>", "web page"),
    _refused("svg", "drawing.png", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    _refused("pdf", "paper.tif", lambda: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", "PDF"),
    _refused("zip", "images.zip", _zip_bomb, "ZIP"),
    _refused("zip_bomb_named_tif", "bomb.tif", _zip_bomb, "ZIP"),
    _refused("gzip_bomb", "image.tif.gz", lambda: gzip.compress(b"\0" * 20_000_000), "gzip"),
    _refused("gif", "picture.gif", lambda: picture(image(), "GIF"), "GIF"),
    _refused("webp", "picture.webp", lambda: picture(image(), "WEBP"), "WebP"),
    _refused("dm3", "hrtem.dm3", lambda: struct.pack(">III", 3, 5_000_000, 1) + b"\0" * 400, "DM3"),
    _refused("program", "setup.bmp", lambda: b"MZ" + b"\0" * 300, "program"),
    _refused("old_office", "figures.doc", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, "Office"),
)

_DAMAGED = (
    _refused("tiff_8_bytes", "cut.tif", lambda: tiff(image())[:8]),
    _refused("tiff_cut_in_ifd", "cut.tif", lambda: raw_tiff()[:60]),
    _refused("tiff_cut_in_pixels", "cut.tif", lambda: raw_tiff()[:-500], "incomplete"),
    _refused("tiff_cut_last_byte", "cut.tif", lambda: raw_tiff()[:-1], "incomplete"),
    _refused("tiff_lzw_cut", "cut.tif", lambda: tiff(image(), compression="lzw", rowsperstrip=8)[:-300]),
    _refused("tiff_deflate_garbled", "bad.tif", lambda: tiff(image(), compression="zlib")[:-800] + b"\xaa" * 800),
    _refused("tiff_no_pixels", "bad.tif", lambda: raw_tiff({279: (4, 1, 0), 273: (4, 1, 1 << 30)})),
    _refused("tiff_ifd_beyond_end", "bad.tif", lambda: b"II*\0" + struct.pack("<I", 1 << 30) + b"\0" * 64),
    _refused("tiff_strip_beyond_end", "bad.tif", lambda: raw_tiff({273: (4, 1, 0x7FFFFFF0)}), "incomplete"),
    _refused("tiff_ifd_names_itself", "circle.tif", lambda: raw_tiff(following=8), "circle"),
    _refused("tiff_ifds_in_circle", "circle.tif", _tiff_with_circle, "circle"),
    _refused("tiff_65535_tags", "bad.tif", lambda: raw_tiff(count=65535)),
    _refused("tiff_no_tags", "bad.tif", lambda: raw_tiff(count=0)),
    _refused("tiff_tag_of_4e9_values", "bad.tif", lambda: raw_tiff({273: (4, 0xFFFFFFFF, 8)})),
    _refused("tiff_unknown_compression", "bad.tif", lambda: raw_tiff({259: (3, 1, 4242)})),
    _refused("tiff_zero_width", "bad.tif", lambda: raw_tiff({256: (4, 1, 0)})),
    _refused("tiff_60000_samples", "bad.tif", lambda: raw_tiff({277: (3, 1, 60000)})),
    _refused("tiff_7_bits_of_99", "bad.tif", lambda: raw_tiff({258: (3, 1, 99)})),
    _refused(
        "tiff_absurd_tiles",
        "bad.tif",
        lambda: raw_tiff({322: (4, 1, 1 << 30), 323: (4, 1, 1 << 30), 324: (4, 1, 150), 325: (4, 1, 3072)}),
    ),
    _refused(
        "tiff_tiles_a_million_wide",
        "bad.tif",
        lambda: raw_tiff({322: (4, 1, 1 << 20), 323: (4, 1, 1), 324: (4, 48, 150), 325: (4, 48, 150)}),
        "tiles are far larger",
    ),
    _refused("tiff_jpeg_of_200_scans", "scans.tif", lambda: tiff_of_jpeg(jpeg_of_scans(200)), "more than 100 times"),
    _refused("jpeg_of_200_scans", "scans.jpg", lambda: jpeg_of_scans(200), "more than 100 times"),
    _refused("tiff_declares_1e10", "huge.tif", lambda: raw_tiff({256: (4, 1, 100_000), 257: (4, 1, 100_000)}), "large"),
    _refused(
        "tiff_declares_1e19", "huge.tif", lambda: raw_tiff({256: (4, 1, 0xFFFFFFFF), 257: (4, 1, 0xFFFFFFFF)}), "large"
    ),
    *(
        _refused(f"tiff_{kind}_strip_larger_than_its_image", "bomb.tif", partial(tiff_with_large_strip, kind), "strips")
        for kind in ("jpeg", "jpeg2000", "jpegxl", "png", "webp")
    ),
    _refused("tiff_jpegxr", "bomb.tif", partial(tiff_with_large_strip, "jpegxr"), "not read here"),
    _refused("tiff_lerc", "bomb.tif", partial(tiff_with_large_strip, "lerc"), "not read here"),
    _refused("png_cut", "cut.png", lambda: picture(image(), "PNG")[:-400]),
    _refused("png_signature_only", "cut.png", lambda: picture(image(), "PNG")[:8]),
    _refused("png_declares_1e10", "huge.png", lambda: _png_header(100_000, 100_000), "large"),
    _refused("png_bomb_header", "bomb.png", lambda: _png_header(20_000, 20_000)),
    _refused("jpeg_cut", "cut.jpg", lambda: picture(image(200, 200), "JPEG")[:-900]),
    _refused("jpeg_head_only", "cut.jpg", lambda: picture(image(), "JPEG")[:30]),
    _refused("bmp_cut", "cut.bmp", lambda: picture(image(), "BMP")[:-1500]),
    _refused(
        "bmp_huge",
        "huge.bmp",
        lambda: b"BM" + struct.pack("<IIIIiiHHIIIIII", 60, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
    ),
    _refused("nan_only", "nan.tif", lambda: tiff(np.full((48, 64), np.nan, np.float32)), "NaN"),
)

_TOO_SMALL = (
    _refused("floats_of_1e300", "wide.tif", lambda: tiff(image(dtype=np.float64, top=1e300)), "beyond"),
    _refused("one_pixel", "dot.tif", lambda: tiff(np.zeros((1, 1), np.uint8)), "too small"),
    _refused("one_row", "row.tif", lambda: tiff(np.zeros((1, 500), np.uint8)), "too small"),
    _refused("one_column", "column.png", lambda: picture(np.zeros((500, 1), np.uint8), "PNG"), "too small"),
    _refused(
        "tiff_million_rows", "strip.tif", lambda: raw_tiff({256: (4, 1, 16), 257: (4, 1, 10**6)}), "long and narrow"
    ),
    _refused("too_long", "strip.png", lambda: picture(np.zeros((16, 1601), np.uint8), "PNG"), "100 times"),
    _refused("fifteen_rows", "strip.jpg", lambda: picture(np.zeros((15, 64), np.uint8), "JPEG"), "too small"),
)

_UNUSUAL = (
    _readable("all_black", "black.tif", lambda: tiff(np.zeros((48, 64), np.uint8))),
    _readable("all_white", "white.png", lambda: picture(np.full((48, 64), 255, np.uint8), "PNG")),
    _readable("one_grey_float", "grey.tif", lambda: tiff(np.full((48, 64), 0.5, np.float32))),
    _readable("nan_and_infinity", "nan.tif", lambda: tiff(_with_bad_values()), "NaN"),
    _readable("twelve_of_16_bits", "12bit.tif", lambda: tiff(image(dtype=np.uint16, top=4095))),
    _readable("png_named_tif", "wrong.tif", lambda: picture(image(), "PNG"), "PNG"),
    _readable("tiff_named_jpg", "wrong.jpg", lambda: tiff(image()), "TIFF"),
    _readable("bmp_named_png", "wrong.png", lambda: picture(image(), "BMP"), "BMP"),
    _readable("no_suffix", "micrograph", lambda: tiff(image())),
    _readable("three_pages", "pages.tif", lambda: tiff(_stack(), photometric="minisblack"), "3 pages"),
    _readable("next_page_beyond_end", "bad.tif", lambda: raw_tiff(following=1 << 30), "breaks off"),
    _readable(
        "volume",
        "volume.tif",
        lambda: tiff(np.stack([image(64, 64)] * 16), volumetric=True, tile=(16, 64, 64)),
        "planes",
    ),
    _readable("complex", "wave.tif", lambda: tiff(image(dtype=np.complex64)), "magnitude"),
    *(
        _readable(f"tiff_{kind}", f"{kind}.tif", partial(tiff, image(), compression=kind))
        for kind in ("jpeg", "jpeg2000", "jpegxl", "png")
    ),
    _readable("jpeg_of_50_scans", "scans.jpg", lambda: jpeg_of_scans(40)),
    _readable("tiff_jpeg_of_50_scans", "scans.tif", lambda: tiff_of_jpeg(jpeg_of_scans(40))),
    _readable("longest", "strip.png", lambda: picture(image(16, 1600), "PNG")),
    _readable("cmyk_jpeg", "print.jpg", lambda: picture(Image.fromarray(image()).convert("CMYK"), "JPEG")),
    _readable("cmyk_tiff", "print.tif", lambda: picture(Image.fromarray(image()).convert("CMYK"), "TIFF")),
    _readable("animated_png", "film.png", _animated_png, "3 frames"),
    _readable("exif_rotated", "phone.jpg", _rotated_jpeg, "turned"),
    _readable("unicode_name", "Probe Ω 試料 🔬 №7.tif", lambda: tiff(image())),
    _readable("path_name", "../../etc/C:\\data\\..\\passwd.tif", lambda: tiff(image())),
    _readable("long_name", "n" * 400 + ".tif", lambda: tiff(image())),
    _readable("control_characters_name", "a\r\nb\x00c\u202efit.tif", lambda: tiff(image())),
    _readable("formula_name", '=cmd|" C calc"!A0.tif', lambda: tiff(image())),
    _readable("markup_name", "<script>alert(1)<b>.tif", lambda: tiff(image())),
)

HOSTILE: tuple[Hostile, ...] = (*_NOT_IMAGES, *_DAMAGED, *_TOO_SMALL, *_UNUSUAL)
REFUSED = tuple(case for case in HOSTILE if case.outcome == "refused")
READABLE = tuple(case for case in HOSTILE if case.outcome == "readable")


def files_of_equal_name(folder: Path) -> tuple[Path, Path]:
    """Two different files with equal names, in two folders."""
    paths = folder / "a" / "same.tif", folder / "b" / "same.tif"
    for path, pixels in zip(paths, (image(), image()[::-1]), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiff(pixels))
    return paths
