"""A run's model becomes one that the application offers, and stops being one."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path

import tomlkit
import torch
from pydantic import ValidationError
from torch import nn

from ..core import tasks
from ..core.network.architectures import UnknownArchitecture, build
from ..core.network.cards import AlteredWeights, ModelCard, available, check_weights, read_card
from ..core.network.runtime import read_weights
from ..core.validation import sentence
from .files import write_whole

TRIAL = 64  # px, side of the picture that a model must be able to take


class BadModel(ValueError):
    """The model cannot be added or removed; the message says why."""


def add_model(run: Path, folder: Path, *, name: str = "", title: str = "") -> ModelCard:
    """Copy a run's card and weights to `folder`, under another name and title where they are given.

    run: a training's folder, or a card's file. Raises BadModel when there is no finished model, its weights were
    altered or fit another architecture, or its name is taken; CannotWrite when the disk is full.
    """
    file = card_file(run)
    card = checked_card(file)
    try:
        card = replace(card, name=name or card.name, title=title or card.title)
    except ValidationError as error:
        raise BadModel(f"A model's {sentence(error)}") from error
    name = card.name
    if name in {known.name for known in available()} or (folder / f"{name}.toml").exists():
        raise BadModel(f"There is a model named {name!r} already: give this one another name with --name.")
    weights = card.weights.read_bytes()
    if hashlib.sha256(weights).hexdigest() != card.sha256:
        raise BadModel(f"The weights of {file} changed while they were read.")
    entries = tomllib.loads(file.read_text(encoding="utf-8"))
    entries.pop("weights", None)
    # The card comes last: without it what is half written is no model.
    write_whole(folder / f"{name}.safetensors", weights)
    write_whole(folder / f"{name}.toml", tomlkit.dumps({**entries, "name": name, "title": card.title}).encode())
    return read_card(folder / f"{name}.toml")


def card_file(run: Path) -> Path:
    """The file of the one card in a run's folder, or `run` where it is a card's file; raises BadModel."""
    if run.suffix == ".toml" and run.is_file():
        return run
    if not run.is_dir():
        raise BadModel(f"There is no run {run}.")
    found = [file for file in sorted(run.glob("*.toml")) if file.name != "recipe.toml"]
    if not found:
        raise BadModel(f"{run} holds no ModelCard: its training is not finished (the same command goes on with it).")
    if len(found) > 1:
        raise BadModel(f"{run} holds {len(found)} ModelCards: name the file of one.")
    return found[0]


def checked_card(file: Path) -> ModelCard:
    """The card in a file, after its weights were found whole, fit to its architecture and able to predict."""
    try:
        card = read_card(file)
        check_weights(card)
        count = len(tasks.find(card.task).channels(card))
        network = build(card.architecture, count).eval()
        network.load_state_dict(read_weights(card))
        found = _tried(network)
    except (OSError, ValueError, UnknownArchitecture, AlteredWeights, tasks.UnknownTask) as error:
        raise BadModel(f"{file} cannot be added: {error}") from error
    except RuntimeError as error:
        raise BadModel(f"{file} cannot be added: its weights belong to another architecture.") from error
    if found.shape != (1, count, TRIAL, TRIAL) or not torch.isfinite(found).all():
        raise BadModel(f"{file} cannot be added: its network gives no {count} maps of its input's size.")
    return card


@torch.inference_mode()
def _tried(network: nn.Module) -> torch.Tensor:
    """The maps of a grey picture, as an analysis shows it; raises ValueError."""
    try:
        maps: torch.Tensor = network(torch.linspace(-1, 1, TRIAL * TRIAL).reshape(1, 1, TRIAL, TRIAL))
    except RuntimeError as error:
        raise ValueError("its network takes no picture of one channel.") from error
    return maps


def remove_model(name: str, folder: Path) -> None:
    """Delete a model that was added to `folder`; raises BadModel for any other."""
    card, weights = folder / f"{name}.toml", folder / f"{name}.safetensors"
    if "/" in name or not card.exists():
        released = name in {known.name for known in available()}
        why = "it is a released model" if released else "there is none of this name"
        raise BadModel(f"{name!r} cannot be removed: {why}.")
    # The card goes first: without it the weights are no model.
    card.unlink()
    weights.unlink(missing_ok=True)
