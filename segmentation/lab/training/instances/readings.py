"""How a model's maps are read, chosen anew on images that its weights did not learn from.

A fine-tuned network knows the texture and the contacts of its material. Particles may then be shown to it larger than
to its base, and be kept apart more readily. Both were chosen for particles of any kind, and choosing them again takes
no training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ....core.labels.options import MERGE_LIMIT, ParticleOptions
from ....core.network.cards import ModelCard
from ....core.pace import followed
from ....core.truth import Pair
from ..contract import Fitted, Labels, Say, Scoring
from ..evaluation.predictions import Options, Predictor
from ..evaluation.scores import Scorer, weighted_figures
from .confidence import OFTEN, every_nth

SIZES = (1.0, 0.5, 0.7, 1.4)  # times the model's diameter
LIMITS = (0.4, 0.5, 0.6, 0.8, 0.9)
FEWEST = 3  # images, under which the model's own way is kept
PER_PERCENT = 0.005  # of the score that a percent of the median is worth
SCORES, ERROR = ("f50", "f75"), "median_error"
RULE = (
    "Of the working sizes and limits of the region merging those with the highest mean of F1 at IoU 0.5 and 0.75, less"
    f" {PER_PERCENT:g} for every percent by which the median is wrong."
)
Way = dict[str, Any]
Records = Sequence[Any]


def ways(card: ModelCard) -> list[Way]:
    """The card's options of each way, its own way first."""
    options = ParticleOptions.of(card)
    limits = [{"region_merging": {**options.region_merging, MERGE_LIMIT: limit}} for limit in LIMITS]
    merging = [{"region_merging": options.region_merging}] if options.region_merging else [{}]
    merging += [limit for limit in limits if options.region_merging and limit not in merging]
    usual = options.diameter
    sizes = [usual * size for size in SIZES if size == 1 or card.smallest <= usual * size <= card.largest]
    return [{"diameter": round(size, 1), **limit} for size in sizes for limit in merging]


class Found(NamedTuple):
    """record: what the task's Examiner says of an image. labels: (H, W), found in it."""

    record: Any
    labels: Labels


def read_in_every_way(scoring: Scoring, predictor: Predictor, pair: Pair, rows: int | None = None) -> list[Found]:
    """What is found in an image that is read in each of the model's ways."""
    fresh = replace(predictor, cache={})
    scorers = [
        Scorer(scoring, replace(fresh, card=with_options(fresh.card, way)), Options(rows=rows, thresholds=False))
        for way in scoring.ways(fresh.card)
    ]
    by_way = [scorer.image(pair)[1] for scorer in scorers]
    return [Found(scorer.records[0], labels) for scorer, labels in zip(scorers, by_way, strict=True)]


def with_options(card: ModelCard, options: Way) -> ModelCard:
    return replace(card, options={**card.options, **options})


def best_way(scoring: Scoring, read: Sequence[Records]) -> int:
    """The number of the best way by RULE, 0 of fewer than FEWEST images. read: of each image the record of each way."""
    if len(read) < FEWEST or len(read[0]) < 2:
        return 0
    every = [_worth(scoring, records) for records in zip(*read, strict=True)]
    return int(np.argmax([score - PER_PERCENT * error for score, error in every]))


def chosen_apart(scoring: Scoring, read: Sequence[Records], groups: Sequence[str]) -> list[int]:
    """Of each image the way that the images of other groups choose: none chooses its own. groups: of the images."""
    chosen = {}
    for group in dict.fromkeys(groups):
        others = [records for records, other in zip(read, groups, strict=True) if other != group]
        chosen[group] = best_way(scoring, others)
    return [chosen[group] for group in groups]


def fit_reading(
    scoring: Scoring, predictor: Predictor, pairs: Sequence[Pair], options: Options, say: Say = lambda line: None
) -> Fitted:
    """The card's options `diameter` and `region_merging`, of which the limit alone may change."""
    used = every_nth(pairs)
    images = followed(used, len(used), say, OFTEN)
    every = (read_in_every_way(scoring, predictor, pair, options.rows) for pair in images)
    read = [[reading.record for reading in readings] for readings in every]
    way = best_way(scoring, read)
    chosen = scoring.ways(predictor.card)[way]
    (before, off_before), (after, off_after) = (_worth(scoring, [r[number] for r in read]) for number in (0, way))
    limit = f", limit {chosen['region_merging'][MERGE_LIMIT]:g}" if "region_merging" in chosen else ""
    summary = (
        f"particles of {chosen['diameter']:g} px{limit}: mean F1 at IoU 0.5 and 0.75 {before:.4f} -> {after:.4f},"
        f" error of the median {off_before:.1f} -> {off_after:.1f} %"
    )
    return Fitted("reading", {"options": chosen}, {"reading_rule": RULE}, summary)


def _worth(scoring: Scoring, records: Records) -> tuple[float, float]:
    """(score, absolute error of the median in percent) of some images together; 0 and 100 where undefined."""
    figures = weighted_figures(scoring, records)
    score = float(np.mean([np.nan_to_num(figures[name][0]) for name in SCORES]))
    return score, float(np.nan_to_num(abs(figures[ERROR][0]), nan=100.0))
