"""A training's recipe: one TOML file, checked before any hour is spent."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..core.network.architectures import STRIDE
from ..core.truth import BadDataset
from .data import FolderSource, Labelled, RenderedSource, Source, load_folder, validation_groups
from .entries import (
    AUXILIARY,
    SIZES,
    Augmentation,
    BadRecipe,
    FolderEntry,
    Loss,
    Optimiser,
    RenderedEntry,
    Schedule,
    SourceEntry,
    require,
    require_entry,
    source_entry,
    table,
)
from .targets import HEADS

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
TABLES: dict[str, type[Any]] = {
    "loss": Loss,
    "augmentation": Augmentation,
    "optimiser": Optimiser,
    "schedule": Schedule,
}
MACHINE = ("device", "threads", "workers")  # where it runs, not what is trained: may differ when a run resumes


@dataclass(frozen=True)
class TrainingRecipe:
    """name, title, summary, licence, limits: of the model. architecture: see core.network.architectures.

    sources: tables of FolderEntry and RenderedEntry. validation: share of the groups held out, `fold`: which
    share; with `folds` = n the groups are parted into n and fold 0..n-1 is held out. sizes: typical particle
    diameters in px that are taught. diameter, closer: of the card (0: as the model that it starts from, or the
    usual). heads: maps to predict. pretrained: the encoder's weights, see `pretrained.load_encoder`. start_from:
    a model (name, or its card's file) whose weights are trained on, those of its encoder where the recipe has
    another decoder. freeze: steps in which a pretrained encoder rests. keep_statistics: batch normalisation keeps
    what it knows of the pictures that it was trained on before. steps: optimiser steps. batch: crops a step.
    crop: side in px. rate: for new layers; encoder_rate: for pretrained ones. decay: of weights. average: decay
    of the weights' moving average. checkpoint: steps between checkpoints. patience: checkpoints without a better
    validation loss after which a run stops and its best weights count (0: never). validation_batches: fixed
    batches that are validated. precision: "bfloat16", "float32" or "auto". device: "auto", "cpu", "cuda", ...
    threads: of the processor (0: all). workers: processes that prepare crops (0: one on a processor, more beside
    a GPU).
    """

    name: str
    title: str
    sources: list[dict[str, Any]]
    architecture: dict[str, Any] = field(default_factory=dict)
    summary: str = ""
    licence: str = "MIT"
    limits: list[str] = field(default_factory=list)
    pretrained: str = ""
    start_from: str = ""
    freeze: int = 0
    keep_statistics: bool = False
    heads: list[str] = field(default_factory=lambda: list(HEADS))
    sizes: list[float] = field(default_factory=lambda: list(SIZES))
    diameter: float = 0.0
    closer: float = 0.0
    steps: int = 3000
    batch: int = 12
    crop: int = 256
    rate: float = 1e-3
    encoder_rate: float = 3e-4
    decay: float = 1e-4
    average: float = 0.998
    checkpoint: int = 100
    patience: int = 0
    validation: float = 0.15
    fold: int = 0
    folds: int = 0
    validation_batches: int = 6
    seed: int = 1
    precision: str = "bfloat16"
    device: str = "auto"
    threads: int = 0
    workers: int = 0
    loss: Loss = field(default_factory=Loss)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimiser: Optimiser = field(default_factory=Optimiser)
    schedule: Schedule = field(default_factory=Schedule)

    def __post_init__(self) -> None:
        require(bool(NAME.fullmatch(self.name)), f"name is small letters, digits, dots and dashes, not {self.name!r}.")
        for name in ("title", "summary", "licence", "limits"):
            require_entry(name, getattr(self, name))
        require(self.name != "recipe", "name is another word than recipe, which is the frozen recipe's.")
        least = min(self.steps, self.batch, self.checkpoint, self.validation_batches)
        require(least >= 1, "steps, batch, checkpoint and validation_batches are at least 1.")
        stride_kept = self.crop >= STRIDE and self.crop % STRIDE == 0
        require(stride_kept, f"crop is a multiple of {STRIDE}, not {self.crop}.")
        require(self.rate > 0 and self.encoder_rate >= 0 and self.decay >= 0, "rate is above 0, the others not below.")
        require(0 <= self.average < 1 and 0 <= self.validation < 1, "average and validation lie from 0 to below 1.")
        counts = min(self.freeze, self.patience, self.fold, self.folds, self.seed, self.threads, self.workers)
        require(counts >= 0, "freeze, patience, fold, folds, seed, threads and workers are not below 0.")
        require(self.folds != 1 and (not self.folds or self.fold < self.folds), "fold is below folds, folds above 1.")
        require(self.precision in ("bfloat16", "float32", "auto"), "precision is bfloat16, float32 or auto.")
        self._check_lists()

    def _check_lists(self) -> None:
        require(bool(self.sources), "sources names no source.")
        for number, source in enumerate(self.sources, start=1):
            source_entry(number, source)
        rising = len(self.sizes) == 2 and 0 < self.sizes[0] < self.sizes[1]
        require(rising, "sizes is the smallest and the largest typical diameter in px.")
        taught = self.diameter == 0 or self.sizes[0] <= self.diameter <= self.sizes[1]
        require(taught, "diameter is one of the sizes in px, or 0.")
        require(self.closer == 0 or 1 <= self.closer <= 4, "closer is a factor from 1 to 4, or 0.")
        known = [*HEADS, *AUXILIARY]
        named = self.heads == list(HEADS) or (self.heads[:2] == list(HEADS) and self.heads == known)
        require(named, f"heads is {list(HEADS)} or {known}.")
        require(bool(self.architecture or self.start_from), "it lacks an architecture.")
        require(not self.freeze or bool(self.pretrained or self.start_from), "freeze needs a pretrained encoder.")
        require(not (self.pretrained and self.start_from), "pretrained and start_from exclude each other.")

    def entries(self) -> list[SourceEntry]:
        """The sources, checked, in their order."""
        return [source_entry(number, source) for number, source in enumerate(self.sources, start=1)]

    def folders_only(self) -> TrainingRecipe:
        """The recipe without its rendered pictures."""
        return replace(self, sources=[s for s in self.sources if s.get("kind") == "folder"])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_recipe(file: Path) -> TrainingRecipe:
    """The recipe in a TOML file. Raises BadRecipe for unknown, missing or impossible entries."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadRecipe(f"There is no recipe {file}.") from error
    except (OSError, ValueError) as error:
        raise BadRecipe(f"{file} cannot be read as TOML: {error}.") from error
    return recipe_from(data, str(file))


def recipe_from(data: Mapping[str, Any], where: str) -> TrainingRecipe:
    """The recipe in a mapping such as TOML's; `where` begins every refusal."""
    needed = {"name", "title", "sources"} | (set() if data.get("start_from") else {"architecture"})
    known = {f.name for f in fields(TrainingRecipe)}
    if set(data) <= known and (missing := needed - set(data)):
        raise BadRecipe(f"{where} lacks {', '.join(sorted(missing))}.")
    tables = {name: table(kind, data[name], f"{where}: {name}") for name, kind in TABLES.items() if name in data}
    return table(TrainingRecipe, {**data, **tables}, where)


@dataclass(frozen=True, eq=False)
class Sources:
    """What to draw from, each list with its weights; held_out: the folders' micrographs kept from training."""

    training: list[Source]
    validation: list[Source]
    weights: list[float]
    validation_weights: list[float]
    held_out: list[Labelled]


def make_sources(recipe: TrainingRecipe, base: Path) -> Sources:
    """Training and validation sources; folders are split by group, paths are relative to `base`.

    Folders are read before anything is rendered, so that a wrong one is found at once. Raises BadDataset, and
    BadRecipe for data that are for evaluation only.
    """
    entries = recipe.entries()
    folders = {n: _parted(entry, recipe, base) for n, entry in enumerate(entries) if isinstance(entry, FolderEntry)}
    made = Sources([], [], [], [], [])
    for number, entry in enumerate(entries):
        if isinstance(entry, RenderedEntry):
            _add(made, entry.weight, *_rendered(entry, recipe, number))
        else:
            training, validation = folders[number]
            made.held_out.extend(validation)
            _add(made, entry.weight, _crops(training, recipe), _crops(validation, recipe))
    if not made.training:
        raise BadDataset("The recipe's sources leave no picture with particles to train on.")
    if not made.validation:
        raise BadDataset(
            "The recipe's sources leave no picture with particles to validate on: "
            'a folder needs images of two groups at least, or a source of its own with use = "validation".'
        )
    return made


def _add(made: Sources, weight: float, training: Source | None, validation: Source | None) -> None:
    if training:
        made.training.append(training)
        made.weights.append(weight)
    if validation:
        made.validation.append(validation)
        made.validation_weights.append(weight)


def _crops(pairs: list[Labelled], recipe: TrainingRecipe) -> FolderSource | None:
    source = FolderSource(pairs, recipe.sizes)
    return source if source.pairs else None


def _rendered(entry: RenderedEntry, recipe: TrainingRecipe, number: int) -> tuple[Source, Source]:
    side = recipe.crop + recipe.crop // 4
    few = max(8, entry.count // 25)
    seeds = recipe.seed + number, recipe.seed + 1000 + number
    diameters = entry.diameters[0], entry.diameters[1]
    return (
        RenderedSource(entry.count, side, seeds[0], entry.blank, entry.settings, diameters),
        RenderedSource(few, side, seeds[1], entry.blank, entry.settings, diameters),
    )


def _parted(entry: FolderEntry, recipe: TrainingRecipe, base: Path) -> tuple[list[Labelled], list[Labelled]]:
    """(for training, held out) micrographs of a folder; raises BadDataset, and BadRecipe where it may not be used."""
    pairs = load_folder(base / entry.path, entry)
    if entry.use == "training":
        return pairs, []
    if entry.use == "validation":
        return [], pairs
    full = {p.pair.group for p in pairs if p.diameter}
    apart = set()
    for groups in (
        full,
        {p.pair.group for p in pairs} - full,
    ):  # apart, so that a part held out is not all empty images
        apart |= validation_groups(sorted(groups), recipe.validation, recipe.fold, recipe.folds)
    return [p for p in pairs if p.pair.group not in apart], [p for p in pairs if p.pair.group in apart]
