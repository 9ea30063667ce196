"""Contact sheets: many pictures on one, with their outlines and heights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

GAP = 4
HEADING = 28  # px


def thumbnail(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(side, side) or (side, side, 3) uint8: the middle square of a grey or RGB picture."""
    image = Image.fromarray(picture)
    square = min(image.size)
    left, top = ((n - square) // 2 for n in image.size)
    middle = image.crop((left, top, left + square, top + square))
    return np.asarray(
        middle.resize((side, side), Image.Resampling.LANCZOS if square > side else Image.Resampling.BICUBIC)
    )


def contact_sheet(pictures: list[NDArray[np.uint8]], columns: int, side: int = 160) -> NDArray[np.uint8]:
    """(h, w) or (h, w, 3) uint8: the pictures' middle squares in rows of `columns`, white between them."""
    tiles = [thumbnail(picture, side) for picture in pictures]
    rows = -(-len(tiles) // columns)
    step = side + GAP
    sheet = np.full((rows * step - GAP, columns * step - GAP, *tiles[0].shape[2:]), 255, np.uint8)
    for number, tile in enumerate(tiles):
        row, column = (n * step for n in divmod(number, columns))
        sheet[row : row + side, column : column + side] = tile
    return sheet


def side_by_side(sheets: dict[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """(h, w) uint8: grey sheets beside each other, each under its heading."""
    tall = max(len(sheet) for sheet in sheets.values())
    wide = sum(sheet.shape[1] for sheet in sheets.values()) + 3 * GAP * (len(sheets) - 1)
    page = Image.new("L", (wide, tall + HEADING), 255)
    left = 0
    for heading, sheet in sheets.items():
        ImageDraw.Draw(page).text((left, 4), heading, fill=0, font=ImageFont.load_default(16))
        page.paste(Image.fromarray(sheet), (left, HEADING))
        left += sheet.shape[1] + 3 * GAP
    return np.asarray(page)


def in_colour(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8 as (H, W, 3)."""
    return np.repeat(grey[..., None], 3, axis=2)


def outlined(grey: NDArray[np.uint8], labels: NDArray[np.int32], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: the picture with the innermost pixels along every particle's edge in `colour`."""
    inner = (ndimage.minimum_filter(labels, 3) != ndimage.maximum_filter(labels, 3)) & (labels > 0)
    drawn = in_colour(grey)
    drawn[inner] = colour
    return drawn


def as_grey(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W) uint8: heights from black (the substrate) to white (the highest place)."""
    return (255 * depth / max(float(depth.max()), 1e-6)).clip(0, 255).astype(np.uint8)
