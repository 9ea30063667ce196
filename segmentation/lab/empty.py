"""Squares without particles, cut from labelled micrographs: real substrates on which nothing should be found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.truth import BadDataset
from .data import Labelled


def empty_squares(
    pairs: Sequence[Labelled], side: int, count: int, seed: int = 0
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """(name, (side, side) uint8) of up to `count` squares without a labelled pixel, one of each micrograph at first."""
    rng = np.random.default_rng(seed)
    places = [rng.permutation(_free(pair.labels, side)) for pair in pairs]
    made = 0
    for turn in range(count):
        for pair, corners in zip(pairs, places, strict=True):
            if made < count and turn < len(corners):
                row, column = corners[turn].tolist()
                yield f"{pair.pair.image.stem}-{turn + 1}.png", pair.grey[row : row + side, column : column + side]
                made += 1


def _free(labels: NDArray[np.int32], side: int) -> NDArray[np.int64]:
    """(n, 2) top left corners, on a grid of `side`, of the squares that hold no particle."""
    tall, wide = (range(0, n - side + 1, side) for n in labels.shape)
    empty = [(r, c) for r in tall for c in wide if not labels[r : r + side, c : c + side].any()]
    return np.array(empty, np.int64).reshape(-1, 2)


def write_squares(pairs: Sequence[Labelled], folder: Path, side: int, count: int) -> int:
    """Write them into `folder/images`; returns how many. Raises BadDataset when there is none, OSError."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    number = 0
    for name, grey in empty_squares(pairs, side, count):
        Image.fromarray(grey).save(folder / "images" / name)
        number += 1
    if not number:
        raise BadDataset(f"No square of {side} px is free of particles: try a smaller --side.")
    return number
