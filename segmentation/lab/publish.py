"""A finished run becomes a released model: half-precision weights and their ModelCard."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import tomlkit
import torch
from safetensors.torch import save
from torch import nn

from ..core.network.cards import as_base, pretrained_source
from . import tasks
from .files import write_whole
from .pretrained import base_card, without_auxiliary_heads
from .settings import FolderEntry, SourceEntry, TrainingRecipe

# What a fine-tuned model takes over from its base.
INHERITED = ("threshold", "core", "diameter", "closer", "confidence", "cuts")
FITTED = ("confidence", "cuts")  # to the maps of one network: another decoder's are others
OWNERS = "of its owner"


def publish(network: nn.Module, recipe: TrainingRecipe, folder: Path, *, version: str, extra: dict[str, Any]) -> Path:
    """Write `folder/<name>.safetensors` and `folder/<name>.toml`; returns the card's path.

    extra: further entries of the card, such as threshold, core, scores and limits. The card comes last, so that
    what is half written is no model. Raises CannotWrite.
    """
    weights = half_precision(
        without_auxiliary_heads(network, recipe.architecture, len(tasks.find(recipe.task).channels))
    )
    data = all_data(recipe)
    card = {
        "name": recipe.name,
        "title": recipe.title,
        "summary": recipe.summary,
        "version": version,
        **({"task": recipe.task} if recipe.task != _usual("task") else {}),
        "licence": licence_of(recipe, data),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "smallest": recipe.sizes[0],
        "largest": recipe.sizes[1],
        **_inherited(recipe),
        **{name: value for name in ("diameter", "closer") if (value := getattr(recipe, name))},
        **extra,
        "architecture": recipe.architecture,
        "training": training_facts(recipe),
        "data": data,
    }
    file = folder / f"{recipe.name}.toml"
    write_whole(file.with_suffix(".safetensors"), weights)
    write_whole(file, tomlkit.dumps(card).encode())
    return file


def _usual(entry: str) -> Any:
    """What a recipe says that does not say it."""
    return TrainingRecipe.model_fields[entry].default


def half_precision(network: nn.Module) -> bytes:
    """The network's tensors as a safetensors file, floats in 16 bits."""
    state = network.state_dict().items()
    return save({name: (v.half() if v.is_floating_point() else v).cpu().contiguous() for name, v in state})


def _inherited(recipe: TrainingRecipe) -> dict[str, Any]:
    if not recipe.start_from:
        return {}
    base = base_card(recipe.start_from)
    new = recipe.architecture not in ({}, base.architecture)
    return {name: getattr(base, name) for name in INHERITED if not (new and name in FITTED)}


def training_facts(recipe: TrainingRecipe) -> dict[str, Any]:
    """What the card says of how the weights came to be."""
    names = (
        *("steps", "batch", "crop", "learning_rate", "encoder_learning_rate", "weight_decay", "ema_decay", "seed"),
        *("precision", "pretrained"),
    )
    facts = {name: getattr(recipe, name) for name in names}
    return {**facts, **_base_facts(recipe), "torch": torch.__version__}


def _base_facts(recipe: TrainingRecipe) -> dict[str, Any]:
    """Which model the training started from; its file's place is this machine's business."""
    if not recipe.start_from:
        return {}
    base = base_card(recipe.start_from)
    return {"start_from": base.name, "start_version": base.version, "start_sha256": base.sha256}


def all_data(recipe: TrainingRecipe) -> list[dict[str, Any]]:
    """The recipe's sources, the ImageNet weights of its encoder, and what the model it starts from was taught on."""
    own = [data_facts(entry, recipe) for entry in recipe.sources]
    pretrained = [pretrained_source(recipe.pretrained)] if recipe.pretrained else []
    return own + pretrained + (as_base(base_card(recipe.start_from)) if recipe.start_from else [])


def licence_of(recipe: TrainingRecipe, data: list[dict[str, Any]]) -> str:
    """The recipe's licence of the weights; its owner's to choose where none was given and data have none known.

    data: as of `all_data`.
    """
    given = recipe.licence != _usual("licence")
    return recipe.licence if given or not any(map(_unlicensed, data)) else OWNERS


def _unlicensed(source: dict[str, Any]) -> bool:
    # Pictures that a GAN made name the licences of what it learned from in their title.
    return source.get("licence", "") in ("", "unknown") or "(unknown)" in source["title"]


def data_facts(entry: SourceEntry, recipe: TrainingRecipe) -> dict[str, Any]:
    """One source of pictures: what it is, under which licence, and which part was held out."""
    if not isinstance(entry, FolderEntry):
        fixed = ", ".join(f"{name} {value}" for name, value in entry.settings.items())
        title = f"{entry.count} pictures of our height-field renderer" + (f" ({fixed})" if fixed else "")
        return {"title": title, "licence": "MIT", "split": "unlimited; other seeds for validation"}
    title = entry.title or Path(entry.path).name
    return {"title": title, "licence": entry.licence, "split": _split(entry, recipe)}


def _split(entry: FolderEntry, recipe: TrainingRecipe) -> str:
    if entry.use != "both":
        return f"all for {entry.use}"
    of = "publications" if entry.groups else "groups" if entry.group_pattern else "images"
    share = f"fold {recipe.fold} of {recipe.folds}" if recipe.folds else f"{recipe.validation:.0%}"
    return f"{share} of the {of} held out" + ("" if recipe.folds else f", fold {recipe.fold}")
