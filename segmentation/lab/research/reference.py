"""Prints the page of documentation about recipes in Markdown: `python -m segmentation.lab.research.reference`.

A recipe is the TOML file of a training. Each of its tables is a class of settings; the names, defaults, limits and
descriptions of the entries are those of the fields of this class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomlkit
from pydantic_core import PydanticUndefined

from ...core import tasks
from ...core.network.card_entries import ModelOptions
from ...core.validation import Settings
from ..training.losses import losses
from ..training.settings import (
    Augmentation,
    ComposedEntry,
    FolderEntry,
    Optimiser,
    RenderedEntry,
    Schedule,
    TrainingRecipe,
)
from .sweep import Sweep, Variant

LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def sections() -> dict[str, type[Settings]]:
    """The tables of a recipe by their heading."""
    return {
        "The recipe itself": TrainingRecipe,
        '`[[sources]]` with `kind = "folder"`': FolderEntry,
        '`[[sources]]` with `kind = "composed"`, and the entries of `kind = "folder"`': ComposedEntry,
        '`[[sources]]` with `kind = "rendered"`': RenderedEntry,
        **{f'`[loss]` with `name = "{name}"`': losses()[name] for name in sorted(losses())},
        "`[augmentation]`": Augmentation,
        "`[optimiser]`": Optimiser,
        "`[schedule]`": Schedule,
        "`[options]` of every kind": ModelOptions,
        **{f"`[options]` of {task.things}": task.options for task in tasks.every() if task.options is not ModelOptions},
        "A comparison of trainings": Sweep,
        "`[[variants]]` of a comparison": Variant,
    }


def document() -> str:
    """The page in Markdown: a section for each table of a recipe, with a list of its entries."""
    return "\n\n".join(f"## {heading}\n\n{entries(model)}" for heading, model in sections().items())


def entries(model: type[Settings]) -> str:
    """A line of Markdown for each entry of a table: name, default, choices or limits, description.

    Entries that several tables share are listed in one section only: those of ModelOptions in "`[options]` of every
    kind", those of folders in the section of folders.
    """
    schema = model.model_json_schema(by_alias=False)["properties"]
    listed_elsewhere = {ModelOptions: {}, ComposedEntry: FolderEntry.model_fields}.get(model, ModelOptions.model_fields)
    rows = []
    for name, field in model.model_fields.items():
        if name not in listed_elsewhere:
            values = "; ".join(filter(None, (_default(field.default), _choices_or_limits(schema[name]))))
            rows.append(f"- `{name}` ({values}): {field.description or ''}")
    return "\n".join(rows)


def _choices_or_limits(entry: Mapping[str, Any]) -> str:
    """The choices or limits of an entry in words. The limit ≥ 0 is left out."""
    if choices := entry.get("enum", []):
        return ", ".join(filter(None, map(str, choices)))
    if choices := entry.get("anyOf", []):
        return " or ".join(filter(None, map(_choices_or_limits, choices)))
    limits = {key: word for key, word in LIMITS.items() if key in entry and (key, entry[key]) != ("minimum", 0)}
    return ", ".join(f"{word} {entry[key]:g}" for key, word in limits.items())


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "needed"
    if isinstance(value, Settings):
        return "a table"
    return "none" if value in ({}, [], None) else f"`{tomlkit.item(value).as_string()}`"


if __name__ == "__main__":
    print(document())
