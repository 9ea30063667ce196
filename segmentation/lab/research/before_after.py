"""What a training or a fit changed: the model before and after it, on images with truth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from ...core.pace import time_left
from ...core.truth import Pair
from ..training import tasks
from ..training.evaluation.predictions import Options, Predictor
from ..training.evaluation.scores import Scorer
from ..training.pretrained import maps_of

ALONE = 3  # figures of each image


def before_and_after(
    before: Predictor,
    after: Predictor,
    pairs: Sequence[Pair],
    say: Callable[[str], None],
    what: str = "held out",
    rows: int | None = None,
) -> None:
    """Say the figures of both models on each image, by its name, and on all together.

    what: these images. rows: only so many of every image.
    """
    scoring = tasks.find(after.card.task).scoring(maps_of(after.card))
    options = Options(rows=rows, thresholds=False)
    scorers = [Scorer(scoring, each, options) for each in (before, after)]
    short = [name for name in scoring.printed if scoring.definitions[name].short][:ALONE]
    began = time.monotonic()

    def compared(names: Sequence[str], last: int = 0) -> str:
        old, new = (scorer.figures(last) for scorer in scorers)
        return ", ".join(
            f"{scoring.definitions[name].title} {_rounded(old[name])} -> {_rounded(new[name])}" for name in names
        )

    for number, pair in enumerate(pairs, start=1):
        for scorer in scorers:
            scorer.image(pair)
        say(f"{what}, {pair.name}: {compared(short, last=1)}{time_left(began, number, len(pairs))}")
    if pairs:
        say(f"all {len(pairs)} {what}: {compared(scoring.printed)}")


def _rounded(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"
