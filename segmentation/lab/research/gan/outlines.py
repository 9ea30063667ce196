"""The WGAN-GP of the stage outlines, which draws outlines of single particles.

Gulrajani et al., Improved Training of Wasserstein GANs (2017); the layers follow the code published with the paper,
without its dropout, so that a resumed run gives the same networks as an uninterrupted run.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.stats import ks_2samp
from skimage.measure import regionprops
from torch import Tensor, nn

from ...training.contract import Field, Mask, Picture, Rng
from ...training.sheets import in_rows
from ...training.synthesis.noise import turned_or_mirrored
from ...training.synthesis.scene import split_pieces
from .loop import GanTrainer, step_optimiser, to_grey
from .settings import MissingStage, OutlineSettings

REACH = 0.45  # distance from a silhouette's centroid to its farthest point, as a share of the frame's side
LEAST_AREA = 0.03  # share of the frame; a smaller drawn silhouette cannot be used
Outlines = Picture  # (n, S, S), 0..255
COMPARED_OUTLINES = 256  # outlines whose shapes are compared at a checkpoint
BATCH = 256  # outlines that are drawn at once
PATIENCE = 20  # drawn outlines for each usable one; if more are needed, the generator has not learnt enough


class ShapeFactors(NamedTuple):
    """aspect: minor / major axis of the ellipse of equal moments. solidity: area / area of the convex hull."""

    aspect: float
    solidity: float


def silhouettes(labels: NDArray[np.integer], size: int, smallest: float, solidity: float) -> list[Picture]:
    """(size, size) uint8 silhouettes, 0..255 with soft edges, of the whole particles of a label image.

    Particles are left out that touch the frame, have an ECD below `smallest` px, or a solidity below `solidity`.
    Each is centred on its centroid; its farthest point then lies at REACH of the frame's side.
    """
    outlines = []
    rows, columns = labels.shape
    for region in regionprops(split_pieces(labels)):
        top, left, bottom, right = region.bbox
        is_whole = top > 0 and left > 0 and bottom < rows and right < columns
        if is_whole and region.equivalent_diameter_area >= smallest and region.solidity >= solidity:
            outlines.append(scale_to_frame(np.asarray(region.image_filled), size))
    return outlines


def scale_to_frame(inside: Mask, size: int) -> Picture:
    """A silhouette (h, w), centred and scaled to the frame (size, size), 0..255; smoothed if it becomes smaller."""
    points = np.argwhere(inside)
    centre = points.mean(axis=0)
    reach = float(np.sqrt(((points - centre) ** 2).sum(axis=1).max())) + 0.5
    step = reach / (REACH * size)  # px of the particle per px of the frame
    soft = inside.astype(np.float32)
    soft = np.pad(soft, (pad := int(np.ceil(2 * step)) + 2))
    if step > 1:
        soft = ndimage.gaussian_filter(soft, 0.4 * step)
    offset = centre + pad - step * (size - 1) / 2
    resampled = ndimage.affine_transform(soft, np.full(2, step), offset, (size, size), order=1)
    return np.rint(np.clip(resampled, 0, 1) * 255).astype(np.uint8)


def clean(field: Field) -> Field | None:
    """The largest piece of a drawn field (S, S), positive inside, without holes; None if that piece touches the frame
    or is too small (LEAST_AREA)."""
    pieces, count = ndimage.label(field > 0)
    if count == 0:
        return None
    inside = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    if inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any():
        return None
    filled = ndimage.binary_fill_holes(inside)
    if filled.sum() < LEAST_AREA * field.size:
        return None
    one_piece = np.where(inside, field, -1)
    return np.where(filled & ~inside, 1, one_piece).astype(np.float32)


def shape_of(field: Field) -> ShapeFactors:
    """Shape factors of the silhouette of a cleaned field."""
    region = regionprops((field > 0).astype(np.uint8))[0]
    return ShapeFactors(region.axis_minor_length / max(region.axis_major_length, 1e-6), region.solidity)


def scaled_silhouette(field: Field, diameter: float, rng: Rng) -> Mask:
    """(h, w) silhouette of a cleaned field with an ECD of `diameter` px, turned by quarters and mirrored at random."""
    factor = diameter / np.sqrt(4 * (field > 0).sum() / np.pi)
    side = max(3, round(len(field) * factor))
    turned = np.ascontiguousarray(turned_or_mirrored(rng, field)[0])
    inside = np.asarray(Image.fromarray(turned).resize((side, side), Image.Resampling.BILINEAR)) > 0
    return inside[np.ix_(inside.any(axis=1), inside.any(axis=0))]


class Generator(nn.Module):
    """(B, latent) normal numbers to (B, 1, S, S) silhouettes in -1..1, positive inside."""

    def __init__(self, settings: OutlineSettings) -> None:
        super().__init__()
        self.side, f = settings.size // 8, settings.filters
        self.start = nn.Linear(settings.latent, 4 * f * self.side**2, bias=False)
        self.layers = nn.Sequential(
            *(nn.BatchNorm2d(4 * f), nn.LeakyReLU(0.2), *doubling_layers(4 * f, 2 * f), *doubling_layers(2 * f, f)),
            *(nn.Upsample(scale_factor=2), nn.Conv2d(f, 1, 3, padding=1), nn.Tanh()),
        )

    def forward(self, latent: Tensor) -> Tensor:
        x = self.start(latent).reshape(len(latent), -1, self.side, self.side)
        out: Tensor = self.layers(x)
        return out


def doubling_layers(channels_in: int, channels_out: int) -> list[nn.Module]:
    """Layers that double the side of the maps: nearest pixel, then a 3x3 convolution."""
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    return [nn.Upsample(scale_factor=2), convolution, nn.BatchNorm2d(channels_out), nn.LeakyReLU(0.2)]


def make_critic(settings: OutlineSettings) -> nn.Sequential:
    """A network from (B, 1, S, S) to (B, 1): four 5x5 convolutions of stride 2, without batch normalisation,
    because the penalty is calculated for each sample."""
    widths = [1, *(settings.filters * 2**level for level in range(4))]
    layers: list[nn.Module] = []
    for channels_in, channels_out in pairwise(widths):
        layers += [nn.Conv2d(channels_in, channels_out, 5, stride=2, padding=2), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * (settings.size // 16) ** 2, 1))


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Mean squared deviation from 1 of the critic's gradient norm between real and fake (B, C, H, W).

    share: (B, 1, 1, 1) in 0..1, uniform, as in the paper (the published code draws it from a normal distribution).
    """
    mixtures = (real + share * (fake - real)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(mixtures).sum(), mixtures, create_graph=True)
    return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()


class OutlineTrainer(GanTrainer):
    """The WGAN-GP. training, held_out: (n, S, S) uint8 outlines; held_out only for the comparison of shapes."""

    # Names of attributes, and keys of the stored checkpoint; the last two are the optimisers.
    parts = ("generator", "critic", "moves_generator", "moves_critic")

    def __init__(
        self, settings: OutlineSettings, training: Outlines, held_out: Outlines, seed: int, device: torch.device
    ) -> None:
        torch.manual_seed(seed)
        self.settings, self.training, self.seed, self.device = settings, training, seed, device
        self.generator, self.critic = Generator(settings).to(device), make_critic(settings).to(device)
        betas = (settings.beta, 0.9)
        self.moves_generator = torch.optim.Adam(self.generator.parameters(), settings.learning_rate, betas)
        self.moves_critic = torch.optim.Adam(self.critic.parameters(), settings.learning_rate, betas)
        self.true_shapes = shapes_of(
            [outline.astype(np.float32) / 127.5 - 1 for outline in held_out[:COMPARED_OUTLINES]]
        )

    def advance(self) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, self.step))
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for _ in range(self.settings.critic_steps):
            distance, penalty = self._teach_critic(rng, noise)
        score = self.critic(self.generator(self._latent_noise(noise))).mean()
        step_optimiser(self.moves_generator, -score)
        self.step += 1
        return {"distance": distance, "penalty": penalty}

    def _teach_critic(self, rng: Rng, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """One step of the critic; returns (mean score of real minus that of drawn outlines, gradient penalty)."""
        chosen = self.training[rng.integers(len(self.training), size=self.settings.batch)]
        quarter_turns, mirrored = rng.integers(4, size=len(chosen)), rng.integers(2, size=len(chosen))
        oriented = [np.rot90(o, t)[:, :: 1 - 2 * m] for o, t, m in zip(chosen, quarter_turns, mirrored, strict=True)]
        real = torch.from_numpy(np.stack(oriented).astype(np.float32) / 127.5 - 1)[:, None].to(self.device)
        with torch.no_grad():
            fake = self.generator(self._latent_noise(noise))
        share = torch.rand(len(real), 1, 1, 1, generator=noise).to(self.device)
        distance = self.critic(real).mean() - self.critic(fake).mean()
        penalty = gradient_penalty(self.critic, real, fake, share)
        step_optimiser(self.moves_critic, self.settings.penalty * penalty - distance)
        return distance.detach(), penalty.detach()

    def _latent_noise(self, noise: torch.Generator) -> Tensor:
        return torch.randn(self.settings.batch, self.settings.latent, generator=noise).to(self.device)

    def measure(self) -> dict[str, float]:
        """`usable`: share of drawn outlines that `clean` accepts. `ks_aspect`, `ks_solidity`: Kolmogorov-Smirnov
        distance between the shape factors of drawn and of held-out real outlines, 0 for equal distributions."""
        cleaned = [clean(field) for field in self._drawn_fields(COMPARED_OUTLINES)]
        usable = [field for field in cleaned if field is not None]
        drawn_shapes = shapes_of(usable) if usable else [ShapeFactors(0, 0)]
        pairs = zip(zip(*drawn_shapes, strict=True), zip(*self.true_shapes, strict=True), strict=True)
        aspect, solidity = (float(ks_2samp(drawn, true).statistic) for drawn, true in pairs)
        return {"usable": len(usable) / len(cleaned), "ks_aspect": aspect, "ks_solidity": solidity}

    def _drawn_fields(self, count: int) -> list[Field]:
        return draw_fields(self.generator, count, self.settings.latent, self.seed, self.device)

    def picture(self) -> Picture:
        """Two rows of real outlines above four rows of drawn ones."""
        real = [self.training[i % len(self.training)] for i in range(24)]
        everything = real + [to_grey(field) for field in self._drawn_fields(48)]
        return in_rows(everything[i : i + 12] for i in range(0, len(everything), 12))


def shapes_of(fields: list[Field]) -> list[ShapeFactors]:
    """The shapes of the fields that are positive anywhere."""
    return [shape_of(field) for field in fields if (field > 0).any()]


@torch.no_grad()
def draw_fields(generator: nn.Module, count: int, latent: int, seed: int, device: torch.device) -> list[Field]:
    """`count` outlines that the generator draws, (S, S) float32 in -1..1; they depend only on the weights and the
    seed."""
    noise = torch.Generator().manual_seed(seed)
    generator.eval()
    fields = generator(torch.randn(count, latent, generator=noise).to(device))[:, 0].float().cpu().numpy()
    generator.train()
    return list(fields)


def draw_outlines(generator: nn.Module, count: int, latent: int, seed: int, device: torch.device) -> list[Field]:
    """`count` drawn outlines, cleaned. Raises MissingStage if fewer than one in PATIENCE is usable."""
    usable: list[Field] = []
    for batch in range(PATIENCE * -(-count // BATCH)):
        fields = draw_fields(generator, BATCH, latent, seed + batch, device)
        usable += [cleaned for field in fields if (cleaned := clean(field)) is not None]
        if len(usable) >= count:
            return usable[:count]
    raise MissingStage("The outlines stage draws hardly any usable outline yet: train it for more steps.")
