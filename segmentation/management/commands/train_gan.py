"""`train_gan`: trains a U-Net without labelled images. A GAN draws outlines, a CycleGAN makes pictures of them, and
the U-Net is trained on these. A stopped stage continues where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ._lab import BASE, LabCommand

STAGES = ("outlines", "masks", "cyclegan", "translate", "unet")
RECIPE = Path(__file__).resolve().parents[2] / "lab" / "recipes" / "gan.toml"


class Command(LabCommand):
    help = "Train a stage of the GAN route (or all of them) into RUN; see docs/development/gan.md."
    resumes = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("stage", choices=[*STAGES, "all"], metavar="STAGE", help=", ".join((*STAGES, "all")))
        parser.add_argument("--recipe", type=Path, default=RECIPE, metavar="GAN.toml", help="default: the paper's")
        parser.add_argument("--out", type=Path, required=True, metavar="RUN")
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
        parser.add_argument("--minutes", type=float, metavar="M", help="stop each stage after M minutes")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.lab.research.gan.loop import Work
        from segmentation.lab.research.gan.settings import read_gan_recipe
        from segmentation.lab.research.gan.stages import run_stage
        from segmentation.lab.research.gan.stock import check_sources
        from segmentation.lab.training.files import lock_folder, write_whole
        from segmentation.lab.training.start import device_of

        out = options["out"]
        if options["minutes"] is not None and not options["minutes"] > 0:
            raise CommandError("--minutes is a number above 0.")
        recipe = read_gan_recipe(options["recipe"])
        work = Work(recipe, out, BASE, device_of(options["device"]), options["minutes"], self.say)
        stages = STAGES if options["stage"] == "all" else (options["stage"],)
        if {"outlines", "cyclegan"} & set(stages):
            check_sources(recipe, BASE)
        with lock_folder(out):
            write_whole(out / "recipe.json", json.dumps(recipe.model_dump(), indent=2).encode())
            for stage in stages:
                run_stage(stage, work)
