"""Stage cyclegan: generators G_AB and G_BA, masks to micrographs and back, without a single labelled micrograph."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from .compose import Labels, drawn
from .loop import shade, sheet
from .networks import ImagePool, make_discriminator, make_generator
from .settings import CycleSettings
from .stock import Micrographs, crop_micrograph, posed

SHOWN = 4  # masks and micrographs in a sample picture, and masks in a measurement


class CycleTrainer:
    """G_AB paints masks (A) as micrographs (B), G_BA finds masks in them; D_A and D_B tell theirs from real ones.

    masks: label images of one tile size; micrographs: see `micrograph_stock`.
    """

    parts = ("g_ab", "g_ba", "d_a", "d_b", "generators_adam", "discriminators_adam", "micrograph_pool", "mask_pool")

    def __init__(
        self,
        settings: CycleSettings,
        masks: list[Labels],
        micrographs: Micrographs,
        seed: int,
        device: torch.device,
        precision: str,
    ) -> None:
        torch.manual_seed(seed)
        self.settings, self.masks, self.micrographs = settings, masks, micrographs
        self.seed, self.device, self.precision, self.step = seed, device, precision, 0
        make = [make_generator(settings.filters, settings.blocks) for _ in range(2)]
        judges = [make_discriminator(settings.critic_filters) for _ in range(2)]
        networks = [n.to(device, memory_format=torch.channels_last) for n in (*make, *judges)]  # type: ignore[call-overload]
        self.g_ab, self.g_ba, self.d_b, self.d_a = networks
        self.micrograph_pool, self.mask_pool = ImagePool(settings.pool), ImagePool(settings.pool)
        generators = [*self.g_ab.parameters(), *self.g_ba.parameters()]
        discriminators = [*self.d_b.parameters(), *self.d_a.parameters()]
        self.generators_adam = torch.optim.Adam(generators, settings.learning_rate, (settings.beta, 0.999))
        self.discriminators_adam = torch.optim.Adam(discriminators, settings.learning_rate, (settings.beta, 0.999))

    def advance(self) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, 2, self.step))
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        mask, micrograph = self._batch(rng)
        self._set_rate()
        losses, painted, found = self._move_generators(mask, micrograph)
        older = self.micrograph_pool.exchange(painted, noise), self.mask_pool.exchange(found, noise)
        losses["discriminators"] = self._move_discriminators(mask, micrograph, *older)
        self.step += 1
        return losses

    def _set_rate(self) -> None:
        settings = self.settings
        left = (settings.steps - self.step) / max(1.0, settings.steps * (1 - settings.fall))
        for optimiser in (self.generators_adam, self.discriminators_adam):
            optimiser.param_groups[0]["lr"] = settings.learning_rate * min(1.0, left)

    def _move_generators(self, mask: Tensor, micrograph: Tensor) -> tuple[dict[str, float], Tensor, Tensor]:
        settings = self.settings
        with self._autocast():
            painted, found = self.g_ab(mask), self.g_ba(micrograph)
            back = l1_loss(self.g_ba(painted), mask) + l1_loss(self.g_ab(found), micrograph)
            same = l1_loss(self.g_ba(mask), mask) + l1_loss(self.g_ab(micrograph), micrograph)
            fooled = _is(self.d_b(painted), 1) + _is(self.d_a(found), 1)
            loss = fooled + settings.cycle * (back + settings.identity * same)
        self.generators_adam.zero_grad(set_to_none=True)
        loss.backward()
        self.generators_adam.step()
        losses = {"fooled": fooled, "cycle": back, "identity": same}
        return {name: float(value.detach()) for name, value in losses.items()}, painted, found

    def _move_discriminators(self, mask: Tensor, micrograph: Tensor, painted: Tensor, found: Tensor) -> float:
        with self._autocast():
            of_micrographs = _is(self.d_b(micrograph), 1) + _is(self.d_b(painted), 0)
            of_masks = _is(self.d_a(mask), 1) + _is(self.d_a(found), 0)
            loss = 0.5 * (of_micrographs + of_masks)
        self.discriminators_adam.zero_grad(set_to_none=True)
        loss.backward()
        self.discriminators_adam.step()
        return float(loss.detach())

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """(B, 1, S, S) masks and micrographs in -1..1."""
        settings = self.settings
        chosen = rng.integers(len(self.masks), size=settings.batch)
        masks = [crop_mask(self.masks[i], settings.crop, rng) for i in chosen]
        pictures = [crop_micrograph(self.micrographs, settings.crop, rng) for _ in chosen]
        return self._tensor(masks), self._tensor(pictures)

    def _tensor(self, pictures: list[NDArray[np.float32]]) -> Tensor:
        stacked = torch.from_numpy(np.stack(pictures).astype(np.float32))[:, None]
        return stacked.to(self.device).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """contrast: of painted particles against their background, in SD of the picture (0: the translation ignores
        the mask); returned: Dice of a mask against the one found again in its own translation."""
        contrasts, scores = [], []
        for labels in self.masks[:SHOWN]:
            mask = self._tensor([as_picture(labels)])
            painted = self.g_ab(mask)
            inside, found = mask > 0, self.g_ba(painted) > 0
            contrasts.append(contrast(painted, inside))
            scores.append(float(2 * (found & inside).sum() / (found.sum() + inside.sum()).clamp(min=1)))
        return {"contrast": float(np.mean(contrasts)), "returned": float(np.mean(scores))}

    @torch.no_grad()
    def picture(self) -> NDArray[np.uint8]:
        """Columns: mask, painted, found again; micrograph, found, painted again."""
        rng = np.random.default_rng((self.seed, 3))
        rows = []
        for i in range(min(SHOWN, len(self.masks))):
            mask = self._tensor([crop_mask(self.masks[i], self.settings.crop, rng)])
            micrograph = self._tensor([crop_micrograph(self.micrographs, self.settings.crop, rng)])
            painted, found = self.g_ab(mask), self.g_ba(micrograph)
            six = (mask, painted, self.g_ba(painted), micrograph, found, self.g_ab(found))
            rows.append([shade(picture[0, 0]) for picture in six])
        return sheet(rows)


def _is(judged: Tensor, wanted: float) -> Tensor:
    """Mean squared distance of a discriminator's judgement from `wanted` (least-squares GAN)."""
    return mse_loss(judged.float(), torch.full_like(judged, wanted, dtype=torch.float32))


def contrast(picture: Tensor, inside: Tensor) -> float:
    """Mean grey inside minus mean grey outside, in SD of the picture; 0 where either is empty."""
    if not inside.any() or inside.all():
        return 0.0
    return float((picture[inside].mean() - picture[~inside].mean()) / picture.std().clamp(min=1e-6))


def as_picture(labels: Labels) -> NDArray[np.float32]:
    """The mask as the generator sees it, -1 or 1."""
    return drawn(labels).astype(np.float32) / 127.5 - 1


@torch.no_grad()
def paint(network: nn.Module, mask: NDArray[np.float32], device: torch.device, precision: str) -> NDArray[np.float32]:
    """The translation of one mask (H, W) in -1..1 by a generator."""
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        painted = network(torch.from_numpy(mask)[None, None].to(device))
    out: NDArray[np.float32] = painted[0, 0].float().cpu().numpy()
    return out


def crop_mask(labels: Labels, side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A random square of a mask, turned and mirrored at random, as the generator sees it."""
    row, column = (int(rng.integers(n - side + 1)) for n in labels.shape)
    return posed(as_picture(labels[row : row + side, column : column + side]), rng)
