"""What a base model was taught on, as far as it is at hand: pictures to go on learning from, and others to see what is
forgotten."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

from ...core.network.cards import ModelCard
from ...core.truth import Pair, find_pairs
from .contract import Labels, Picture
from .data import DrawnSource, Labelled, Sample, eight_bits, renders, split_sources
from .files import write_picture
from .pretrained import maps_of
from .settings import FORBIDDEN, FolderEntry, RenderedEntry, TrainingRecipe, number_of_classes, read_recipe
from .settings.recipe import RECIPES
from .start import resolved

ROOT = Path(__file__).parents[3]  # from which the paths of our recipes go out
PICTURES, MICROGRAPHS = 48, 24  # to learn from
KEPT, KEPT_SIDE = 12, 448  # to see what is forgotten, of each kind; px
SIDE, SEED = 320, 7000  # of the rendered pictures to learn from; px
RENDERED, OWN = "rendered", "own"


class Replay(NamedTuple):
    """training: a folder to learn from, None where nothing is at hand. withheld: title and pairs of what shows what is
    forgotten."""

    training: Path | None
    withheld: dict[str, list[Pair]]


def replay(card: ModelCard, out: Path) -> Replay:
    """The base model's own data, laid out in `out`; nothing is done where it is there already."""
    if not out.exists():
        aside = out.with_name(f".{out.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _lay_out(card, aside)
        os.replace(aside, out)
    titles = {RENDERED: "rendered pictures", OWN: f"validation images of {card.name}"}
    count = number_of_classes(card.task, maps_of(card))
    classes = tuple(range(1, count + 1))
    folders = {title: out / name for name, title in titles.items() if (out / name).is_dir()}
    withheld = {title: find_pairs(folder, classes=classes).pairs for title, folder in folders.items()}
    training = out / "training"
    return Replay(training if training.is_dir() else None, withheld)


def recipe_of(card: ModelCard) -> TrainingRecipe | None:
    """The recipe by which a released model was made, or the one that a user's own model goes back to."""
    names = card.name, card.training.get("start_from", "")
    file = next((RECIPES / f"{name}.toml" for name in names if name and (RECIPES / f"{name}.toml").is_file()), None)
    recipe = read_recipe(file) if file else None
    return recipe if recipe and recipe.task == card.task else None


def _lay_out(card: ModelCard, out: Path) -> None:
    """Write the base model's own data: what its recipe renders and trains on, and what both hold out."""
    recipe = recipe_of(card)
    if recipe is None:
        return
    entries = [entry for entry in recipe.sources if isinstance(entry, RenderedEntry)]
    whole = sum(entry.weight for entry in entries)
    for folder, count, side, seed in ((out / "training", PICTURES, SIDE, SEED), (out / RENDERED, KEPT, KEPT_SIDE, 0)):
        stock: list[Sample] = []  # about `count` pictures of the recipe's sources, in their shares
        for number, entry in enumerate(entries):
            images = max(1, round(count * entry.weight / whole))
            stock += DrawnSource(images, side, seed + number, renders(entry)).stock
        for number, (grey, labels) in enumerate(stock):
            _write(folder, f"rendered-{number:03d}", grey, labels)
    training, held = _of_folders(resolved(recipe, out / "none.toml"))  # no such file: no run has begun
    for folder, pairs, count in ((out / "training", training, MICROGRAPHS), (out / OWN, held, KEPT)):
        evenly = np.linspace(0, len(pairs) - 1, min(len(pairs), count)).round().astype(int)
        for number, index in enumerate(evenly):
            micrograph, labels = pairs[index].pair.load()
            _write(folder, f"own-{number:03d}", eight_bits(micrograph.pixels), labels)


def _of_folders(recipe: TrainingRecipe) -> tuple[list[Labelled], list[Labelled]]:
    """What the recipe trains on and what it holds out of the folders that are on this machine; nothing that is for
    evaluation only."""
    sides: tuple[list[Labelled], list[Labelled]] = [], []
    for entry in recipe.sources:
        if type(entry) is not FolderEntry or not (ROOT / entry.path).is_dir() or FORBIDDEN in entry.path:
            continue
        for side, pairs in zip(sides, split_sources(recipe.replaced(sources=[entry]), ROOT)[0], strict=True):
            side += [one for one in pairs if one.taught]
    return sides


def _write(folder: Path, name: str, grey: Picture, labels: Labels) -> None:
    write_picture(folder / "images" / f"{name}.png", np.ascontiguousarray(grey))
    (folder / "labels").mkdir(exist_ok=True)
    tifffile.imwrite(folder / "labels" / f"{name}.tif", labels.astype(np.int32), compression="zlib")
