"""Score a model on the groups that a training recipe holds out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from numpy.typing import NDArray

from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import UnknownModel, find, read_card
from segmentation.core.recipe import Recipe


class Command(BaseCommand):
    help = "Scores of MODEL (a name or a card's file) on the held-out part of RECIPE.toml's folders."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model")
        parser.add_argument("recipe", type=Path, metavar="RECIPE.toml")
        parser.add_argument("--polarity", choices=["auto", "bright"], default="auto", help="bright: as in training")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.training.data import BadDataset
        from segmentation.training.evaluate import score
        from segmentation.training.settings import BadRecipe, make_sources, read_recipe

        try:
            card = _card(options["model"])
            recipe = read_recipe(options["recipe"])
            held_out = make_sources(recipe.folders_only(), Path(settings.BASE_DIR)).held_out
        except (BadRecipe, BadDataset, UnknownModel, ValueError, OSError) as error:
            raise CommandError(str(error)) from error
        scores = score(_pairs(card, held_out, options["polarity"]))
        for name, value in scores._asdict().items():
            self.stdout.write(f"{name:12s} {value:.4f}" if isinstance(value, float) else f"{name:12s} {value}")


def _card(model: str) -> Any:
    return read_card(Path(model)) if model.endswith(".toml") else find(model)


def _pairs(card: Any, held_out: Any, polarity: str) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    from segmentation.core.network.runtime import Runtime
    from segmentation.core.pipeline import Clock, segment

    for pair in held_out:
        micrograph = Micrograph(pair.grey, pair.name, "", Calibration.absent())
        recipe = Recipe(model=card.name, polarity=polarity, data_bar=0)
        yield segment(micrograph, recipe, card, runtime=Runtime(), clock=Clock()).labels, pair.labels
