"""Settings as people type and read them: one reading and one wording for pages, API, command line and documentation.

Everything here comes from the settings models themselves: titles, descriptions, bounds, and in `json_schema_extra`

    unit    what a number counts, such as "rows"
    words   further words that may be typed, with the value that each stands for
    labels  a word's meaning for people; one with "…" has a field for a number there, and the word "size" stands for a
            size in px, which forms turn into the factor at which it is the size that the model likes best
    main    whether it comes first among the options
    group   title of a fold where a result is run again; the upload page does not ask for it
    scripts whether no page asks for it, because pages offer something better
    takes   what may be typed, where neither words nor numbers say it
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
GAP = "…"
SIZE = "size"


@dataclass(frozen=True)
class Setting:
    """One setting.

    words: words that may be typed, with their values.
    number: "" if no number may be typed, else "number" or "whole number", from least to greatest.
    form: what may be typed of a setting of neither. several: whether its value is a list, of regions.
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
    several: bool = False

    @property
    def is_switch(self) -> bool:
        return self.words == SWITCH

    @property
    def with_gap(self) -> list[str]:
        """The words of labels with a field for a number."""
        return [word for word, label in self.labels.items() if GAP in label]

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
        """The value of a typed text, for "" the default; raises ValueError with a sentence."""
        typed = text.strip().lower()
        word = SYNONYMS.get(typed, typed) if self.is_switch else typed
        if not word:
            return self.default
        if not self.words and not self.number:
            return text.strip()
        return self.words[word] if word in self.words else self.read_number(typed)

    def read_number(self, text: str) -> float | int:
        """A number with a point or a comma, rounded to six digits as it is shown; raises ValueError with a sentence."""
        word = text.strip()
        if self.number == "whole number":
            value = float(word) if word.isascii() and word.isdigit() and len(word) < 9 else math.nan
        else:
            value = number_of(word) if self.number else math.nan
        if not (math.isfinite(value) and self.least <= value <= self.greatest):
            raise BadSetting(self, f"“{self.title}” takes {self.takes}, not “{shortened(clean_text(word), 40)}”.")
        return int(value) if self.number == "whole number" else float(f"{value:g}")

    def write(self, value: Any) -> str:
        """The text that stands for a value."""
        if self.several:
            return regions_text(value)
        words = (word for word, meaning in self.words.items() if meaning == value)
        return next(words, f"{value:g}" if isinstance(value, float) else str(value))

    def says(self, value: Any) -> str:
        """A value for people."""
        if self.several:
            return "1 region" if len(value) == 1 else f"{len(value) or 'no'} regions"
        word = self.write(value)
        if word in self.words or not self.unit:
            return self.labels.get(word, word)
        return f"{word} {self.unit}"

    def change(self, value: Any) -> str:
        """Title and value in a line."""
        return f"{self.title[:1].lower()}{self.title[1:]}: {self.says(value)}"


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
    """Every setting of a settings model but those of several values (a "$ref" in the schema), such as the calibration,
    which has a form of its own."""
    described = model.model_json_schema()["properties"]
    # A schema has its keys sorted; those of labels are in the order in which they are shown.
    extras = {name: field.json_schema_extra for name, field in model.model_fields.items()}
    return tuple(
        _setting(name, {**schema, **(extras[name] or {})})  # type: ignore[dict-item]
        for name, schema in described.items()
        if "$ref" not in str(schema)
    )


def _setting(name: str, schema: dict[str, Any]) -> Setting:
    """A setting from its entry in the model's JSON schema: words and numbers that it takes, limits, how it is shown."""
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


def settings_apart(settings: AnalysisSettings, old: AnalysisSettings) -> Iterator[tuple[Setting, Any, Any]]:
    """The settings of the first analysis that the second has otherwise, or does not have, with both values (None where
    there is none), the model first; without the calibration."""
    values, before = settings.as_dict(), old.as_dict()
    for setting in settings_of_task(find(settings.task)):
        if values[setting.name] != before.get(setting.name):
            yield setting, values[setting.name], before.get(setting.name)


def read_settings(task: Task, fields: Mapping[str, Any]) -> AnalysisSettings:
    """The settings of this kind of analysis in a mapping, defaults for the others: texts as people type them, other
    values as they are. Other names in the mapping, and the calibration, are passed over. Raises ValueError with a
    sentence, BadSetting where it is about one of them."""
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
    """docs/use/settings.md: what several kinds share is said once."""
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
