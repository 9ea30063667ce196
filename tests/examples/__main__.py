"""The examples of the upload page, one of each kind: rendered here, so that no one else owns them, and analysed.

`python -m tests.examples` writes the same bytes each time to static/sample, and the README's figure to
docs/screenshots; or all to a folder that it names. `test_shop_window.py` compares these with what the models find.
The sample of particles stays as the renderer of 1eed9c45 drew it, because people and documents know its numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.micrograph.reader import read
from segmentation.core.pipeline import analyse
from segmentation.core.report.figures import figure
from segmentation.core.report.figures.picture import before_and_after, captioned_webp
from segmentation.core.sample import SampleAnalysis
from segmentation.lab.training.synthesis.noise import (
    Field,
    distance_to_points,
    fractal_field,
    smooth_field,
    warped,
    white_noise,
)

SAMPLE = Path("static/sample/sem-sample.tif")
SHAPE = (512, 512)
SEED, QUALITY = 5, 75  # of the noise; of the JPEG in a TIFF
SMALL = 300, 200  # px, twice as many as the page shows
FIGURE = "figure.png", 1400, 256  # its width in px, and its number of colours
CAPTION = "Rendered by DeepSegm, not acquired."


def draw_bubbles(rng: np.random.Generator) -> Field:
    """Bubbles brighter than the foil around them, each with the dark fringe of an underfocused image."""
    grey = 0.5 + 0.1 * smooth_field(SHAPE, 220, rng) + 0.055 * fractal_field(SHAPE, 40, 5, 0.7, rng)
    rows, columns = np.indices(SHAPE)
    placed: list[tuple[float, float, float]] = []
    for radius in np.exp(rng.normal(np.log(7), 0.32, 170)):
        row, column = rng.uniform(0, SHAPE)
        if any(np.hypot(row - y, column - x) <= radius + other + 3 for y, x, other in placed):
            continue
        placed.append((row, column, radius))
        far = np.hypot(rows - row, columns - column) - radius
        grey += 0.1 * np.clip(0.5 - far, 0, 1) - 0.075 * np.exp(-(((far - 1.5) / 1.2) ** 2))
    return grey


def draw_fibres(rng: np.random.Generator) -> Field:
    """Fibres that bend gently, each over those before it, with brighter edges."""
    grey, (rows, columns) = 0.2 + 0.03 * smooth_field(SHAPE, 90, rng), np.indices(SHAPE)
    for width in np.exp(rng.normal(np.log(12), 0.15, 18)):
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(400, 4000)
        row, column = rng.uniform(60, 452, 2) + radius * np.array([np.sin(angle), np.cos(angle)])
        off = abs(np.hypot(rows - row, columns - column) - radius) / (width / 2)
        grey = np.where(off < 1, rng.uniform(0.5, 0.65) + 0.2 * off**4, grey)
    return grey


def draw_grains(rng: np.random.Generator) -> Field:
    """Grains of different greys and bend contours, with dark boundaries."""
    _, nearest = distance_to_points(SHAPE, 62, rng)
    labels = np.unique(warped(nearest, 3, 24, rng), return_inverse=True)[1].reshape(SHAPE)
    tone, bent = rng.beta(1.5, 1.5, labels.max() + 1), rng.uniform(0.2, 1.8, labels.max() + 1)
    boundary = ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)
    inside = 0.25 + 0.42 * tone[labels] + 0.1 * bent[labels] * fractal_field(SHAPE, 17, 6, 0.6, rng)
    return inside - 0.24 * ndimage.gaussian_filter(boundary.astype(np.float32), 1.2)


def draw_layers(rng: np.random.Generator) -> Field:
    """A porous coating above a cracked layer above a substrate, in cross-section."""
    rows, columns = np.indices(SHAPE)
    top = 260 + 10 * smooth_field((1, SHAPE[1]), 120, rng)[0] + 2 * smooth_field((1, SHAPE[1]), 12, rng)[0]
    bottom = top + 75 + 5 * smooth_field((1, SHAPE[1]), 90, rng)[0]
    grey = np.where(rows < top, 0.94, np.where(rows < bottom, 0.42, 0.16)).astype(np.float32)
    seams = abs(warped(fractal_field(SHAPE, 110, 20, 0.5, rng), 14, 30, rng)) < 0.12
    grey[(rows < top) & seams & (smooth_field(SHAPE, 90, rng) > 0.55)] = 0.3
    grey[(rows < top) & (smooth_field(SHAPE, 8, rng) > 1.6)] = 0.08
    grey[(rows > bottom) & (smooth_field(SHAPE, 26, rng) > 2.3)] = 0.06
    for column in rng.uniform(40, SHAPE[1] - 40, 6):
        path = column + np.cumsum(rng.normal(0, 0.7, SHAPE[0]))
        grey[(abs(columns - path[:, None]) < 1.3) & (rows > top) & (rows < bottom)] = 0.05
    return grey


def draw_phases(rng: np.random.Generator) -> Field:
    """Dark cuboids between bright channels, as gamma prime in a superalloy."""
    rows, columns = (axis + 5 * smooth_field(SHAPE, 70, rng) for axis in np.indices(SHAPE))
    channel = (np.mod(rows, 30) < 5.5) | (np.mod(columns, 30) < 5.5)
    return np.where(channel, 0.72, 0.3) + 0.03 * smooth_field(SHAPE, 60, rng)


# Kind: its model, how it is drawn, the noise of its pixels, and nm in a pixel.
DRAWN: dict[str, tuple[str, Callable[[np.random.Generator], Field], float, float]] = {
    "bubbles": ("bubbles", draw_bubbles, 0.03, 0.5),
    "fibres": ("fibres", draw_fibres, 0.03, 20.0),
    "grains": ("grain-boundaries", draw_grains, 0.04, 1.0),
    "layers": ("coatings", draw_layers, 0.03, 100.0),
    "phases": ("auto-phases", draw_phases, 0.05, 10.0),
}


def write_examples(folder: Path, figures: Path) -> Iterator[Path]:
    """Write an example of every kind but particles, and small pictures of what is found in each and in the sample; into
    `figures` the figure of that."""
    for kind, (_, draw, noise, nm_per_pixel) in DRAWN.items():
        rng = np.random.default_rng(SEED)
        grey = ndimage.gaussian_filter(ndimage.gaussian_filter(draw(rng), 0.8) + noise * white_noise(SHAPE, rng), 0.55)
        tifffile.imwrite(
            folder / f"{kind}.tif",
            np.clip(255 * grey, 0, 255).astype(np.uint8),
            description=f"ImageJ=1.11a\nunit=nm\nInfo={CAPTION}\n",
            metadata=None,
            resolution=(1 / nm_per_pixel, 1 / nm_per_pixel),
            resolutionunit="none",
            compression="jpeg",
            compressionargs={"level": QUALITY},
        )
        yield folder / f"{kind}.tif"
    for kind in ("particles", *DRAWN):
        result = analysed(kind, folder)
        for name, panel in panels(kind, result).items():
            (folder / f"{name}.webp").write_bytes(captioned_webp(panel, CAPTION))
            yield folder / f"{name}.webp"
        if kind == "particles":
            yield write_figure(result, figures)


def analysed(kind: str, folder: Path) -> Analysis:
    """What the shipped model finds in the example of a kind in `folder`."""
    model, source = (DRAWN[kind][0], folder / f"{kind}.tif") if kind in DRAWN else (kind, SAMPLE)
    return analyse(read(source), AnalysisSettings.of(kind, model=model))


def write_figure(result: Analysis, folder: Path) -> Path:
    """Write the four-panel figure, small enough for a page."""
    name, width, colours = FIGURE
    drawn = Image.fromarray(figure.pixels_of(figure.draw(SampleAnalysis.of(result))))
    small = drawn.resize((width, round(width * drawn.height / drawn.width)), Image.Resampling.LANCZOS)
    small.quantize(colours).save(folder / name, optimize=True)
    return folder / name


def panels(kind: str, result: Analysis) -> dict[str, NDArray[np.uint8]]:
    """The middle of an example, half as it is and half as its result shows it."""
    plain, coloured = (middle(picture) for picture in before_and_after(result, SHAPE[0] * 3 // 2))
    half = np.concatenate([plain[:, : SMALL[0] // 2], coloured[:, SMALL[0] // 2 :]], axis=1)
    return {kind: half}


def middle(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As much of a picture as SMALL has room for, at the scale at which it shows 450 px of its width."""
    wide, tall = min(450, picture.shape[1]), min(300, picture.shape[0])
    left, top = (picture.shape[1] - wide) // 2, (picture.shape[0] - tall) // 2
    cut = Image.fromarray(picture[top : top + tall, left : left + wide])
    return np.asarray(cut.resize(SMALL, Image.Resampling.LANCZOS))


if __name__ == "__main__":
    named = [Path(argument) for argument in sys.argv[1:2]]
    for file in write_examples(*(named * 2 or [Path("static/sample"), Path("docs/screenshots")])):
        print(file)
