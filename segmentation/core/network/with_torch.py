"""Networks by torch: on a GPU, in the lab, and where a model has no graph for OpenVINO."""

from __future__ import annotations

import itertools
from copy import deepcopy

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .architectures import build
from .cards import AlteredWeights, ModelCard, NoDevice, check_weights
from .parts import logits_of_parts, works_in_parts
from .runtime import Activation, Box, Maps, Picture, Runtime

TILE = 2048  # px, of a network that works in parts: with its halo a tile takes up to 1.6 GB
TILE_AT_ONCE = {torch.float32: 1024, torch.bfloat16: 1536}  # px, of any other, for 1.4 GB


def device_of(runtime: Runtime) -> torch.device:
    """Raises NoDevice."""
    if runtime.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=runtime.device).device
    except (RuntimeError, AssertionError) as error:  # the latter if torch was built without the device
        raise NoDevice(
            f"There is no device {runtime.device!r}, or it is not to be had here: take auto or cpu."
        ) from error


def dtype_of(runtime: Runtime) -> torch.dtype:
    """What networks calculate in; raises NoDevice."""
    if runtime.precision == "auto":
        return fastest_dtype(device_of(runtime))
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[runtime.precision]


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU and on processors that calculate in it; others emulate it slowly.

    The processor is queried, not timed: other programs on the machine must not change the last digits of a result.
    """
    abilities = torch.cpu.get_capabilities()
    able = device.type != "cpu" or any(abilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return torch.bfloat16 if able else torch.float32


class TorchNetwork:
    """A card's network; `runtime.Network` says what it offers. module: the network itself.

    Raises AlteredWeights, UnknownArchitecture, NoDevice.
    """

    def __init__(self, card: ModelCard, runtime: Runtime, maps: int) -> None:
        device, dtype = device_of(runtime), dtype_of(runtime)
        self._use(folded(load_module(card, maps).to(device)), device, dtype)

    @classmethod
    def of(cls, module: nn.Module, runtime: Runtime) -> TorchNetwork:
        """A network in memory, as it is; it lies on the runtime's device."""
        network = cls.__new__(cls)
        network._use(module, device_of(runtime), dtype_of(runtime))
        return network

    def _use(self, module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype, self._in_parts = device, dtype, works_in_parts(module)
        self.module = module.to(dtype).to(memory_format=torch.channels_last)
        self.tile = TILE if self._in_parts else TILE_AT_ONCE[dtype]
        self.engine = f"torch {str(dtype).removeprefix('torch.')}" + f" {device.type}" * (device.type != "cpu")

    @torch.inference_mode()
    def maps(self, pictures: Picture, box: Box, activation: Activation) -> Maps:
        batch = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device) * 2 - 1
        batch = batch.contiguous(memory_format=torch.channels_last)
        (top, bottom), (left, right) = ((side.start, side.stop) for side in box)
        maps: Maps = np.empty((len(batch), 0, bottom - top, right - left), np.uint8)
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            whole = (box, self.module(batch)[..., box[0], box[1]]) if not self._in_parts else None
            for (rows, columns), logits in [whole] if whole else logits_of_parts(self.module, batch, box):
                raw = logits.float()
                shares = raw.softmax(1) if activation == "softmax" else raw.sigmoid()
                if not maps.size:
                    maps = np.empty((len(maps), raw.shape[1], *maps.shape[2:]), np.uint8)
                levels = shares.mul_(255).round_().to(torch.uint8).cpu().numpy()
                maps[..., rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = levels
        return maps


def load_module(card: ModelCard, maps: int) -> nn.Module:
    """The card's network of so many maps in single precision on the processor; raises as `TorchNetwork`."""
    network = build(card.architecture, maps)
    try:
        network.load_state_dict(read_weights(card))
    except RuntimeError as error:
        raise AlteredWeights(
            f"The weights of the model {card.name} belong to another architecture than its card says."
        ) from error
    return network.eval().requires_grad_(False)


def folded(network: nn.Module) -> nn.Module:
    """A copy whose batch normalisations are part of the convolutions before them, where that changes nothing.

    It takes four fifths of the time and six tenths of the memory. The order of registration shows which convolution
    precedes which normalisation; this is verified by running both networks on one picture.
    """
    copy = deepcopy(network)
    for parent in list(copy.modules()):
        children = list(parent.named_children())
        for (before, convolution), (name, norm) in itertools.pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, before, fuse_conv_bn_eval(convolution, norm))
                setattr(parent, name, getattr(norm, "act", nn.Identity()))  # timm's hold the activation
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    with torch.inference_mode():
        picture = torch.linspace(-1, 1, 64 * 64 * first.in_channels, device=first.weight.device)
        picture = picture.sin().reshape(1, first.in_channels, 64, 64)
        alike = torch.allclose(copy(picture), network(picture), rtol=1e-3, atol=1e-3)
    return copy if alike else network


def read_weights(card: ModelCard) -> dict[str, torch.Tensor]:
    """The card's tensors by name, in single precision; raises AlteredWeights when they are not the card's."""
    check_weights(card)
    try:
        return {name: value.float() for name, value in load_file(card.weights).items()}
    except SafetensorError as error:
        raise AlteredWeights(f"The weights of the model {card.name} are no safetensors file: {error}.") from error
