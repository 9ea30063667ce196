"""Reads the training data of the GANs: outlines from label files or from our renderer, and unlabelled micrographs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ....core.masks.truth import LABEL_KINDS, BadDataset, files_in, grouping, image_suffixes, load_image, load_labels
from ....core.micrograph.contrast import clip_outliers
from ....core.micrograph.scale_bar.databar import first_bar_row
from ....core.network.resample import resize
from ...training.contract import Field, Labels, Picture, Rng
from ...training.data import validation_groups
from ...training.settings import refuse_evaluation_data
from ...training.synthesis.noise import turned_or_mirrored
from ...training.synthesis.render import render
from .outlines import silhouettes
from .settings import GanRecipe, MicrographSource, OutlineSource

RENDERED_SIDE = 384  # px
CROP_TRIES = 8  # crops that are drawn until one is not nearly empty
Micrographs = list[Field]


def check_sources(recipe: GanRecipe, base: Path) -> None:
    """Check that every folder of the recipe is there, may be used and holds files. Raises BadRecipe, BadDataset."""
    for outline_source in recipe.outlines.sources:
        if outline_source.kind == "labels":
            split_files(base, outline_source, recipe)
    for micrograph_source in recipe.cyclegan.sources:
        split_files(base, micrograph_source, recipe)


def split_files(
    base: Path, source: OutlineSource | MicrographSource, recipe: GanRecipe
) -> tuple[list[Path], list[Path]]:
    """(training, held-out) picture files of a source, sorted, split by group in the same way as the folders of a
    training.

    Raises BadRecipe for a forbidden folder, BadDataset for a missing or empty one.
    """
    name, pattern = (source.labels, "*") if isinstance(source, OutlineSource) else (source.images, source.names)
    folder = base / source.path / name
    refuse_evaluation_data(folder)
    files = files_in(folder, LABEL_KINDS if isinstance(source, OutlineSource) else image_suffixes(), pattern)
    refuse_evaluation_data(*files)
    group_of = grouping(base / source.path / source.groups if source.groups else None)
    groups = [group_of(file) for file in files]
    held_out = validation_groups(groups, recipe.validation, recipe.fold)
    pairs = list(zip(files, groups, strict=True))
    return [f for f, group in pairs if group not in held_out], [f for f, group in pairs if group in held_out]


def outline_stock(recipe: GanRecipe, base: Path) -> tuple[Picture, Picture]:
    """(training, held-out) outlines, each (n, S, S) uint8, from all sources; the training outlines in random order.

    If there would be none for training or none held out (as with a single label file), every tenth is held out.
    Raises BadDataset for fewer than two outlines.
    """
    training: list[Picture] = []
    held_out: list[Picture] = []
    settings = recipe.outlines
    for number, source in enumerate(settings.sources):
        for labels, is_held_out in _label_images(recipe, base, source, number):
            outlines = silhouettes(labels, settings.size, settings.smallest, settings.solidity)
            (held_out if is_held_out else training).extend(outlines)
    if len(training) + len(held_out) < 2:
        raise BadDataset(
            f"The sources of outlines hold {len(training) + len(held_out)} whole particles of at least "
            f"{settings.smallest:g} px; 2 is the least, hundreds are good."
        )
    if not training or not held_out:
        everything = training + held_out
        step = min(10, len(everything))
        training = [outline for i, outline in enumerate(everything) if i % step]
        held_out = everything[::step]
    chosen = np.random.default_rng(recipe.seed).permutation(len(training))[: settings.most]
    return np.stack([training[i] for i in chosen]), np.stack(held_out)


def _label_images(recipe: GanRecipe, base: Path, source: OutlineSource, number: int) -> Iterator[tuple[Labels, bool]]:
    """(H, W) labels of every picture of a source, and whether it is held out."""
    if source.kind == "labels":
        for part, files in enumerate(split_files(base, source, recipe)):
            yield from ((load_labels(file, source.background), part == 1) for file in files)
        return
    rng = np.random.default_rng((recipe.seed, number))
    for picture in range(source.count):
        labels = render((RENDERED_SIDE, RENDERED_SIDE), rng, fixed={"diameter": source.diameter})[1]
        yield labels, picture % 10 == 0


def micrograph_stock(recipe: GanRecipe, base: Path) -> Micrographs:
    """The unlabelled micrographs that are not held out, scaled to the particle diameter of the masks.

    Pictures that are smaller than a crop after the scaling are left out. Raises BadDataset if none remains.
    """
    stock = []
    for source in recipe.cyclegan.sources:
        for file in split_files(base, source, recipe)[0]:
            picture = read_micrograph(file, source, recipe.masks.diameter)
            if min(picture.shape) >= recipe.cyclegan.crop:
                stock.append(picture)
    if not stock:
        raise BadDataset(
            f"No micrograph is left for the cyclegan stage: with particles of {recipe.masks.diameter:g} px, "
            f"all are smaller than a crop of {recipe.cyclegan.crop} px."
        )
    return stock


def read_micrograph(file: Path, source: MicrographSource, diameter: float) -> Field:
    """(H, W) float32 in -1..1: a micrograph without its data bar, contrast clipped, inverted if its particles are
    dark, and scaled so that they have `diameter` px (enlarged two times at most). Raises BadDataset."""
    micrograph = load_image(file)
    picture = clip_outliers(micrograph.pixels[: first_bar_row(micrograph)])
    if source.polarity == "dark":
        picture = 1 - picture
    scale = diameter / (source.diameter or estimated_diameter(picture))
    return 2 * resize(picture, min(scale, 2.0)) - 1


def estimated_diameter(picture: Field) -> float:
    """A typical particle diameter in px: 2.5 times the distance at which the picture's correlation is a half.

    For discs at random places the correlation is a half at 0.4 diameters.
    """
    deviations = picture - picture.mean()
    shape = [2 * n for n in deviations.shape]
    power = np.abs(np.fft.rfft2(deviations, shape)) ** 2
    correlation = np.fft.irfft2(power, shape)
    reach = min(picture.shape) // 2
    rows, columns = np.mgrid[-reach:reach, -reach:reach]
    distance = np.rint(np.hypot(rows, columns)).astype(int)
    values = correlation[rows, columns] / ((picture.shape[0] - abs(rows)) * (picture.shape[1] - abs(columns)))
    ring = np.bincount(distance.ravel(), values.ravel()) / np.bincount(distance.ravel())
    # White noise correlates at distance 0 only, so half of the value at distance 1 is used.
    under_half = np.flatnonzero(ring[1:reach] < 0.5 * ring[1])
    return 2.5 * float(1 + under_half[0]) if len(under_half) else float(reach)


def crop_micrograph(stock: Micrographs, side: int, rng: Rng) -> Field:
    """A random square of a random micrograph, turned and mirrored at random. A nearly empty square (under half the
    picture's SD) is drawn again, up to CROP_TRIES times."""
    picture = stock[int(rng.integers(len(stock)))]
    for _ in range(CROP_TRIES):
        row, column = (int(rng.integers(n - side + 1)) for n in picture.shape)
        crop = picture[row : row + side, column : column + side]
        if crop.std() >= 0.5 * picture.std():
            break
    return turned_or_mirrored(rng, crop)[0]
