"""A training's recipe: one TOML file, checked before any hour is spent."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .data import BadDataset, FolderSource, Labelled, RenderedSource, Source, held_out, read_folder


class BadRecipe(ValueError):
    """The recipe cannot be trained; the message says which entry is wrong."""


@dataclass(frozen=True)
class TrainingRecipe:
    """name, title: of the model. architecture: see core.network.architectures. sources: see `make_sources`.

    steps: optimiser steps. batch: crops a step. crop: side in px. rate: AdamW's for new layers; encoder_rate:
    for pretrained ones. average: decay of the weights' moving average. checkpoint: steps between checkpoints.
    validation: share of the groups held out. fold: which share. precision: "bfloat16" or "float32".
    """

    name: str
    title: str
    architecture: dict[str, Any]
    sources: list[dict[str, Any]]
    summary: str = ""
    pretrained: str = ""
    steps: int = 3000
    batch: int = 12
    crop: int = 256
    rate: float = 1e-3
    encoder_rate: float = 3e-4
    decay: float = 1e-4
    average: float = 0.998
    checkpoint: int = 100
    validation: float = 0.15
    fold: int = 0
    seed: int = 1
    precision: str = "bfloat16"
    threads: int = 0
    limits: list[str] = field(default_factory=list)

    def folders_only(self) -> TrainingRecipe:
        """The recipe without its rendered pictures."""
        return replace(self, sources=[s for s in self.sources if s.get("kind") == "folder"])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_recipe(file: Path) -> TrainingRecipe:
    """The recipe in a TOML file. Raises BadRecipe for unknown, missing or impossible entries."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRecipe(f"{file} cannot be read as TOML: {error}.") from error
    known = {f.name for f in fields(TrainingRecipe)}
    if unknown := set(data) - known:
        raise BadRecipe(f"{file} has unknown entries: {', '.join(sorted(unknown))}.")
    if missing := {"name", "title", "architecture", "sources"} - set(data):
        raise BadRecipe(f"{file} lacks {', '.join(sorted(missing))}.")
    recipe = TrainingRecipe(**data)
    if recipe.steps < 1 or recipe.batch < 1 or recipe.crop % 32:
        raise BadRecipe(f"{file}: steps and batch are at least 1, crop is a multiple of 32.")
    return recipe


@dataclass(frozen=True, eq=False)
class Sources:
    training: list[Source]
    validation: list[Source]
    weights: list[float]
    held_out: list[Labelled]


def make_sources(recipe: TrainingRecipe, base: Path) -> Sources:
    """Training and validation sources; folders are split by group, paths are relative to `base`.

    A source is {"kind": "folder", "path", "images", "labels", "groups", "weight", "licence"} or
    {"kind": "rendered", "count", "weight"}.
    """
    training: list[Source] = []
    validation: list[Source] = []
    weights: list[float] = []
    kept_apart: list[Labelled] = []
    for number, entry in enumerate(recipe.sources):
        weights.append(float(entry.get("weight", 1.0)))
        if entry.get("kind") == "rendered":
            count, side = int(entry.get("count", 1500)), recipe.crop + recipe.crop // 4
            training.append(RenderedSource(count, side, seed=recipe.seed + number))
            validation.append(RenderedSource(max(8, count // 25), side, seed=recipe.seed + 1000 + number))
        elif entry.get("kind") == "folder":
            pairs = read_folder(
                base / entry["path"],
                entry.get("images", "images"),
                entry.get("labels", "labels"),
                entry.get("groups"),
            )
            apart = [p for p in pairs if held_out(p.group, recipe.validation, recipe.fold)]
            training.append(FolderSource([p for p in pairs if p not in apart]))
            validation.append(FolderSource(apart))
            kept_apart += apart
        else:
            raise BadRecipe(f"source {number + 1} has kind {entry.get('kind')!r}; known are rendered and folder.")
    if not training:
        raise BadDataset("The recipe names no sources.")
    return Sources(training, validation, weights, kept_apart)
