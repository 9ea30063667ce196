"""The GAN route from outlines to a U-Net; every stage resumes where a killed run stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

STAGES = ("outlines", "masks", "cyclegan", "translate", "unet")
RECIPE = Path(__file__).resolve().parents[2] / "lab" / "recipes" / "gan.toml"


class Command(BaseCommand):
    help = "Train a stage of the GAN route (or all of them) into RUN; see docs/gan.md."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("stage", choices=[*STAGES, "all"], metavar="STAGE", help=", ".join((*STAGES, "all")))
        parser.add_argument("--recipe", type=Path, default=RECIPE, metavar="GAN.toml", help="default: the paper's")
        parser.add_argument("--out", type=Path, required=True, metavar="RUN")
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
        parser.add_argument("--minutes", type=float, metavar="M", help="stop each stage after M minutes")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.core.network.architectures import UnknownArchitecture
        from segmentation.core.truth import BadDataset
        from segmentation.lab.files import alone_in
        from segmentation.lab.gan.settings import MissingStage, read_gan_recipe
        from segmentation.lab.gan.stages import Work, run_stage
        from segmentation.lab.gan.stock import check_sources
        from segmentation.lab.settings import BadRecipe

        if options["minutes"] is not None and not options["minutes"] > 0:
            raise CommandError("--minutes is a number above 0.")
        try:
            recipe = read_gan_recipe(options["recipe"])
            base = Path(settings.BASE_DIR)
            work = Work(recipe, options["out"], base, _device(options["device"]), options["minutes"], self._say)
            stages = STAGES if options["stage"] == "all" else (options["stage"],)
            if {"outlines", "cyclegan"} & set(stages):
                check_sources(recipe, base)
            with alone_in(options["out"]):
                _freeze(recipe.model_dump(), options["out"])
                for stage in stages:
                    run_stage(stage, work)
        except (BadRecipe, BadDataset, MissingStage, UnknownArchitecture, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; the same command goes on from the last checkpoint.") from None

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _device(name: str) -> Any:
    """The torch device of that name; raises CommandError where there is none."""
    from segmentation.core.network.runtime import Runtime

    try:
        device = Runtime(name).torch_device()
        import torch

        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CommandError(f"There is no device {name!r} here: take auto or cpu.") from error
    return device


def _freeze(recipe: dict[str, Any], out: Path) -> None:
    """The recipe as RUN/recipe.json, for whoever looks at the run later."""
    from segmentation.lab.files import write_whole

    write_whole(out / "recipe.json", json.dumps(recipe, indent=2).encode())
