"""The networks of the CycleGAN: Zhu et al., Unpaired Image-to-Image Translation (2017), appendix 7.2."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3x3 convolutions whose result is added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


def make_generator(filters: int, blocks: int) -> nn.Sequential:
    """(B, 1, H, W) in -1..1 to the same; H and W are multiples of 4."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), *normed(nn.Conv2d(1, filters, 7), filters)]
    for width in (filters, 2 * filters):
        layers += normed(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), 2 * width)
    layers += [Residual(4 * filters) for _ in range(blocks)]
    for width in (4 * filters, 2 * filters):
        up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
        layers += normed(up, width // 2)
    return initialised(nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(filters, 1, 7), nn.Tanh()))


def make_discriminator(filters: int) -> nn.Sequential:
    """(B, 1, H, W) to (B, 1, h, w): how real each patch of 70 px looks, 1 for real."""
    layers: list[nn.Module] = [nn.Conv2d(1, filters, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    for width, stride in ((filters, 2), (2 * filters, 2), (4 * filters, 1)):
        convolution = nn.Conv2d(width, 2 * width, 4, stride=stride, padding=1)
        layers += [convolution, nn.InstanceNorm2d(2 * width), nn.LeakyReLU(0.2)]
    return initialised(nn.Sequential(*layers, nn.Conv2d(8 * filters, 1, 4, padding=1)))


def normed(convolution: nn.Module, channels: int) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(channels), nn.ReLU()]


def initialised(network: nn.Sequential) -> nn.Sequential:
    """Weights from N(0, 0.02), as the paper has it."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


class ImagePool:
    """The last `size` translations shown to a critic: half of what it is shown are older ones (Shrivastava 2017).

    pictures: (n, 1, H, W) on the CPU, n up to `size`.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.pictures: list[Tensor] = []

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"pictures": self.pictures}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        self.pictures = state["pictures"]

    def exchange(self, batch: Tensor, noise: torch.Generator) -> Tensor:
        """The batch, of which half, once the pool is full, is swapped for pictures of the pool."""
        shown = [self._one(picture, noise) for picture in batch.detach().float().cpu()]
        return torch.stack(shown).to(batch.device, batch.dtype)

    def _one(self, picture: Tensor, noise: torch.Generator) -> Tensor:
        if len(self.pictures) < self.size:
            self.pictures.append(picture.clone())
            return picture
        if self.size == 0 or torch.rand(1, generator=noise) < 0.5:
            return picture
        number = int(torch.randint(self.size, (1,), generator=noise))
        older, self.pictures[number] = self.pictures[number], picture.clone()
        return older
