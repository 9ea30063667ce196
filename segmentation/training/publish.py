"""A finished run becomes a released model: half-precision weights and their ModelCard."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from .data import SIZES
from .settings import TrainingRecipe


def publish(network: nn.Module, recipe: TrainingRecipe, folder: Path, *, version: str, extra: dict[str, Any]) -> Path:
    """Write `folder/<name>.safetensors` and `folder/<name>.toml`; returns the card's path.

    extra: further entries of the card, such as threshold, core, scores and limits.
    """
    weights = folder / f"{recipe.name}.safetensors"
    state = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    save_file(state, weights)
    card = {
        "name": recipe.name,
        "title": recipe.title,
        "summary": recipe.summary,
        "version": version,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "smallest": SIZES[0],
        "largest": SIZES[1],
        **extra,
        "architecture": recipe.architecture,
        "training": training_facts(recipe),
        "data": [data_facts(source, recipe) for source in recipe.sources],
    }
    file = folder / f"{recipe.name}.toml"
    file.write_text(to_toml(card), encoding="utf-8")
    return file


def training_facts(recipe: TrainingRecipe) -> dict[str, Any]:
    """What the card says of how the weights came to be."""
    names = ("steps", "batch", "crop", "rate", "encoder_rate", "average", "seed", "precision", "pretrained")
    facts = {name: getattr(recipe, name) for name in names}
    return {**facts, "torch": torch.__version__}


def data_facts(source: dict[str, Any], recipe: TrainingRecipe) -> dict[str, Any]:
    """One source of pictures: what it is, under which licence, and which part was held out."""
    if source["kind"] == "rendered":
        title = f"{source.get('count', 1500)} pictures of our height-field renderer"
        return {"title": title, "licence": "MIT", "split": "unlimited; other seeds for validation"}
    split = f"{recipe.validation:.0%} of the publications held out, fold {recipe.fold}"
    return {"title": source.get("title", source["path"]), "licence": source.get("licence", "unknown"), "split": split}


def to_toml(card: dict[str, Any]) -> str:
    """The card as TOML: plain entries, then tables, then lists of tables."""
    plain = {k: v for k, v in card.items() if not _is_table(v) and not _is_table_list(v)}
    lines = [f"{key} = {_value(value)}" for key, value in plain.items()]
    for key, value in card.items():
        if _is_table(value):
            lines += ["", f"[{key}]", *(f"{k} = {_value(v)}" for k, v in value.items())]
        elif _is_table_list(value):
            for entry in value:
                lines += ["", f"[[{key}]]", *(f"{k} = {_value(v)}" for k, v in entry.items())]
    return "\n".join(lines) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_table_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _value(value: object) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's, too.
    return json.dumps(value, ensure_ascii=False)
