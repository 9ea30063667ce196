"""Option sets of a model: the options by which its maps become outlines, and the choice of the best option set.

An option set is a working size (diameter of particles at the network's input) and a limit of region merging (which
separates touching particles). The options of a released model are the best ones for particles of any kind; for a
fine-tuned model others may be better. They are chosen on images that were not used to train its weights; no further
training is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ....core.labels.particles.options import MERGE_LIMIT, ParticleOptions
from ....core.masks.truth import Pair
from ....core.network.cards import ModelCard
from ....core.stages.pace import reporting_progress
from ..contract import Fitted, Labels, Say, Scoring
from ..evaluation.predictions import Options, Predictor
from ..evaluation.scores import Scorer, weighted_figures
from .confidence import IMAGES_PER_LINE, every_nth

SIZES = (1.0, 0.5, 0.7, 1.4)  # times the model's diameter
LIMITS = (0.4, 0.5, 0.6, 0.8, 0.9)  # of the region merging
FEWEST = 3  # images; with fewer the model keeps its own options
PER_PERCENT = 0.005  # reduction of the score for one percent of error of the median
SCORES, ERROR = ("f50", "f75"), "median_error"  # names in metrics.toml
RULE = (
    "Of the working sizes and limits of the region merging those with the highest mean of F1 at IoU 0.5 and 0.75, less"
    f" {PER_PERCENT:g} for every percent by which the median is wrong."
)
OptionSet = dict[str, Any]  # entries of a card's options
Records = Sequence[Any]  # of one image, one for each option set; or of one option set, one for each image


def option_sets(card: ModelCard) -> list[OptionSet]:
    """The option sets of a model, its own options first."""
    options = ParticleOptions.of(card)
    limits = [{"region_merging": {**options.region_merging, MERGE_LIMIT: limit}} for limit in LIMITS]
    merging = [{"region_merging": options.region_merging}] if options.region_merging else [{}]
    merging += [limit for limit in limits if options.region_merging and limit not in merging]
    own_diameter = options.diameter
    sizes = [own_diameter * size for size in SIZES if size == 1 or card.smallest <= own_diameter * size <= card.largest]
    return [{"diameter": round(size, 1), **limit} for size in sizes for limit in merging]


class OptionSetResult(NamedTuple):
    """The result for an image with one option set. record: of the task's Examiner (contract.py). labels: (H, W) found
    in the image."""

    record: Any
    labels: Labels


def results_of_option_sets(
    scoring: Scoring, predictor: Predictor, pair: Pair, rows: int | None = None
) -> list[OptionSetResult]:
    """The results for an image with each of the model's option sets. rows: use only the first rows of the image."""
    cached = replace(predictor, cache={})
    scorers = [
        Scorer(
            scoring, replace(cached, card=with_options(cached.card, option_set)), Options(rows=rows, thresholds=False)
        )
        for option_set in scoring.option_sets(cached.card)
    ]
    labels_by_set = [scorer.image(pair)[1] for scorer in scorers]
    return [OptionSetResult(scorer.records[0], labels) for scorer, labels in zip(scorers, labels_by_set, strict=True)]


def with_options(card: ModelCard, options: OptionSet) -> ModelCard:
    """The card with these options in place of its own."""
    return replace(card, options={**card.options, **options})


def best_option_set(scoring: Scoring, records_by_image: Sequence[Records]) -> int:
    """The number of the best option set by RULE; 0 for fewer than FEWEST images. records_by_image: for each image the
    record of each option set."""
    if len(records_by_image) < FEWEST or len(records_by_image[0]) < 2:
        return 0
    scores_and_errors = [_score_and_error(scoring, records) for records in zip(*records_by_image, strict=True)]
    return int(np.argmax([score - PER_PERCENT * error for score, error in scores_and_errors]))


def option_sets_by_other_groups(
    scoring: Scoring, records_by_image: Sequence[Records], groups: Sequence[str]
) -> list[int]:
    """For each image the number of the option set that is best for the images of other groups. records_by_image: for
    each image the record of each option set. groups: group of each image."""
    set_of_group = {}
    for group in dict.fromkeys(groups):
        other_records = [
            records for records, image_group in zip(records_by_image, groups, strict=True) if image_group != group
        ]
        set_of_group[group] = best_option_set(scoring, other_records)
    return [set_of_group[group] for group in groups]


def fit_option_set(
    scoring: Scoring, predictor: Predictor, pairs: Sequence[Pair], options: Options, say: Say = lambda line: None
) -> Fitted:
    """Fit the card's options `diameter` and `region_merging`; of the second only the limit may change."""
    examples = every_nth(pairs)
    images = reporting_progress(examples, len(examples), say, IMAGES_PER_LINE)
    in_all_sets = (results_of_option_sets(scoring, predictor, pair, options.rows) for pair in images)
    records_by_image = [[result.record for result in results] for results in in_all_sets]
    best = best_option_set(scoring, records_by_image)
    best_options = scoring.option_sets(predictor.card)[best]
    (score_before, error_before), (score_after, error_after) = (
        _score_and_error(scoring, [r[number] for r in records_by_image]) for number in (0, best)
    )
    limit = f", limit {best_options['region_merging'][MERGE_LIMIT]:g}" if "region_merging" in best_options else ""
    summary = (
        f"particles of {best_options['diameter']:g} px{limit}: mean F1 at IoU 0.5 and 0.75 {score_before:.4f} ->"
        f" {score_after:.4f}, error of the median {error_before:.1f} -> {error_after:.1f} %"
    )
    return Fitted("reading", {"options": best_options}, {"reading_rule": RULE}, summary)


def _score_and_error(scoring: Scoring, records: Records) -> tuple[float, float]:
    """(score, absolute error of the median in percent) of some images together; 0 and 100 if undefined. records: of
    one option set."""
    figures = weighted_figures(scoring, records)
    score = float(np.mean([np.nan_to_num(figures[name][0]) for name in SCORES]))
    return score, float(np.nan_to_num(abs(figures[ERROR][0]), nan=100.0))
