"""A file that was cut off is known without decoding it, and a whole one is never refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation.core.micrograph import formats
from segmentation.core.micrograph.kinds import recognise
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.micrograph.whole import INCOMPLETE, check_complete

PIXELS = np.random.default_rng(0).integers(0, 255, (120, 160), dtype=np.uint8)


def pil(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(**options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, PIXELS.astype(np.uint16), **options)
    return buffer.getvalue()


FILES = {
    "PNG": pil("PNG"),
    "JPEG": pil("JPEG"),
    "a JPEG with words behind it": pil("JPEG") + b"microscope",
    "BMP": pil("BMP"),
    "TIFF": tiff(),
    "TIFF in strips": tiff(rowsperstrip=8),
    "TIFF in tiles": tiff(tile=(32, 32)),
    "packed TIFF": tiff(compression="zlib", rowsperstrip=16),
    "big TIFF": tiff(bigtiff=True, byteorder=">"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_is_taken_and_one_that_was_cut_off_is_not(name):
    content = FILES[name]
    kind = recognise(content[:4096])
    file = io.BytesIO(content)
    check_complete(file, kind, len(content))
    assert file.tell() == 0
    for share in (0.3, 0.9):
        short = content[: int(share * len(content))]
        with pytest.raises(UnreadableImage, match="incomplete") as refused:
            check_complete(io.BytesIO(short), kind, len(short))
        assert str(refused.value) == INCOMPLETE


@pytest.mark.parametrize("content", [b"II*\0", b"II*\0\xff\xff\xff\x7f", b"BM", b"MM\0+" + bytes(12)])
def test_what_is_damaged_otherwise_its_reader_explains(content):
    try:
        check_complete(io.BytesIO(content), recognise(content), len(content))
    except UnreadableImage as refused:
        assert str(refused) == INCOMPLETE


def test_of_other_kinds_nothing_is_said():
    check_complete(io.BytesIO(b"x"), formats.format_by_suffix()[".mrc"], 1)
