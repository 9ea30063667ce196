"""ModelCards: what a set of weights is, read without touching torch."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

CARDS = Path(__file__).resolve().parents[2] / "cards"


class UnknownModel(LookupError):
    """No card of this name; the message lists those there are."""


class AlteredWeights(ValueError):
    """The weights are missing or are not those that the card describes."""


@dataclass(frozen=True)
class ModelCard:
    """One released model.

    architecture: what `architectures.build` takes. threshold: foreground probability. core: inner distance from
    which a pixel belongs to a particle's core. diameter: area-weighted median particle diameter, in px, that the
    network likes best; smallest, largest: the range that it was taught. sha256: of the weights file beside the card.
    data: {"title", "licence", "split"} of each source; scores: {"data", "split", ...figures}.
    """

    name: str
    title: str
    summary: str
    version: str
    architecture: dict[str, Any]
    sha256: str
    weights: Path
    threshold: float = 0.5
    core: float = 0.5
    diameter: float = 44.0
    smallest: float = 12.0
    largest: float = 80.0
    licence: str = "MIT"
    data: list[dict[str, Any]] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of the weights file."""
        return self.weights.stat().st_size


def read_card(file: Path) -> ModelCard:
    """The card in a TOML file; raises ValueError for unknown, missing or impossible entries."""
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    known = {f.name for f in fields(ModelCard)}
    if unknown := set(data) - known:
        raise ValueError(f"{file.name} has unknown entries: {', '.join(sorted(unknown))}.")
    try:
        card = ModelCard(**{**data, "weights": file.parent / data.get("weights", f"{file.stem}.safetensors")})
    except TypeError as error:
        raise ValueError(f"{file.name}: {error}.") from error
    if not (0 < card.threshold < 1 and 0 < card.core < 1 and len(card.sha256) == 64):
        raise ValueError(f"{file.name}: threshold and core lie between 0 and 1, sha256 has 64 digits.")
    return card


@cache
def _all(folder: Path) -> dict[str, ModelCard]:
    return {file.stem: read_card(file) for file in sorted(folder.glob("*.toml"))}


def available(folder: Path = CARDS) -> list[ModelCard]:
    """Every card in the folder, the default model first."""
    return sorted(_all(folder).values(), key=lambda card: (card.name != "particles", card.name))


def find(name: str, folder: Path = CARDS) -> ModelCard:
    """The card of this name; raises UnknownModel."""
    try:
        return _all(folder)[name]
    except KeyError:
        known = ", ".join(card.name for card in available(folder)) or "none"
        raise UnknownModel(f"There is no model named {name!r}; the models here are: {known}.") from None


def check_weights(card: ModelCard) -> None:
    """Raise AlteredWeights unless the weights file is the one that the card describes."""
    try:
        digest = hashlib.sha256(card.weights.read_bytes()).hexdigest()
    except OSError as error:
        raise AlteredWeights(f"The weights of the model {card.name} cannot be read: {error}.") from error
    if digest != card.sha256:
        raise AlteredWeights(
            f"The weights of the model {card.name} were altered (their hash is not the card's); "
            "restore the file from the release."
        )
