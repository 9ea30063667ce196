"""Where and how precisely a network runs, and networks kept loaded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from .architectures import build
from .cards import AlteredWeights, ModelCard, check_weights


@dataclass(frozen=True)
class Runtime:
    """device: "auto" (a GPU where there is one), "cpu", "cuda", ...; precision: "auto", "bfloat16", "float32"."""

    device: str = "auto"
    precision: str = "auto"

    def torch_device(self) -> torch.device:
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)

    def torch_dtype(self) -> torch.dtype:
        if self.precision == "auto":
            return fastest_dtype(self.torch_device())
        return {"bfloat16": torch.bfloat16, "float32": torch.float32}[self.precision]


@cache
def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where a small convolution is faster in it; processors without it emulate it slowly."""
    if device.type != "cpu":
        return torch.bfloat16
    spent = {dtype: _time_convolution(dtype) for dtype in (torch.bfloat16, torch.float32)}
    return min(spent, key=lambda dtype: spent[dtype])


@torch.inference_mode()
def _time_convolution(dtype: torch.dtype) -> float:
    layer = nn.Conv2d(32, 32, 3, padding=1).to(memory_format=torch.channels_last)
    picture = torch.randn(1, 32, 128, 128).to(memory_format=torch.channels_last)
    best = float("inf")
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        for _ in range(4):
            began = time.perf_counter()
            layer(picture)
            best = min(best, time.perf_counter() - began)
    return best


_loaded: dict[tuple[str, str, Runtime], nn.Module] = {}


def load_network(card: ModelCard, runtime: Runtime, maps: int) -> nn.Module:
    """The card's network of so many maps with its weights, ready to predict; kept for the life of the process.

    Raises AlteredWeights when the file is not the card's, UnknownArchitecture when the card builds no network.
    """
    key = (card.sha256, str(card.architecture), runtime)
    if key not in _loaded:
        network = build(card.architecture, maps)
        try:
            network.load_state_dict(read_weights(card))
        except RuntimeError as error:
            raise AlteredWeights(
                f"The weights of the model {card.name} belong to another architecture than its card says."
            ) from error
        network = network.eval().requires_grad_(False).to(runtime.torch_device())
        _loaded[key] = network.to(memory_format=torch.channels_last)
    return _loaded[key]


def read_weights(card: ModelCard) -> dict[str, torch.Tensor]:
    """The card's tensors by name, in single precision; raises AlteredWeights when they are not the card's."""
    check_weights(card)
    try:
        return {name: value.float() for name, value in load_file(card.weights).items()}
    except SafetensorError as error:
        raise AlteredWeights(f"The weights of the model {card.name} are no safetensors file: {error}.") from error
