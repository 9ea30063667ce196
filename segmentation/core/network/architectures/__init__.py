"""Builds the network that the `architecture` table of a ModelCard describes.

Each file of this folder defines one network by NAME and NETWORK; all other names are those of
segmentation-models-pytorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from torch import nn

from ...errors import UserError


class UnknownArchitecture(UserError):
    """No network can be built from these settings; the message says which setting is wrong."""


@cache
def own_networks() -> dict[str, type[nn.Module]]:
    """The networks of this folder by name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return {module.NAME: module.NETWORK for module in modules}


def build(architecture: Mapping[str, Any], maps: int) -> nn.Module:
    """The network that the settings describe, with random weights.

    architecture: {"name": "unet" or any other decoder of segmentation-models-pytorch, "encoder": ...,
    "decoder_channels": [...]}, {"name": "multires-unet", "filters": 16} or {"name": "plain-unet", "filters": 32,
    "depth": 4}, each with "channels_in" where pictures have more than one channel. maps: how many it predicts.
    The network turns (B, channels_in, H, W) in [-1, 1] into (B, maps, H, W) logits.
    """
    settings = dict(architecture)
    name = settings.pop("name", None)
    try:
        if name in own_networks():
            return own_networks()[name](classes=maps, **settings)
        return _from_library(str(name), settings, maps)
    except Exception as error:  # the libraries raise exceptions of many types for a wrong setting
        reason = str(error.args[0] if isinstance(error, KeyError) else error).partition(", supported encoders")[0]
        raise UnknownArchitecture(f"No network can be built from {dict(architecture)}: {reason}") from error


def _from_library(name: str, settings: dict[str, Any], maps: int) -> nn.Module:
    import segmentation_models_pytorch as smp

    encoder = settings.pop("encoder", "resnet34")
    names = smp.encoders.get_encoder_names()
    if encoder not in names and not str(encoder).startswith(("tu-", "timm-")):
        near = get_close_matches(str(encoder), names, 3)
        raise ValueError(f"there is no encoder {encoder!r}" + (f"; near it are {', '.join(near)}." if near else "."))
    channels = settings.pop("channels_in", 1)
    network: nn.Module = smp.create_model(
        name, encoder_name=encoder, encoder_weights=None, in_channels=channels, classes=maps, **settings
    )
    return network
