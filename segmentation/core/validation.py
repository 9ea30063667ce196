"""The base class of all settings, a pydantic model, and the plain sentence for an error of pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

# Type of pydantic's error -> what the entry has to be. The names in braces are keys of the error's context.
WORDS = {
    "string_type": "text",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "multiple_of": "a multiple of {multiple_of:g}",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "list_type": "a list",
    "tuple_type": "a list",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "json_invalid": "not JSON: {error}",
    "uuid_type": "the id of a result",
    "uuid_parsing": "the id of a result",
}
SECRETS = {"password", "secret", "token", "key"}  # entries whose values never appear in a sentence
LISTED = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)  # JSON has no tuples
SENTENCES = ("value_error", "assertion_error")  # types of the errors of our validators, whose message is a sentence


class Settings(BaseModel):
    """Immutable settings. Unknown entries are refused, with a suggestion for a misspelt one.

    A validator raises ValueError with a sentence about the whole table ("low is below high."), or PydanticCustomError
    with the form that a single entry has to have ("one line of text").
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _entries_are_known(cls, data: Any) -> Any:
        names = set(cls.model_fields)
        if isinstance(data, Mapping) and (unknown := sorted(set(map(str, data)) - names)):
            near = [word for entry in unknown for word in get_close_matches(entry, names, 1)]
            hint = f" (did you mean {', '.join(near)}?)" if near else ""
            raise ValueError(f"it has unknown entries: {', '.join(unknown)}{hint}.")
        return data

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """The settings in a table of plain JSON types; raises ValueError with a sentence."""
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            raise ValueError(sentence(error)) from None

    def replaced(self, **changes: Any) -> Self:
        """A copy with some entries changed, and validated; raises ValidationError."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate({**values, **changes})


def sentence(error: ValidationError, titles: Mapping[str, str] = MappingProxyType({})) -> str:
    """The first error as one sentence, such as "loss: dice is at least 0, not -1."

    All missing, or all unknown, entries of one table are named together. The items of lists are numbered from 1.
    titles: entry -> what people call it.
    """
    errors = error.errors(include_url=False)
    problem = errors[0]
    where, name = _table_and_entry(problem["loc"])
    name = titles.get(name, name)
    if problem["type"] in ("missing", "extra_forbidden", "unexpected_keyword_argument"):
        kind, table = problem["type"], problem["loc"][:-1]
        entries = [error["loc"][-1] for error in errors if error["type"] == kind and error["loc"][:-1] == table]
        names = ", ".join(map(str, entries))
        return f"{where}it {'lacks' if problem['type'] == 'missing' else 'has unknown entries:'} {names}."
    context = problem.get("ctx", {})
    if problem["type"] in SENTENCES:
        return f"{where}{name}{': ' if name else ''}{context['error']}"
    words = WORDS[problem["type"]].format(**context) if problem["type"] in WORDS else problem["msg"]
    words = words.replace("'", "")  # pydantic puts the choices of a Literal in quotes
    is_shown = bool(problem["loc"]) and SECRETS.isdisjoint(problem["loc"])
    refused = f", not {shortened(repr(problem['input']), 60)}" if is_shown else ""
    return f"{where}{name or 'it'} is {words}{refused}."


def _table_and_entry(loc: tuple[int | str, ...]) -> tuple[str, str]:
    """Words for the tables that hold an entry, and the entry: ("sources 1: ", "path") for ("sources", 0, "path")."""
    names: list[str] = []
    for part in loc:
        if isinstance(part, int) and names:
            names[-1] += f" {part + 1}"
        else:
            names.append(str(part))
    return "".join(f"{name}: " for name in names[:-1]), names[-1] if names else ""


def shortened(text: str, length: int) -> str:
    """The text, cut off with "..." if it has more than `length` characters."""
    return text if len(text) <= length else f"{text[: length - 3]}..."
