"""`sweep`: trains and scores variants of a recipe over a grid of values, folds and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from ._lab import BASE, LabCommand


class Command(LabCommand):
    help = (
        "Train each variant of SWEEP.toml (or RECIPE.toml alone) once for each value of its grid, each fold and each"
        " seed; score it on the images that its fold holds out; write runs.csv, table.md and plots to DIR. With"
        " --fine-tune MODEL, train MODEL further on a FOLDER of images/ and labels/. The same command goes on where it"
        " was stopped."
    )
    resumes = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sweep", type=Path, metavar="SWEEP.toml | RECIPE.toml | FOLDER")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR")
        parser.add_argument("--fine-tune", metavar="MODEL", help="name of a model, or its card's file")
        parser.add_argument(
            "--recipe",
            type=Path,
            metavar="RECIPE.toml",
            help="the recipe to vary; otherwise the one that SWEEP.toml names",
        )
        parser.add_argument(
            "--folds", help='number of parts of the images, each held out once; "all": as many as groups'
        )
        parser.add_argument("--seeds", type=int, nargs="+", metavar="N", help="of crops and first weights")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.lab.research.sweep import Sweep, read_sweep, run_sweep
        from segmentation.lab.training.finetune import fine_tuning
        from segmentation.lab.training.settings import checked_as

        if model := options["fine_tune"]:
            sweep, recipe = Sweep(), fine_tuning(options["sweep"], model)
        else:
            self.refuse_folder(options["sweep"])
            sweep, recipe = read_sweep(options["sweep"], options["recipe"])
        folds = options["folds"]
        grid_options = {"folds": int(folds) if folds and folds.isdecimal() else folds, "seeds": options["seeds"]}
        changes = {name: value for name, value in grid_options.items() if value is not None}
        sweep = checked_as(Sweep, {**sweep.model_dump(), **changes}, "The command line")
        run_sweep(sweep, recipe, options["out"], BASE, self.say)
        self.stdout.write((options["out"] / "table.md").read_text())
