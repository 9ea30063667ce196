"""A picture as a network sees it: looked at, shown at its working scale and closer, and the maps brought back."""

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
Axes = tuple[int, ...]  # along which a picture is mirrored
ONCE: tuple[Axes, ...] = ((),)
CLOSER: tuple[Axes, ...] = ((1,),)  # mirrored, so that both showings have as little in common as they can
EVERY: tuple[Axes, ...] = ((), (0,), (1,), (0, 1))


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
    card: ModelCard,
    picture: NDArray[np.float32],
    view: View,
    runtime: Runtime,
    *,
    flips: bool = False,
    progress: Told = untold,
) -> Seen:
    """The maps of a picture (H, W) float32 in 0..1 under a view, and closer where the card says so: their mean.

    flips: each time show it in its four mirrored forms and take the mean of the maps.
    """
    shape = picture.shape[0], picture.shape[1]
    if is_one_grey(picture):
        return Seen(np.zeros((2, *shape), np.uint8), view)
    bright = shown(picture, view.polarity)
    showings = [(view.scale, EVERY if flips else ONCE)]
    if card.closer > 1:
        showings.append((view.scale * card.closer, EVERY if flips else CLOSER))
    efforts = np.cumsum([0.0] + [scale**2 for scale, _ in showings])
    total = np.zeros((2, *shape), np.uint16)
    for number, (scale, ways) in enumerate(showings):

        def told(done: float, number: int = number) -> None:
            progress(float(efforts[number] + done * (efforts[number + 1] - efforts[number])) / float(efforts[-1]))

        maps = _mean(network, bright if scale == 1 else resize(bright, scale), ways, runtime, told)
        for part, each in zip(total, maps, strict=True):
            part += resize_map(each, shape)
    return Seen(_divided(total, len(showings)), view)


def is_one_grey(picture: NDArray[np.float32]) -> bool:
    """Without contrast there is nothing to outline, whatever a network says of it."""
    return not picture.any()


def _mean(
    network: nn.Module, picture: NDArray[np.float32], ways: tuple[Axes, ...], runtime: Runtime, progress: Told
) -> Maps:
    """Mean of the maps over the picture mirrored in these ways."""

    def seen(number: int, axes: Axes) -> Maps:
        def told(done: float) -> None:
            progress((number + done) / len(ways))

        maps = predict(network, np.flip(picture, axes), runtime, progress=told)
        return np.flip(maps, tuple(axis + 1 for axis in axes))

    if len(ways) == 1:
        return seen(0, ways[0])
    total = np.zeros((2, *picture.shape), np.uint16)
    for number, axes in enumerate(ways):
        total += seen(number, axes)
    return _divided(total, len(ways))


def _divided(total: NDArray[np.uint16], by: int) -> Maps:
    """Rounded quotient, in integers and in place: a large picture's would take gigabytes more."""
    total += by // 2
    total //= by
    return total.astype(np.uint8)
