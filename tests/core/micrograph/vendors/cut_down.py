"""Cuts real files of microscopes down to what the tests need, and writes them into files/ beside this file.

`python -m tests.core.micrograph.vendors.cut_down FOLDER`: the folder has the data as docs/development/data.md names it.
Tags of headers stay as the instrument wrote them, data bars as they are; the specimen gets means of 16 x 16 pixels."""

from __future__ import annotations

import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

FILES = Path(__file__).parent / "files"
BLOCK = 16
# The first row of the data bar, where the pixels were not set to 0 before they were published.
TIFF = {
    "orion-fibics_dataZeroed": None,
    "orion-zeiss_dataZeroed": None,
    "quanta-fei_2_dataZeroed": None,
    "quanta_image": 884,
    "scios_multigis_metadata_sections": 2048,
    "scios_with_xml_metadata": None,
    "tescan-pfib_dataZeroed": None,
    "titan_tem_bf_image_dataZeroed": None,
}
AS_THEY_ARE = (
    "LICENSE",
    "quanta_bad_metadata.tif",
    "quanta_image_32bit.tif",
    "quanta_just_modded_mdata.tif",
    "tescan-pfib_dataZeroed.hdr",
)
COMPRESSION, STRIPS, ROWS_PER_STRIP, STRIP_SIZES, PREDICTOR = 259, 273, 278, 279, 317
LONG = struct.Struct("<I")


def coarse(pixels: np.ndarray, rows: int) -> np.ndarray:
    """The image (h, w) or (h, w, channels) with means of blocks in its first `rows` rows."""
    changed = pixels.copy()
    for row in range(0, rows, BLOCK):
        for column in range(0, pixels.shape[1], BLOCK):
            block = changed[row : min(row + BLOCK, rows), column : column + BLOCK]
            block[...] = block.mean(axis=(0, 1))
    return changed


def cut_tiff(source: Path, target: Path, bar: int | None) -> None:
    """The same little-endian TIFF with other pixels. Its tags stay, but for those that say how pixels are stored."""
    content = bytearray(b"II*\0\0\0\0\0")
    pointer = 4  # where the place of the next directory stands
    with tifffile.TiffFile(source) as file:
        for page in file.pages:
            pixels = page.asarray()
            rows = len(pixels) if page.index else bar or 0  # other images of a file are previews
            strip = zlib.compress(np.ascontiguousarray(coarse(pixels, rows)), 9)
            changed = {COMPRESSION: 8, STRIPS: len(content), ROWS_PER_STRIP: page.imagelength, STRIP_SIZES: len(strip)}
            content += strip + bytes(len(strip) % 2)
            entries = []
            for tag in page.tags:
                file.filehandle.seek(tag.valueoffset)
                kind, count, value = tag.dtype, tag.count, file.filehandle.read(tag.valuebytecount)
                if tag.code == PREDICTOR:
                    continue
                if tag.code in changed:
                    kind, count, value = 4, 1, LONG.pack(changed[tag.code])
                if len(value) > 4:
                    place = LONG.pack(len(content))
                    content += value + bytes(len(value) % 2)
                    value = place
                entries.append(struct.pack("<HHI", tag.code, kind, count) + value.ljust(4, b"\0"))
            content[pointer : pointer + 4] = LONG.pack(len(content))
            content += struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
            pointer = len(content) - 4
    target.write_bytes(content)


def main(data: Path) -> None:
    vendors = data / "vendor-tiff"
    for name, bar in TIFF.items():
        cut_tiff(vendors / f"{name}.tif", FILES / f"{name}.tif", bar)
    for name in AS_THEY_ARE:
        shutil.copyfile(vendors / name, FILES / name)
    damaged = "quanta_no_beam_scan_or_system_meta.tif"
    (FILES / damaged).write_bytes((vendors / damaged).read_bytes()[:4096])
    agglomerates = data / "particles" / "nanocomposite-agglomerates"
    shutil.copyfile(agglomerates / "LICENSE.upstream", FILES / "LICENSE.agglomerates")
    for number, path in enumerate(sorted((agglomerates / "originals_with_databar").glob("*/*.jpg"))[::17], 1):
        Image.fromarray(coarse(np.asarray(Image.open(path)), 960)).save(FILES / f"jeol-{number}.jpg", quality=90)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
