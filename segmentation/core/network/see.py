"""A picture as a network sees it: looked at, shown at its working scale, and the maps brought back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..micrograph.types import Polarity
from .cards import ModelCard
from .predict import Maps, predict
from .resample import resize, resize_map
from .runtime import Runtime
from .scout import View, look, shown

Told = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Seen:
    """maps: (2, H, W) uint8 foreground and inner distance in the picture's own pixels. view: how it was shown."""

    maps: Maps
    view: View


def untold(fraction: float) -> None:
    """A progress that nobody follows."""


def choose_view(
    network: nn.Module,
    card: ModelCard,
    picture: NDArray[np.float32],
    runtime: Runtime,
    *,
    polarity: Polarity | None = None,
    scale: float | None = None,
) -> View:
    """How to show a picture (H, W) float32 in 0..1; what is None is found out from the picture."""
    if is_one_grey(picture):
        return View(polarity or "bright", scale or 1.0, clarity=0.0)
    return look(network, card, picture, runtime, polarity=polarity, scale=scale)


def see(
    network: nn.Module,
    picture: NDArray[np.float32],
    view: View,
    runtime: Runtime,
    *,
    flips: bool = False,
    progress: Told = untold,
) -> Seen:
    """The maps of a picture (H, W) float32 in 0..1 under a view.

    flips: show it in its four mirrored forms as well and take the mean of the maps.
    """
    if is_one_grey(picture):
        return Seen(np.zeros((2, *picture.shape), np.uint8), view)
    bright = shown(picture, view.polarity)
    scaled = bright if view.scale == 1 else resize(bright, view.scale)
    maps = (
        _mirrored(network, scaled, runtime, progress) if flips else predict(network, scaled, runtime, progress=progress)
    )
    shape = picture.shape[0], picture.shape[1]
    return Seen(np.stack([resize_map(each, shape) for each in maps]), view)


def is_one_grey(picture: NDArray[np.float32]) -> bool:
    """Without contrast there is nothing to outline, whatever a network says of it."""
    return not picture.any()


def _mirrored(network: nn.Module, picture: NDArray[np.float32], runtime: Runtime, progress: Told) -> Maps:
    """Mean of the maps over the picture, its mirror images and the picture turned by half."""
    ways: list[tuple[int, ...]] = [(), (0,), (1,), (0, 1)]
    total = np.zeros((2, *picture.shape), np.uint16)
    for number, axes in enumerate(ways):

        def told(done: float, number: int = number) -> None:
            progress((number + done) / len(ways))

        maps = predict(network, np.flip(picture, axes), runtime, progress=told)
        total += np.flip(maps, tuple(axis + 1 for axis in axes))
    return np.rint(total / len(ways)).astype(np.uint8)
