"""Runs a network over a whole picture: in tiles if it is large, and several times for test-time augmentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .resample import resize, resize_map
from .runtime import STRIDE, Activation, Maps, Network, Picture, give_freed_memory_back

HALO = 384  # px around a tile: the receptive field of the U-Net (tests/core/network/test_inference.py measures it)
FractionProgress = Callable[[float], None]
Axes = tuple[int, ...]  # axes of (H, W) along which a picture is mirrored
# Sets of mirrored forms in which a picture is predicted: not mirrored, mirrored once, all four.
ONCE: tuple[Axes, ...] = ((),)
MIRRORED: tuple[Axes, ...] = ((1,),)
ALL_FORMS: tuple[Axes, ...] = ((), (0,), (1,), (0, 1))


@dataclass(frozen=True)
class Tile:
    """A window to predict, and the part of it whose maps are used: rows and columns of the padded picture."""

    window: tuple[slice, slice]
    part: tuple[slice, slice]

    @property
    def part_of_window(self) -> tuple[slice, slice]:
        """The part, counted from the window's corner."""
        inner = [
            slice(part.start - window.start, part.stop - window.start)
            for part, window in zip(self.part, self.window, strict=True)
        ]
        return inner[0], inner[1]


def no_progress(fraction: float) -> None:
    """A progress function that does nothing."""


def predict(
    network: Network,
    picture: Picture,
    *,
    activation: Activation = "sigmoid",
    tile: int | None = None,
    halo: int = HALO,
    progress: FractionProgress = no_progress,
) -> Maps:
    """The maps of a picture: (M, H, W) uint8, 0..255 for 0..1, as many as the network gives.

    picture: (H, W) or (C, H, W) float32 in 0..1, with as many channels as the network takes. tile: side in px of a
    window without its halos, a multiple of 32; by default the network's. A picture of up to tile + 2 halo px is
    predicted at once. progress: called with the fraction done, 0..1.
    """
    tile = tile or network.tile
    if tile % STRIDE or halo % STRIDE:
        raise ValueError(f"tile and halo are multiples of {STRIDE} px")
    rows, columns = picture.shape[-2:]
    padded_shape = -(-rows // STRIDE) * STRIDE, -(-columns // STRIDE) * STRIDE
    maps = np.empty((0, rows, columns), np.uint8)
    tiles = list(tiles_of(padded_shape, tile, halo))
    if len(tiles) > 1:
        give_freed_memory_back()
    for number, piece in enumerate(tiles, start=1):
        window = picture[..., piece.window[0], piece.window[1]]
        missing = [s.stop - s.start - n for s, n in zip(piece.window, window.shape[-2:], strict=True)]
        if any(missing):  # beyond the picture it is continued by its mirror image
            window = np.pad(window, [(0, 0)] * (window.ndim - 2) + [(0, n) for n in missing], mode="symmetric")
        channels = window if window.ndim == 3 else window[None]
        levels = network.maps(channels[None], piece.part_of_window, activation)[0]
        if number == 1:
            maps = np.empty((len(levels), rows, columns), np.uint8)
        target = maps[:, piece.part[0], piece.part[1]]
        target[:] = levels[:, : target.shape[1], : target.shape[2]]
        progress(number / len(tiles))
    if len(tiles) > 1:
        give_freed_memory_back()
    return maps


def tiles_of(shape: tuple[int, int], tile: int, halo: int) -> Iterator[Tile]:
    """Tiles whose parts cover a picture of this shape (multiples of 32) once. tile, halo: as in `predict`."""
    spans = [list(_spans(n, tile, halo)) for n in shape]
    for row_window, row_part in spans[0]:
        for column_window, column_part in spans[1]:
            yield Tile((row_window, column_window), (row_part, column_part))


def _spans(length: int, tile: int, halo: int) -> Iterator[tuple[slice, slice]]:
    """The windows and parts of the tiles along one side. All windows have the same size, so that a tile can reuse the
    memory of the one before."""
    count = max(1, math.ceil((length - 2 * halo) / tile))
    size = STRIDE * math.ceil((length + 2 * halo * (count - 1)) / count / STRIDE)
    begin = 0
    for number in range(count):
        top = min(number * (size - 2 * halo), length - size)
        end = length if number == count - 1 else top + size - halo
        yield slice(top, top + size), slice(begin, end)
        begin = end


def predict_augmented(
    maps_of: Callable[[Picture, FractionProgress], Maps],
    picture: Picture,
    scale: float,
    *,
    second_scale: float = 1.0,
    flips: bool = False,
    progress: FractionProgress = no_progress,
) -> Maps:
    """The mean of the maps over test-time augmentations, (M, H, W) uint8 in the pixels of the picture.

    maps_of(picture, progress): predicts the maps of one form of the picture. picture: (H, W) or (C, H, W). scale:
    factor by which it is resampled before. second_scale: if above 1, it is predicted a second time at scale times this
    factor. flips: whether all four mirrored forms are predicted each time.
    """
    shape = picture.shape[-2], picture.shape[-1]
    predictions = [(scale, ALL_FORMS if flips else ONCE)]
    if second_scale > 1:  # mirrored, so that both predictions have as little in common as possible
        predictions.append((scale * second_scale, ALL_FORMS if flips else MIRRORED))
    efforts = np.cumsum([0.0] + [zoom**2 for zoom, _ in predictions])  # proportional to the pixels predicted so far
    views: list[list[Maps]] = []
    for number, (zoom, forms) in enumerate(predictions):

        def report(done: float, number: int = number) -> None:
            progress(float(efforts[number] + done * (efforts[number + 1] - efforts[number])) / float(efforts[-1]))

        maps = _mean(maps_of, picture if zoom == 1 else resize(picture, zoom), forms, report)
        views.append([resize_map(part, shape) for part in maps])
        del maps
    totals = (np.asarray(np.sum(parts, axis=0, dtype=np.uint16)) for parts in zip(*views, strict=True))
    return np.stack([_rounded_quotient(total, len(views)) for total in totals])


def _mean(
    maps_of: Callable[[Picture, FractionProgress], Maps],
    picture: Picture,
    forms: tuple[Axes, ...],
    progress: FractionProgress,
) -> Maps:
    """The mean of the maps over mirrored forms of the picture."""

    def view(number: int, axes: Axes) -> Maps:
        def report(done: float) -> None:
            progress((number + done) / len(forms))

        along = tuple(axis - 2 for axis in axes)
        return np.flip(maps_of(np.flip(picture, along), report), along)

    prediction = view(0, forms[0])
    if len(forms) == 1:
        return prediction
    total = prediction.astype(np.uint16)
    for number, axes in enumerate(forms[1:], start=1):
        total += view(number, axes)
    return _rounded_quotient(total, len(forms))


def _rounded_quotient(total: NDArray[np.uint16], divisor: int) -> Maps:
    """The rounded quotient. It is calculated in place (it changes `total`), to save gigabytes for a large picture."""
    total += divisor // 2
    total //= divisor
    return total.astype(np.uint8)
