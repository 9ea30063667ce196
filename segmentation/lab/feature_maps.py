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
from .files import write_picture

KINDS: dict[str, Callable[[nn.Module], bool]] = {
    "convolutions": lambda module: isinstance(module, nn.Conv2d),
    # Networks without max-pools halve their maps by convolutions in steps of 2.
    "max-pools": lambda module: isinstance(module, nn.MaxPool2d | nn.Conv2d) and module.stride in (2, (2, 2)),
    "up-samplings": lambda module: isinstance(module, nn.Upsample | nn.ConvTranspose2d),
}
SIDE = 512  # px of the image that is shown, from its middle
TILE, ACROSS, MOST = 96, 12, 12  # px of a map; maps in a row; maps shown of a layer, evenly among its channels
NONE = "This network has no {kind}: nothing is pooled or enlarged by a layer of that kind."


def write_feature_maps(network: nn.Module, pixels: GreyImage, out: Path) -> list[Path]:
    """Write convolutions.png, max-pools.png and up-samplings.png into `out`: a row for each layer in the order of its
    work, each map scaled to its own range. Enlarging without a layer of its own is taken from the decoder's blocks.

    pixels: (H, W) as acquired. Raises CannotWrite.
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
    files = []
    for kind, layers in found.items():
        files.append(out / f"{kind}.png")
        write_picture(files[-1], sheet(layers, NONE.format(kind=kind)))
    return files


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


def sheet(layers: list[tuple[str, Tensor]], empty: str) -> Image.Image:
    """A row of maps for each layer under its name and size; a picture of the sentence `empty` without any."""
    picture = Image.new("L", (ACROSS * (TILE + 4), max(1, len(layers)) * (TILE + 18)), 255)
    pen = ImageDraw.Draw(picture)
    if not layers:
        pen.text((4, 4), empty, fill=0)
    for row, (name, maps) in enumerate(layers):
        channels, height, width = maps.shape
        top = row * (TILE + 18)
        pen.text((2, top + 1), f"{name}: {channels} maps of {width} x {height} px", fill=0)
        for column, channel in enumerate(np.linspace(0, channels - 1, min(MOST, channels)).astype(int)):
            picture.paste(_grey(maps[channel]), (column * (TILE + 4), top + 14))
    return picture


def _grey(values: Tensor) -> Image.Image:
    found: NDArray[np.float32] = values.float().numpy()
    low, high = np.percentile(found, [1, 99])
    grey = (255 * (found - low) / max(float(high - low), 1e-9)).clip(0, 255).astype(np.uint8)
    height, width = grey.shape
    scale = TILE / max(height, width)
    return Image.fromarray(grey).resize((max(1, round(width * scale)), max(1, round(height * scale))))
