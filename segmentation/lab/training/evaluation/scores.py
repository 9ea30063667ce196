"""Scores of a model on images with truth, for every task. The task's Examiner makes a record of each image; scores
are calculated from the records of several images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from ....core.errors import UserError
from ....core.masks.truth import Pair
from ....core.stages.pace import reporting_progress
from ..contract import Fitted, Floats, Labels, Mask, Picture, Say, Scoring
from .predictions import Options, Prediction, Predictor, pad_rows

RESAMPLES = 1000  # bootstrap samples of an interval
FEWEST_GROUPS = 5  # of images; with fewer there is no interval
INTERVALS = (
    f"95 %, from {RESAMPLES} bootstrap samples of groups of images; none for fewer than {FEWEST_GROUPS} groups. Tiles"
    " of one image, turned and mirrored ones too, are one group."
)
THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
PLATEAU = 0.002  # smaller differences of F1 are ignored, see RULE
RULE = (
    "The threshold with the highest {figure}, pooled over the images; of those within"
    f" {PLATEAU:g} of it, the one nearest to 0.5."
)
OF_PIXELS = RULE.format(figure="F1 of the pixels")
Points = list[dict[str, Any]]  # points of a curve: a threshold and the scores at this threshold


class NothingFound(UserError):
    """No threshold can be chosen, as nothing is right at any of them."""


class Figure(NamedTuple):
    """The value of a score and the limits of its 95 % interval. A value is None if undefined; an interval also for
    fewer than FEWEST_GROUPS groups."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)


class Scorer:
    """Scores a model on images, one after the other.

    records: the record of each image, as the task's Examiner makes it. groups: the group of each image.
    """

    def __init__(self, scoring: Scoring, predictor: Predictor, options: Options | None = None) -> None:
        self.scoring, self.predictor, self.options = scoring, predictor, options or Options()
        self.examiner = scoring.examine(predictor, self.options)
        self.records: list[Any] = []
        self.groups: list[str] = []

    def image(self, pair: Pair, unit: float = 1.0) -> tuple[Prediction, Labels]:
        """Run the model on an image and score the result; returns its maps and the labels (H, W) found.

        unit: size of a pixel, in the unit of lengths.
        """
        micrograph, truth = pair.load(self.options.rows)
        prediction = self.predictor.predict(micrograph, len(truth))
        return prediction, self.score_maps(prediction, truth, unit, pair.group)

    def score_maps(self, prediction: Prediction, truth: Labels, unit: float = 1.0, group: str = "") -> Labels:
        """Score given maps; returns the labels (H, W) found in them. unit: size of a pixel, in the unit of lengths."""
        labels, record = self.examiner.find(prediction, truth, unit)
        self.records.append(record)
        self.groups.append(group)
        return pad_rows(labels, truth.shape)

    def figures(self, last: int = 0) -> dict[str, float]:
        """Every score by name, of all images together or, if `last` is not 0, of the last ones. Lengths are in
        pixels; a score is NaN if undefined."""
        records = self.records[-last:] if last else self.records
        return {name: float(values[0]) for name, values in weighted_figures(self.scoring, records).items()}

    def report(self, nm: bool) -> dict[str, Any]:
        """The scores of all images together and of each group, and what the task's Examiner adds. nm: whether lengths
        are nanometres."""
        return {
            "pooled": pooled_scores(self.records, self.scoring, nm, self.groups),
            **self.examiner.report(self.records, self.groups, nm),
            "groups": self._by_group(nm),
        }

    def _by_group(self, nm: bool) -> list[dict[str, Any]]:
        """The scores of each group, without intervals; empty if each image is a group."""
        groups: dict[str, list[Any]] = {}
        for name, record in zip(self.groups, self.records, strict=True):
            groups.setdefault(name, []).append(record)
        if len(groups) == len(self.records):
            return []
        return [
            {"name": name, "images": len(in_group), **pooled_scores(in_group, self.scoring, nm, [name] * len(in_group))}
            for name, in_group in sorted(groups.items())
        ]


def fit_threshold(scoring: Scoring, predictor: Predictor, pairs: Sequence[Pair], options: Options, say: Say) -> Fitted:
    """The best threshold by the rule of the task's Examiner, for the card; raises NothingFound."""
    scorer = Scorer(scoring, predictor, options)
    for pair in reporting_progress(pairs, len(pairs), say):
        scorer.image(pair)
    thresholds = scorer.examiner.report(scorer.records, scorer.groups, False)["thresholds"]
    if thresholds["best"] is None:
        raise NothingFound("No threshold can be chosen: nothing is right at any of them. The card keeps its own.")
    summary = f"{predictor.card.threshold:g} -> {thresholds['best']:g}"
    return Fitted("threshold", {"threshold": thresholds["best"]}, {"threshold_rule": thresholds["rule"]}, summary)


def weighted_figures(
    scoring: Scoring, records: Sequence[Any], weights: Floats | None = None, nm: bool = False
) -> dict[str, Floats]:
    """Every score (n,) of a task for weights (n, images); without weights each image counts once."""
    weights = np.ones((1, len(records))) if weights is None else weights
    return scoring.metrics(records, weights) | scoring.quantity_errors(records, weights, nm)


def summarise(scoring: Scoring, images: Sequence[Any], *, nm: bool, groups: Sequence[str] = ()) -> dict[str, Figure]:
    """Every score of a task, for one image or more together. images: their records.

    The interval is the 2.5th to 97.5th percentile of RESAMPLES bootstrap samples of groups (not of images or objects,
    as those of one group resemble each other). nm: whether lengths are nanometres. groups: the group of each image;
    without them each image is a group.
    """
    group_of_image = list(groups) or list(map(str, range(len(images))))
    group_names = list(dict.fromkeys(group_of_image))
    members = np.array([[name == group for name in group_of_image] for group in group_names], float)
    weights, count = np.ones((1, len(images))), len(group_names)
    if count >= FEWEST_GROUPS:
        draws = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
        draw_counts = np.stack([np.bincount(draw, minlength=count) for draw in draws]).astype(float)
        weights = np.concatenate([weights, draw_counts @ members])
    values, figures = weighted_figures(scoring, images, weights, nm), {}
    for name, (value, *drawn_values) in values.items():
        low, high = None, None
        if drawn_values:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # a figure may be undefined in every sample
                low, high = map(finite_or_none, np.nanpercentile(drawn_values, [2.5, 97.5]))
        figures[name] = Figure(finite_or_none(value), low, high)
    return figures


def pooled_scores(records: Sequence[Any], scoring: Scoring, nm: bool, groups: Sequence[str] = ()) -> dict[str, Any]:
    """Counts and scores, with their intervals, of some images together. groups: as in `summarise`."""
    figures = summarise(scoring, records, nm=nm, groups=groups)
    return {**scoring.tally(records), "figures": {name: figure._asdict() for name, figure in figures.items()}}


def finite_or_none(value: float) -> float | None:
    """The value for JSON: None for NaN and infinity."""
    return float(value) if np.isfinite(value) else None


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN where whole is 0."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def precision_recall_f1(hits: Floats, spurious: Floats, missed: Floats) -> dict[str, Floats]:
    """Precision, recall and F1 of counts of any shape, NaN where undefined."""
    return {
        "precision": share(hits, hits + spurious),
        "recall": share(hits, hits + missed),
        "f1": share(2 * hits, 2 * hits + spurious + missed),
    }


def count_near(pixels: Mask, targets: Mask, tolerance: float) -> int:
    """How many of the pixels (H, W) have one of the targets (H, W) within `tolerance` px."""
    if not targets.any():
        return 0
    return int((ndimage.distance_transform_edt(~targets)[pixels] <= tolerance).sum())


def pixel_sweep(values: Picture, truth: Mask) -> Floats:
    """(thresholds, 3) hits, spurious and missed pixels of a map (n,) 0..255, at each of
    THRESHOLDS.

    truth: (n,) whether each pixel belongs to an object.
    """
    counts = np.stack([np.bincount(values[truth == side], minlength=256) for side in (True, False)]).astype(float)
    left_out_counts = np.cumsum(np.pad(counts, ((0, 0), (1, 0))), 1)
    least = [max(1, round(threshold * 255)) for threshold in THRESHOLDS]
    taken_counts = counts.sum(1)[:, None] - left_out_counts[:, least]
    return np.stack([taken_counts[0], taken_counts[1], left_out_counts[0, least]], axis=1)


def pooled_curve(sweeps: Sequence[Floats], names: Sequence[str]) -> Points:
    """Precision, recall and F1 at each threshold, all images pooled: `precision_NAME` and so on for each of `names`.

    sweeps: (thresholds, 3 len(names)) of each image: hits, spurious and missed of each name, one after the other.
    """
    nothing = np.zeros((len(THRESHOLDS), 3 * len(names)))
    total = np.sum([nothing, *sweeps], axis=0).reshape(len(THRESHOLDS), len(names), 3)
    tables = precision_recall_f1(*np.moveaxis(total, -1, 0))
    points = []
    for row, threshold in enumerate(THRESHOLDS):
        point: dict[str, Any] = {"threshold": threshold}
        for column, name in enumerate(names):
            values = {f"{figure}_{name}": table[row, column] for figure, table in tables.items()}
            point |= {figure: finite_or_none(value) for figure, value in values.items()}
        points.append(point)
    return points


def choose_threshold(points: Sequence[Mapping[str, Any]], names: Sequence[str]) -> float | None:
    """The threshold that RULE chooses by the mean F1 of these names; None if that is undefined or 0 at every
    threshold."""
    mean_f1 = {p["threshold"]: sum(p[f"f1_{name}"] or 0 for name in names) / len(names) for p in points}
    best_f1 = max(mean_f1.values())
    if best_f1 == 0:
        return None
    good_thresholds = [threshold for threshold, value in mean_f1.items() if value >= best_f1 - PLATEAU]
    return float(min(good_thresholds, key=lambda threshold: abs(threshold - 0.5)))


def threshold_report(
    sweeps: Sequence[Floats],
    curves: Mapping[str, str],
    rule: str,
    choosing: Sequence[str] = (),
    used: float | None = None,
) -> dict[str, Any]:
    """The entry of a report about thresholds.

    sweeps: of each image, see `pooled_curve`. curves: name -> title of each curve. rule: a sentence about the choice.
    choosing: names of the curves by whose F1 the best threshold is chosen; empty: none is chosen. used: the
    threshold in use, if any.
    """
    points = pooled_curve(sweeps, list(curves))
    best = choose_threshold(points, choosing) if choosing else None
    return {"points": points, "curves": dict(curves), "rule": rule, "best": best, "used": used}
