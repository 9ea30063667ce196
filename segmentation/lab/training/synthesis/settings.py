"""The settings of a rendered micrograph: a pydantic model of each table of settings.toml, which checks values."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from ....core.errors import UserError
from ....core.validation import Settings

# Kinds of pictures of secondary electrons; the others are transmission pictures.
SECONDARY_KINDS = ("sem", "powder", "blank")
TABLES: dict[str, dict[str, dict[str, Any]]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


class BadSetting(UserError):
    """A setting has no such name or cannot have that value; the message says which."""


def _field(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    """Type and bounds of a setting, from an entry of settings.toml, as `create_model` takes them."""
    arguments = {"description": entry["what"], "default": entry.get("usual", ...)}
    if "one_of" in entry:
        return Literal[*entry["one_of"]], Field(**arguments)
    low, high = entry.get("between") or entry["whole"]
    return int if "whole" in entry else float, Field(ge=low, le=high, **arguments)


PARTS = tuple(
    create_model(f"{name.title()}Settings", __base__=Settings, **{key: _field(entry) for key, entry in table.items()})
    for name, table in TABLES.items()
)
# In the order of the tables of settings.toml
SceneSettings, SubstrateSettings, ShadingSettings, ExposureSettings, SupportSettings, MatSettings = PARTS


class RenderSettings(Settings):
    """All settings of a picture; its size and the random numbers are not among them."""

    scene: SceneSettings
    substrate: SubstrateSettings
    shading: ShadingSettings
    exposure: ExposureSettings
    support: SupportSettings = SupportSettings()
    mat: MatSettings = MatSettings()

    def flat(self) -> dict[str, Any]:
        """All settings by name."""
        return {name: value for part in self.model_dump().values() for name, value in part.items()}


@cache
def every_setting() -> dict[str, FieldInfo]:
    """The fields of all tables by name, in their order."""
    return {name: field for part in PARTS for name, field in part.model_fields.items()}


def options(setting: FieldInfo) -> tuple[str, ...]:
    """The possible values of a setting, if it is a choice; else empty."""
    return get_args(setting.annotation)


def limits(setting: FieldInfo) -> tuple[float, float]:
    """The smallest and the largest value of a setting that is a number."""
    low, high = (next(getattr(m, end) for m in setting.metadata if hasattr(m, end)) for end in ("ge", "le"))
    return low, high


def allowed_values(setting: FieldInfo) -> str:
    """The values that a setting may have, in words."""
    return ", ".join(options(setting)) or "{:g} to {:g}".format(*limits(setting))


def checked_value(name: str, text: object) -> Any:
    """The value of the setting `name`, from a value or its text. Raises BadSetting."""
    if name not in every_setting():
        raise BadSetting(f"There is no setting {name!r}; known are {', '.join(every_setting())}.")
    try:
        return _reader(name).validate_python(text)
    except ValidationError as error:
        raise BadSetting(f"{name} cannot be {text}; it may be {allowed_values(every_setting()[name])}.") from error


@cache
def _reader(name: str) -> TypeAdapter[Any]:
    """The adapter that reads and checks values of this setting."""
    setting = every_setting()[name]
    return TypeAdapter(Annotated[setting.annotation, setting])


def parse_fixed(entries: list[str]) -> dict[str, Any]:
    """Settings by name from texts: {"cover": 0.5} from ["cover=0.5"]. Raises BadSetting for unknown names and
    impossible values."""
    fixed = {}
    for entry in entries:
        name, equals, text = entry.partition("=")
        if not equals:
            raise BadSetting(f"{entry!r} is not NAME=VALUE.")
        fixed[name.strip()] = checked_value(name.strip(), text.strip())
    return fixed
