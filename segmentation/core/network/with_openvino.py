"""Calculates networks on a processor with OpenVINO, from the graph beside the weights (`graph.py` writes it)."""

from __future__ import annotations

import os
import sys

import numpy as np

from .cards import REPAIR, AlteredWeights, ModelCard, graph_of
from .runtime import Activation, Box, Maps, Picture

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it would report each import to its makers

os.environ.setdefault("HWLOC_HIDE_ERRORS", "2")  # else hwloc warns in containers, which hide parts of the processor

import openvino as ov  # noqa: E402

TILE_PX = {"bfloat16": 2048, "float32": 1280}  # side of a tile: with its halo a tile takes up to 1.9 GB of memory
TYPES = {"bfloat16": ov.Type.bf16, "float32": ov.Type.f32}


class OpenVinoNetwork:
    """A card's network, as a `runtime.Network`.

    precision: "auto" takes bfloat16 on processors that calculate in it, else float32. threads: 0 for OMP_NUM_THREADS
    or, without that variable, one on each core. Raises AlteredWeights.
    """

    def __init__(self, card: ModelCard, precision: str, threads: int = 0) -> None:
        core = ov.Core()
        if precision == "auto":
            default = core.get_property("CPU", "INFERENCE_PRECISION_HINT")
            precision = "bfloat16" if default == ov.Type.bf16 else "float32"
        options = {
            "INFERENCE_PRECISION_HINT": TYPES[precision],
            "INFERENCE_NUM_THREADS": threads or int(os.environ.get("OMP_NUM_THREADS") or 0),
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # else several workers would use the same core
        }
        try:
            compiled = core.compile_model(graph_of(card), "CPU", options)
        except RuntimeError as error:
            raise AlteredWeights(f"The graph of the model {card.name} cannot be used: {REPAIR}") from error
        self.engine, self.tile = f"openvino {precision}", TILE_PX[precision]
        self._request = compiled.create_infer_request()

    def maps(self, pictures: Picture, box: Box, activation: Activation) -> Maps:
        inputs = np.ascontiguousarray(pictures) * 2 - 1
        logits = self._request.infer({0: inputs}, share_inputs=True, share_outputs=True)[0]
        logits = np.ascontiguousarray(logits[..., box[0], box[1]], np.float32)
        # All calculations are in place, to save memory.
        if activation == "softmax":
            logits -= logits.max(axis=1, keepdims=True)
            np.exp(logits, out=logits)
            logits /= logits.sum(axis=1, keepdims=True)
        else:
            with np.errstate(over="ignore"):  # 1 / (1 + inf) is right
                np.exp(np.negative(logits, out=logits), out=logits)
            logits += 1
            np.reciprocal(logits, out=logits)
        levels: Maps = np.rint(np.multiply(logits, 255, out=logits), out=logits).astype(np.uint8)
        return levels

    def rest(self) -> None:
        self._request.get_compiled_model().release_memory()
