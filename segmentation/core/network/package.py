"""Writes a model as a package of the BioImage Model Zoo, and reads such a package (`models add`).

Other programs run the ONNX file in it. The layout is that of the model description 0.5
(https://bioimage-io.github.io/spec-bioimage-io): rdf.yaml lists every other file with its SHA-256. It is written as
JSON, which is valid YAML.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...location import COMMAND
from ..errors import UserError
from .cards import GRAPH, TEST, ModelCard, check_weights, graph_of

FORMAT = "0.5.4"
OPSET = 17  # as in graph.py, which cannot be imported without torch
CARD, README, RDF = "card.toml", "README.md", "rdf.yaml"
INPUT, OUTPUT = "test_input.npy", "test_output.npy"
# Ends of the name of the weights file beside a card, and in a package. They are equally long, because the name is
# replaced inside the ONNX file, where its length is fixed.
BESIDE_CARD, IN_PACKAGE = ".safetensors", "-weight.data"
SIDE_STEP_PX, LEAST_SIDE_PX = 32, 64  # a side of the network's picture is LEAST_SIDE_PX plus a multiple of SIDE_STEP_PX
LARGEST_BYTES = 400 * 2**20  # of one file of a package that is read
UNET = {"text": "The architecture follows U-Net (Ronneberger et al. 2015).", "doi": "10.1007/978-3-319-24574-4_28"}
SPDX = ("MIT", "Apache-2.0", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0")


class BadPackage(UserError):
    """A model cannot be packed, or a file is no package of a model; the message says why."""


def package_files(card: ModelCard, maps: Sequence[str], activation: str) -> Iterator[tuple[str, bytes]]:
    """The files of a model's package, as (name, content).

    maps: names of the network's maps. activation: sigmoid or softmax. Raises BadPackage if the model has no graph, and
    AlteredWeights if its files are not those of the card.
    """
    test = card.weights.with_suffix(TEST)
    if not card.graph or not test.is_file():
        raise BadPackage(f"The model {card.name} has no ONNX: `{COMMAND} models graph {card.name}` makes it.")
    check_weights(card)
    weights, graph = card.weights.read_bytes(), graph_of(card).read_bytes()
    packed_name = card.weights.name.replace(BESIDE_CARD, IN_PACKAGE)
    with np.load(test) as tensors:
        files = {
            f"{card.name}{GRAPH}": graph.replace(card.weights.name.encode(), packed_name.encode()),
            packed_name: weights,
            INPUT: _npy(tensors["picture"]),
            OUTPUT: _npy(tensors["maps"]),
            CARD: card.weights.with_name(f"{card.name}.toml").read_bytes(),
            README: _about(card).encode(),
        }
        channels = tensors["picture"].shape[1]
    description = _description(card, files, maps, activation, channels)
    yield RDF, json.dumps(description, indent=1, ensure_ascii=False).encode()
    yield from files.items()


def unpack(file: Path, folder: Path) -> Path:
    """Write the card and the weights in a package to `folder`, and return the card's path. Raises BadPackage."""
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            stored = [name for name in sizes if name.endswith(IN_PACKAGE)]
            if CARD not in sizes or len(stored) != 1 or "/" in stored[0]:
                raise BadPackage(f"{file.name} is no package that DeepSegm wrote: it has no card with weights.")
            if max(sizes[CARD], sizes[stored[0]]) > LARGEST_BYTES:
                raise BadPackage(f"{file.name} is too large for a model ({LARGEST_BYTES // 2**20} MB at most).")
            card = folder / f"{stored[0].removesuffix(IN_PACKAGE)}.toml"
            card.with_suffix(BESIDE_CARD).write_bytes(archive.read(stored[0]))
            card.write_bytes(archive.read(CARD))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadPackage(f"{file.name} cannot be read as a ZIP file: {error}.") from error
    return card


def _npy(tensor: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, tensor)
    return content.getvalue()


def _about(card: ModelCard) -> str:
    """The text of README.md."""
    limits = "".join(f"- {limit}\n" for limit in card.limits)
    sources = "".join(f"- {entry['title']} ({entry.get('licence') or 'licence not stated'})\n" for entry in card.data)
    return (
        f"# {card.title}\n\n{card.summary}\n\nThe network sees an 8-bit grey picture at its working scale: objects of"
        f" {card.smallest:g} to {card.largest:g} px. It gives maps; DeepSegm {__version__} makes outlines and sizes of"
        f" them.\n\n## Validation\n\nScores by data set stand in card.toml."
        f"\n\n## Limits\n\n{limits}\n## Trained on\n\n{sources}"
    )


def _description(
    card: ModelCard, files: dict[str, bytes], maps: Sequence[str], activation: str, channels: int
) -> dict[str, Any]:
    """The content of rdf.yaml. files: all other files of the package. channels: number of channels of a picture."""

    def entry(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    (graph,) = (name for name in files if name.endswith(GRAPH))
    (weights,) = (name for name in files if name.endswith(IN_PACKAGE))
    batch = {"type": "batch"}
    sides = [{"type": "space", "id": side, "size": {"min": LEAST_SIDE_PX, "step": SIDE_STEP_PX}} for side in "yx"]
    same_sides = [{"type": "space", "id": side, "size": {"tensor_id": "picture", "axis_id": side}} for side in "yx"]
    grey = {"type": "channel", "channel_names": ["grey", *(f"grey{number}" for number in range(2, channels + 1))]}
    per_pixel = {"kwargs": {"axis": "channel"}} if activation == "softmax" else {}
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": card.title,
        "description": card.summary[:1024],
        "version": __version__,
        "authors": [{"name": "DeepSegm developers"}],
        "cite": [UNET],
        **({"license": card.licence} if card.licence in SPDX else {}),
        "documentation": README,
        "tags": ["electron-microscopy", "segmentation", card.task],
        "attachments": [entry(CARD)],
        "inputs": [
            {
                "id": "picture",
                "axes": [batch, grey, *sides],
                "data": {"type": "uint8"},
                "test_tensor": entry(INPUT),
                "preprocessing": [
                    {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
                    {"id": "scale_linear", "kwargs": {"gain": 2 / 255, "offset": -1.0}},
                ],
            }
        ],
        "outputs": [
            {
                "id": "maps",
                "axes": [batch, {"type": "channel", "channel_names": list(maps)}, *same_sides],
                "data": {"type": "float32"},
                "test_tensor": entry(OUTPUT),
                "postprocessing": [{"id": activation, **per_pixel}],
            }
        ],
        "weights": {"onnx": {**entry(graph), "opset_version": OPSET, "external_data": entry(weights)}},
    }
