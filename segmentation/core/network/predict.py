"""A network over a whole picture, in tiles where it is large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .architectures import STRIDE
from .runtime import Runtime

TILE = 1024
HALO = 384  # px around a tile: what a pixel of the U-Net sees (tests/core/test_pipeline.py measures it)
Maps = NDArray[np.uint8]


@dataclass(frozen=True)
class Tile:
    """A window to predict (rows, columns of the padded picture) and the part of it that is kept."""

    window: tuple[slice, slice]
    kept: tuple[slice, slice]


def predict(
    network: nn.Module,
    picture: NDArray[np.float32],
    runtime: Runtime,
    *,
    tile: int = TILE,
    halo: int = HALO,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Maps:
    """Probability maps of a picture.

    picture: (H, W) float32 in 0..1, particles bright. tile: side of the kept part of a tile in px, a multiple of
    32; a picture that fits into tile + 2 halo is predicted at once.
    Returns (2, H, W) uint8, 0..255 for 0..1: foreground, normalised inner distance. `progress` gets 0..1.
    """
    if tile % STRIDE or halo % STRIDE:
        raise ValueError(f"tile and halo are multiples of {STRIDE} px")
    rows, columns = picture.shape
    padded_shape = tuple(-(-n // STRIDE) * STRIDE for n in picture.shape)
    maps = np.empty((2, rows, columns), np.uint8)
    tiles = list(tiles_of((padded_shape[0], padded_shape[1]), tile, halo))
    for number, part in enumerate(tiles, start=1):
        window = _padded_window(picture, part.window)
        (top, left), kept = (s.start for s in part.window), part.kept
        found = _forward(network, window, runtime)
        target = slice(kept[0].start, min(kept[0].stop, rows)), slice(kept[1].start, min(kept[1].stop, columns))
        maps[:, target[0], target[1]] = found[
            :, target[0].start - top : target[0].stop - top, target[1].start - left : target[1].stop - left
        ]
        progress(number / len(tiles))
    return maps


def tiles_of(shape: tuple[int, int], tile: int, halo: int) -> Iterator[Tile]:
    """Tiles that cover `shape` (multiples of 32) once with their kept parts, each seen with its halo."""
    spans = [list(_spans(n, tile, halo)) for n in shape]
    for row_window, row_kept in spans[0]:
        for column_window, column_kept in spans[1]:
            yield Tile((row_window, column_window), (row_kept, column_kept))


def _spans(length: int, tile: int, halo: int) -> Iterator[tuple[slice, slice]]:
    if length <= tile + 2 * halo:
        yield slice(0, length), slice(0, length)
        return
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        yield slice(max(0, start - halo), min(length, stop + halo)), slice(start, stop)


def _padded_window(picture: NDArray[np.float32], window: tuple[slice, slice]) -> NDArray[np.float32]:
    """The window, mirrored where it reaches beyond the picture."""
    part = picture[window]
    short = [s.stop - s.start - n for s, n in zip(window, part.shape, strict=True)]
    return np.pad(part, [(0, n) for n in short], mode="symmetric") if any(short) else part


@torch.inference_mode()
def _forward(network: nn.Module, picture: NDArray[np.float32], runtime: Runtime) -> Maps:
    device, dtype = runtime.torch_device(), runtime.torch_dtype()
    batch = torch.from_numpy(np.ascontiguousarray(picture))[None, None].to(device) * 2 - 1
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        logits = network(batch.contiguous(memory_format=torch.channels_last))
    maps: Maps = logits[0].float().sigmoid_().mul_(255).round_().to(torch.uint8).cpu().numpy()
    return maps
