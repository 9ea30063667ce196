"""docs/development/recipes.md: every entry of a training's recipe, from the settings that read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomlkit
from pydantic_core import PydanticUndefined

from ...core import tasks
from ...core.network.card_entries import ModelOptions
from ...core.validation import Settings
from ..training.losses import losses
from ..training.settings import Augmentation, FolderEntry, Optimiser, RenderedEntry, Schedule, TrainingRecipe
from .sweep import Sweep, Variant

INTRODUCTION = """# Recipes

A recipe is one TOML file that `manage.py train RECIPE.toml --out RUN` reads; `segmentation/lab/recipes` holds those of
the released models. `name`, `title`, an `architecture` (or `start_from`) and one of `[[sources]]` are needed, all else
has a default. Unknown entries are refused. The last two tables are those of the file that `manage.py sweep SWEEP.toml
--out DIR` reads. Made by `python -m segmentation.lab.research.reference` from the settings
themselves."""
LIMITS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
WORDS = {"number": "number", "integer": "whole number", "boolean": "true or false", "string": "text", "array": "list"}


def sections() -> dict[str, type[Settings]]:
    """The tables of a recipe by their heading."""
    return {
        "The recipe itself": TrainingRecipe,
        '`[[sources]]` with `kind = "folder"`': FolderEntry,
        '`[[sources]]` with `kind = "rendered"`': RenderedEntry,
        **{f'`[loss]` with `name = "{name}"`': losses()[name] for name in sorted(losses())},
        "`[augmentation]`": Augmentation,
        "`[optimiser]`": Optimiser,
        "`[schedule]`": Schedule,
        **{f"`[options]` of {each.things}": each.options for each in tasks.every() if each.options is not ModelOptions},
        "`[options]` of other kinds": ModelOptions,
        "A comparison of trainings": Sweep,
        "`[[variants]]` of a comparison": Variant,
    }


def document() -> str:
    """docs/development/recipes.md."""
    tables = (f"## {heading}\n\n{table(model)}" for heading, model in sections().items())
    return "\n\n".join([INTRODUCTION, *tables]) + "\n"


def table(model: type[Settings]) -> str:
    schema = model.model_json_schema(by_alias=False)
    rows = ["| entry | takes | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        entry = schema["properties"][name]
        rows.append(f"| `{name}` | {_takes(entry)} | {_default(field.default)} | {field.description or ''} |")
    return "\n".join(rows)


def _takes(entry: Mapping[str, Any]) -> str:
    if choices := entry.get("enum", [entry["const"]] if "const" in entry else []):
        return ", ".join(map(str, choices))
    if choices := entry.get("anyOf", []):
        return " or ".join(_takes(each) for each in choices if each.get("type") != "null")
    kind = WORDS.get(entry.get("type", ""), "table")
    limits = [f"{word} {entry[key]:g}" for key, word in LIMITS.items() if key in entry]
    return " ".join([kind, " and ".join(limits)]).strip()


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "needed"
    if isinstance(value, Settings):
        return "its own table's"
    return "none" if value in ({}, [], None) else f"`{tomlkit.item(value).as_string()}`"


if __name__ == "__main__":
    print(document(), end="")
