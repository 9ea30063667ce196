"""Writes the graph of a network: an ONNX file beside the weights, with which OpenVINO runs the network without torch.

The file has the operations, but not the weights: each tensor refers to its bytes in the safetensors file, in the
precision that it has there.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import nn

from ..errors import UserError
from .cards import GRAPH, TEST, ModelCard
from .runtime import Activation, Runtime
from .with_openvino import OpenVinoNetwork
from .with_torch import TorchNetwork, load_module

OPSET = 17  # version of ONNX's operators
TENSOR_NAMES = "picture", "logits"  # input and output
TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
TRIAL_SHAPE = 96, 160  # px, of the picture for which OpenVINO and torch must give the same maps
MOST_DIFFERENCE = 1  # grey level of 255 by which the maps may differ in single precision


class NoGraph(UserError):
    """A network cannot be written as ONNX, or OpenVINO's maps differ from torch's: only torch can run it."""


def write_graph(card: ModelCard, maps: int) -> str:
    """Write the ONNX file of a card's network beside its weights, and return its sha256 for the card.

    maps: number of its maps. Raises NoGraph and OSError (then there is no file), and what `load_module` raises.
    """
    network, file = load_module(card, maps), card.weights.with_suffix(GRAPH)
    channels = card.architecture.get("channels_in", 1)
    try:
        model = _exported_graph(network, channels)
        _refer_to_weights(model, card.weights)
        content: bytes = model.SerializeToString()
        file.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        _compare(network, replace(card, graph=sha256), channels)
    except Exception as error:  # the exporter raises exceptions of many types for an operation that ONNX lacks
        file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise NoGraph(f"The model {card.name} runs with torch alone: no graph of it can be made ({reason}).") from error
    return sha256


@torch.inference_mode()
def write_test(card: ModelCard, maps: int, activation: Activation, picture: NDArray[np.uint8]) -> None:
    """Write a picture (1, C, H, W) uint8 and its maps (1, M, H, W) float32 in 0..1 beside the weights, so that other
    programs that run the network can compare their maps.

    maps: number of its maps. picture: (H, W), sides multiples of 32.
    """
    channels = card.architecture.get("channels_in", 1)
    pictures = np.repeat(picture[None, None], channels, axis=1)
    logits = load_module(card, maps)(torch.from_numpy(pictures) * (2 / 255) - 1)
    shares = logits.softmax(1) if activation == "softmax" else logits.sigmoid()
    np.savez_compressed(card.weights.with_suffix(TEST), picture=pictures, maps=shares.numpy())


def _exported_graph(network: nn.Module, channels: int) -> Any:
    """The network as an ONNX model, in which tensors have their names in the weights, for any number and size of
    pictures."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about this exporter: the newer one takes a minute and needs another package
        torch.onnx.export(
            network,
            (torch.zeros(1, channels, 64, 96),),
            content,  # type: ignore[arg-type]  # the exporter used here takes a file
            dynamo=False,
            opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,  # else normalisations would be merged into other tensors
            do_constant_folding=False,
            input_names=TENSOR_NAMES[:1],
            output_names=TENSOR_NAMES[1:],
            dynamic_axes={name: {0: "pictures", 2: "rows", 3: "columns"} for name in TENSOR_NAMES},
        )
    return onnx.load_model_from_string(content.getvalue())


def _refer_to_weights(model: Any, weights: Path) -> None:
    """Replace each tensor that the weights file has by a reference to its bytes there and a cast to single precision.
    The layout of a safetensors file: 8 bytes with the length of the header, the header (JSON), the data."""
    content = weights.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header, casts = json.loads(content[8:begin]), []
    for tensor in model.graph.initializer:
        if not (entry := header.get(tensor.name)):
            continue
        stored, (start, stop), shape = f"{tensor.name} as stored", entry["data_offsets"], list(tensor.dims)
        casts.append(onnx.helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
        tensor.Clear()
        tensor.name, tensor.data_type, tensor.data_location = stored, TYPES[entry["dtype"]], TensorProto.EXTERNAL
        tensor.dims.extend(shape)
        for key, value in (("location", weights.name), ("offset", begin + start), ("length", stop - start)):
            tensor.external_data.add(key=key, value=str(value))
    nodes = [*casts, *model.graph.node]
    for node in nodes:
        node.name = node.doc_string = ""
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _compare(network: nn.Module, card: ModelCard, channels: int) -> None:
    """Raise ValueError unless OpenVINO gives the same maps as torch for a random picture."""
    picture = np.random.default_rng(0).random((1, channels, *TRIAL_SHAPE), np.float32)
    box = slice(0, TRIAL_SHAPE[0]), slice(0, TRIAL_SHAPE[1])
    engines = TorchNetwork.of(network, Runtime("cpu", "float32")), OpenVinoNetwork(card, "float32")
    torch_maps, openvino_maps = (engine.maps(picture, box, "sigmoid").astype(int) for engine in engines)
    if torch_maps.shape != openvino_maps.shape:
        raise ValueError("OpenVINO's maps differ by their shape")
    if (difference := int(np.abs(torch_maps - openvino_maps).max())) > MOST_DIFFERENCE:
        raise ValueError(f"OpenVINO's maps differ by {difference}")
