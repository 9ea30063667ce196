"""Calculates networks with torch: on a GPU, in the lab, and for models without a graph for OpenVINO.

The last layers of a U-Net take most of its time and memory, but each of their results depends only on a few pixels
around it. So they are calculated in parts, which saves memory, and only where maps are needed, without the halo.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from itertools import product

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from segmentation_models_pytorch import Unet
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .architectures import build
from .cards import AlteredWeights, ModelCard, NoDevice, check_weights
from .runtime import Activation, Box, Maps, Picture, Runtime

TILE_PX = 2048  # side of a tile for networks that work in parts: with its halo a tile takes up to 1.6 GB
TILE_AT_ONCE_PX = {torch.float32: 1024, torch.bfloat16: 1536}  # for other networks: up to 1.4 GB
PART_PX = 1024  # side of a part
MARGIN_PX = 16  # around a part; these pixels are calculated, too, because the last blocks need them
LAST_BLOCKS = 3  # blocks of the decoder that work in parts; their inputs have 1/8, 1/4 and 1/2 of the resolution


def device_of(runtime: Runtime) -> torch.device:
    """The requested device; raises NoDevice."""
    if runtime.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=runtime.device).device
    except (RuntimeError, AssertionError) as error:  # the latter if torch was built without the device
        raise NoDevice(
            f"There is no device {runtime.device!r}, or it is not to be had here: take auto or cpu."
        ) from error


def dtype_of(runtime: Runtime) -> torch.dtype:
    """The requested number type, or the fastest one of the device; raises NoDevice."""
    if runtime.precision == "auto":
        # bfloat16 on a GPU and on processors that calculate in it; other processors emulate it slowly. Capabilities are
        # queried and not timed, so that other programs on the machine cannot change the last digits of a result.
        capabilities, device = torch.cpu.get_capabilities(), device_of(runtime)
        has_bfloat16 = device.type != "cpu" or any(
            capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16")
        )
        return torch.bfloat16 if has_bfloat16 else torch.float32
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[runtime.precision]


def without_cudnn() -> AbstractContextManager[None]:
    """A block in which a GPU calculates convolutions with torch's own code, in full single precision.

    cuDNN plans each convolution anew for every size of a picture, and each analysis has other sizes: 1.7 s of planning
    for 7 ms of calculation (H200, docs/development/engine.md).
    """
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=False)
    return flags


class TorchNetwork:
    """A card's network, as a `runtime.Network`. module: the torch module.

    Raises AlteredWeights, UnknownArchitecture, NoDevice.
    """

    def __init__(self, card: ModelCard, runtime: Runtime, maps: int) -> None:
        with without_cudnn():
            self._use(folded(load_module(card, maps).to(device_of(runtime))), runtime)

    @classmethod
    def of(cls, module: nn.Module, runtime: Runtime) -> TorchNetwork:
        """A module in memory, which must lie on the runtime's device, as a network; nothing is folded."""
        network = cls.__new__(cls)
        with without_cudnn():
            network._use(module, runtime)
        return network

    def _use(self, module: nn.Module, runtime: Runtime) -> None:
        self._device, self._in_parts = device_of(runtime), works_in_parts(module)
        # On a GPU "auto" is float32: bfloat16 saves hardly any time there, and changes outlines.
        is_exact = self._device.type != "cpu" and runtime.precision == "auto"
        self._dtype = dtype = torch.float32 if is_exact else dtype_of(runtime)
        self.module = module.to(dtype).to(memory_format=torch.channels_last)
        self.tile = TILE_PX if self._in_parts else TILE_AT_ONCE_PX[dtype]
        device = "" if self._device.type == "cpu" else f" {self._device.type}"
        self.engine = f"torch {str(dtype).removeprefix('torch.')}{device}"

    @torch.inference_mode()
    def maps(self, pictures: Picture, box: Box, activation: Activation) -> Maps:
        batch = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device) * 2 - 1
        batch = batch.contiguous(memory_format=torch.channels_last)
        (top, bottom), (left, right) = ((side.start, side.stop) for side in box)
        maps: Maps = np.empty((len(batch), 0, bottom - top, right - left), np.uint8)
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32)
        with autocast, without_cudnn() if self._in_parts else nullcontext():
            whole = (box, self.module(batch)[..., box[0], box[1]]) if not self._in_parts else None
            for (rows, columns), logits in [whole] if whole else logits_of_parts(self.module, batch, box):
                raw = logits.float()
                shares = raw.softmax(1) if activation == "softmax" else raw.sigmoid()
                if not maps.size:
                    maps = np.empty((len(maps), raw.shape[1], *maps.shape[2:]), np.uint8)
                levels = shares.mul_(255).round_().to(torch.uint8).cpu().numpy()
                maps[..., rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = levels
        return maps

    def rest(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def load_module(card: ModelCard, maps: int) -> nn.Module:
    """The card's network in single precision on the processor; raises what `TorchNetwork` raises. maps: number of
    its maps."""
    network, weights = build(card.architecture, maps), read_weights(card)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise AlteredWeights(
            f"The weights of the model {card.name} belong to another architecture than its card says."
        ) from error
    return network.eval().requires_grad_(False)


def folded(network: nn.Module) -> nn.Module:
    """A copy in which batch normalisations are merged into the convolutions before them; the network itself if the copy
    gives other maps.

    The copy takes four fifths of the time and six tenths of the memory. The order in which modules were registered is
    taken as the order in which they are calculated; running both networks on one picture checks this.
    """
    copy = deepcopy(network)
    for parent in list(copy.modules()):
        children = list(parent.named_children())
        for (before, convolution), (name, norm) in itertools.pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, before, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, name, getattr(norm, "act", nn.Identity()))  # timm's normalisations hold the activation
    layer = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    with torch.inference_mode():
        picture = torch.linspace(-1, 1, 64 * 64 * layer.in_channels, device=layer.weight.device)
        picture = picture.sin().reshape(1, layer.in_channels, 64, 64)
        are_equal = torch.allclose(copy(picture), network(picture), rtol=1e-3, atol=1e-3)
    return copy if are_equal else network


def read_weights(card: ModelCard) -> dict[str, torch.Tensor]:
    """The card's tensors by name, in single precision; raises AlteredWeights if the file is not that of the card."""
    check_weights(card)
    try:
        return {name: value.float() for name, value in load_file(card.weights).items()}
    except SafetensorError as error:
        raise AlteredWeights(f"The weights of the model {card.name} are no safetensors file: {error}.") from error


def logits_of_parts(network: Unet, pictures: torch.Tensor, box: Box) -> Iterator[tuple[Box, torch.Tensor]]:
    """The parts of `box`, each with its logits (B, M, h, w), which are equal to those of network(pictures).

    pictures: (B, C, H, W). The ends of the box are multiples of MARGIN_PX.
    """
    skips = network.encoder(pictures)[1:]
    features, blocks = network.decoder.center(skips.pop()), list(network.decoder.blocks)
    for block in blocks[:-LAST_BLOCKS]:
        features = _up(block, features, skips.pop())
    rows, columns = (
        [slice(start, min(start + PART_PX, side.stop)) for start in range(side.start, side.stop, PART_PX)]
        for side in box
    )
    for part in product(rows, columns):
        window = _slice_with_margin(part[0], pictures.shape[-2]), _slice_with_margin(part[1], pictures.shape[-1])
        local, skips_left = _crop(features, window, 2**LAST_BLOCKS), list(skips)
        for number, block in enumerate(blocks[-LAST_BLOCKS:], start=1):
            skip = _crop(skips_left.pop(), window, 2 ** (LAST_BLOCKS - number)) if skips_left else None
            local = _up(block, local, skip)
        inside = tuple(slice(p.start - s.start, p.stop - s.start) for p, s in zip(part, window, strict=True))
        yield part, network.segmentation_head(local)[..., inside[0], inside[1]]


def _slice_with_margin(part: slice, side: int) -> slice:
    return slice(max(0, part.start - MARGIN_PX), min(side, part.stop + MARGIN_PX))


def _up(block: nn.Module, features: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
    """The output of a block of the decoder, at twice the resolution."""
    height, width = features.shape[-2:]
    larger: torch.Tensor = block(features, 2 * height, 2 * width, skip_connection=skip)
    return larger


def _crop(features: torch.Tensor, box: Box, stride: int) -> torch.Tensor:
    """The part of features with 1 / stride of the picture's resolution that belongs to a box of the picture."""
    rows, columns = (slice(s.start // stride, s.stop // stride) for s in box)
    return features[..., rows, columns]


def works_in_parts(network: nn.Module) -> bool:
    """Whether a network gives the same logits in parts, checked on one picture."""
    if not isinstance(network, Unet) or len(network.decoder.blocks) <= LAST_BLOCKS:
        return False
    if any(isinstance(module, nn.AdaptiveAvgPool2d) for module in network.decoder.blocks.modules()):
        return False  # such attention needs the mean over the whole picture
    layer = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    picture = torch.linspace(-1, 1, 96 * 128 * layer.in_channels, device=layer.weight.device).mul(40).sin()
    picture = picture.reshape(1, layer.in_channels, 96, 128)
    box = slice(32, 64), slice(32, 96)
    with torch.inference_mode():
        whole = network(picture)[..., box[0], box[1]]
        return all(
            torch.allclose(logits, whole, rtol=1e-3, atol=1e-3) for _, logits in logits_of_parts(network, picture, box)
        )
