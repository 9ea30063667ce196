"""`train`: trains a network by a recipe, or trains a model further on one's own images (fine-tuning). A stopped run
continues from its last checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from segmentation.location import COMMAND

from ._lab import BASE, LabCommand

RECIPE_OPTIONS = ("name", "steps", "fold", "device")  # options that replace entries of the recipe


class Command(LabCommand):
    help = (
        "Train the network of RECIPE.toml; checkpoints, metrics, curves, examples, weights and ModelCard go to RUN. "
        "With --fine-tune MODEL, train MODEL further on a FOLDER that holds images/ and labels/, with a table on "
        "held-out images (docs/method/training.md)."
    )
    resumes = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("recipe", type=Path, metavar="RECIPE.toml | FOLDER")
        parser.add_argument("--out", type=Path, required=True, metavar="RUN")
        parser.add_argument("--fine-tune", metavar="MODEL", help="name of a model, or its card's file")
        parser.add_argument("--name", help="of the model, instead of the recipe's")
        parser.add_argument("--steps", type=int, help="instead of the recipe's")
        parser.add_argument("--fold", type=int, help="which part of the groups is held out, instead of the recipe's")
        parser.add_argument("--minutes", type=float, default=20.0, help="that fine-tuning may take")
        parser.add_argument("--learning-curve", action="store_true", help="also fine-tune on fewer images")
        parser.add_argument(
            "--composed", action="store_true", help="also fine-tune with agglomerates composed of the own particles"
        )
        parser.add_argument("--threads", type=int, default=0, help="of a fine-tuning; 0: all")
        parser.add_argument("--device", help="auto, cpu, cuda, ... instead of the recipe's")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.core.network.cards import read_card
        from segmentation.lab.training.check import check_sources
        from segmentation.lab.training.publish import publish_run
        from segmentation.lab.training.settings import copied_entries, read_recipe, recipe_from
        from segmentation.lab.training.train import train

        if options["fine_tune"]:
            if options["fold"] is not None:
                raise CommandError("Leave --fold out: fine-tuning holds images out in turns, and then learns from all.")
            self._fine_tune(options)
            return
        self.refuse_folder(options["recipe"])
        recipe = read_recipe(options["recipe"])
        # Only entries that the recipe sets: the others, such as the maps of the base model, are filled in again.
        if changes := {name: options[name] for name in RECIPE_OPTIONS if options[name] is not None}:
            recipe = recipe_from({**recipe.model_dump(exclude_unset=True), **changes}, "The command line")
        if not (options["out"] / "checkpoint.pt").exists():
            check_sources(recipe, BASE, self.say)
            if entries := copied_entries(recipe):
                self.say(
                    f"{entries} are still those of the recipe that you copied: the form shows them for your model."
                )
        run = train(recipe, options["out"], BASE, say=self.say)
        card = publish_run(run, options["out"], BASE)
        for choice in read_card(card).training["choices"]:
            self.say(choice)
        self.say(f"weights and ModelCard: {card}")
        self._compare(read_recipe(options["out"] / "recipe.toml"), card)
        self.say(f"to offer it in the form: {COMMAND} models add {options['out']}")

    def _fine_tune(self, options: dict[str, Any]) -> None:
        """Fine-tune a model, and write the scores on held-out images, before and after, on the terminal."""
        from segmentation.lab.training.adaptation import Options, adapt
        from segmentation.lab.training.files import write_whole
        from segmentation.lab.training.finetune import name_for
        from segmentation.lab.training.pretrained import base_card

        folder, base, out = options["recipe"], options["fine_tune"], options["out"]
        title, last_stage = f"{base_card(base).title}, fine-tuned on {folder.resolve().name}", [""]

        def report(stage: str, fraction: float, summary: Any, seconds: float | None) -> None:
            if stage != last_stage[0]:
                self.say(f"{fraction:4.0%}  {stage}")
                if last_stage[0] == "planning" and "plan" in summary:
                    for note in summary["plan"]["notes"]:
                        self.say(note)
            last_stage[0] = stage

        choices = {name: options[name] for name in ("minutes", "learning_curve", "composed", "threads")}
        choices |= {"steps": options["steps"] or 0, "device": options["device"] or "auto"}
        name = options["name"] or name_for(base_card(base), folder)
        summary = adapt(folder, base, out, Options(name, title, data=folder.resolve().name, **choices), report)
        write_whole(out / "summary.json", json.dumps(summary, indent=1).encode())
        for change in summary["table"]:
            sides = (_with_interval(change[side], change[f"{side}_interval"]) for side in ("before", "after"))
            self.say(f"held out: {change['title']} {' -> '.join(sides)}")
        for kind in summary["forgetting"]:
            figure_change = f"{kind['figure']} {kind['before']:.3f} -> {kind['after']:.3f}"
            self.say(f"{kind['images']} {kind['data']}: {figure_change}")
        if "composed" in summary:
            self.say(summary["composed"]["sentence"])
        self.say(summary["outcome"]["sentence"])
        self.say(summary["share"]["sentence"])
        self.say(f"to offer it in the form: {COMMAND} models add {out / 'final'}")

    def _compare(self, recipe: Any, card: Path) -> None:
        """Write the scores on held-out images before and after the training, if it began with a model of this kind."""
        from segmentation.core.network.cards import read_card
        from segmentation.core.network.runtime import Runtime
        from segmentation.lab.research.fit import print_comparison
        from segmentation.lab.training.data import held_out_images
        from segmentation.lab.training.evaluation.predictions import Predictor
        from segmentation.lab.training.pretrained import base_card
        from segmentation.lab.training.settings import FolderEntry

        before = base_card(recipe.start_from) if recipe.start_from else None
        if before and before.task == recipe.task and any(isinstance(source, FolderEntry) for source in recipe.sources):
            pairs = [picture.pair for picture in held_out_images(recipe, BASE) if picture.has_labels]
            runtime = Runtime(recipe.device)
            print_comparison(Predictor(before, runtime), Predictor(read_card(card), runtime), pairs, self.say)


def _with_interval(value: float | None, interval: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")
