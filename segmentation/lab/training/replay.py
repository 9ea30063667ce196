"""Collects training data of the base model for a fine-tuning, as far as they are on this machine. The fine-tuning also
trains on some of them (replay); others show what the model forgets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

from ...core.masks.truth import Pair, find_pairs
from ...core.network.cards import ModelCard
from .contract import Labels, Picture
from .data import DrawnSource, LabelledImage, Sample, eight_bit_picture, rendering_function, split_sources
from .files import write_picture
from .pretrained import maps_of
from .settings import FORBIDDEN, FolderEntry, RenderedEntry, TrainingRecipe, number_of_classes, read_recipe
from .settings.recipe import RECIPES
from .start import resolve_recipe

ROOT = Path(__file__).parents[3]  # the paths of the released recipes are relative to it
PICTURES, MICROGRAPHS = 48, 24  # numbers of rendered pictures and of micrographs to learn from
SIDE, SEED = 320, 7000  # px and random seed of the rendered pictures to learn from
WITHHELD, WITHHELD_SIDE = 12, 448  # pictures of each kind that show what is forgotten; px of the rendered ones
RENDERED, OWN = "rendered", "own"  # folders of rendered pictures, and of images of the base model's recipe


class Replay(NamedTuple):
    """The base model's own data. training: a folder to learn from, None if no data are on this machine. withheld: by
    title the images, with labels, that show what is forgotten."""

    training: Path | None
    withheld: dict[str, list[Pair]]


def replay(card: ModelCard, out: Path) -> Replay:
    """The base model's own data, which are written into `out` unless they are there."""
    if not out.exists():
        partial_folder = out.with_name(f".{out.name}.part")
        shutil.rmtree(partial_folder, ignore_errors=True)
        partial_folder.mkdir(parents=True)
        _write_data(card, partial_folder)
        os.replace(partial_folder, out)
    titles = {RENDERED: "rendered pictures", OWN: f"validation images of {card.name}"}
    count = number_of_classes(card.task, maps_of(card))
    classes = tuple(range(1, count + 1))
    folders = {title: out / name for name, title in titles.items() if (out / name).is_dir()}
    withheld = {title: find_pairs(folder, classes=classes).pairs for title, folder in folders.items()}
    training = out / "training"
    return Replay(training if training.is_dir() else None, withheld)


def recipe_of(card: ModelCard) -> TrainingRecipe | None:
    """The recipe of a released model or, for a user's own model, that of the model from which it started; None if
    there is none."""
    names = card.name, card.training.get("start_from", "")
    file = next((RECIPES / f"{name}.toml" for name in names if name and (RECIPES / f"{name}.toml").is_file()), None)
    recipe = read_recipe(file) if file else None
    return recipe if recipe and recipe.task == card.task else None


def _write_data(card: ModelCard, out: Path) -> None:
    """Write the base model's own data into `out`: rendered pictures and micrographs of its recipe, to learn from and
    to see what is forgotten."""
    recipe = recipe_of(card)
    if recipe is None:
        return
    entries = [entry for entry in recipe.sources if isinstance(entry, RenderedEntry)]
    total_weight = sum(entry.weight for entry in entries)
    for folder, count, side, seed in (
        (out / "training", PICTURES, SIDE, SEED),
        (out / RENDERED, WITHHELD, WITHHELD_SIDE, 0),
    ):
        stock: list[Sample] = []  # about `count` pictures, of each source in proportion to its weight
        for number, entry in enumerate(entries):
            images = max(1, round(count * entry.weight / total_weight))
            stock += DrawnSource(images, side, seed + number, rendering_function(entry)).stock
        for number, (grey, labels) in enumerate(stock):
            _write(folder, f"rendered-{number:03d}", grey, labels)
    training, held_out = _images_of_folders(resolve_recipe(recipe, out / "none.toml"))  # no such file: no run has begun
    for folder, images, count in ((out / "training", training, MICROGRAPHS), (out / OWN, held_out, WITHHELD)):
        evenly_spaced = np.linspace(0, len(images) - 1, min(len(images), count)).round().astype(int)
        for number, index in enumerate(evenly_spaced):
            micrograph, labels = images[index].pair.load()
            _write(folder, f"own-{number:03d}", eight_bit_picture(micrograph.pixels), labels)


def _images_of_folders(recipe: TrainingRecipe) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """(for training, held out) images of the recipe's folders that are on this machine, without data that are for
    evaluation only."""
    sides: tuple[list[LabelledImage], list[LabelledImage]] = [], []
    for entry in recipe.sources:
        if type(entry) is not FolderEntry or not (ROOT / entry.path).is_dir() or FORBIDDEN in entry.path:
            continue
        for side, images in zip(sides, split_sources(recipe.replaced(sources=[entry]), ROOT)[0], strict=True):
            side += [image for image in images if image.has_labels]
    return sides


def _write(folder: Path, name: str, grey: Picture, labels: Labels) -> None:
    write_picture(folder / "images" / f"{name}.png", np.ascontiguousarray(grey))
    (folder / "labels").mkdir(exist_ok=True)
    tifffile.imwrite(folder / "labels" / f"{name}.tif", labels.astype(np.int32), compression="zlib")
