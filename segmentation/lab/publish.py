"""A finished run becomes a released model: half-precision weights and their ModelCard."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
import torch
from safetensors.torch import save
from torch import nn

from ..core.network.cards import ModelCard, as_base, pretrained_source
from . import tasks
from .files import write_whole
from .pretrained import base_card
from .settings import FolderEntry, SourceEntry, TrainingRecipe

# What a fine-tuned model takes over from its base.
INHERITED = ("threshold", "core", "diameter", "closer", "confidence", "cuts", "options")
PLAIN = ModelCard("", "", "", "", {}, "", Path())  # of which nothing is said that a task may leave out
FITTED = ("confidence", "cuts")  # to the maps of one network: another decoder's are others
OWNERS = "of its owner"


def publish(network: nn.Module, recipe: TrainingRecipe, folder: Path, *, version: str, extra: dict[str, Any]) -> Path:
    """Write `folder/<name>.safetensors` and `folder/<name>.toml`; returns the card's path.

    extra: further entries of the card, such as threshold, core, scores and limits. The card comes last, so that
    what is half written is no model. Raises CannotWrite.
    """
    task = tasks.find(recipe.task)
    state = network.state_dict().items()
    weights = save({name: (v.half() if v.is_floating_point() else v).cpu().contiguous() for name, v in state})
    data, inherited = all_data(recipe), {}
    if recipe.start_from:
        base = base_card(recipe.start_from)
        new = recipe.architecture not in ({}, base.architecture)
        if base.task == recipe.task:
            names = (name for name in INHERITED if not (new and name in FITTED))
            inherited = {name: value for name in names if (value := getattr(base, name)) != getattr(PLAIN, name)}
    # Pictures that a GAN made name the licences of what it learned from in their title.
    unlicensed = any(d.get("licence", "") in ("", "unknown") or "(unknown)" in d["title"] for d in data)
    card = {
        "name": recipe.name,
        "title": recipe.title,
        "summary": recipe.summary,
        "version": version,
        **({"task": recipe.task} if recipe.task != _usual("task") else {}),
        "licence": OWNERS if unlicensed and recipe.licence == _usual("licence") else recipe.licence,
        "sha256": hashlib.sha256(weights).hexdigest(),
        **({} if recipe.heads == list(task.channels) else {"maps": recipe.heads}),
        **({} if task.classes else {"smallest": recipe.sizes[0], "largest": recipe.sizes[1]}),
        **inherited,
        **{name: value for name in ("diameter", "closer", "options") if (value := getattr(recipe, name))},
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


def training_facts(recipe: TrainingRecipe) -> dict[str, Any]:
    """What the card says of how the weights came to be."""
    names = (
        *("steps", "batch", "crop", "learning_rate", "encoder_learning_rate", "weight_decay", "ema_decay", "seed"),
        *("precision", "pretrained"),
    )
    facts = {name: getattr(recipe, name) for name in names}
    if recipe.start_from:  # the place of its file is this machine's business
        base = base_card(recipe.start_from)
        facts |= {"start_from": base.name, "start_version": base.version, "start_sha256": base.sha256}
    return {**facts, "torch": torch.__version__}


def all_data(recipe: TrainingRecipe) -> list[dict[str, Any]]:
    """The recipe's sources, the ImageNet weights of its encoder, and what the model it starts from was taught on."""
    own = [data_facts(entry, recipe) for entry in recipe.sources]
    pretrained = [pretrained_source(recipe.pretrained)] if recipe.pretrained else []
    return own + pretrained + (as_base(base_card(recipe.start_from)) if recipe.start_from else [])


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


def amend(card: Path, entries: Mapping[str, Any]) -> None:
    """Set entries of a card; the entries of its tables one by one, those of weights as a whole.

    Raises OSError, ValueError (the file is no TOML).
    """
    document = tomlkit.parse(card.read_text(encoding="utf-8"))
    for name, value in entries.items():
        if isinstance(value, Mapping) and name in document and name not in FITTED:
            for key, each in value.items():
                document[name][key] = each  # type: ignore[index]
        else:
            document[name] = value
    write_whole(card, tomlkit.dumps(document).encode())
