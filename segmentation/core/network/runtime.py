"""The device and the precision of networks, and a cache of loaded networks."""

from __future__ import annotations

import ctypes
import itertools
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .architectures import build
from .cards import AlteredWeights, ModelCard, NoDevice, check_weights
from .parts import IN_PARTS, works_in_parts

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
RETAINED = 2**30


@dataclass(frozen=True)
class Runtime:
    """device: "auto" (a GPU where there is one), "cpu", "cuda", ...; precision: "auto", "bfloat16", "float32"."""

    device: str = "auto"
    precision: str = "auto"

    def torch_device(self) -> torch.device:
        """Raises NoDevice."""
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            return torch.zeros(1, device=self.device).device
        except (RuntimeError, AssertionError) as error:  # the latter if torch was built without the device
            raise NoDevice(
                f"There is no device {self.device!r}, or it is not to be had here: take auto or cpu."
            ) from error

    def torch_dtype(self) -> torch.dtype:
        if self.precision == "auto":
            return fastest_dtype(self.torch_device())
        return {"bfloat16": torch.bfloat16, "float32": torch.float32}[self.precision]


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU and on processors that calculate in it; others emulate it slowly.

    The processor is queried, not timed: other programs on the machine must not change the last digits of a result.
    """
    known = torch.cpu.get_capabilities()
    able = device.type != "cpu" or any(known.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return torch.bfloat16 if able else torch.float32


@cache
def keep_freed_memory() -> None:
    """Let the process keep memory that it frees, up to RETAINED bytes, for its next layer or array.

    By default glibc returns every large block to the system and requests it again: page faults took up to half of a
    network's time. Other C libraries are not changed.
    """
    if libc := _glibc():
        for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(option, RETAINED)


def give_freed_memory_back() -> None:
    """Return freed memory to the system, after work that will not be repeated soon."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None


_loaded: dict[tuple[str, str, Runtime], nn.Module] = {}


def load_network(card: ModelCard, runtime: Runtime, maps: int) -> nn.Module:
    """The card's network of so many maps with its weights, ready to predict; kept for the life of the process.

    Raises AlteredWeights when the file is not the card's, UnknownArchitecture when the card builds no network.
    """
    key = (card.sha256, str(card.architecture), runtime)
    if key not in _loaded:
        keep_freed_memory()
        network = build(card.architecture, maps)
        try:
            network.load_state_dict(read_weights(card))
        except RuntimeError as error:
            raise AlteredWeights(
                f"The weights of the model {card.name} belong to another architecture than its card says."
            ) from error
        network = folded(network.eval().requires_grad_(False).to(runtime.torch_device()))
        setattr(network, IN_PARTS, works_in_parts(network))
        _loaded[key] = network.to(runtime.torch_dtype()).to(memory_format=torch.channels_last)
    return _loaded[key]


def unload(card: ModelCard) -> None:
    """Forget the card's networks: a training looks at many models, each once."""
    for key in [key for key in _loaded if key[0] == card.sha256]:
        del _loaded[key]


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
    first = next(each for each in network.modules() if isinstance(each, nn.Conv2d))
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
