"""Fits entries of a model's card, such as its threshold, to images with truth, and compares two models on such images
(commands `fit` and `train`)."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...core.masks.truth import Pair
from ...core.network.cards import read_card
from ...core.stages.pace import time_left
from ..training import tasks
from ..training.contract import Say
from ..training.evaluation.predictions import Options, Predictor
from ..training.evaluation.scores import Scorer
from ..training.pretrained import maps_of
from ..training.publish import set_entries

FIGURES_PER_IMAGE = 3  # how many scores are printed for each image
FEW_OBJECTS = 300  # objects; with fewer a warning says that the fit is uncertain
WARNING = (
    "{count} {things} are few to fit a card to: below {few} a fit may follow chance. Compare both cards on other"
    " images, and take the old one back where the new one is no better there."
)


def fit_card(
    file: Path,
    predictor: Predictor,
    pairs: Sequence[Pair],
    parts: Collection[str],
    title: str,
    rows: int | None = None,
    say: Say = print,
) -> Predictor:
    """Fit parts of the card in `file`, in the order of `Scoring.fits`, and write each into it; returns the new model.

    predictor: the model of that card. parts: names of `Scoring.fits`. title: name of the data, written into the card.
    rows: use only the first rows of every image. The old card is copied to FILE.before. Raises UserError for too few
    images or objects, and CannotWrite.
    """
    task = tasks.find(predictor.card.task)
    backup = file.with_name(f"{file.name}.before")
    shutil.copyfile(file, backup)
    say(f"the card as it was: {backup}")
    if not task.classes:
        count = sum(len(np.unique(pair.load(rows)[1])) - 1 for pair in pairs)
        if count < FEW_OBJECTS:
            say(WARNING.format(count=count, things=task.name, few=FEW_OBJECTS))
    for name, fit in task.scoring(maps_of(predictor.card)).fits.items():
        if name in parts:
            say(f"fitting the {name}")
            fitted = fit(predictor, pairs, Options(rows=rows), say)
            set_entries(file, {**fitted.entries, "training": {f"{fitted.entry}_data": title, **fitted.facts}})
            say(f"{name} written into {file}: {fitted.summary}")
            predictor = replace(predictor, card=read_card(file))
    return predictor


def print_comparison(
    before: Predictor,
    after: Predictor,
    pairs: Sequence[Pair],
    say: Say,
    what: str = "held out",
    rows: int | None = None,
) -> None:
    """Print the main scores of both models for each image, and more scores for all images together.

    say: prints a line. what: word for the images in these lines. rows: use only the first rows of every image.
    """
    scoring = tasks.find(after.card.task).scoring(maps_of(after.card))
    options = Options(rows=rows, thresholds=False)
    scorers = [Scorer(scoring, model, options) for model in (before, after)]
    names_per_image = [name for name in scoring.printed if scoring.definitions[name].short][:FIGURES_PER_IMAGE]
    start_time = time.monotonic()

    def changes_in_words(names: Sequence[str], last: int = 0) -> str:
        old, new = (scorer.figures(last) for scorer in scorers)
        return ", ".join(
            f"{scoring.definitions[name].title} "
            + " -> ".join(f"{value:.3f}" if math.isfinite(value) else "–" for value in (old[name], new[name]))
            for name in names
        )

    for number, pair in enumerate(pairs, start=1):
        for scorer in scorers:
            scorer.image(pair)
        changes = changes_in_words(names_per_image, last=1)
        say(f"{what}, {pair.name}: {changes}{time_left(start_time, number, len(pairs))}")
    if pairs:
        say(f"all {len(pairs)} {what}: {changes_in_words(scoring.printed)}")
