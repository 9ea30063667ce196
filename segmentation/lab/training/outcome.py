"""Compares the held-out images before and after a fine-tuning: a table of scores, a verdict on each image, and a
sentence. Also stores the results of an image (`packed_results`)."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.learning.training_summary import Change, Composed, Outcome
from ...core.network.card_entries import FIGURES
from ...core.report.wording import uncapital
from .contract import Floats, Scoring
from .evaluation.scores import FEWEST_GROUPS, Figure, summarise
from .files import as_json, from_json
from .instances.counts import ImageCounts
from .instances.option_sets import OptionSetResult
from .masks import Compared

# Smallest changes of an image's score and of its error (points) by which its verdict is better or worse.
CLEAR_SCORE, CLEAR_ERROR = 0.005, 0.5
# The types of the records of Examiners, by their names in stored files.
RECORDS: dict[str, Any] = {"ndarray": Floats, "ImageCounts": ImageCounts, "Compared": Compared}
CROSS_VALIDATED = "each image was held out of a training of its own; these weights learnt from all of them"


def place_of_best(name: str) -> str:
    """Where the best value of a score is: "higher", "lower" or, for errors with a sign, "zero"."""
    return "zero" if name.endswith("_error") else "lower" if name.endswith("_off") else "higher"


def changes(
    scoring: Scoring, before: Sequence[Any], after: Sequence[Any], groups: Sequence[str]
) -> tuple[list[Change], dict[str, Figure]]:
    """The table of the scores named by `Scoring.compared`, and all scores after the training.

    before, after: records of the same images.
    """
    old, new = (summarise(scoring, records, nm=False, groups=groups) for records in (before, after))
    table = [
        Change(
            name=name,
            title=scoring.definitions[name].title,
            unit=scoring.definitions[name].unit,
            better=place_of_best(name),
            before=old[name].value,
            before_interval=old[name].interval,
            after=new[name].value,
            after_interval=new[name].interval,
        )
        for name in scoring.compared
    ]
    return table, new


def verdict(scoring: Scoring, before: Mapping[str, float | None], after: Mapping[str, float | None]) -> str:
    """The verdict on one image: "better", "worse" or "same", by its score and by the error of the reported number
    together.

    before, after: scores of the image by name.
    """
    error, score = scoring.compared[0], scoring.tracked.score
    improvements = _sign(before[score], after[score], CLEAR_SCORE) - _sign(before[error], after[error], CLEAR_ERROR)
    return "better" if improvements > 0 else "worse" if improvements < 0 else "same"


def _sign(before: float | None, after: float | None, least: float) -> int:
    """1 for a clear rise, -1 for a clear fall, else 0; also 0 if one of the values is None."""
    if before is None or after is None or abs(after - before) < least:
        return 0
    return 1 if after > before else -1


def outcome(scoring: Scoring, table: Sequence[Change], groups: Sequence[str]) -> Outcome:
    """The sentence on the whole training, and whether it improved the model: the error of the reported number must
    fall, and the score must not fall. groups: of the held-out images."""
    by_name = {change["name"]: change for change in table}
    error, score = by_name[scoring.compared[0]], by_name[scoring.tracked.score]
    title, unit = _in_words(error["title"])
    values = [error["before"], error["after"], score["before"], score["after"]]
    if any(value is None or not math.isfinite(value) for value in values):
        improved, sentence = (False, f"The {title} cannot be judged: too little was found in the held-out images.")
    else:
        error_direction, score_direction = _direction(error, 2), _direction(score, 3)
        improved = error_direction == "falls" and score_direction != "falls"
        sentence = (
            f"The {title} {error_direction}: {error['before']:.1f}{unit} before, {error['after']:.1f}{unit} after."
            f" The {score['title']} {score_direction}: {score['before']:.3f} before, {score['after']:.3f} after."
        )
    before, after, sentence = error["before"], error["after"], sentence + _uncertain(groups)
    return Outcome(improved=improved, figure=error["title"], before=before, after=after, sentence=sentence)


def _uncertain(groups: Sequence[str]) -> str:
    """A sentence that the outcome is uncertain if there are few groups; "" if they are enough for an interval."""
    count = len(set(groups))
    return f" With {count} specimens this is uncertain." if count < FEWEST_GROUPS else ""


def composed_summary(
    scoring: Scoring, plain: Sequence[Any], composed: Sequence[Any], groups: Sequence[str], *, kept: bool
) -> Composed:
    """The entry of the summary about composed agglomerates: scores without and with them.

    plain, composed: records of the same held-out images by trainings without and with them. kept: whether the model
    learns from them."""
    error_name, score_name = scoring.compared[0], scoring.tracked.score
    figures = [summarise(scoring, records, nm=False, groups=[""] * len(records)) for records in (plain, composed)]
    errors, scores = ([side[name].value for side in figures] for name in (error_name, score_name))
    title, unit = _in_words(scoring.definitions[error_name].title)
    error_words = [_value_words(value, 1) + (unit if value is not None else "") for value in errors]
    score_title, score_words = scoring.definitions[score_name].title, [_value_words(value, 3) for value in scores]
    choice = (
        "The model learnt from them, too." if kept else "They do not help enough, so the model learnt without them."
    )
    return Composed(
        kept=kept,
        figure=scoring.definitions[error_name].title,
        without=errors[0],
        with_them=errors[1],
        score=score_title,
        score_without=scores[0],
        score_with_them=scores[1],
        sentence=f"On held-out images the {title} is {error_words[1]} with composed agglomerates"
        f" and {error_words[0]} without; the {score_title} is {score_words[1]} with and"
        f" {score_words[0]} without.{_uncertain(groups)} {choice}",
    )


def _in_words(title: str) -> tuple[str, str]:
    """The title of an error as part of a sentence, and the unit to put after its values."""
    unit = " %" if title.endswith(", %") else " points" if title.endswith(", points") else ""
    return uncapital(title.removesuffix(", %").removesuffix(", points")), unit


def _value_words(value: float | None, digits: int) -> str:
    return "not known" if value is None else f"{value:.{digits}f}"


def _direction(change: Change, digits: int) -> str:
    """How the rounded value changed, as a verb."""
    before, after = (round(change[side] or 0.0, digits) for side in ("before", "after"))
    return "falls" if after < before else "rises" if after > before else "stays the same"


def score_entry(title: str, images: int, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """An entry of the scores of a model's card. title: of the images. figures: all scores."""
    values = {name: figures[name].value for name in FIGURES if name in figures}
    rounded = {name: round(value, 3) for name, value in values.items() if value is not None and math.isfinite(value)}
    return {"data": f"{title}, {images} images", "split": CROSS_VALIDATED, **rounded}


def packed_results(results: Sequence[OptionSetResult]) -> bytes:
    """The content of an .npz file with the results for one image with each option set. All records are of one type of
    RECORDS."""
    kind = type(results[0].record).__name__  # "kind", "json", "labels" and "shape" are names in the stored file
    records = as_json(list[RECORDS[kind]], [result.record for result in results])
    labels = np.stack([result.labels.astype(np.int32) for result in results])
    compressed = np.frombuffer(zlib.compress(labels, 1), np.uint8)  # numpy's own compression takes five times as long
    content = io.BytesIO()
    np.savez(content, kind=kind, json=records, labels=compressed, shape=labels.shape)
    return content.getvalue()


def unpacked_results(content: bytes) -> list[OptionSetResult]:
    """The results in the content of such a file."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = dict(archive)
    labels = np.frombuffer(zlib.decompress(arrays["labels"]), np.int32).reshape(arrays["shape"])
    records = from_json(list[RECORDS[str(arrays["kind"])]], str(arrays["json"]))
    return [OptionSetResult(*parts) for parts in zip(records, labels, strict=True)]
