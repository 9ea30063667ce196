"""Run a network over a whole picture: in tiles if it is large, and repeatedly for test-time augmentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .resample import resize, resize_map
from .runtime import STRIDE, Activation, Maps, Network, Picture, give_freed_memory_back

HALO = 384  # px around a tile: what a pixel of the U-Net sees (tests/core/network/test_inference.py measures it)
Progress = Callable[[float], None]
Axes = tuple[int, ...]  # of (H, W) along which a picture is mirrored
ONCE: tuple[Axes, ...] = ((),)
MIRRORED: tuple[Axes, ...] = ((1,),)
EVERY: tuple[Axes, ...] = ((), (0,), (1,), (0, 1))


@dataclass(frozen=True)
class Tile:
    """A window to predict (rows, columns of the padded picture) and the part of it that is kept."""

    window: tuple[slice, slice]
    kept: tuple[slice, slice]

    @property
    def kept_of_window(self) -> tuple[slice, slice]:
        """The kept part, counted from the window's corner."""
        inner = [slice(k.start - w.start, k.stop - w.start) for k, w in zip(self.kept, self.window, strict=True)]
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
    progress: Progress = no_progress,
) -> Maps:
    """The maps of a picture.

    picture: (H, W) or (C, H, W) float32 in 0..1, as many channels as the network takes. tile: side in px of a
    window without its halos, a multiple of 32, by default the network's; a picture of up to tile + 2 halo is predicted
    at once.
    Returns (M, H, W) uint8, 0..255 for 0..1, as many maps as the network puts out. `progress` gets 0..1.
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
    for number, part in enumerate(tiles, start=1):
        window = picture[..., part.window[0], part.window[1]]
        short = [s.stop - s.start - n for s, n in zip(part.window, window.shape[-2:], strict=True)]
        if any(short):  # mirrored beyond the picture
            window = np.pad(window, [(0, 0)] * (window.ndim - 2) + [(0, n) for n in short], mode="symmetric")
        channels = window if window.ndim == 3 else window[None]
        levels = network.maps(channels[None], part.kept_of_window, activation)[0]
        if number == 1:
            maps = np.empty((len(levels), rows, columns), np.uint8)
        target = maps[:, part.kept[0], part.kept[1]]
        target[:] = levels[:, : target.shape[1], : target.shape[2]]
        progress(number / len(tiles))
    if len(tiles) > 1:
        give_freed_memory_back()
    return maps


def tiles_of(shape: tuple[int, int], tile: int, halo: int) -> Iterator[Tile]:
    """Tiles that cover `shape` (multiples of 32) once with their kept parts, each seen with its halo."""
    spans = [list(_spans(n, tile, halo)) for n in shape]
    for row_window, row_kept in spans[0]:
        for column_window, column_kept in spans[1]:
            yield Tile((row_window, column_window), (row_kept, column_kept))


def _spans(length: int, tile: int, halo: int) -> Iterator[tuple[slice, slice]]:
    """Windows of equal size, so that the memory of one tile can be used for the next."""
    count = max(1, math.ceil((length - 2 * halo) / tile))
    size = STRIDE * math.ceil((length + 2 * halo * (count - 1)) / count / STRIDE)
    begin = 0
    for number in range(count):
        top = min(number * (size - 2 * halo), length - size)
        end = length if number == count - 1 else top + size - halo
        yield slice(top, top + size), slice(begin, end)
        begin = end


def predict_augmented(
    maps_of: Callable[[Picture, Progress], Maps],
    picture: Picture,
    scale: float,
    *,
    second_scale: float = 1.0,
    flips: bool = False,
    progress: Progress = no_progress,
) -> Maps:
    """Mean of the maps over test-time augmentations, (M, H, W) uint8 in the picture's own pixels.

    maps_of(picture, progress): the maps of one showing. picture: (H, W) or (C, H, W). scale: factor by which it is
    resampled first. second_scale: it is shown once more, so many times larger; 1: it is not. flips: each time show it
    in its four mirrored forms.
    """
    shape = picture.shape[-2], picture.shape[-1]
    showings = [(scale, EVERY if flips else ONCE)]
    if second_scale > 1:  # mirrored, so that both showings have as little in common as they can
        showings.append((scale * second_scale, EVERY if flips else MIRRORED))
    efforts = np.cumsum([0.0] + [zoom**2 for zoom, _ in showings])
    views: list[list[Maps]] = []
    for number, (zoom, ways) in enumerate(showings):

        def report(done: float, number: int = number) -> None:
            progress(float(efforts[number] + done * (efforts[number + 1] - efforts[number])) / float(efforts[-1]))

        maps = _mean(maps_of, picture if zoom == 1 else resize(picture, zoom), ways, report)
        views.append([resize_map(part, shape) for part in maps])
        del maps
    totals = (np.asarray(np.sum(parts, axis=0, dtype=np.uint16)) for parts in zip(*views, strict=True))
    return np.stack([_rounded_quotient(total, len(views)) for total in totals])


def _mean(
    maps_of: Callable[[Picture, Progress], Maps], picture: Picture, ways: tuple[Axes, ...], progress: Progress
) -> Maps:
    """Mean of the maps over the picture mirrored in these ways."""

    def view(number: int, axes: Axes) -> Maps:
        def report(done: float) -> None:
            progress((number + done) / len(ways))

        along = tuple(axis - 2 for axis in axes)
        return np.flip(maps_of(np.flip(picture, along), report), along)

    prediction = view(0, ways[0])
    if len(ways) == 1:
        return prediction
    total = prediction.astype(np.uint16)
    for number, axes in enumerate(ways[1:], start=1):
        total += view(number, axes)
    return _rounded_quotient(total, len(ways))


def _rounded_quotient(total: NDArray[np.uint16], by: int) -> Maps:
    """Rounded quotient, in integers and in place (it changes `total`), to save gigabytes for a large picture."""
    total += by // 2
    total //= by
    return total.astype(np.uint8)
