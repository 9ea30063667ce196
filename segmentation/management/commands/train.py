"""Train a network from a recipe; resumes where a killed run stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from segmentation import __version__


class Command(BaseCommand):
    help = "Train the network of RECIPE.toml; checkpoints, metrics, weights and ModelCard go to RUN."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("recipe", type=Path, metavar="RECIPE.toml")
        parser.add_argument("--out", type=Path, required=True, metavar="RUN")
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.core.network.architectures import UnknownArchitecture
        from segmentation.core.network.runtime import Runtime
        from segmentation.training.data import BadDataset
        from segmentation.training.publish import publish
        from segmentation.training.settings import BadRecipe, read_recipe
        from segmentation.training.train import train

        try:
            recipe = read_recipe(options["recipe"])
            device = Runtime(options["device"]).torch_device()
            run = train(recipe, options["out"], Path(settings.BASE_DIR), device, self.stdout.write)
        except (BadRecipe, BadDataset, UnknownArchitecture, OSError) as error:
            raise CommandError(str(error)) from error
        card = publish(run.averaged, recipe, options["out"], version=__version__, extra={"limits": recipe.limits})
        self.stdout.write(f"weights and ModelCard: {card}")
