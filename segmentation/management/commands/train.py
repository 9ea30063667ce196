"""Train a network from a recipe, or a model further on one's own images; resumes where a killed run stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from segmentation import __version__


class Command(BaseCommand):
    help = (
        "Train the network of RECIPE.toml; checkpoints, metrics, curves, examples, weights and ModelCard go to RUN. "
        "With --fine-tune MODEL, train MODEL further on a FOLDER that holds images/ and labels/."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("recipe", type=Path, metavar="RECIPE.toml | FOLDER")
        parser.add_argument("--out", type=Path, required=True, metavar="RUN")
        parser.add_argument("--fine-tune", metavar="MODEL", help="name of a model, or its card's file")
        parser.add_argument("--name", help="of the model, instead of the recipe's")
        parser.add_argument("--steps", type=int, help="instead of the recipe's")
        parser.add_argument("--fold", type=int, help="which part of the groups is held out, instead of the recipe's")
        parser.add_argument("--device", help="auto, cpu, cuda, ... instead of the recipe's")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.core.network.architectures import UnknownArchitecture
        from segmentation.core.truth import BadDataset
        from segmentation.lab.check import check_sources
        from segmentation.lab.publish import publish
        from segmentation.lab.settings import BadRecipe, read_recipe
        from segmentation.lab.train import scores_of, train

        try:
            recipe = _recipe(options)
            if not (options["out"] / "checkpoint.pt").exists():
                check_sources(recipe, Path(settings.BASE_DIR), self._say)
            run = train(recipe, options["out"], Path(settings.BASE_DIR), say=self._say)
            recipe = read_recipe(options["out"] / "recipe.toml")  # with what the run decided
            extra = {"limits": recipe.limits, "scores": scores_of(run, recipe)}
            card = publish(run.averaged, recipe, options["out"], version=__version__, extra=extra)
        except (BadRecipe, BadDataset, UnknownArchitecture, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; the same command goes on from the last checkpoint.") from None
        self._say(f"weights and ModelCard: {card}")
        self._say(f"to offer it in the form: manage.py models add {options['out']}")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _recipe(options: dict[str, Any]) -> Any:
    """The recipe of the file or the folder, with what the command line says instead."""
    from segmentation.lab.finetune import fine_tuning
    from segmentation.lab.settings import read_recipe, recipe_from

    if options["fine_tune"]:
        recipe = fine_tuning(options["recipe"], options["fine_tune"], options["fold"] or 0)
    elif options["recipe"].is_dir():
        raise CommandError(f"{options['recipe']} is a folder: say which model to train further with --fine-tune.")
    else:
        recipe = read_recipe(options["recipe"])
    said = {name: options[name] for name in ("name", "steps", "fold", "device") if options[name] is not None}
    return recipe_from({**recipe.model_dump(), **said}, "The command line") if said else recipe
