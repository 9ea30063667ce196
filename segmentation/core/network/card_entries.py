"""What each entry of a ModelCard's file may be: cards are added by hand, and every page reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SHA256 = re.compile(r"[0-9a-f]{64}")
CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f]"
)  # no text of a card needs them, and neither XML nor a database takes all
FRACTIONS = ("dice", "iou", "ap50", "ap75", "f50", "f75", "pq")  # figures of a score that lie from 0 to 1
LARGEST_PX = 10_000
LARGEST_WEIGHT = 1e9


class Rule(NamedTuple):
    """What a value must be: a test, and the words for it."""

    fits: Callable[[object], bool]
    words: str


Rules = Mapping[str, Rule]


def _text(value: object) -> bool:
    return isinstance(value, str) and not CONTROL.search(value)


def _line(value: object) -> bool:
    return isinstance(value, str) and _text(value) and bool(value.strip()) and "\n" not in value


def _like(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))


def _number(value: object, least: float, most: float) -> bool:
    """Whether it is a number in the range, which neither NaN nor infinity is."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _between(value: object) -> bool:
    return _number(value, 0, 1) and value not in (0, 1)


def _file(value: object) -> bool:
    return isinstance(value, str) and _line(value) and not re.search(r"[/\\]", value) and value not in (".", "..")


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


TEXT = Rule(_text, "text")
LINE = Rule(_line, "one line of text")
BETWEEN = Rule(_between, "a number between 0 and 1")
FRACTION = Rule(lambda value: _number(value, 0, 1), "a number from 0 to 1")
PX = Rule(lambda value: _number(value, 1, LARGEST_PX), f"a number of px from 1 to {LARGEST_PX}")
TIMES = Rule(lambda value: _number(value, 1, 4), "a factor from 1 to 4")
TABLE = Rule(lambda value: isinstance(value, dict), "a table")
TABLES = Rule(_tables, "a list of tables")
FIGURE = Rule(lambda value: _text(value) or _number(value, -1e12, 1e12), "a finite number or text")
WEIGHT = Rule(lambda value: _number(value, -LARGEST_WEIGHT, LARGEST_WEIGHT), "a finite number")

CARD: Rules = {
    "name": Rule(_like(NAME), "small letters, digits, dots and dashes"),
    "title": LINE,
    "summary": TEXT,
    "version": LINE,
    "architecture": TABLE,
    "sha256": Rule(_like(SHA256), "64 hexadecimal digits in small letters"),
    "weights": Rule(_file, "the name of a file beside the card"),
    "threshold": BETWEEN,
    "core": BETWEEN,
    "diameter": PX,
    "smallest": PX,
    "largest": PX,
    "closer": TIMES,
    "licence": TEXT,
    "data": TABLES,
    "training": TABLE,
    "scores": TABLES,
    "limits": Rule(_texts, "a list of sentences"),
    "confidence": TABLE,
    "cuts": TABLE,
    "task": Rule(_like(NAME), "small letters, digits, dots and dashes"),
    "options": TABLE,
    "maps": Rule(_texts, "a list of names"),
}
ARCHITECTURE: Rules = {"name": LINE}
SOURCE: Rules = dict.fromkeys(("title", "licence", "split", "base"), TEXT)
SCORE: Rules = {"data": LINE, "split": TEXT, **dict.fromkeys(FRACTIONS, FRACTION)}
TRAINING: Rules = {
    **dict.fromkeys(("pretrained", "start_from", "start_version", "start_sha256"), TEXT),
    **dict.fromkeys(("wrong_under_limit", "wrong_over_limit"), FRACTION),
}


def check_entries(card: Mapping[str, object], needed: Collection[str]) -> None:
    """Raise ValueError, with a sentence about the first entry that is unknown, missing or impossible."""
    if unknown := set(card) - set(CARD):
        raise ValueError(f"it has unknown entries: {', '.join(sorted(unknown))}.")
    _check(card, CARD, needed, "")
    _check(_table(card, "architecture"), ARCHITECTURE, ("name",), "architecture: ")
    _check(_table(card, "training"), TRAINING, (), "training: ")
    for name in ("confidence", "cuts"):
        weights = _table(card, name)
        _check(weights, {**dict.fromkeys(weights, WEIGHT), "limit": BETWEEN}, (), f"{name}: ")
    for number, source in enumerate(_list(card, "data"), start=1):
        _check(source, SOURCE, ("title",), f"data {number}: ")
    for number, score in enumerate(_list(card, "scores"), start=1):
        _check(score, {**dict.fromkeys(score, FIGURE), **SCORE}, ("data", "split"), f"scores {number}: ")


def _check(table: Mapping[str, object], rules: Rules, needed: Collection[str], where: str) -> None:
    if missing := [name for name in needed if name not in table]:
        raise ValueError(f"{where}it lacks {', '.join(missing)}.")
    for name in rules:
        if name in table:
            check_entry(name, table[name], rules, where)


def check_entry(name: str, value: object, rules: Rules = CARD, where: str = "") -> None:
    """Raise ValueError, with a sentence, unless the entry `name` of a card may be `value`."""
    if not rules[name].fits(value):
        raise ValueError(f"{where}{name} is {rules[name].words}, not {_shortly(value)}.")


def _shortly(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _table(card: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = card.get(name)
    return value if isinstance(value, dict) else {}


def _list(card: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    value = card.get(name)
    return value if isinstance(value, list) else []
