"""Networks by name: what a ModelCard's `architecture` table builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from .multires import MultiResUNet

OUTPUTS = ("foreground", "inner_distance")
STRIDE = 32  # sides of a network's input are multiples of this


class UnknownArchitecture(ValueError):
    """No network can be built from these settings; the message says which setting is wrong."""


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """The network that the settings describe, with random weights.

    architecture: {"name": "unet" or any other decoder of segmentation-models-pytorch, "encoder": ...,
    "decoder_channels": [...]} or {"name": "multires-unet", "filters": 16}.
    The network maps (B, 1, H, W) in [-1, 1] to (B, 2, H, W) logits: foreground, normalised inner distance.
    """
    settings = dict(architecture)
    name = settings.pop("name", None)
    try:
        if name == "multires-unet":
            return MultiResUNet(classes=len(OUTPUTS), **settings)
        return _from_library(str(name), settings)
    except (KeyError, TypeError, ValueError) as error:
        raise UnknownArchitecture(f"No network can be built from {dict(architecture)}: {error}") from error


def _from_library(name: str, settings: dict[str, Any]) -> nn.Module:
    import segmentation_models_pytorch as smp

    encoder = settings.pop("encoder", "resnet34")
    network: nn.Module = smp.create_model(
        name, encoder_name=encoder, encoder_weights=None, in_channels=1, classes=len(OUTPUTS), **settings
    )
    return network
