"""What a training brought: the model that it began with and the one that it made, on the images that were held out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..core.network.cards import ModelCard
from ..core.network.runtime import Runtime
from ..core.pace import time_left
from ..core.truth import Pair
from . import tasks
from .evaluation.predictions import Options, Predictor
from .evaluation.report import summarise
from .pretrained import maps_of

ALONE = 3  # figures told of each image


def before_and_after(
    before: ModelCard, after: ModelCard, pairs: Sequence[Pair], runtime: Runtime, say: Callable[[str], None]
) -> None:
    """Say the figures of both models on each image, by its name, and on all together."""
    scoring = tasks.find(after.task).scoring(maps_of(after))
    examiners = [(p := Predictor(card, runtime), scoring.examine(p, Options())) for card in (before, after)]
    records: list[list[object]] = [[], []]
    short = [name for name in scoring.shown if scoring.definitions[name].short][:ALONE]
    began = time.monotonic()

    def told(names: Sequence[str], some: Sequence[Sequence[object]]) -> str:
        sides = [summarise(scoring, each, nm=False) for each in some]
        values = [(scoring.definitions[name].title, [side[name].value for side in sides]) for name in names]
        return ", ".join(f"{title} {_shown(one)} -> {_shown(two)}" for title, (one, two) in values)

    for number, pair in enumerate(pairs, start=1):
        micrograph, truth = pair.load()
        for (predictor, examiner), found in zip(examiners, records, strict=True):
            found.append(examiner.find(predictor.see(micrograph, len(truth)), truth, 1.0)[1])
        left = time_left(began, number, len(pairs))
        say(f"held out, {pair.name}: {told(short, [found[-1:] for found in records])}{left}")
    if pairs:
        say(f"all {len(pairs)} held out: {told(scoring.shown, records)}")


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
