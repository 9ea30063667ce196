"""Converts settings between texts and values: reads a typed text, and gives the words that show a value. Pages, API,
command line and documentation use it.

The rules are in the settings models: in titles, descriptions, bounds, and in `json_schema_extra`, which has

    unit    unit of a number, such as "rows"
    words   further words that may be typed, each with its value
    labels  the text that a page shows for a word. A page replaces "…" in a label by a field for a number. For the word
            "size" this number is a size of objects in px, from which forms calculate the working scale
    main    whether the setting comes first among the options
    group   title of the section in which the page for running a result again shows it; the upload page does not
    scripts whether only scripts use the setting: no page shows it, because pages offer something better
    takes   description of what may be typed, for a setting that has neither words nor a number
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError

from .analysis import AnalysisSettings
from .names import clean_text
from .settings import MeasurementSettings, regions_text
from .tasks import every, find
from .tasks.base import Task
from .validation import Settings, sentence, shortened

SWITCH = {"on": True, "off": False}
SYNONYMS = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}
FIELD_SIGN = "…"  # in labels: the place of a field for a number
SIZE_WORD = "size"  # in labels: the word for a size in px


@dataclass(frozen=True)
class Setting:
    """One setting: how it is shown, and what may be typed for it.

    words: words that may be typed, with their values. number: "" if no number may be typed, else "number" or "whole
    number", from least to greatest. form: what may be typed, for a setting that has neither words nor a number
    (`takes` of the schema). is_regions: whether its value is a list of regions.
    """

    name: str
    title: str
    description: str
    default: Any
    words: Mapping[str, Any]
    labels: Mapping[str, str]
    number: str = ""
    least: float = -math.inf
    greatest: float = math.inf
    unit: str = ""
    main: bool = False
    group: str = ""
    scripts: bool = False
    form: str = ""
    is_regions: bool = False

    @property
    def is_switch(self) -> bool:
        return self.words == SWITCH

    @property
    def words_with_field(self) -> list[str]:
        """The words whose labels have a field for a number."""
        return [word for word, label in self.labels.items() if FIELD_SIGN in label]

    @property
    def takes(self) -> str:
        """What may be typed, in words."""
        if self.form:
            return self.form
        bounds = f" of {self.unit}" if self.unit.isalpha() else ""
        if math.isfinite(self.greatest):
            bounds += f" from {self.least:g} to {self.greatest:g}"
        elif self.least not in (-math.inf, 0):
            bounds += f" of at least {self.least:g}"
        words = [*self.words, *([f"a {self.number}{bounds}"] if self.number else [])]
        return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))

    def read(self, text: str) -> Any:
        """The value of a typed text; "" gives the default. Raises ValueError with a sentence."""
        typed = text.strip().lower()
        word = SYNONYMS.get(typed, typed) if self.is_switch else typed
        if not word:
            return self.default
        if not self.words and not self.number:
            return text.strip()
        return self.words[word] if word in self.words else self.read_number(typed)

    def read_number(self, text: str) -> float | int:
        """The number in a text, with a decimal point or comma, rounded to six digits because it is shown so; raises
        ValueError with a sentence."""
        word = text.strip()
        if self.number == "whole number":
            value = float(word) if word.isascii() and word.isdigit() and len(word) < 9 else math.nan
        else:
            value = number_of(word) if self.number else math.nan
        if not (math.isfinite(value) and self.least <= value <= self.greatest):
            raise BadSetting(self, f"“{self.title}” takes {self.takes}, not “{shortened(clean_text(word), 40)}”.")
        return int(value) if self.number == "whole number" else float(f"{value:g}")

    def write(self, value: Any) -> str:
        """The text that may be typed for a value; `read` is its inverse."""
        if self.is_regions:
            return regions_text(value)
        words = (word for word, meaning in self.words.items() if meaning == value)
        return next(words, f"{value:g}" if isinstance(value, float) else str(value))

    def words_for(self, value: Any) -> str:
        """The text that a page shows for a value."""
        if self.is_regions:
            return "1 region" if len(value) == 1 else f"{len(value) or 'no'} regions"
        word = self.write(value)
        if word in self.words or not self.unit:
            return self.labels.get(word, word)
        return f"{word} {self.unit}"

    def change_words(self, value: Any) -> str:
        """The title and the text of a value, such as "border correction: leave out what touches the frame"."""
        return f"{self.title[:1].lower()}{self.title[1:]}: {self.words_for(value)}"


class BadSetting(ValueError):
    """A value that its setting does not take."""

    def __init__(self, setting: Setting, sentence: str) -> None:
        super().__init__(sentence)
        self.setting = setting


def number_of(text: str) -> float:
    """A number typed with a point or a comma; NaN for any other text, also for Python's 1_000."""
    try:
        return math.nan if "_" in text else float(clean_text(text).replace(",", "."))
    except ValueError:
        return math.nan


@cache
def settings_of(model: type[Settings]) -> tuple[Setting, ...]:
    """The settings of a settings model. One whose value is a table (a "$ref" in the schema), such as the calibration,
    is not included: it has a form of its own."""
    described = model.model_json_schema()["properties"]
    # A schema has sorted keys, but labels are shown in the order in which they were written.
    extras = {name: field.json_schema_extra for name, field in model.model_fields.items()}
    return tuple(
        _setting(name, {**schema, **(extras[name] or {})})  # type: ignore[dict-item]
        for name, schema in described.items()
        if "$ref" not in str(schema)
    )


def _setting(name: str, schema: dict[str, Any]) -> Setting:
    """A setting from its entry in the model's JSON schema."""
    words: dict[str, Any] = {}
    numeric: dict[str, Any] = {}
    for kind in schema.get("anyOf", [schema]):
        if kind.get("type") == "boolean":
            words |= SWITCH
        elif kind.get("type") == "null":
            words["auto"] = None
        elif kind.get("type") in ("number", "integer"):
            numeric = kind
        else:
            words |= {word: word for word in kind.get("enum", [kind["const"]] if "const" in kind else [])}
    return Setting(
        name,
        schema["title"],
        schema.get("description", ""),
        schema.get("default"),
        words | schema.get("words", {}),
        schema.get("labels", {}),
        {"number": "number", "integer": "whole number"}.get(numeric.get("type", ""), ""),
        numeric.get("minimum", numeric.get("exclusiveMinimum", -math.inf)),
        numeric.get("maximum", numeric.get("exclusiveMaximum", math.inf)),
        schema.get("unit", ""),
        schema.get("main", False),
        schema.get("group", ""),
        schema.get("scripts", False),
        schema.get("takes", ""),
        schema.get("type") == "array",
    )


def settings_of_task(task: Task) -> tuple[Setting, ...]:
    """All settings of an analysis of this kind, the model first."""
    return (*settings_of(task.settings), *settings_of(MeasurementSettings))


def changed_settings(settings: AnalysisSettings, old: AnalysisSettings) -> Iterator[tuple[Setting, Any, Any]]:
    """The settings that differ between two analyses, the model first: (setting, new value, old value or None). The
    calibration is not compared."""
    values, before = settings.as_dict(), old.as_dict()
    for setting in settings_of_task(find(settings.task)):
        if values[setting.name] != before.get(setting.name):
            yield setting, values[setting.name], before.get(setting.name)


def read_settings(task: Task, fields: Mapping[str, Any]) -> AnalysisSettings:
    """The settings of this kind of analysis from a mapping, with defaults for those that it lacks.

    fields: name -> value, or the text that a person typed. Names of no setting, and the calibration, are ignored.
    Raises ValueError with a sentence; BadSetting if the sentence is about one setting.
    """
    settings = {setting.name: setting for setting in settings_of_task(task) if setting.name in fields}
    values = {name: fields[name] for name in settings}
    texts = {name: settings[name].read(value) for name, value in values.items() if isinstance(value, str)}
    try:
        return AnalysisSettings.of(task.name, **values | texts)
    except ValidationError as error:
        location = error.errors()[0]["loc"]
        setting = settings.get(str(location[-1])) if location else None
        text = sentence(error, {name: f"“{setting.title}”" for name, setting in settings.items()})
        raise (BadSetting(setting, text) if setting else ValueError(text)) from None


def document() -> str:
    """The text of docs/use/settings.md, in which settings that several kinds share are described once."""
    kinds, sections = dict[str, list[str]](), dict[str, list[str]]()
    for task in every():
        for row in map(_row, settings_of(task.settings)):
            kinds.setdefault(row, []).append(task.title)
    for row, titles in kinds.items():
        sections.setdefault("Every kind" if len(titles) == len(every()) else ", ".join(titles), []).append(row)
    sections["Measuring, of every kind"] = [_row(setting) for setting in settings_of(MeasurementSettings)]
    parts = ("\n".join([f"## {title}\n", *rows]) for title, rows in sections.items())
    return "\n\n".join([INTRODUCTION, *parts]) + "\n"


INTRODUCTION = """# Settings of an analysis

For the page, the API (fields of these names), the command line (`--border-correction` for `border_correction`) and
stored results. In brackets stand what a setting takes and its default. Lines and dislocation loops have no released
model: they need [one of your own](own-model.md). Made by `python -m segmentation.core.typed`."""


def _row(setting: Setting) -> str:
    values = "; ".join(filter(None, (setting.takes or "text", setting.write(setting.default))))
    return f"- `{setting.name}` ({values}): **{setting.title}:** {setting.description}"


if __name__ == "__main__":
    print(document(), end="")
