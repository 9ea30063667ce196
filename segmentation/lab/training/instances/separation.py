"""The model of where to cut touching particles: fitted on images with truth and on composites of their particles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ....core.labels.options import MERGE_LIMIT, ParticleOptions
from ....core.labels.region_graph import RegionGraph, merged_graph, oversegment
from ....core.labels.region_merging import border_features, merge, merge_regions
from ....core.measure.matching import match, overlap_of, without_specks
from ....core.micrograph.types import Micrograph
from ....core.pace import followed
from ....core.truth import Pair
from ..contract import Fitted, Floats, Labels, Mask, Say
from ..evaluation.predictions import Options, Prediction, Predictor, padded
from ..evaluation.scores import precision_recall_f1
from .confidence import FEWEST, OFTEN, PARTS, composed, every_nth, fit_logistic, share_of

STATES = (0.2, 0.4)  # limits up to which regions are merged, so that merged ones are learnt from too
LIMITS = (0.4, 0.5, 0.6, 0.7, 0.8)
RULE = (
    "The limit with the highest mean of the particles' F1 at IoU 0.5 and at IoU 0.75, averaged over the images and over"
    " composites of their particles."
)
Weights = dict[str, float]
Borders = tuple[dict[str, Floats], Mask]


@dataclass(frozen=True, eq=False)
class Oversegmented:
    """An image as the network saw it, its truth (H, W) and its regions. unit: the model's diameter, in its px.

    common: (n + 1, T + 1) px that each piece shares with each true particle, 0 being the background; mostly none.
    group: images of one are alike.
    """

    prediction: Prediction
    truth: Labels
    unit: float
    regions: RegionGraph
    common: csr_array
    group: str = ""


def fit_separation(
    predictor: Predictor, pairs: Sequence[Pair], options: Options, say: Say = lambda line: None
) -> Fitted:
    """The card's option `region_merging`; its merit is the mean of the examples' F1 at IoU 0.5 and at 0.75: of these
    weights, of the card's as it was, if any, and, of enough groups, of a fit on the other groups, fold by fold.

    Raises TooFew when hardly any particles touch in the examples and in composites of their particles.
    """
    used, threshold = every_nth(pairs), options.threshold_of(predictor.card)
    annotated = [
        oversegmented(predictor, *pair.load(options.rows), threshold, pair.group)
        for pair in followed(used, len(used), say, OFTEN)
    ]
    composites = composed(used)
    drawn = [oversegmented(predictor, *pair, threshold) for pair in followed(composites, len(composites), say, OFTEN)]
    counts = partial(_counts, predictor, threshold)
    weights = _fit_weights(annotated, drawn)
    merits_of_limits = {
        limit: merit(counts(annotated, weights | {MERGE_LIMIT: limit}))
        + merit(counts(drawn, weights | {MERGE_LIMIT: limit}))
        for limit in LIMITS
    }
    weights[MERGE_LIMIT] = max(LIMITS, key=merits_of_limits.__getitem__)
    merits = {"these": merit(counts(annotated, weights))}
    if of_card := ParticleOptions.of(predictor.card).region_merging:
        merits["the card's"] = merit(counts(annotated, of_card))
    groups = sorted({image.group for image in annotated})
    if len(groups) >= PARTS:
        total = np.zeros((2, 3))
        for part in (groups[number::PARTS] for number in range(PARTS)):
            of_others = _fit_weights([image for image in annotated if image.group not in part], drawn)
            left_out = [image for image in annotated if image.group in part]
            total += counts(left_out, of_others | {MERGE_LIMIT: weights[MERGE_LIMIT]})
        merits["a fit on the others"] = merit(total)
    reached = ", ".join(f"{value:.4f} with {name}" for name, value in merits.items())
    summary = f"mean F1 at IoU 0.5 and 0.75 without a confidence {reached}"
    return Fitted("region_merging", {"options": {"region_merging": weights}}, {"region_merging_rule": RULE}, summary)


def oversegmented(
    predictor: Predictor, micrograph: Micrograph, truth: Labels, threshold: float, group: str = ""
) -> Oversegmented:
    """The model's maps of an image, taken to regions."""
    prediction = predictor.predict(micrograph, len(truth))
    scale = prediction.view.scale
    labels, first_region, regions = oversegment(prediction.maps, prediction.grey, threshold=threshold, scale=scale)
    places = np.maximum(labels - first_region + 1, 0).ravel(), truth[: len(labels)].ravel()
    common = csr_array((np.ones(labels.size), places), shape=(len(regions.peaks), int(truth.max(initial=0)) + 1))
    unit = ParticleOptions.of(predictor.card).diameter / scale
    return Oversegmented(prediction, truth, unit, regions, common, group)


def borders_of(image: Oversegmented, states: Sequence[Mapping[str, float]]) -> Borders:
    """(m,) features by name of the borders between regions, and between those merged under each of `states`; whether
    each parts a particle from another or from the background. Left out are borders within the background, and of
    pieces of which neither a particle nor the background has more than half."""
    every = [(image.regions, np.arange(len(image.regions.peaks)))]
    for weights in states:
        ends = merge(image.regions, weights, image.unit).ends()
        every.append((merged_graph(image.regions, ends), ends))
    features, real = zip(*(_borders(regions, ends, image) for regions, ends in every), strict=True)
    return {name: np.concatenate([feature[name] for feature in features]) for name in features[0]}, np.concatenate(real)


def _borders(regions: RegionGraph, ends: NDArray[np.int64], image: Oversegmented) -> Borders:
    count = len(ends)
    overlap = csr_array((np.ones(count), (ends, np.arange(count))), shape=(count, count)) @ image.common
    mostly = np.asarray(overlap.argmax(axis=1)).ravel()
    sure = overlap.max(axis=1).toarray().ravel() > overlap.sum(axis=1) / 2
    one, other = regions.pairs.T
    usable = np.flatnonzero(sure[one] & sure[other] & ((mostly[one] > 0) | (mostly[other] > 0)))
    one, other = one[usable], other[usable]
    features = border_features(regions, one, other, usable, image.unit)
    if len(image.prediction.maps) < 3:
        del features["touching"]
    return features, mostly[one] != mostly[other]


def _fit_weights(annotated: Sequence[Oversegmented], drawn: Sequence[Oversegmented]) -> Weights:
    """Weights from borders of regions as they are, and then of joined ones, too."""
    of_regions = _of_borders(annotated, drawn, [])
    return _of_borders(annotated, drawn, [of_regions | {MERGE_LIMIT: limit} for limit in STATES])


def _of_borders(
    annotated: Sequence[Oversegmented], drawn: Sequence[Oversegmented], states: Sequence[Mapping[str, float]]
) -> Weights:
    """Weights from the borders that are left under `states`. Both kinds of images count the same in all, those of
    an image as `share_of` says."""
    borders_by_source = [[borders_of(image, states) for image in images] for images in (annotated, drawn)]
    shares = [share_of([len(real) for _, real in of_source]) for of_source in borders_by_source]
    share = np.concatenate([part / max(part.sum(), 1) for part in shares])
    every = [borders for of_source in borders_by_source for borders in of_source]
    refusal = f"Cuts cannot be fitted: it takes {FEWEST} borders between particles and {FEWEST} within one"
    return fit_logistic(every, share * len(share) / share.sum(), 4, refusal)


def _counts(
    predictor: Predictor, threshold: float, images: Sequence[Oversegmented], weights: Mapping[str, float]
) -> Floats:
    """(2, 3) hits, spurious and missed particles at IoU 0.5 and at IoU 0.75."""
    total, diameter = np.zeros((2, 3)), ParticleOptions.of(predictor.card).diameter
    for image in images:
        maps, grey, scale = image.prediction.maps, image.prediction.grey, image.prediction.view.scale
        labels = merge_regions(maps, grey, threshold=threshold, scale=scale, diameter=diameter, weights=weights)
        iou = overlap_of(without_specks(padded(labels, image.truth.shape)), without_specks(image.truth)).iou
        total += [match(iou, 0.5), match(iou, 0.75)]
    return total


def merit(counts: Floats) -> float:
    """The mean of both F1 of counts (2, 3)."""
    return float(np.mean(np.nan_to_num(precision_recall_f1(*counts.T)["f1"])))
