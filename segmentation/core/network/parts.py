"""The last layers of a U-Net, part by part: they take most of its time and memory but see only a few pixels around
each pixel, so that they need neither a whole window at once nor what lies around the part that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from segmentation_models_pytorch import Unet
from torch import nn

from .runtime import Box

PART = 1024  # px
AROUND = 16  # px that are calculated around a part: so many the last blocks see
LAST = 3  # blocks of the decoder, with inputs of 1/8, 1/4 and 1/2 of the resolution


def logits_of_parts(network: Unet, pictures: torch.Tensor, box: Box) -> Iterator[tuple[Box, torch.Tensor]]:
    """The parts of the box `box`, and the logits (B, M, h, w) of each; equal to those of network(pictures).

    pictures: (B, C, H, W). The ends of the box are multiples of AROUND.
    """
    skips = network.encoder(pictures)[1:]
    features, blocks = network.decoder.center(skips.pop()), list(network.decoder.blocks)
    for block in blocks[:-LAST]:
        features = _up(block, features, skips.pop())
    rows, columns = ([slice(at, min(at + PART, s.stop)) for at in range(s.start, s.stop, PART)] for s in box)
    for part in product(rows, columns):
        window = _around(part[0], pictures.shape[-2]), _around(part[1], pictures.shape[-1])
        local, left = _crop(features, window, 2**LAST), list(skips)
        for number, block in enumerate(blocks[-LAST:], start=1):
            local = _up(block, local, _crop(left.pop(), window, 2 ** (LAST - number)) if left else None)
        inside = tuple(slice(p.start - s.start, p.stop - s.start) for p, s in zip(part, window, strict=True))
        yield part, network.segmentation_head(local)[..., inside[0], inside[1]]


def _around(part: slice, side: int) -> slice:
    return slice(max(0, part.start - AROUND), min(side, part.stop + AROUND))


def _up(block: nn.Module, features: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
    tall, wide = features.shape[-2:]
    larger: torch.Tensor = block(features, 2 * tall, 2 * wide, skip_connection=skip)
    return larger


def _crop(features: torch.Tensor, box: Box, stride: int) -> torch.Tensor:
    rows, columns = (slice(s.start // stride, s.stop // stride) for s in box)
    return features[..., rows, columns]


def works_in_parts(network: nn.Module) -> bool:
    """Whether a network gives the same logits in parts; verified on one picture."""
    if not isinstance(network, Unet) or len(network.decoder.blocks) <= LAST:
        return False
    if any(isinstance(module, nn.AdaptiveAvgPool2d) for module in network.decoder.blocks.modules()):
        return False  # attention by means over the whole picture
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    picture = torch.linspace(-1, 1, 96 * 128 * first.in_channels, device=first.weight.device).mul(40).sin()
    picture = picture.reshape(1, first.in_channels, 96, 128)
    box = slice(32, 64), slice(32, 96)
    with torch.inference_mode():
        whole = network(picture)[..., box[0], box[1]]
        return all(
            torch.allclose(logits, whole, rtol=1e-3, atol=1e-3) for _, logits in logits_of_parts(network, picture, box)
        )
