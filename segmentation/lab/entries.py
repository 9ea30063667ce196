"""The tables of a training's recipe: each knows its entries, their defaults and what is possible."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from ..core.network.card_entries import CARD, SOURCE, Rules, check_entry
from .synthesis.draw import DIAMETERS
from .synthesis.settings import BadSetting, checked

SIZES = (12.0, 80.0)  # typical particle diameters, in px, that a network is taught
FORBIDDEN = "evaluation-only"  # a folder of this name keeps data on which models are scored and nothing else
AUXILIARY = ("boundary",)  # maps that only help training; published weights do not hold them


class BadRecipe(ValueError):
    """The recipe cannot be trained; the message says which entry is wrong."""


def require(possible: bool, sentence: str) -> None:
    """Raise BadRecipe with the sentence unless it is possible."""
    if not possible:
        raise BadRecipe(sentence)


def require_entry(name: str, value: object, rules: Rules = CARD) -> None:
    """Raise BadRecipe unless the ModelCard that the training will write may hold this."""
    try:
        check_entry(name, value, rules)
    except ValueError as error:
        raise BadRecipe(str(error)) from error


def keep_apart(*places: Path) -> None:
    """Raise BadRecipe when a file or folder lies in a folder named FORBIDDEN, directly or through links."""
    for place in places:
        if FORBIDDEN in place.absolute().parts or FORBIDDEN in place.resolve().parts:
            raise BadRecipe(
                f"{place} lies in {FORBIDDEN}: what is there is never trained on, nor is anything calibrated or chosen "
                "by it."
            )


@dataclass(frozen=True)
class Loss:
    """Weights of the parts of the loss: foreground's cross-entropy and Dice loss, inner distance, boundary.

    contacts: how much more pixels between touching particles count. inside: how much more particle pixels count
    in the inner distance. focal: exponent by which surely right pixels of the foreground count less (0: not;
    Lin et al., ICCV 2017). balance: particle pixels of the foreground count background / foreground times
    (Ruehle et al., 2021). distance: "cross-entropy" (soft target) or "absolute" error of the inner distance.
    """

    foreground: float = 1.0
    dice: float = 1.0
    inner_distance: float = 2.0
    boundary: float = 1.0
    contacts: float = 4.0
    inside: float = 2.0
    focal: float = 0.0
    balance: bool = False
    distance: str = "cross-entropy"

    def __post_init__(self) -> None:
        weights = (self.foreground, self.dice, self.inner_distance, self.boundary, self.contacts, self.inside)
        require(min(*weights, self.focal) >= 0, "no weight is below 0.")
        require(self.foreground + self.dice > 0, "foreground or dice is above 0.")
        require(self.distance in ("cross-entropy", "absolute"), "distance is cross-entropy or absolute.")


@dataclass(frozen=True)
class Augmentation:
    """How often (0..1) a crop is changed, and how much.

    flips: quarter turns and mirrors. exposure: gamma, log-normal with `exposure_spread`. focus: Gaussian blur up
    to `focus_px`. noise: Gaussian up to `noise_spread` of the range. gradient: a ramp of `gradient_spread`.
    invert: dark particles. jpeg: compression artefacts. elastic: smooth bending by about `elastic_px`.
    """

    flips: bool = True
    exposure: float = 0.5
    exposure_spread: float = 0.3
    focus: float = 0.3
    focus_px: float = 1.3
    noise: float = 0.5
    noise_spread: float = 0.07
    gradient: float = 0.3
    gradient_spread: float = 0.12
    invert: float = 0.0
    jpeg: float = 0.0
    elastic: float = 0.0
    elastic_px: float = 3.0

    def __post_init__(self) -> None:
        for name in ("exposure", "focus", "noise", "gradient", "invert", "jpeg", "elastic"):
            require(0 <= getattr(self, name) <= 1, f"{name} is a share between 0 and 1.")
        spreads = (self.exposure_spread, self.noise_spread, self.gradient_spread, self.elastic_px)
        require(min(spreads) >= 0 and self.focus_px >= 0.3, "no spread is below 0, focus_px is at least 0.3.")


@dataclass(frozen=True)
class Optimiser:
    """name: "adamw", "adam" or "sgd" (with `momentum`). betas: Adam's. clip: largest norm of a gradient (0: any)."""

    name: str = "adamw"
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    momentum: float = 0.9
    clip: float = 5.0

    def __post_init__(self) -> None:
        require(self.name in ("adamw", "adam", "sgd"), "name is adamw, adam or sgd.")
        require(len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas), "betas are two numbers below 1.")
        require(0 <= self.momentum < 1 and self.clip >= 0, "momentum is below 1, clip at least 0.")


@dataclass(frozen=True)
class Schedule:
    """How the rate goes on after `warm_up` steps.

    name: "cosine" (half a cosine down to the share `last` at the end), "constant", "steps" (times `factor` every
    `every` steps) or "plateau" (times `factor` after every `wait` checkpoints without a better validation loss).
    """

    name: str = "cosine"
    warm_up: int = 100
    last: float = 0.01
    factor: float = 0.5
    every: int = 1000
    wait: int = 3

    def __post_init__(self) -> None:
        require(self.name in ("cosine", "constant", "steps", "plateau"), "name is cosine, constant, steps or plateau.")
        require(self.warm_up >= 0 and self.every >= 1 and self.wait >= 1, "warm_up, every and wait are not below 1.")
        require(0 <= self.last <= 1 and 0 < self.factor <= 1, "last and factor lie between 0 and 1.")


@dataclass(frozen=True)
class FolderEntry:
    """A folder of labelled micrographs, path relative to the checkout (or absolute).

    images, labels: its folders, where they have unusual names. label_suffix: what a labels file's name has more than
    its image's. only_labelled: images without labels are passed over. background: the label value that is no
    particle. split: file `image,group,...` (or `group_pattern`, whose first bracket in the image's name is its
    group): pictures of one group stay on one side of the split. use: "both", "training" or "validation".
    """

    path: str
    kind: str = "folder"
    images: str = ""
    labels: str = ""
    label_suffix: str = ""
    only_labelled: bool = False
    background: int = 0
    groups: str = ""
    group_pattern: str = ""
    use: str = "both"
    weight: float = 1.0
    title: str = ""
    licence: str = "unknown"

    def __post_init__(self) -> None:
        require(self.use in ("both", "training", "validation"), "use is both, training or validation.")
        require(not (self.groups and self.group_pattern), "groups and group_pattern exclude each other.")
        require(self.weight > 0, "weight is above 0.")
        require_entry("title", self.title, SOURCE)
        require_entry("licence", self.licence, SOURCE)
        require(has_group(self.group_pattern), f"group_pattern {self.group_pattern!r} is no pattern with a bracket.")


def has_group(pattern: str) -> bool:
    """Whether a regular expression can be read and has a bracket; none at all will do."""
    try:
        return not pattern or re.compile(pattern).groups > 0
    except re.error:
        return False


@dataclass(frozen=True)
class RenderedEntry:
    """Pictures of our renderer: `count` of them, a share `blank` without particles.

    diameters: range of the typical particle diameter in px. settings: what is fixed instead of drawn, by the names
    that `manage.py synthesise --list` gives.
    """

    kind: str = "rendered"
    count: int = 1500
    blank: float = 0.05
    weight: float = 1.0
    diameters: list[float] = field(default_factory=lambda: list(DIAMETERS))
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.count >= 1 and 0 <= self.blank <= 1, "count is at least 1, blank a share between 0 and 1.")
        require(self.weight > 0, "weight is above 0.")
        rising = len(self.diameters) == 2 and 3 <= self.diameters[0] <= self.diameters[1]
        require(rising, "diameters is the smallest (3 at least) and the largest typical diameter in px.")
        for name, value in self.settings.items():
            try:
                checked(name, value)
            except BadSetting as error:
                raise BadRecipe(f"settings: {error}") from error


SourceEntry = FolderEntry | RenderedEntry
KINDS: dict[str, type[FolderEntry] | type[RenderedEntry]] = {"folder": FolderEntry, "rendered": RenderedEntry}


def source_entry(number: int, data: object) -> SourceEntry:
    """The n-th (from 1) table of `sources`, checked."""
    require(isinstance(data, Mapping), f"source {number} is a table.")
    assert isinstance(data, Mapping)
    kind = data.get("kind")
    require(kind in KINDS, f"source {number} has kind {kind!r}; known are {' and '.join(sorted(KINDS))}.")
    return table(KINDS[str(kind)], data, f"source {number}")


T = TypeVar("T")


def table(cls: type[T], data: object, where: str) -> T:
    """A table's dataclass; raises BadRecipe for unknown, missing, wrongly typed or impossible entries."""
    if not isinstance(data, Mapping):
        raise BadRecipe(f"{where} is a table, not {data!r}.")
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - set(known)):
        near = [word for name in unknown for word in get_close_matches(name, known, 1)]
        hint = f" (did you mean {', '.join(near)}?)" if near else ""
        raise BadRecipe(f"{where} has unknown entries: {', '.join(unknown)}{hint}.")
    hints = get_type_hints(cls)
    values = {name: _typed(value, hints[name], f"{where}: {name}") for name, value in data.items()}
    try:
        return cls(**values)
    except TypeError as error:
        raise BadRecipe(f"{where} lacks {str(error).partition('argument')[2].lstrip('s: ')}.") from error
    except BadRecipe as error:
        raise BadRecipe(f"{where}: {error}") from error


WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a table"}


def _typed(value: object, hint: Any, where: str) -> Any:
    wanted = get_origin(hint) or hint
    if wanted not in WORDS:  # a table that was read already
        return value
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    right = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    if not right or (isinstance(value, float) and not math.isfinite(value)):
        raise BadRecipe(f"{where} is {WORDS[wanted]}, not {value!r}.")
    if hint == list[float] and not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):  # type: ignore[attr-defined]
        raise BadRecipe(f"{where} is a list of numbers, not {value!r}.")
    return value
