"""The model of where to cut touching particles: fitted on images with truth and on rendered ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ...core.labels.cuts import cut_apart, cut_traits, join
from ...core.labels.options import INTERCEPT, LIMIT, ParticleOptions
from ...core.labels.pieces import Pieces, joined, oversegment
from ...core.micrograph.types import Micrograph
from ...core.pace import followed
from ...core.truth import Pair
from ..contract import Fitted, Floats, Labels
from ..evaluation.predictions import Options, Prediction, Predictor, padded
from ..evaluation.scores import precision_recall_f1
from .confidence import FEWEST, OFTEN, PARTS, RENDERED, Say, TooFew, fit_logistic, rendered, share_of, some_of
from .matching import match, overlap_of, without_specks

STATES = (0.2, 0.4)  # limits up to which pieces are joined, so that joined ones are learnt from too
LIMITS = (0.4, 0.5, 0.6, 0.7, 0.8)
RULE = (
    "The limit with the highest mean of the particles' F1 at IoU 0.5 and at IoU 0.75, averaged over the images and"
    f" {RENDERED} rendered pictures."
)
Weights = dict[str, float]
Borders = tuple[dict[str, Floats], NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Oversegmented:
    """An image as the network saw it, its truth (H, W) and its pieces. unit: px that the network likes best.

    common: (n + 1, T + 1) px that each piece shares with each true particle, 0 being the background; mostly none.
    group: images of one are alike.
    """

    prediction: Prediction
    truth: Labels
    unit: float
    pieces: Pieces
    common: csr_array
    group: str = ""


def fit_separation(
    predictor: Predictor, pairs: Sequence[Pair], options: Options, say: Say = lambda line: None
) -> Fitted:
    """The card's option `cuts`; its merit is the mean of the examples' F1 at IoU 0.5 and at 0.75: of these cuts, of the
    card's as it was, if any, and, of enough groups, of a fit on the other groups, fold by fold.

    Raises TooFew when hardly any particles touch in the examples and the rendered pictures.
    """
    some, threshold = some_of(pairs), options.threshold_of(predictor.card)
    own = [
        oversegmented(predictor, *pair.load(options.rows), threshold, pair.group)
        for pair in followed(some, len(some), say, OFTEN)
    ]
    made = [oversegmented(predictor, *pair, threshold) for pair in followed(rendered(), RENDERED, say, OFTEN)]
    old = ParticleOptions.of(predictor.card).cuts

    def counts(images: Sequence[Oversegmented], weights: Mapping[str, float]) -> Floats:
        return _counts(images, predictor, threshold, weights)

    weights = _fitted(own, made)
    worth = {limit: sum(merit(counts(images, weights | {LIMIT: limit})) for images in (own, made)) for limit in LIMITS}
    weights[LIMIT] = max(worth, key=lambda limit: worth[limit])
    merits = {"these": merit(counts(own, weights))} | ({"the card's": merit(counts(own, old))} if old else {})
    groups = sorted({image.group for image in own})
    if len(groups) >= PARTS:
        total = np.zeros((2, 3))
        for part in (groups[number::PARTS] for number in range(PARTS)):
            others = _fitted([image for image in own if image.group not in part], made)
            mine = [image for image in own if image.group in part]
            total += counts(mine, others | {LIMIT: weights[LIMIT]})
        merits["a fit on the others"] = merit(total)
    reached = ", ".join(f"{value:.4f} with {name}" for name, value in merits.items())
    summary = f"mean F1 at IoU 0.5 and 0.75 without a confidence {reached}"
    return Fitted("cuts", {"options": {"cuts": weights}}, {"cuts_rule": RULE}, summary)


def oversegmented(
    predictor: Predictor, micrograph: Micrograph, truth: Labels, threshold: float, group: str = ""
) -> Oversegmented:
    """The model's maps of an image, taken to pieces."""
    prediction = predictor.predict(micrograph, len(truth))
    scale = prediction.view.scale
    labels, first, pieces = oversegment(prediction.maps, prediction.grey, threshold=threshold, scale=scale)
    places = np.maximum(labels - first + 1, 0).ravel(), truth[: len(labels)].ravel()
    common = csr_array((np.ones(labels.size), places), shape=(len(pieces.peaks), int(truth.max(initial=0)) + 1))
    unit = ParticleOptions.of(predictor.card).diameter / scale
    return Oversegmented(prediction, truth, unit, pieces, common, group)


def borders_of(image: Oversegmented, states: Sequence[Mapping[str, float]]) -> Borders:
    """(m,) traits by name of the borders between pieces, and between those joined under each of `states`; whether each
    is one between two particles. Borders of a piece that is of no particle for the most part are left out."""
    every = [(image.pieces, np.arange(len(image.pieces.peaks)))]
    for weights in states:
        ends = join(image.pieces, weights, image.unit)
        every.append((joined(image.pieces, ends), ends))
    traits, real = zip(*(_borders(pieces, ends, image) for pieces, ends in every), strict=True)
    return {name: np.concatenate([each[name] for each in traits]) for name in traits[0]}, np.concatenate(real)


def _borders(pieces: Pieces, ends: NDArray[np.int64], image: Oversegmented) -> Borders:
    count = len(ends)
    of = csr_array((np.ones(count), (ends, np.arange(count))), shape=(count, count)) @ image.common
    mostly = np.asarray(of.argmax(axis=1)).ravel()
    sure = of.max(axis=1).toarray().ravel() > of.sum(axis=1) / 2
    one, other = pieces.pairs.T
    usable = np.flatnonzero(sure[one] & sure[other] & ((mostly[one] > 0) | (mostly[other] > 0)))
    one, other = one[usable], other[usable]
    traits = cut_traits(pieces, one, other, usable, image.unit)
    if len(image.prediction.maps) < 3:
        del traits["touching"]
    return traits, mostly[one] != mostly[other]


def _fitted(own: Sequence[Oversegmented], made: Sequence[Oversegmented]) -> Weights:
    """Weights from borders of pieces as they are, and then of joined ones, too."""
    weights = _fitted_once(own, made, [])
    return _fitted_once(own, made, [weights | {LIMIT: limit} for limit in STATES])


def _fitted_once(
    own: Sequence[Oversegmented], made: Sequence[Oversegmented], states: Sequence[Mapping[str, float]]
) -> Weights:
    """Both kinds of images count the same in all, and CROWD borders of an image at the most."""
    found = [[borders_of(image, states) for image in images] for images in (own, made)]
    shares = [share_of([len(real) for _, real in some]) for some in found]
    share = np.concatenate([each / max(each.sum(), 1) for each in shares])
    every = [borders for some in found for borders in some]
    real = np.concatenate([each for _, each in every])
    if min(real.sum(), (~real).sum()) < FEWEST:
        raise TooFew(
            f"Cuts cannot be fitted: it takes {FEWEST} borders between particles and {FEWEST} within one at least,"
            f" here are {real.sum()} and {(~real).sum()}."
        )
    names = list(every[0][0])
    values = np.concatenate([np.column_stack([traits[name] for name in names]) for traits, _ in every])
    weights, intercept = fit_logistic(values, real, share * len(share) / share.sum())
    return {**dict(zip(names, weights.round(4).tolist(), strict=True)), INTERCEPT: round(intercept, 4)}


def _counts(
    images: Sequence[Oversegmented], predictor: Predictor, threshold: float, weights: Mapping[str, float]
) -> Floats:
    """(2, 3) hits, spurious and missed particles at IoU 0.5 and at IoU 0.75."""
    total, diameter = np.zeros((2, 3)), ParticleOptions.of(predictor.card).diameter
    for image in images:
        maps, grey, scale = image.prediction.maps, image.prediction.grey, image.prediction.view.scale
        found = cut_apart(maps, grey, threshold=threshold, scale=scale, diameter=diameter, weights=weights)
        iou = overlap_of(without_specks(padded(found, image.truth.shape)), without_specks(image.truth)).iou
        total += [match(iou, 0.5), match(iou, 0.75)]
    return total


def merit(counts: Floats) -> float:
    """The mean of both F1 of counts (2, 3)."""
    return float(np.mean(np.nan_to_num(precision_recall_f1(*counts.T)["f1"])))
