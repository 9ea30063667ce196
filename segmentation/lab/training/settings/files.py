"""Reads and checks recipes, the TOML files that describe a training, and defines the types of numbers in them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from ....core.errors import UserError
from ....core.validation import Settings, sentence

FORBIDDEN = "evaluation-only"  # name of folders with data that are used for scores only
Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(ge=0, lt=1)]
Amount = Annotated[float, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Table = TypeVar("Table", bound=Settings)


class BadRecipe(UserError):
    """The recipe cannot be trained; the message says which entry is wrong."""


def refuse_evaluation_data(*places: Path) -> None:
    """Raise BadRecipe if a file or folder lies in a folder named FORBIDDEN, directly or by a link: such data must not
    be used for training, fits or choices."""
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


def checked_as(table: type[Table], data: Mapping[str, Any], where: str) -> Table:
    """The data as a table of this type; raises BadRecipe, whose message begins with `where`."""
    try:
        return table.model_validate(data)
    except ValidationError as error:
        raise BadRecipe(f"{where}: {sentence(error)}") from error


def read_chosen(entry: str, tables: Mapping[str, type[Settings]], data: Any, usual: str = "") -> Any:
    """The data as a table, of the type in `tables` that its entry `entry` names; of the type `usual` if it names none.

    Data that are no table are returned unchanged. Raises ValueError for an unknown name.
    """
    if not isinstance(data, Mapping):
        return data
    name = data.get(entry, usual)
    if name not in tables:
        raise ValueError(f"{entry} is {' or '.join(sorted(tables))}, not {name!r}.")
    return tables[name].model_validate(data)
