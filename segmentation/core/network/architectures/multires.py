"""The MultiRes U-Net of Ibtehaz & Rahman, Neural Networks 121 (2020), as Ruehle et al. (2021) use it."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

WIDENING = 1.67  # α of the paper


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch normalisation and, unless `relu` is false, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, size: int, *, relu: bool = True) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(channels_in, channels_out, size, padding=size // 2, bias=False),
            nn.BatchNorm2d(channels_out),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def block_widths(filters: int) -> tuple[int, int, int]:
    """The numbers of channels of the three chained convolutions in a block: 0.167, 0.333 and 0.5 of 1.67 `filters`."""
    width = WIDENING * filters
    return int(width * 0.167), int(width * 0.333), int(width * 0.5)


class MultiResBlock(nn.Module):
    """Three chained 3x3 convolutions whose outputs are concatenated, plus a 1x1 shortcut."""

    def __init__(self, channels_in: int, filters: int) -> None:
        super().__init__()
        a, b, c = block_widths(filters)
        self.channels_out = a + b + c
        self.first = ConvNorm(channels_in, a, 3)
        self.second = ConvNorm(a, b, 3)
        self.third = ConvNorm(b, c, 3)
        self.shortcut = ConvNorm(channels_in, self.channels_out, 1, relu=False)
        self.joined = nn.BatchNorm2d(self.channels_out)
        self.out = nn.BatchNorm2d(self.channels_out)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, a + b + c, H, W)
        one = self.first(x)
        two = self.second(one)
        joined = self.joined(torch.cat([one, two, self.third(two)], dim=1))
        out: Tensor = self.out(torch.relu(joined + self.shortcut(x)))
        return out


class ResPath(nn.Module):
    """A chain of 3x3 convolutions with 1x1 shortcuts on the skip from encoder to decoder."""

    def __init__(self, channels_in: int, channels_out: int, length: int) -> None:
        super().__init__()
        widths = [channels_in] + [channels_out] * length
        pairs = list(itertools.pairwise(widths))
        self.convolutions = nn.ModuleList(ConvNorm(i, o, 3) for i, o in pairs)
        self.shortcuts = nn.ModuleList(ConvNorm(i, o, 1, relu=False) for i, o in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for _, o in pairs)

    def forward(self, x: Tensor) -> Tensor:
        for convolution, shortcut, norm in zip(self.convolutions, self.shortcuts, self.norms, strict=True):
            x = norm(torch.relu(convolution(x) + shortcut(x)))
        return x


class MultiResUNet(nn.Module):
    """Five levels of MultiRes blocks, ResPaths of length 4, 3, 2, 1, 2x2 transposed convolutions.

    Input (B, channels_in, H, W) with H and W multiples of 16; output (B, classes, H, W) logits.
    """

    def __init__(self, *, filters: int = 16, channels_in: int = 1, classes: int = 2) -> None:
        super().__init__()
        scales = [filters * 2**level for level in range(5)]
        self.encoders, self.paths = nn.ModuleList(), nn.ModuleList()
        width = channels_in
        for level, scale in enumerate(scales):
            block = MultiResBlock(width, scale)
            self.encoders.append(block)
            width = block.channels_out
            if level < 4:
                self.paths.append(ResPath(width, scale, 4 - level))
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        for scale in reversed(scales[:4]):
            self.ups.append(nn.ConvTranspose2d(width, scale, 2, stride=2))
            block = MultiResBlock(2 * scale, scale)
            self.decoders.append(block)
            width = block.channels_out
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x if level == 0 else self.pool(x))
            skips.append(x)
        for level, (up, decoder) in enumerate(zip(self.ups, self.decoders, strict=True), start=1):
            skip = self.paths[4 - level](skips[4 - level])
            x = decoder(torch.cat([up(x), skip], dim=1))
        logits: Tensor = self.head(x)
        return logits


NAME, NETWORK = "multires-unet", MultiResUNet
