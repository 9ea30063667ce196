"""The recipe that goes on training a model with a user's own labelled images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .check import inspect
from .entries import FolderEntry, Schedule
from .pictures import BadDataset
from .pretrained import base_card
from .settings import TrainingRecipe

DEFAULTS: dict[str, Any] = {
    "keep_statistics": True,
    "steps": 300,
    "batch": 8,
    "rate": 2e-4,
    "encoder_rate": 1e-4,
    "average": 0.99,
    "checkpoint": 25,
    "patience": 6,
    "folds": 5,
    "validation_batches": 4,
    "precision": "auto",
}


def fine_tuning(folder: Path, model: str) -> TrainingRecipe:
    """A short training of `model` at a low rate on `folder/images` and `folder/labels`, split by image.

    Raises BadRecipe when there is no such model, and BadDataset, with the number of things to mend, when the folder
    is not fit to train on.
    """
    card = base_card(model)
    checked = inspect(folder)
    if wrong := checked.to_mend:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise BadDataset(f"{wrong[0].rstrip('.')}{more}; see `manage.py dataset check {folder}`.")
    return TrainingRecipe(
        name=f"{card.name}-{_slug(folder.resolve().name)}",
        title=f"{card.title}, fine-tuned on {folder.resolve().name}",
        summary=f"{card.title} trained on with {len(checked.pairs)} images of {folder.resolve().name}.",
        licence="of its owner",
        start_from=model,
        architecture=card.architecture,
        sizes=[card.smallest, card.largest],
        sources=[_source(folder, checked.entry)],
        limits=[f"Fine-tuned on {len(checked.pairs)} images; it may do worse than {card.name} on others."],
        schedule=Schedule(warm_up=20),
        **DEFAULTS,
    )


def _source(folder: Path, entry: FolderEntry) -> dict[str, Any]:
    own = {"images": entry.images, "labels": entry.labels, "label_suffix": entry.label_suffix, "groups": entry.groups}
    named = {key: value for key, value in own.items() if value}
    return {"kind": "folder", "path": str(folder.resolve()), "title": folder.resolve().name, **named}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "own"
