"""What calculates the networks: OpenVINO on a processor, torch on a GPU and where a model has no graph for the former.
Neither is imported before a network is loaded."""

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

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of malloc.h
RETAINED = 2**30
SERVER_FOLDER = "NETWORK_SERVER_FOLDER"  # the variable that a server of networks and its siblings inherit
STRIDE = 32  # sides of a network's input are multiples of this
NO_GRAPH = "The model {name}, published without a graph for processors,"
Activation = Literal["sigmoid", "softmax"]
Box = tuple[slice, slice]
Maps = NDArray[np.uint8]
Picture = NDArray[np.float32]


class Network(Protocol):
    """A loaded model, whichever library calculates it.

    engine: the library and its precision, such as "openvino bfloat16". tile: side in px, without its halos, of
    the largest window that memory allows.
    """

    engine: str
    tile: int

    def maps(self, pictures: Picture, box: Box, activation: Activation) -> Maps:
        """The maps (B, M, h, w) uint8, 0..255 for 0..1, of the part `box` of each of a batch of windows.

        pictures: (B, C, H, W) float32 in 0..1, with H and W multiples of STRIDE.
        """
        ...

    def rest(self) -> None:
        """Let go of the memory in which windows are calculated, until the next one comes."""
        ...


@dataclass(frozen=True)
class Runtime:
    """device: "auto" (a GPU where there is one), "cpu", "cuda", ...; precision: "auto", "bfloat16", "float32"; engine:
    "auto", "openvino" (processors only) or "torch"; threads: of OpenVINO, 0 for one on each core."""

    device: str = "auto"
    precision: str = "auto"
    engine: str = "auto"
    threads: int = 0

    def engine_for(self, card: ModelCard) -> str:
        """The name of the library that calculates this model; raises TorchMissing where only torch could."""
        if self.engine != "auto":
            return self.engine
        if self.on_processor and card.graph and find_spec("openvino"):
            return "openvino"
        need_torch(NO_GRAPH.format(name=card.name) if self.on_processor else f"The device {self.device}")
        return "torch"

    @property
    def on_processor(self) -> bool:
        return self.device == "cpu" or (self.device == "auto" and not has_gpu())


@cache
def has_gpu() -> bool:
    """Whether torch may find a GPU of NVIDIA: its driver is asked, because the import of torch takes seconds."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1")
        answered = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except OSError:
        return False
    return answered and count.value > 0 and find_spec("torch") is not None


@cache
def keep_freed_memory() -> None:
    """Let the process keep memory that it frees, up to RETAINED bytes, for its next layer or array.

    By default glibc returns every large block to the system and requests it again: page faults took up to half of a
    network's time. Other C libraries are not changed.
    """
    if libc := _glibc():
        for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(option, RETAINED)
        libc.mallopt(M_ARENA_MAX, 1)  # malloc_trim returns what is free at the end of the first arena alone


def give_freed_memory_back() -> None:
    """Return freed memory to the system, after work that will not be repeated soon."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if os.name == "nt":  # where no library of the process itself can be asked for
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None


_loaded: dict[tuple[str, str, Runtime], Network] = {}


def load_network(card: ModelCard, runtime: Runtime, maps: int) -> Network:
    """The card's network of so many maps with its weights, ready to predict; kept in the process until `unload`.

    Raises AlteredWeights when the files are not the card's, UnknownArchitecture when the card builds no network,
    NoDevice, TorchMissing, and what `served.ServedNetwork` raises of a network that another process calculates.
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
    """Return to the system what a process needs for work alone; its networks stay loaded."""
    for network in _loaded.values():
        network.rest()
    gc.collect()
    give_freed_memory_back()


def unload(card: ModelCard) -> None:
    """Forget the card's networks: a training looks at many models, each once."""
    for key in [key for key in _loaded if key[0] == card.sha256]:
        del _loaded[key]
