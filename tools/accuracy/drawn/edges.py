"""Compares the sizes of drawn particles, found and measured as any picture, with their true sizes:

    python -m tools.accuracy edges

The particles lie apart, at any angle, blurred as by a microscope (SD 0.8 px), with two strengths of noise. `sphere`: as
thick as they are wide, in bright field; `flat`: a plate, in bright field; `shining`: bright at the rim, as secondary
electrons show them. The table has the mean error of a picture's particles in px, and below it all together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.types import ABSENT, Micrograph
from segmentation.core.network.runtime import Runtime
from segmentation.core.pipeline import analyse

Floats = NDArray[np.float64]
ASPECTS = {"discs": 1.0, "ellipses": 1.5, "rods": 3.5, "squares": 1.0}
KINDS = (
    *(("discs", kind) for kind in ("sphere", "flat", "shining")),
    *(("ellipses", kind) for kind in ("sphere", "flat")),
    *(("rods", kind) for kind in ("sphere", "flat", "shining")),
    *(("squares", kind) for kind in ("flat", "shining")),
)
SIZES, NOISES = (8, 12, 20, 40, 80), (0.02, 0.06)
BLUR, FINE, MOST = 0.8, 4, {8: 100, 12: 80, 20: 49, 40: 25, 80: 9}
MEASURES = ("min_feret", "ecd", "max_feret")


@dataclass(frozen=True)
class Drawing:
    """A picture of equal particles. shape: of ASPECTS. kind: how the grey goes across a particle. size: minimum Feret
    diameter, px."""

    shape: str
    kind: str
    size: float
    noise: float

    @property
    def truth(self) -> tuple[float, float, float]:
        """The true MEASURES, px."""
        size, aspect = self.size, ASPECTS[self.shape]
        area = {"squares": size**2, "rods": pi * size**2 / 4 + size**2 * (aspect - 1)}.get(
            self.shape, pi * size**2 * aspect / 4
        )
        return size, sqrt(4 * area / pi), size * (sqrt(2) if self.shape == "squares" else aspect)

    def particle(self, y: Floats, x: Floats) -> Floats:
        """The thickness of a particle (for `shining` its brightness), 0 to 1, at places from its middle, px."""
        aspect = ASPECTS[self.shape]
        along, across = abs(x) / (self.size * aspect / 2), abs(y) / (self.size / 2)
        if self.shape == "squares":
            return (np.maximum(along, across) <= 1).astype(float)
        radius = np.hypot(np.maximum(along * aspect - (aspect - 1), 0) if self.shape == "rods" else along, across)
        thick = np.sqrt(np.clip(1 - radius**2, 0, 1))
        is_inside = radius <= 1
        return {"sphere": thick, "flat": is_inside * 1.0, "shining": is_inside * (0.55 + 0.45 * (1 - thick) ** 1.5)}[
            self.kind
        ]

    def picture(self, seed: int) -> NDArray[np.uint8]:
        """(H, W) uint8: the drawing, on a grainy support."""
        rng, longest = np.random.default_rng(seed), self.truth[2]
        pitch = longest + max(12.0, 0.4 * self.size)
        columns = min(int(768 // pitch), ceil(sqrt(MOST.get(int(self.size), 25))))
        side, reach = max(int(columns * pitch + 20), 384), int(longest / 2 + 4)
        total, grid = np.zeros((side, side)), (np.mgrid[: 2 * reach * FINE, : 2 * reach * FINE] + 0.5) / FINE
        for row, column in np.ndindex(columns, columns):
            y, x = 10 + pitch * (np.array([row, column]) + 0.5) + rng.uniform(-2, 2, 2)
            top, left, angle = int(y) - reach, int(x) - reach, rng.uniform(0, pi)
            down, right = grid[0] + top - y, grid[1] + left - x
            turned = down * np.cos(angle) - right * np.sin(angle), right * np.cos(angle) + down * np.sin(angle)
            drawn = self.particle(*turned).reshape(2 * reach, FINE, 2 * reach, FINE).mean((1, 3))
            above, before = max(-top, 0), max(-left, 0)
            part = total[top + above : top + 2 * reach, left + before : left + 2 * reach]
            part += drawn[above : above + part.shape[0], before : before + part.shape[1]]
        support = 1 + 0.08 * ndimage.gaussian_filter(rng.normal(size=total.shape), 2)
        grey = 0.25 * support + 0.55 * total if self.kind == "shining" else 0.85 * support * np.exp(-0.9 * total)
        grey = ndimage.gaussian_filter(grey, BLUR) + rng.normal(0, self.noise, total.shape)
        return (255 * np.clip(grey, 0, 1)).astype(np.uint8)


def errors(drawing: Drawing, seed: int, runtime: Runtime) -> Floats:
    """(n, 3) the errors of the MEASURES of the whole particles, px. Pieces and several in one outline are left out."""
    micrograph = Micrograph(drawing.picture(seed), "drawn.png", "0" * 64, ABSENT)
    table = analyse(micrograph, AnalysisSettings.of(), runtime=runtime).table
    sizes = np.stack([table.length(name) for name in MEASURES], axis=1)[table.whole]
    is_one = abs(sizes[:, 1] / drawing.truth[1] - 1) < 0.3
    return sizes[is_one] - drawing.truth


def lines(sizes: tuple[int, ...] = SIZES) -> Iterator[str]:
    """The table in Markdown."""
    runtime, means = Runtime(), dict[int, list[Floats]]()
    yield "| shape | size (px) | minimum Feret | ECD | maximum Feret |"
    yield "|---|---|---|---|---|"
    for number, (shape, kind) in enumerate(KINDS):
        for size in sizes:
            found = [errors(Drawing(shape, kind, size, noise), 100 * number + size, runtime) for noise in NOISES]
            if not all(len(part) for part in found):
                continue
            means.setdefault(size, []).extend(part.mean(0) for part in found)
            cells = ("; ".join(f"{part.mean(0)[at]:+.2f}" for part in found) for at in range(3))
            yield f"| {shape}, {kind} | {size} | {' | '.join(cells)} |"
    for size, parts in means.items():
        together = np.sqrt((np.array(parts) ** 2).mean(0))
        cells = (f"{value:.2f} px, {100 * value / size:.1f} %" for value in together)
        yield f"| all (root mean square) | {size} | {' | '.join(cells)} |"
