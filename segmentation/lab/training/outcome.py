"""What a fine-tuning brought on held-out images: what was found in them, the table, each image's verdict, and one
sentence."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.learning import Change, Composed, Outcome
from ...core.network.card_entries import FIGURES
from ...core.report.wording import uncapital
from .contract import Floats, Scoring
from .evaluation.scores import FEWEST, Figure, summarise
from .files import as_json, from_json
from .instances.counts import ImageCounts
from .instances.readings import Found
from .masks import Compared

CLEAR_SCORE, CLEAR_ERROR = 0.005, 0.5  # changes of an image's score and error (points) that count
# What an Examiner says of an image, by its name in a file.
RECORDS: dict[str, Any] = {"ndarray": Floats, "ImageCounts": ImageCounts, "Compared": Compared}
CROSS = "each image was held out of a training of its own; these weights learnt from all of them"


def better(name: str) -> str:
    """Whether a figure is better higher, lower or, as it has a sign, nearer to zero."""
    return "zero" if name.endswith("_error") else "lower" if name.endswith("_off") else "higher"


def changes(
    scoring: Scoring, before: Sequence[Any], after: Sequence[Any], groups: Sequence[str]
) -> tuple[list[Change], dict[str, Figure]]:
    """The table of `Scoring.compared`, and every figure after. before, after: records of the same images."""
    old, new = (summarise(scoring, records, nm=False, groups=groups) for records in (before, after))
    table = [
        Change(
            name=name,
            title=scoring.definitions[name].title,
            unit=scoring.definitions[name].unit,
            better=better(name),
            before=old[name].value,
            before_interval=old[name].interval,
            after=new[name].value,
            after_interval=new[name].interval,
        )
        for name in scoring.compared
    ]
    return table, new


def verdict(scoring: Scoring, before: Mapping[str, float | None], after: Mapping[str, float | None]) -> str:
    """Of one image: "better", "worse" or "same", by its score and by the error of the reported number together."""
    error, score = scoring.compared[0], scoring.tracked.score
    up = _sign(before[score], after[score], CLEAR_SCORE) - _sign(before[error], after[error], CLEAR_ERROR)
    return "better" if up > 0 else "worse" if up < 0 else "same"


def _sign(before: float | None, after: float | None, least: float) -> int:
    """1 for a clear rise, -1 for a clear fall; that something becomes known or unknown is no change."""
    if before is None or after is None or abs(after - before) < least:
        return 0
    return 1 if after > before else -1


def outcome(scoring: Scoring, table: Sequence[Change], groups: Sequence[str]) -> Outcome:
    """Improved is a model whose error of the reported number falls, if its score does not fall."""
    by_name = {change["name"]: change for change in table}
    error, score = by_name[scoring.compared[0]], by_name[scoring.tracked.score]
    title, unit = _in_words(error["title"])
    values = [error["before"], error["after"], score["before"], score["after"]]
    if any(value is None or not math.isfinite(value) for value in values):
        improved, sentence = (False, f"The {title} cannot be judged: too little was found in the held-out images.")
    else:
        error_moves, score_moves = _moves(error, 2), _moves(score, 3)
        improved = error_moves == "falls" and score_moves != "falls"
        sentence = (
            f"The {title} {error_moves}: {error['before']:.1f}{unit} before, {error['after']:.1f}{unit} after."
            f" The {score['title']} {score_moves}: {score['before']:.3f} before, {score['after']:.3f} after."
        )
    before, after, sentence = error["before"], error["after"], sentence + _uncertain(groups)
    return Outcome(improved=improved, figure=error["title"], before=before, after=after, sentence=sentence)


def _uncertain(groups: Sequence[str]) -> str:
    """A sentence on few groups, "" where they are enough for an interval."""
    count = len(set(groups))
    return f" With {count} specimens this is uncertain." if count < FEWEST else ""


def composing(
    scoring: Scoring, plain: Sequence[Any], composed: Sequence[Any], groups: Sequence[str], *, kept: bool
) -> Composed:
    """What composed agglomerates bring. plain, composed: records of the same held-out images. kept: whether the model
    learns from them."""
    error_name, score_name = scoring.compared[0], scoring.tracked.score
    figures = [summarise(scoring, records, nm=False, groups=[""] * len(records)) for records in (plain, composed)]
    errors, scores = ([side[name].value for side in figures] for name in (error_name, score_name))
    title, unit = _in_words(scoring.definitions[error_name].title)
    error_words = [_written(value, 1) + (unit if value is not None else "") for value in errors]
    score_title, score_words = scoring.definitions[score_name].title, [_written(value, 3) for value in scores]
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
    """The title of an error within a sentence, and what follows its values."""
    unit = " %" if title.endswith(", %") else " points" if title.endswith(", points") else ""
    return uncapital(title.removesuffix(", %").removesuffix(", points")), unit


def _written(value: float | None, digits: int) -> str:
    return "not known" if value is None else f"{value:.{digits}f}"


def _moves(change: Change, digits: int) -> str:
    before, after = (round(change[side] or 0.0, digits) for side in ("before", "after"))
    return "falls" if after < before else "rises" if after > before else "stays the same"


def score_entry(title: str, images: int, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """The entry of a card's scores."""
    values = {name: figures[name].value for name in FIGURES if name in figures}
    rounded = {name: round(value, 3) for name, value in values.items() if value is not None and math.isfinite(value)}
    return {"data": f"{title}, {images} images", "split": CROSS, **rounded}


def packed_found(readings: Sequence[Found]) -> bytes:
    """An .npz of what is read in an image in each way. All records are of one kind of RECORDS."""
    kind = type(readings[0].record).__name__
    records = as_json(list[RECORDS[kind]], [reading.record for reading in readings])
    labels = np.stack([reading.labels.astype(np.int32) for reading in readings])
    compressed = np.frombuffer(zlib.compress(labels, 1), np.uint8)  # numpy's own compression takes five times as long
    content = io.BytesIO()
    np.savez(content, kind=kind, json=records, labels=compressed, shape=labels.shape)
    return content.getvalue()


def unpacked_found(content: bytes) -> list[Found]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = dict(archive)
    labels = np.frombuffer(zlib.decompress(arrays["labels"]), np.int32).reshape(arrays["shape"])
    records = from_json(list[RECORDS[str(arrays["kind"])]], str(arrays["json"]))
    return [Found(*parts) for parts in zip(records, labels, strict=True)]
