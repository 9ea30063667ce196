"""A plug-in for DeepSegm that reads FITS, the format of astronomers: the first image of a file, by astropy."""

import io

import numpy as np

from segmentation.core.micrograph.formats.base import Format
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.micrograph.vendors.facts import Facts

NM_PER_UNIT = {"m": 1e9, "mm": 1e6, "um": 1e3, "nm": 1.0}


def read(path, max_pixels, page):
    """The pixels of an image and what the file says of it; `page` is the number of an image of a stack."""
    from astropy.io import fits

    from segmentation.core.micrograph.decoded import Decoded, page_index, words
    from segmentation.core.micrograph.grey import check_size, to_grey

    with fits.open(path, memmap=False, lazy_load_hdus=True) as file:
        image = next((part for part in file if part.header.get("NAXIS", 0) in (2, 3)), None)
        if image is None:
            raise UnreadableImage("The FITS file holds no image: export the micrograph as a TIFF.")
        header = image.header
        check_size(header["NAXIS1"], header["NAXIS2"], max_pixels)
        pages = header.get("NAXIS3", 1)
        check_size(header["NAXIS1"], header["NAXIS2"], max_pixels // max(pages, 1))
        planes = np.asarray(image.data).reshape(pages, header["NAXIS2"], header["NAXIS1"])
        pixels, notes = to_grey(planes[page_index(page, pages)][::-1])  # FITS stores the lowest row first
        unit = NM_PER_UNIT.get(str(header.get("CUNIT1", "")).strip())
        width, height = header.get("CDELT1"), header.get("CDELT2")  # of a pixel
    if pages > 1 and not page:
        notes = [f"The file is a stack of {pages} images; the first is used.", *notes]
    facts = Facts()
    if unit and width and height:
        facts = Facts(abs(width) * unit, "FITS, CDELT1", height_nm=abs(height) * unit).checked()
    return Decoded(pixels, f"FITS, {words(planes.dtype)}", tuple(notes), facts, pages=pages)


def examples():
    """Two files for tests: a picture, and a stack of pictures with the size of a pixel."""
    from astropy.io import fits

    rows, columns = np.indices((48, 64))
    picture = ((rows // 8 + columns // 8) % 2 * 1000 + rows).astype(np.int16)
    for data, entries in ((picture, {}), (np.stack([picture, -picture]), {"CUNIT1": "nm"})):
        header = fits.Header({"CDELT1": 2.5, "CDELT2": 2.5, **entries})
        file = io.BytesIO()
        fits.PrimaryHDU(data, header).writeto(file)
        yield file.getvalue()


FITS = Format(
    name="FITS",
    suffixes=(".fits", ".fit"),
    magic=(b"SIMPLE  =",),
    read=read,
    title="FITS (images and stacks)",
    imports=("astropy.io.fits",),
    examples=examples,
)
