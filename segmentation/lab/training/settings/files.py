"""Recipes, the TOML files that describe a training: how they are read and refused, and the kinds of numbers in them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from ....core.errors import UserError
from ....core.validation import Settings, sentence

FORBIDDEN = "evaluation-only"  # a folder of this name keeps data on which models are scored and nothing else
Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(ge=0, lt=1)]
Amount = Annotated[float, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Model = TypeVar("Model", bound=Settings)


class BadRecipe(UserError):
    """The recipe cannot be trained; the message says which entry is wrong."""


def keep_apart(*places: Path) -> None:
    """Raise BadRecipe when a file or folder lies in a folder named FORBIDDEN, directly or through links."""
    for path in places:
        if FORBIDDEN in path.absolute().parts or FORBIDDEN in path.resolve().parts:
            raise BadRecipe(
                f"{path} lies in {FORBIDDEN}: what is there is never trained on, nor is anything calibrated or chosen "
                "by it."
            )


def read_toml(file: Path) -> dict[str, Any]:
    """The entries of a recipe's file; raises BadRecipe."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadRecipe(f"There is no recipe {file}.") from error
    except (OSError, ValueError) as error:
        raise BadRecipe(f"{file} cannot be read as TOML: {error}.") from error


def checked_as(model: type[Model], data: Mapping[str, Any], where: str) -> Model:
    """Data read as settings; raises BadRecipe, which begins with `where`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise BadRecipe(f"{where}: {sentence(error)}") from error


def chosen_model(entry: str, models: Mapping[str, type[Settings]], data: Any, usual: str = "") -> Any:
    """A table read as the model that its `entry` names; the usual one, if any, where it names none.
    Data that is no table is returned unchanged."""
    if not isinstance(data, Mapping):
        return data
    name = data.get(entry, usual)
    if name not in models:
        raise ValueError(f"{entry} is {' or '.join(sorted(models))}, not {name!r}.")
    return models[name].model_validate(data)
