"""Draws the feature maps of a network: the outputs of its convolution, max-pool and up-sampling layers for an image."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...core.micrograph.contrast import clip_outliers
from ...core.micrograph.types import GreyImage
from ...core.network.cards import LAYERS
from ...core.network.resample import resize
from ...core.network.runtime import STRIDE
from ..training.contract import Maps
from ..training.files import write_picture

# Kind of layer -> whether a module is of this kind. The files are named after the kinds.
KINDS: dict[str, Callable[[nn.Module], bool]] = {
    LAYERS[0]: lambda module: isinstance(module, nn.Conv2d),
    # Networks without max-pools halve their maps by convolutions in steps of 2, which are listed here.
    LAYERS[1]: lambda module: isinstance(module, nn.MaxPool2d | nn.Conv2d) and module.stride in (2, (2, 2)),
    LAYERS[2]: lambda module: isinstance(module, nn.ConvTranspose2d),
}
ALL_LAYERS = "all"  # may be given in place of the name of a layer
LARGEST_PX = 2**22  # pixels of a picture; a larger picture is reduced, because its maps would need gigabytes
TILE_PX = 96  # side of a map
MAPS_PER_LAYER = 12  # spread evenly over the channels of the layer
SMALL_SHEET = (24, 5, 4)  # pictures beside a model's card: `tile`, `limit` and `columns` of `sheet`
WHOLE_MAP_PX = 256  # longest side of a map in the picture of all maps of a layer
NO_LAYERS = "This network has no {kind}: nothing is pooled or enlarged by a layer of that kind."
STRIDED = "(a convolution in steps of 2, no max-pool)"
STRIDED_TITLE = "Convolutions in steps of 2, which halve the maps, as this network has no max-pools"


class UnknownLayer(ValueError):
    """The network has no such layer; the message lists its layers."""


class Layer(NamedTuple):
    """The output of a layer. shape: (channels, h, w). maps: (m, h, w) uint8, m of its channels, each scaled to its
    range of values."""

    name: str
    shape: tuple[int, int, int]
    maps: Maps


def write_feature_maps(network: nn.Module, pixels: GreyImage, out: Path) -> list[Path]:
    """Write convolutions.png, max-pools.png and up-samplings.png into `out`: a row for each layer in the
    order of the forward pass, with up to MAPS_PER_LAYER maps.

    pixels: (H, W) as acquired. Raises CannotWrite.
    """
    files = []
    for kind, layers in feature_maps(network, pixels).items():
        files.append(out / f"{kind}.png")
        write_picture(files[-1], sheet(layers, NO_LAYERS.format(kind=kind)))
    return files


def write_layers(network: nn.Module, pixels: GreyImage, names: Collection[str], out: Path) -> list[Path]:
    """Write a picture of every map of each layer of these names, or of all layers (ALL_LAYERS), into `out`.

    Raises UnknownLayer, CannotWrite.
    """
    layers = {
        layer.name: layer
        for layers_of_kind in feature_maps(network, pixels, names).values()
        for layer in layers_of_kind
    }
    if unknown := set(names) - set(layers) - {ALL_LAYERS}:
        layer_names = [name for name, module in network.named_modules() if any(fits(module) for fits in KINDS.values())]
        raise UnknownLayer(f"There is no layer {min(unknown)}. The layers are {', '.join(layer_names)}.")
    files = []
    for name, layer in layers.items():
        if STRIDED not in name:  # a strided convolution is listed twice; the second name contains STRIDED
            files.append(out / f"{re.sub('[. #()]+', '-', name)}.png")
            write_picture(files[-1], every_map(layer))
    return files


def feature_maps(
    network: nn.Module, pixels: GreyImage, names: Collection[str] = (), limit: int = MAPS_PER_LAYER
) -> dict[str, list[Layer]]:
    """For each of KINDS the layers of the network with their maps, in the order of the forward pass.

    pixels: (H, W) as acquired. names: only the layers of these names (ALL_LAYERS: all layers), with all their maps;
    without names all layers, with up to `limit` maps each. Every call of `interpolate` is listed as an up-sampling,
    too, because decoders enlarge their maps by it.
    """
    layers_by_kind: dict[str, list[Layer]] = {kind: [] for kind in KINDS}
    hooks = []

    def add_layer(kind: str, name: str, output: Tensor) -> None:
        if not names or ALL_LAYERS in names or name in names:
            # A network may use one module twice.
            times = sum(layer.name.partition(" #")[0] == name for layer in layers_by_kind[kind])
            title = f"{name} #{times + 1}" if times else name
            layers_by_kind[kind].append(_layer(title, output[0], None if names else limit))

    for name, module in network.named_modules():
        for kind, fits in KINDS.items():
            if fits(module):
                is_strided = kind == LAYERS[1] and isinstance(module, nn.Conv2d)
                title = f"{name} {STRIDED}" if is_strided else name
                hooks.append(
                    module.register_forward_hook(lambda *call, layer=(kind, title): add_layer(*layer, call[-1]))
                )
    picture = clip_outliers(pixels)
    if picture.size > LARGEST_PX:
        picture = resize(picture, (LARGEST_PX / picture.size) ** 0.5)
    padded = np.pad(picture, [(0, -side % STRIDE) for side in picture.shape], mode="symmetric")
    try:
        with torch.inference_mode(), _Interpolations(partial(add_layer, LAYERS[2])):
            network.eval()(torch.from_numpy(padded)[None, None] * 2 - 1)
    finally:
        for hook in hooks:
            hook.remove()
    return layers_by_kind


class _Interpolations(TorchFunctionMode):
    """A context in which `add_layer` is called with a name and the result of every `interpolate`. (torchvision's
    create_feature_extractor cannot trace U-Net++, FPN, LinkNet or DeepLab, and keeps the maps of all layers.)"""

    def __init__(self, add_layer: Callable[[str, Tensor], None]) -> None:
        super().__init__()
        self.add_layer, self.count = add_layer, 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = function(*args, **(kwargs or {}))
        if function is nn.functional.interpolate:
            self.count += 1
            self.add_layer(f"up-sampling {self.count}", output)
        return output


def _layer(name: str, output: Tensor, limit: int | None) -> Layer:
    channels, height, width = output.shape
    shown_channels = (
        range(channels) if limit is None else np.linspace(0, channels - 1, min(limit, channels)).astype(int).tolist()
    )
    maps = []
    for channel in shown_channels:
        grey = output[channel].float().numpy()
        low, high = np.percentile(grey, [1, 99])
        maps.append((255 * (grey - low) / max(float(high - low), 1e-9)).clip(0, 255).astype(np.uint8))
    return Layer(name, (channels, height, width), np.stack(maps))


def sheet(
    layers: list[Layer], empty: str, tile: int = TILE_PX, limit: int = MAPS_PER_LAYER, columns: int = 1
) -> Image.Image:
    """A picture with a row of maps for each layer under its name and size; without layers the sentence `empty`.

    tile: px of a map. limit: maps of a layer. columns: number of columns of layers, filled from top to bottom.
    """
    layers_per_column = -(-len(layers) // columns) or 1
    cell_width, cell_height = limit * (tile + 4) + 8 * (columns > 1), tile + 18
    picture = Image.new("L", (columns * cell_width, layers_per_column * cell_height), 255)
    pen = ImageDraw.Draw(picture)
    if not layers:
        pen.text((4, 4), empty, fill=0)
    for position, (name, (channels, height, width), maps) in enumerate(layers):
        x, y = position // layers_per_column * cell_width, position % layers_per_column * cell_height
        caption = f"{name}: {channels} maps of {width} x {height} px"
        if pen.textlength(caption) > cell_width - 12:
            caption = f"{name}: {channels}"
        while pen.textlength(caption) > cell_width - 12:  # the end of a name differs between layers
            caption = f"..{caption.removeprefix('..')[1:]}"
        pen.text((x + 2, y + 1), caption, fill=0)
        for column, channel in enumerate(maps[:limit]):
            picture.paste(_resized_to_fit(channel, tile), (x + column * (tile + 4), y + 14))
    return picture


def every_map(layer: Layer) -> Image.Image:
    """A picture, about square, of all maps of a layer under its name and size."""
    channels, height, width = layer.shape
    tiles = [_resized_to_fit(channel, min(WHOLE_MAP_PX, max(channel.shape))) for channel in layer.maps]
    tile_width, tile_height = (side + 4 for side in tiles[0].size)
    # The heading is about 400 px wide.
    tiles_per_row = max(1, round((channels * tile_height / tile_width) ** 0.5), -(-400 // tile_width))
    picture = Image.new("L", (tiles_per_row * tile_width, -(-channels // tiles_per_row) * tile_height + 16), 255)
    heading = f"{layer.name}: {channels} maps of {width} x {height} px"
    ImageDraw.Draw(picture).text((2, 1), heading, fill=0)
    for number, tile in enumerate(tiles):
        picture.paste(tile, (number % tiles_per_row * tile_width, number // tiles_per_row * tile_height + 16))
    return picture


def _resized_to_fit(grey: Maps, side: int) -> Image.Image:
    height, width = grey.shape
    scale = side / max(height, width)
    return Image.fromarray(grey).resize((max(1, round(width * scale)), max(1, round(height * scale))))
