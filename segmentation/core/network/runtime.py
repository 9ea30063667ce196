"""Loads networks and chooses the library that calculates them: OpenVINO on a processor; torch on a GPU, and for models
without a graph for OpenVINO. Neither library is imported before a network is loaded."""

from __future__ import annotations

import ctypes
import gc
import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .cards import ModelCard, check_weights, need_torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # options of glibc's mallopt (malloc.h)
RETAINED_BYTES = 2**30  # bytes of freed memory that a process keeps
SERVER_FOLDER = "NETWORK_SERVER_FOLDER"  # name of an environment variable: the folder of the server in `served`
STRIDE = 32  # sides of a network's input are multiples of this
NO_GRAPH = "The model {name}, published without a graph for processors,"
Activation = Literal["sigmoid", "softmax"]
Box = tuple[slice, slice]
Maps = NDArray[np.uint8]
Picture = NDArray[np.float32]


class Network(Protocol):
    """A loaded model of any library.

    engine: the library and its precision, such as "openvino bfloat16". tile: side in px of the largest window that
    memory allows, without its halos.
    """

    engine: str
    tile: int

    def maps(self, pictures: Picture, box: Box, activation: Activation) -> Maps:
        """The maps (B, M, h, w) uint8, 0..255 for 0..1, of the part `box` of each window of a batch.

        pictures: (B, C, H, W) float32 in 0..1, with H and W multiples of STRIDE.
        """
        ...

    def rest(self) -> None:
        """Free the memory in which windows are calculated, until the next window comes."""
        ...


@dataclass(frozen=True)
class Runtime:
    """How networks are calculated. device: "auto" (a GPU if there is one), "cpu", "cuda", ...; precision: "auto",
    "bfloat16", "float32"; engine: "auto", "openvino" (processors only) or "torch"; threads: number for OpenVINO, 0 for
    one on each core."""

    device: str = "auto"
    precision: str = "auto"
    engine: str = "auto"
    threads: int = 0

    def engine_for(self, card: ModelCard) -> str:
        """The name of the library that calculates this model; raises TorchMissing if torch is needed but missing."""
        if self.engine != "auto":
            return self.engine
        if self.on_processor and card.graph and find_spec("openvino"):
            return "openvino"
        need_torch(NO_GRAPH.format(name=card.name) if self.on_processor else f"The device {self.device}")
        return "torch"

    @property
    def on_processor(self) -> bool:
        """Whether networks are calculated on the processor, not on a GPU."""
        return self.device == "cpu" or (self.device == "auto" and not has_gpu())


@cache
def has_gpu() -> bool:
    """Whether torch is installed and NVIDIA's driver reports a GPU. The driver is asked instead of torch, because the
    import of torch takes seconds."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1")
        has_answered = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except OSError:
        return False
    return has_answered and count.value > 0 and find_spec("torch") is not None


@cache
def keep_freed_memory() -> None:
    """Let the process keep up to RETAINED_BYTES bytes of freed memory, to use them again for its next layer or array.

    By default glibc returns every large block to the system and requests it again; the page faults took up to half of a
    network's time. With other C libraries nothing is done.
    """
    if libc := _glibc():
        for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(option, RETAINED_BYTES)
        libc.mallopt(M_ARENA_MAX, 1)  # malloc_trim returns only memory of the first arena


def give_freed_memory_back() -> None:
    """Return freed memory to the system, after work that will not be repeated soon."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if os.name == "nt":  # there CDLL(None) is not possible
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None


_loaded: dict[tuple[str, str, Runtime], Network] = {}


def load_network(card: ModelCard, runtime: Runtime, maps: int) -> Network:
    """The card's network with its weights, ready to predict. It stays loaded in this process until `unload`.

    maps: number of maps that it gives. Raises AlteredWeights if the files are not those of the card,
    UnknownArchitecture if the card's architecture cannot be built, NoDevice, TorchMissing and, if a server calculates
    the network, what `served.ServedNetwork` raises.
    """
    key = (card.sha256, str(card.architecture), runtime)
    if key not in _loaded:
        keep_freed_memory()
        check_weights(card)
        if runtime.engine_for(card) == "openvino":
            from .with_openvino import OpenVinoNetwork

            _loaded[key] = OpenVinoNetwork(card, runtime.precision, runtime.threads)
        elif SERVER_FOLDER in os.environ:
            from .served import ServedNetwork

            _loaded[key] = ServedNetwork(card, runtime, maps)
        else:
            from .with_torch import TorchNetwork

            _loaded[key] = TorchNetwork(card, runtime, maps)
    return _loaded[key]


def give_memory_back() -> None:
    """Return memory to the system that the process needs only while it works; its networks stay loaded."""
    for network in _loaded.values():
        network.rest()
    gc.collect()
    give_freed_memory_back()


def unload(card: ModelCard) -> None:
    """Remove the card's networks from memory. A training needs this, because it uses many models, each once."""
    for key in [key for key in _loaded if key[0] == card.sha256]:
        del _loaded[key]
