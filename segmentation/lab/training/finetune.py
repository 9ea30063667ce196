"""The recipe of a fine-tuning: a short training of a model on a user's own labelled images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ...core.network.cards import ModelCard
from ...location import COMMAND
from .check import check_folder
from .data import validation_groups
from .pretrained import base_card, maps_of
from .settings import TrainingRecipe, number_of_classes, recipe_from, refuse_evaluation_data

# Entries of the recipe of every fine-tuning.
DEFAULTS: dict[str, Any] = {
    "keep_statistics": True,
    "steps": 200,
    "batch": 4,
    "learning_rate": 2e-4,
    "encoder_learning_rate": 1e-4,
    "ema_decay": 0.99,
    "checkpoint": 25,
    "patience": 6,
    "folds": 5,
    "validation_batches": 4,
    "schedule": {"warm_up": 20},
}


def fine_tuning(folder: Path, model: str) -> TrainingRecipe:
    """The recipe of a short training of `model` at a low rate on the images and labels of a folder.

    A fifth of the groups (by groups.csv, else of the images) is held out. Raises BadRecipe if there is no such model
    or the folder is for evaluation only, and BadDataset, with the number of errors, if the folder has errors.
    """
    card = base_card(model)
    refuse_evaluation_data(folder)
    count, classes = number_of_classes(card.task, maps_of(card)), maps_of(card)
    checked = check_folder(folder, count=count, task=card.task)
    advice = (
        f"Fine-tuning keeps the {len(classes)} classes of {card.name} ({', '.join(classes)}). To add a class, train a"
        f' recipe with start_from = "{card.name}" and all classes in heads.'
    )
    if count:
        checked.refuse(str(folder), advice, advice_on_page=advice)
    checked.refuse(str(folder), f"See `{COMMAND} dataset check {folder}`.")
    groups = [pair.group for pair in checked.pairs if pair.has_labels]
    held_out = validation_groups(groups, 0.0, 0, DEFAULTS["folds"])
    images = sum(group not in held_out for group in groups)
    count_words = f"{images} image{'' if images == 1 else 's'}"
    names = ("images", "labels", "label_suffix", "groups")
    parts = {name: value for name in names if (value := getattr(checked.entry, name))}
    entries = {
        "name": name_for(card, folder),
        "title": f"{card.title}, fine-tuned on {folder.resolve().name}",
        "summary": f"{card.title} trained on with {count_words} of {folder.resolve().name}.",
        "licence": "of its owner",
        "task": card.task,
        "start_from": model,
        "architecture": card.architecture,
        "sizes": [card.smallest, card.largest],
        "sources": [{"kind": "folder", "path": str(folder.resolve()), "title": folder.resolve().name, **parts}],
        "limits": [
            f"Fine-tuned on {count_words}; it may do worse than {card.name} on others.",
            "Its best checkpoint was chosen on the images held out: its scores on them are somewhat too good.",
        ],
        **DEFAULTS,
    }
    return recipe_from(entries, str(folder))


def name_for(card: ModelCard, folder: Path) -> str:
    """The usual name of a model that is fine-tuned on a folder."""
    words = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:40]
    return f"{card.name}-{words or 'own'}"
