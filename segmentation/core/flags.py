"""Warnings and notes about a result (`Flag`), and their order. A page shows the short form of a warning beside the
numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field

LONGEST_SHORT_FORM = 60  # characters of a short form
MOST_WARNINGS = 2  # that are shown beside the numbers
NOTE, LOOK, DO_NOT_USE = "Note", "Look at the picture", "Do not use"  # the levels of a flag
UNSURE = "Unsure:"  # first word of the sentence of a result with one of the next three flags
# Beginnings of short forms.
WRONG, NO_PARTICLES = "Most outlines are probably wrong", "Perhaps not a micrograph of particles"
NO_FIBRES = "Mostly no fibres"
TILTED = "Tilted by"  # such a tilt can be corrected by one click
# Short forms.
TWO_SCALES = "Two sources of the scale contradict each other"
NO_NUMBERS = "No numbers for this unusual picture"  # the image is of another kind
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

    def __post_init__(self) -> None:
        if len(self.short) > LONGEST_SHORT_FORM or (self.doubt and not self.short):
            raise ValueError(f"a short form of {len(self.short)} characters: {self.short}")

    def __str__(self) -> str:
        return self.text

    @property
    def level(self) -> str:
        """NOTE, LOOK or DO_NOT_USE. Pages show it before the `headline`."""
        if not self.doubt:
            return NOTE
        return DO_NOT_USE if self.short.startswith(DO_NOT_USE) else LOOK

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
        return UNSURE if self.short.startswith((WRONG, NO_PARTICLES, NO_FIBRES)) else ""

    @property
    def headline(self) -> str:
        """The words that a page shows beside the numbers, after the level."""
        return (self.short or self.text).removeprefix(f"{DO_NOT_USE}: ")

    @classmethod
    def doubtful(cls, text: str, short: str, **fields: Any) -> Flag:
        """A warning. fields: other fields of the flag (reason, ids, moves, by)."""
        return cls(text, short, True, **fields)


def as_json(flags: Iterable[Flag]) -> dict[str, Any]:
    """Plain JSON types: `warnings` has only the sentences, `flags` all fields."""
    entries = [{**asdict(flag), "ids": list(flag.ids)} for flag in flags]
    return {"warnings": [entry["text"] for entry in entries], "flags": entries}


def from_json(content: Mapping[str, Any]) -> list[Flag]:
    """The flags that `as_json` stored; an unfinished result has none."""
    return [Flag(**{**entry, "ids": tuple(entry["ids"])}) for entry in content.get("flags", ())]


def is_unusable(flags: Iterable[Flag]) -> bool:
    """Whether the numbers must not be used, because the scale is probably wrong."""
    return any(flag.level == DO_NOT_USE for flag in flags)


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
