"""What the convolution, max-pool and up-sampling layers of a network make of an image, in three pictures (seed 000)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from ..core.micrograph import clip_outliers
from ..core.micrograph.types import GreyImage
from ..core.network.architectures import STRIDE
from ..core.network.cards import LAYERS
from .files import write_picture

KINDS: dict[str, Callable[[nn.Module], bool]] = dict(
    zip(
        LAYERS,
        (
            lambda module: isinstance(module, nn.Conv2d),
            # Networks without max-pools halve their maps by convolutions in steps of 2.
            lambda module: isinstance(module, nn.MaxPool2d | nn.Conv2d) and module.stride in (2, (2, 2)),
            lambda module: isinstance(module, nn.Upsample | nn.ConvTranspose2d),
        ),
        strict=True,
    )
)
SIDE = 512  # px of the image that is shown, from its middle
TILE, MOST = 96, 12  # px of a map; maps shown of a layer, evenly among its channels
SMALL = (24, 5, 4)  # the same of the pictures beside a card, and how many layers stand abreast
NONE = "This network has no {kind}: nothing is pooled or enlarged by a layer of that kind."


def write_feature_maps(network: nn.Module, pixels: GreyImage, out: Path) -> list[Path]:
    """Write convolutions.png, max-pools.png and up-samplings.png into `out`: a row for each layer in the order of its
    work, each map scaled to its own range.

    pixels: (H, W) as acquired. Raises CannotWrite.
    """
    files = []
    for kind, layers in feature_maps(network, pixels).items():
        files.append(out / f"{kind}.png")
        write_picture(files[-1], sheet(layers, NONE.format(kind=kind)))
    return files


def feature_maps(network: nn.Module, pixels: GreyImage) -> dict[str, list[tuple[str, Tensor]]]:
    """The maps (channels, h, w) of every layer by its name, in the order of its work, for each of KINDS.

    Enlarging without a layer of its own is taken from the decoder's blocks. pixels: (H, W) as acquired.
    """
    found: dict[str, list[tuple[str, Tensor]]] = {kind: [] for kind in KINDS}
    hooks = []
    for name, module in network.named_modules():
        for kind, fits in KINDS.items():
            if fits(module):
                hooks.append(module.register_forward_hook(_noted(found[kind], name)))
    real = nn.functional.interpolate

    def enlarged(picture: Tensor, *arguments: object, **options: object) -> Tensor:
        made: Tensor = real(picture, *arguments, **options)  # type: ignore[arg-type]
        found["up-samplings"].append((f"up-sampling {len(found['up-samplings']) + 1}", made[0]))
        return made

    nn.functional.interpolate = enlarged
    try:
        with torch.inference_mode():
            network.eval()(_shown(pixels))
    finally:
        nn.functional.interpolate = real
        for hook in hooks:
            hook.remove()
    return found


def _noted(layers: list[tuple[str, Tensor]], name: str) -> Callable[..., None]:
    def note(module: nn.Module, inputs: object, made: Tensor) -> None:
        layers.append((name, made[0]))

    return note


def _shown(pixels: GreyImage) -> Tensor:
    """(1, 1, h, w) in -1..1: the middle of the image, sides multiples of STRIDE."""
    rows, columns = (min(SIDE, max(STRIDE, side // STRIDE * STRIDE)) for side in pixels.shape)
    picture = clip_outliers(pixels)
    top, left = ((side - part) // 2 for side, part in zip(pixels.shape, (rows, columns), strict=True))
    part = picture[max(top, 0) :, max(left, 0) :][:rows, :columns]
    short = [(0, rows - part.shape[0]), (0, columns - part.shape[1])]
    return torch.from_numpy(np.pad(part, short, mode="symmetric"))[None, None] * 2 - 1


def sheet(
    layers: list[tuple[str, Tensor]], empty: str, tile: int = TILE, most: int = MOST, abreast: int = 1
) -> Image.Image:
    """A row of maps for each layer under its name and size; a picture of the sentence `empty` without any.

    tile: px of a map. most: maps of a layer. abreast: layers side by side, to be read downwards.
    """
    deep = -(-len(layers) // abreast) or 1
    wide, high = most * (tile + 4) + 8 * (abreast > 1), tile + 18
    picture = Image.new("L", (abreast * wide, deep * high), 255)
    pen = ImageDraw.Draw(picture)
    if not layers:
        pen.text((4, 4), empty, fill=0)
    for place, (name, maps) in enumerate(layers):
        channels, height, width = maps.shape
        left, top = place // deep * wide, place % deep * high
        said = f"{name}: {channels} maps of {width} x {height} px"
        if pen.textlength(said) > wide - 12:
            said = f"{name}: {channels}"
        while pen.textlength(said) > wide - 12:  # its end tells the layers apart
            said = f"..{said.removeprefix('..')[1:]}"
        pen.text((left + 2, top + 1), said, fill=0)
        for column, channel in enumerate(np.linspace(0, channels - 1, min(most, channels)).astype(int)):
            picture.paste(_grey(maps[channel], tile), (left + column * (tile + 4), top + 14))
    return picture


def _grey(values: Tensor, tile: int) -> Image.Image:
    found: NDArray[np.float32] = values.float().numpy()
    low, high = np.percentile(found, [1, 99])
    grey = (255 * (found - low) / max(float(high - low), 1e-9)).clip(0, 255).astype(np.uint8)
    height, width = grey.shape
    scale = tile / max(height, width)
    return Image.fromarray(grey).resize((max(1, round(width * scale)), max(1, round(height * scale))))
