"""`fit`: fits parameters of a model that are not its weights (PARTS) to images with truth, and writes them into its
card."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ._lab import ScoringCommand, is_recipe, title_of

PARTS = {
    "separation": "where touching particles are separated",
    "confidence": "the probability that an outline is right",
    "threshold": "from which probability on a pixel counts",
    "reading": "the working size of particles, and how easily touching ones are separated",
}


class Command(ScoringCommand):
    help = (
        "Fit PARTS of MODEL's card on DATASET, write them into the card, and compare the results of the old and the"
        f" new card. PARTS: {'; '.join(f'{name}: {text}' for name, text in PARTS.items())}. DATASET as for `evaluate`:"
        " a folder, or the held-out groups of a training RECIPE.toml. The old card is kept as CARD.before."
    )
    result = "The card"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("parts", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.core.tasks import find
        from segmentation.lab.research.fit import fit_card, print_comparison
        from segmentation.lab.training import tasks
        from segmentation.lab.training.pretrained import maps_of
        from segmentation.lab.training.settings import refuse_evaluation_data

        card, file = self.card(options)
        fits = tasks.find(card.task).scoring(maps_of(card)).fits
        if unknown := [part for part in options["parts"] if part not in fits]:
            raise CommandError(f"{find(card.task).title} have no {' and no '.join(unknown)} to be fitted.")
        pairs, rows = self.pairs(card, options), options["rows"]
        if not is_recipe(options["dataset"]):  # a recipe names no such folder
            refuse_evaluation_data(options["dataset"], *(path for pair in pairs for path in pair.files))
        self.warn_of_training_images(card, pairs)
        before = replace(self.predictor(card, options), cache={})
        after = fit_card(file, before, pairs, options["parts"], title_of(options["dataset"]), rows, self.say)
        print_comparison(before, after, pairs, self.say, "fitted on", rows)
        self.say("Scores on these images are scores on images that the card was fitted to.")
