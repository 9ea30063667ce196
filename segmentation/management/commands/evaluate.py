"""`evaluate`: scores a model on images with truth, in a folder or those that a training recipe holds out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ._lab import SEGMENTATION_OPTIONS, ScoringCommand, option_flag, title_of

SCORE_OPTIONS = (*SEGMENTATION_OPTIONS, "threshold", "rows")  # options with which a score is not that of the card


class Command(ScoringCommand):
    help = (
        "Score MODEL on DATASET and write REPORT/report.html, REPORT/report.json and REPORT/labels. DATASET is a"
        " folder with images and labels (PNG, TIFF, npy; each piece of a mask with one number and each number of"
        " any other file is a particle), or a training RECIPE.toml, whose held-out groups are scored."
    )
    result = "The report"
    further_options = ("threshold", "postprocess")

    def add_arguments(self, parser: CommandParser) -> None:
        from segmentation.lab.training.instances.examine import CHAINS

        super().add_arguments(parser)
        parser.add_argument("--out", type=Path, required=True, metavar="REPORT", help="folder of the report")
        parser.add_argument("--nm", type=float, metavar="PER_PIXEL", help="pixel size; default: what the files say")
        parser.add_argument("--threshold", type=float, metavar="T", help="default: the card's")
        chains = parser.add_argument("--postprocess", action="append", choices=list(CHAINS), default=[])
        chains.help = "also score this post-processing on the same maps (may be repeated)"
        score = parser.add_argument("--write-score", action="store_true")
        score.help = "write the scores on this data into the card, for the page of models and uncertainty budgets"

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.lab.research.report import evaluate
        from segmentation.lab.training import tasks
        from segmentation.lab.training.evaluation.predictions import Options
        from segmentation.lab.training.pretrained import maps_of

        _check_options(options)
        card, file = self.card(options)
        scoring, pairs = tasks.find(card.task).scoring(maps_of(card)), self.pairs(card, options)
        self.warn_of_training_images(card, pairs)
        scoring_options = Options(
            rows=options["rows"],
            nm=options["nm"],
            threshold=options["threshold"],
            chains=tuple(dict.fromkeys(options["postprocess"])),
        )
        predictor, title = self.predictor(card, options), title_of(options["dataset"])
        report = evaluate(pairs, scoring, predictor, scoring_options, options["out"], title, self.say)
        for name in scoring.printed:
            value, low, high = report["pooled"]["figures"][name].values()
            if value is not None:
                interval = "" if low is None else f"  ({low:.4f} to {high:.4f})"
                self.stdout.write(f"{name:14s} {value:8.4f}{interval}")
        if options["write_score"]:
            from segmentation.lab.training.publish import write_score

            write_score(file, report)
            self.stdout.write(f"score written into {file}")
        self.stdout.write(f"report: {options['out'] / 'report.html'}")


def _check_options(options: dict[str, Any]) -> None:
    """Raise CommandError for impossible options, before any file is read."""
    threshold, nm = options["threshold"], options["nm"]
    if threshold is not None and not 0 < threshold < 1:
        raise CommandError(f"--threshold must be between 0 and 1, not {threshold:g}.")
    if nm is not None and not 0 < nm < float("inf"):
        raise CommandError(f"--nm is a number above 0, not {nm:g}.")
    other = [option_flag(name) for name in SCORE_OPTIONS if options[name] not in (None, False)]
    if options["write_score"] and other:
        raise CommandError(
            f"A card contains scores with its own settings only: leave out --write-score or {' and '.join(other)}."
        )
    if options["out"].exists() and not options["out"].is_dir():
        raise CommandError(f"{options['out']} is a file; --out names the folder of the report.")
