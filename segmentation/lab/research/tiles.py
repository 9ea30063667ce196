"""Cuts labelled images into squares, also turned and mirrored (command `dataset`). The files are named as in
the dataset of Wang et al.; by these names `core.masks.truth` recognises tiles of the same image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.masks.label_images import read_numbers
from ...core.masks.truth import BadDataset, Pair
from ...core.stages.pace import reporting_progress
from ..training.contract import Say
from ..training.data import eight_bit_picture
from ..training.files import write_picture


def dihedral_forms(picture: NDArray[np.generic]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """(end of the file name, picture) for the eight dihedral forms of (H, W): turned counter-clockwise, then
    mirrored."""
    for turns in range(4):
        turned = np.rot90(picture, turns)
        name = f"_rotated_{90 * turns}" if turns else ""
        yield name, turned
        yield f"{name}_flipped", turned[:, ::-1]


def blocks(picture: NDArray[np.generic], side: int) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """(end of the file name, square) for the whole squares of `side` px in reading order; incomplete squares are left
    out."""
    rows, columns = (length // side for length in picture.shape)
    for number in range(rows * columns):
        top, left = side * (number // columns), side * (number % columns)
        yield f"_block_{number + 1}", picture[top : top + side, left : left + side]


def write_tiles(
    pairs: list[Pair], out: Path, side: int, *, variants: bool = False, say: Say = lambda line: None
) -> int:
    """Write `out/images` and `out/labels` of 8-bit PNGs, with the numbers of the label files; returns the number of
    images.

    side: px of a square. variants: write the eight turned and mirrored forms of each square. say: gets the progress.
    Raises BadDataset, CannotWrite.
    """
    count = 0
    for pair in reporting_progress(pairs, len(pairs), say):
        micrograph, _ = pair.load()
        assert pair.labels
        numbers = pair.cut(read_numbers(pair.labels))
        if numbers.min() < 0 or numbers.max() > 255:
            raise BadDataset(f"{pair.labels.name} holds numbers beyond 0 to 255: these are no classes.")
        grey, stem = eight_bit_picture(micrograph.pixels), pair.image.stem
        for folder, picture in (("images", grey), ("labels", numbers.astype(np.uint8))):
            for block, part in blocks(picture, side):
                for form, pixels in dihedral_forms(part) if variants else [("", part)]:
                    write_picture(out / folder / f"{stem}{block}{form}.png", np.ascontiguousarray(pixels))
                    count += folder == "images"
    if not count:
        raise BadDataset(f"No image is as large as a block of {side} px.")
    return count
