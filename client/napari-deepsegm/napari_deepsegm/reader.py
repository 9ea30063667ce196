"""The reader that napari calls to open results of DeepSegm (napari.yaml)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari.utils.notifications import show_info

from .files import has_result, layers_of
from .layers import LayerData


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The function that reads the results at one or several paths; None if a path has no result."""
    return read if all(has_result(file) for file in _paths(path)) else None


def read(path: str | list[str]) -> list[LayerData]:
    """The layers of the results at one or several paths. It also shows their sentences. Raises
    Unusable with one sentence."""
    layers: list[LayerData] = []
    for file in _paths(path):
        file_layers, sentences = layers_of(file)
        layers += file_layers
        show_info("\n".join(sentences))
    return layers


def _paths(path: str | list[str]) -> list[Path]:
    return [Path(file) for file in ([path] if isinstance(path, str) else path)]
