"""Warnings and notes about a result (`Flag`), and their order. A page shows the short form of a warning beside the
numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import Field

LONGEST_SHORT_FORM = 60  # characters of a short form
MOST_WARNINGS = 2  # that are shown beside the numbers
Level = Literal["Note", "Look at the picture", "Do not use"]
NOTE: Level = "Note"
LOOK: Level = "Look at the picture"
DO_NOT_USE: Level = "Do not use"
# What a flag is about, where pages and other results must know it.
Kind = Literal["", "scale", "two scales", "no scale", "wrong outlines", "panels", "tilt", "bar"]
UNSURE = "Unsure:"  # first word of the sentence of a result whose outlines are mostly wrong
DOUBTFUL = "the warning beside the numbers says that they are probably wrong"
REFUSED = "no numbers are given for this image"
# Beginnings of short forms.
WRONG, NO_PARTICLES = "Most outlines are probably wrong", "Perhaps not a micrograph of particles"
NO_FIBRES = "Mostly no fibres"
TILTED = "Tilted by"  # such a tilt can be corrected by one click
# Short forms.
TWO_SCALES = "Two sources of the scale contradict each other"
NO_NUMBERS = "No numbers for this unusual picture"  # the image is of another kind
# Beginnings of the sentences and short forms of versions up to 1.0, which stored neither level nor kind.
_OLDER_KINDS: Mapping[str, Kind] = {
    DO_NOT_USE: "scale",
    TWO_SCALES: "two scales",
    **dict.fromkeys((WRONG, NO_PARTICLES, NO_FIBRES), "wrong outlines"),
    TILTED: "tilt",
    "A figure of several panels": "panels",
    "This is a figure of ": "panels",
    "The scale of this image is not known": "no scale",
    "Reading the scale bar took too long": "bar",
}
ADVICE = " If its outlines look right, measure them; else choose another model."  # a page asks it as a question


@dataclass(frozen=True)
class Flag:
    """A warning or a note about a result.

    Raises ValueError if the short form is longer than LONGEST_SHORT_FORM, or if a warning has none.
    """

    text: Annotated[str, Field(description="full sentences")]
    short: Annotated[str, Field(description="short form beside the numbers; empty for a note")] = ""
    doubt: Annotated[bool, Field(description="whether it puts the numbers in doubt")] = False
    reason: Annotated[str, Field(description="reason of the left out objects that it is about; empty: none")] = ""
    ids: Annotated[
        tuple[int, ...], Field(description="labels of the outlines that it is about; for a sample numbers of images")
    ] = ()
    moves: Annotated[
        str, Field(description="what the doubt changes most: count, sizes or all; empty: not known or no doubt")
    ] = ""
    by: Annotated[float, Field(ge=0, le=1, description="how much of that is in doubt, as a fraction; 1: all of it")] = (
        0.0
    )
    level: Annotated[Level, Field(description="how grave it is; pages show it before the short form")] = NOTE
    kind: Annotated[Kind, Field(description="what it is about, where a program may ask; empty: another thing")] = ""

    def __post_init__(self) -> None:
        if self.doubt and self.level == NOTE:
            object.__setattr__(self, "level", LOOK)
        if len(self.short) > LONGEST_SHORT_FORM or (self.doubt and not self.short):
            raise ValueError(f"a short form of {len(self.short)} characters: {self.short}")

    def __str__(self) -> str:
        return self.text

    @property
    def rank_key(self) -> tuple[int, float]:
        """The key by which flags are sorted: first "Do not use", then mostly wrong outlines, then other warnings and
        last notes; within each of them the flag with the largest `by` first."""
        return (f"{DO_NOT_USE}:", UNSURE, "").index(self.opening_words) + (self.level == NOTE), -self.by

    @property
    def opening_words(self) -> str:
        """The first words of the sentence of a result with this flag: "Do not use:", or UNSURE if most of its outlines
        are probably wrong; else ""."""
        if self.level == DO_NOT_USE:
            return f"{DO_NOT_USE}:"
        return UNSURE if self.kind == "wrong outlines" else ""

    @property
    def headline(self) -> str:
        """The words that a page shows beside the numbers, after the level."""
        return (self.short or self.text).removeprefix(f"{DO_NOT_USE}: ")

    @classmethod
    def doubtful(cls, text: str, short: str, **fields: Any) -> Flag:
        """A warning. fields: other fields of the flag (reason, ids, moves, by, level, kind)."""
        return cls(text, short, True, **fields)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Flag:
        """The flag that `as_json` of any version stored. Fields that only a later version knows are dropped."""
        known = {field.name: entry[field.name] for field in fields(cls) if field.name in entry}
        if "level" not in entry:
            sayings = (entry.get("short") or "", entry["text"])
            kinds = (kind for words, kind in _OLDER_KINDS.items() if any(text.startswith(words) for text in sayings))
            known["kind"] = next(kinds, "")
            known["level"] = DO_NOT_USE if known["kind"] == "scale" else NOTE
        return cls(**{**known, "ids": tuple(entry["ids"])})


def as_json(flags: Iterable[Flag]) -> dict[str, Any]:
    """Plain JSON types: `warnings` has only the sentences, `flags` all fields."""
    entries = [{**asdict(flag), "ids": list(flag.ids)} for flag in flags]
    return {"warnings": [entry["text"] for entry in entries], "flags": entries}


def from_json(content: Mapping[str, Any]) -> list[Flag]:
    """The flags that `as_json` stored; an unfinished result has none."""
    return [Flag.read(entry) for entry in content.get("flags", ())]


def is_unusable(flags: Iterable[Flag]) -> bool:
    """Whether the numbers must not be used, because the scale is probably wrong."""
    return any(flag.level == DO_NOT_USE for flag in flags)


def judging_doubt(flags: Iterable[Flag], *, is_refused: bool = False) -> str:
    """Why nothing may be decided by the numbers of a result with these flags, in the middle of a sentence: REFUSED,
    DOUBTFUL, or "" if something may. is_refused: whether nothing was measured."""
    kinds = {flag.kind for flag in flags if flag.doubt}
    return REFUSED if is_refused else DOUBTFUL if kinds & {"scale", "wrong outlines", "panels"} else ""


def opening_words(flags: Iterable[Flag]) -> str:
    """The first words of the sentence of a result with these flags: `Flag.opening_words` of the gravest flag."""
    return next(iter(ranked(flags)), Flag("")).opening_words


def ranked(flags: Iterable[Flag]) -> list[Flag]:
    """The flags in the order of `Flag.rank_key`, the gravest first."""
    return sorted(flags, key=lambda flag: flag.rank_key)


def beside_numbers(flags: Iterable[Flag]) -> list[Flag]:
    """The flags to show beside the numbers, MOST_WARNINGS at most: the gravest warning, then warnings that state how
    much of a number is in doubt (`by`). If there are only notes, it is the first note."""
    gravest = ranked(flags)
    doubts = [flag for flag in gravest if flag.doubt]
    further = [flag for flag in doubts[1:] if flag.by > 0]
    return [*doubts[:1], *further][:MOST_WARNINGS] or gravest[:1]


def warning_texts(flags: Iterable[Flag]) -> list[str]:
    """The gravest warnings as texts with their level, MOST_WARNINGS at most; no notes."""
    return [f"{flag.level}: {flag.headline}" for flag in beside_numbers(flag for flag in flags if flag.short)]


def short_forms(flags: Iterable[Flag]) -> list[str]:
    """The short forms, each once."""
    return list(dict.fromkeys(flag.short for flag in flags if flag.short))
