"""The U-Net of Ronneberger, Fischer & Brox, MICCAI 2015, with batch normalisation and padded convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .multires import ConvNorm


def double_convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch normalisation and ReLU."""
    return nn.Sequential(ConvNorm(channels_in, channels_out, 3), ConvNorm(channels_out, channels_out, 3))


class PlainUNet(nn.Module):
    """`depth` halvings of the resolution; the width doubles from `filters` at each.

    Input (B, channels_in, H, W) with H and W multiples of 2**depth; output (B, classes, H, W) logits.
    """

    def __init__(self, *, filters: int = 32, depth: int = 4, channels_in: int = 1, classes: int = 2) -> None:
        super().__init__()
        if filters < 1 or not 1 <= depth <= 5:
            raise ValueError("filters is at least 1 and depth lies between 1 and 5.")
        widths = [filters * 2**level for level in range(depth + 1)]
        inputs = [channels_in, *widths[:-1]]
        self.encoders = nn.ModuleList(double_convolution(i, o) for i, o in zip(inputs, widths, strict=True))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.decoders = nn.ModuleList(double_convolution(2 * w, w) for w in reversed(widths[:-1]))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(filters, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x if level == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(torch.cat([up(x), skips.pop()], dim=1))
        logits: Tensor = self.head(x)
        return logits


NAME, NETWORK = "plain-unet", PlainUNet
