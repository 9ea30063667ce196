"""The CycleGAN of the stage cyclegan: its generators translate masks to micrographs (G_AB) and micrographs to masks
(G_BA). It learns from unpaired masks and micrographs, without labels."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from ...training.contract import Field, Labels, Picture, Rng
from ...training.sheets import in_rows
from ...training.synthesis.noise import turned_or_mirrored
from .compose import mask_picture
from .loop import GanTrainer, step_optimiser, to_grey
from .settings import CycleSettings
from .stock import Micrographs, crop_micrograph

EXAMPLES = 4  # masks and micrographs in a sample picture, and masks in a measurement


class Residual(nn.Module):
    """Two 3x3 convolutions; their result is added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        padded = [[nn.ReflectionPad2d(1), *normed(nn.Conv2d(channels, channels, 3), channels)] for _ in range(2)]
        self.layers = nn.Sequential(*padded[0], *padded[1][:-1])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


def make_generator(filters: int, blocks: int) -> nn.Sequential:
    """A network from (B, 1, H, W) in -1..1 to the same shape and range; H and W are multiples of 4."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), *normed(nn.Conv2d(1, filters, 7), filters)]
    for width in (filters, 2 * filters):
        layers += normed(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), 2 * width)
    layers += [Residual(4 * filters) for _ in range(blocks)]
    for width in (4 * filters, 2 * filters):
        upsampling = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
        layers += normed(upsampling, width // 2)
    return initialised(nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(filters, 1, 7), nn.Tanh()))


def make_discriminator(filters: int) -> nn.Sequential:
    """A network from (B, 1, H, W) to (B, 1, h, w): how real each patch of 70 px looks, 1 for real."""
    layers: list[nn.Module] = [nn.Conv2d(1, filters, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    for width, stride in ((filters, 2), (2 * filters, 2), (4 * filters, 1)):
        convolution = nn.Conv2d(width, 2 * width, 4, stride=stride, padding=1)
        layers += [convolution, nn.InstanceNorm2d(2 * width), nn.LeakyReLU(0.2)]
    return initialised(nn.Sequential(*layers, nn.Conv2d(8 * filters, 1, 4, padding=1)))


def normed(convolution: nn.Module, channels: int) -> list[nn.Module]:
    """The convolution, followed by its normalisation and activation."""
    return [convolution, nn.InstanceNorm2d(channels), nn.ReLU()]


def initialised(network: nn.Sequential) -> nn.Sequential:
    """The network with weights drawn from N(0, 0.02), as in the paper."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


class ImagePool:
    """Up to `size` earlier translations. Half of the pictures shown to a discriminator come from here (Shrivastava
    2017).

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
        """The pictures for the discriminator. Until the pool is full, they are the batch itself, which fills the
        pool. Then each picture is exchanged for one of the pool with a probability of one half."""
        exchanged = []
        for picture in batch.detach().float().cpu():
            if len(self.pictures) < self.size:
                self.pictures.append(picture.clone())
            elif self.size and torch.rand(1, generator=noise) >= 0.5:
                number = int(torch.randint(self.size, (1,), generator=noise))
                picture, self.pictures[number] = self.pictures[number], picture.clone()
            exchanged.append(picture)
        return torch.stack(exchanged).to(batch.device, batch.dtype)


class CycleTrainer(GanTrainer):
    """G_AB paints masks (A) as micrographs (B), G_BA finds masks in micrographs; D_A and D_B are the discriminators of
    masks and of micrographs.

    masks: label images of one tile size; micrographs: see `micrograph_stock`. The random numbers of a step are seeded
    by (seed, 2, step), those of the sample pictures by (seed, 3).
    """

    # Names of attributes, and keys of the stored checkpoint.
    parts = ("g_ab", "g_ba", "d_a", "d_b", "generators_adam", "discriminators_adam", "micrograph_pool", "mask_pool")

    def __init__(
        self,
        settings: CycleSettings,
        masks: list[Labels],
        micrographs: Micrographs,
        seed: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        torch.manual_seed(seed)
        self.settings, self.masks, self.micrographs = settings, masks, micrographs
        self.seed, self.device, self.dtype = seed, device, dtype
        generators = [make_generator(settings.filters, settings.blocks) for _ in range(2)]
        discriminators = [make_discriminator(settings.critic_filters) for _ in range(2)]
        networks = [n.to(device, memory_format=torch.channels_last) for n in (*generators, *discriminators)]  # type: ignore[call-overload]
        self.g_ab, self.g_ba, self.d_b, self.d_a = networks
        self.micrograph_pool, self.mask_pool = ImagePool(settings.pool), ImagePool(settings.pool)
        generator_weights = [*self.g_ab.parameters(), *self.g_ba.parameters()]
        discriminator_weights = [*self.d_b.parameters(), *self.d_a.parameters()]
        self.generators_adam = torch.optim.Adam(generator_weights, settings.learning_rate, (settings.beta, 0.999))
        self.discriminators_adam = torch.optim.Adam(
            discriminator_weights, settings.learning_rate, (settings.beta, 0.999)
        )

    def advance(self) -> dict[str, Tensor]:
        """One step: first the generators learn, then the discriminators, which see older pictures, too (the pools).
        Returns the losses by name."""
        rng = np.random.default_rng((self.seed, 2, self.step))
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        settings = self.settings
        chosen = rng.integers(len(self.masks), size=settings.batch)
        mask = self._tensor([crop_mask(self.masks[number], settings.crop, rng) for number in chosen])
        micrograph = self._tensor([crop_micrograph(self.micrographs, settings.crop, rng) for _ in chosen])
        # The learning rate is constant at first, then falls linearly to zero.
        remaining = (settings.steps - self.step) / max(1.0, settings.steps * (1 - settings.fall))
        for optimiser in (self.generators_adam, self.discriminators_adam):
            optimiser.param_groups[0]["lr"] = settings.learning_rate * min(1.0, remaining)
        losses, painted, segmented = self._teach_generators(mask, micrograph)
        pooled = self.micrograph_pool.exchange(painted, noise), self.mask_pool.exchange(segmented, noise)
        with self._autocast():
            micrograph_loss = _distance_from(1, self.d_b(micrograph)) + _distance_from(0, self.d_b(pooled[0]))
            mask_loss = _distance_from(1, self.d_a(mask)) + _distance_from(0, self.d_a(pooled[1]))
            loss = 0.5 * (micrograph_loss + mask_loss)
        step_optimiser(self.discriminators_adam, loss)
        self.step += 1
        return losses | {"discriminators": loss.detach()}

    def _teach_generators(self, mask: Tensor, micrograph: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """One step of the generators: their losses, the painted masks and the masks found in the micrographs."""
        settings = self.settings
        with self._autocast():
            painted, segmented = self.g_ab(mask), self.g_ba(micrograph)
            cycle_loss = l1_loss(self.g_ba(painted), mask) + l1_loss(self.g_ab(segmented), micrograph)
            identity_loss = l1_loss(self.g_ba(mask), mask) + l1_loss(self.g_ab(micrograph), micrograph)
            adversarial_loss = _distance_from(1, self.d_b(painted)) + _distance_from(1, self.d_a(segmented))
            loss = adversarial_loss + settings.cycle * (cycle_loss + settings.identity * identity_loss)
        step_optimiser(self.generators_adam, loss)
        losses = {"fooled": adversarial_loss, "cycle": cycle_loss, "identity": identity_loss}
        return {name: value.detach() for name, value in losses.items()}, painted, segmented

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def _tensor(self, pictures: list[Field]) -> Tensor:
        stacked = torch.from_numpy(np.stack(pictures).astype(np.float32))[:, None]
        return stacked.to(self.device).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """`contrast`: that of painted particles to their background, in SD of the picture (0: the translation ignores
        the mask). `returned`: Dice coefficient of a mask and the mask that G_BA finds in its translation."""
        contrasts, scores = [], []
        for labels in self.masks[:EXAMPLES]:
            mask = self._tensor([as_picture(labels)])
            painted = self.g_ab(mask)
            inside, segmented = mask > 0, self.g_ba(painted) > 0
            contrasts.append(contrast(painted, inside))
            scores.append(float(2 * (segmented & inside).sum() / (segmented.sum() + inside.sum()).clamp(min=1)))
        return {"contrast": float(np.mean(contrasts)), "returned": float(np.mean(scores))}

    @torch.no_grad()
    def picture(self) -> Picture:
        """Six columns: mask, its translation, the mask found in the translation; micrograph, the mask found in it, the
        translation of that mask."""
        rng = np.random.default_rng((self.seed, 3))
        rows = []
        for i in range(min(EXAMPLES, len(self.masks))):
            mask = self._tensor([crop_mask(self.masks[i], self.settings.crop, rng)])
            micrograph = self._tensor([crop_micrograph(self.micrographs, self.settings.crop, rng)])
            painted, segmented = self.g_ab(mask), self.g_ba(micrograph)
            six = (mask, painted, self.g_ba(painted), micrograph, segmented, self.g_ab(segmented))
            rows.append([to_grey(picture[0, 0]) for picture in six])
        return in_rows(rows)


def _distance_from(target: float, output: Tensor) -> Tensor:
    """Mean squared distance of a discriminator's output from `target` (least-squares GAN)."""
    return mse_loss(output.float(), torch.full_like(output, target, dtype=torch.float32))


def contrast(picture: Tensor, inside: Tensor) -> float:
    """Mean grey inside minus mean grey outside, in SD of the picture; 0 if either part is empty."""
    if not inside.any() or inside.all():
        return 0.0
    return float((picture[inside].mean() - picture[~inside].mean()) / picture.std().clamp(min=1e-6))


def as_picture(labels: Labels) -> Field:
    """(H, W) float32: the mask as input of the generator, -1 or 1."""
    return mask_picture(labels).astype(np.float32) / 127.5 - 1


@torch.no_grad()
def paint(network: nn.Module, mask: Field, device: torch.device, dtype: torch.dtype) -> Field:
    """The translation of one mask (H, W) in -1..1 by a generator."""
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        painted = network(torch.from_numpy(mask)[None, None].to(device))
    out: Field = painted[0, 0].float().cpu().numpy()
    return out


def crop_mask(labels: Labels, side: int, rng: Rng) -> Field:
    """A random square of a mask, turned and mirrored at random, as input of the generator."""
    row, column = (int(rng.integers(n - side + 1)) for n in labels.shape)
    return turned_or_mirrored(rng, as_picture(labels[row : row + side, column : column + side]))[0]
