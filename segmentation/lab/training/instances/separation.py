"""Fits the model that decides which regions of a watershed belong to one particle (region merging), on images with
truth and on composites of their particles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ....core.labels.particles.options import MERGE_LIMIT, ParticleOptions
from ....core.labels.particles.region_graph import RegionGraph, merged_graph, oversegment
from ....core.labels.particles.region_merging import border_features, merge, merge_regions
from ....core.masks.truth import Pair
from ....core.measure.objects.matching import count_pairs, overlap_of, without_specks
from ....core.micrograph.types import Micrograph
from ....core.stages.pace import reporting_progress
from ..contract import Fitted, Floats, Labels, Mask, Say
from ..evaluation.predictions import Options, Prediction, Predictor, pad_rows
from ..evaluation.scores import precision_recall_f1
from .confidence import FEWEST, IMAGES_PER_LINE, PARTS, composed_pictures, every_nth, example_weights, fit_logistic

EARLIER_LIMITS = (0.2, 0.4)  # up to which regions are merged for the fit, which also uses borders of merged regions
LIMITS = (0.4, 0.5, 0.6, 0.7, 0.8)  # of the merging, from which the best is chosen
RULE = (
    "The limit with the highest mean of the particles' F1 at IoU 0.5 and at IoU 0.75, averaged over the images and over"
    " composites of their particles."
)
Weights = dict[str, float]  # of the features of a border, by name
Borders = tuple[dict[str, Floats], Mask]  # (m,) features by name; (m,) whether each border is real


@dataclass(frozen=True, eq=False)
class OversegmentedImage:
    """An image whose foreground is divided into more regions than there are particles.

    truth: (H, W) labels. unit: the model's diameter, in px of the image. common: (n + 1, T + 1) sparse, how many px
    each region shares with each true particle; 0 is the background. group: the group of the image.
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
    """Fit the card's option `region_merging`: the weights of the features of a border, and the limit of the merging.

    The summary names the mean of F1 at IoU 0.5 and at 0.75 on the examples: with these weights, with the earlier
    weights of the card, if any, and, for PARTS groups or more, with weights that are fitted on other groups
    (cross-validation). Raises TooFew if hardly any particles touch in the examples and in composites of their
    particles.
    """
    examples, threshold = every_nth(pairs), options.threshold_of(predictor.card)
    annotated_images = [
        oversegment_image(predictor, *pair.load(options.rows), threshold, pair.group)
        for pair in reporting_progress(examples, len(examples), say, IMAGES_PER_LINE)
    ]
    composites = composed_pictures(examples)
    composed_images = [
        oversegment_image(predictor, *pair, threshold)
        for pair in reporting_progress(composites, len(composites), say, IMAGES_PER_LINE)
    ]
    counts = partial(_counts, predictor, threshold)
    weights = _fit_weights(annotated_images, composed_images)
    merits_of_limits = {
        limit: mean_f1(counts(annotated_images, weights | {MERGE_LIMIT: limit}))
        + mean_f1(counts(composed_images, weights | {MERGE_LIMIT: limit}))
        for limit in LIMITS
    }
    weights[MERGE_LIMIT] = max(LIMITS, key=merits_of_limits.__getitem__)
    merits = {"these": mean_f1(counts(annotated_images, weights))}
    if card_weights := ParticleOptions.of(predictor.card).region_merging:
        merits["the card's"] = mean_f1(counts(annotated_images, card_weights))
    groups = sorted({image.group for image in annotated_images})
    if len(groups) >= PARTS:
        total = np.zeros((2, 3))
        for part in (groups[number::PARTS] for number in range(PARTS)):
            weights_of_others = _fit_weights(
                [image for image in annotated_images if image.group not in part], composed_images
            )
            left_out = [image for image in annotated_images if image.group in part]
            total += counts(left_out, weights_of_others | {MERGE_LIMIT: weights[MERGE_LIMIT]})
        merits["a fit on the others"] = mean_f1(total)
    results = ", ".join(f"{value:.4f} with {name}" for name, value in merits.items())
    summary = f"mean F1 at IoU 0.5 and 0.75 without a confidence {results}"
    return Fitted("region_merging", {"options": {"region_merging": weights}}, {"region_merging_rule": RULE}, summary)


def oversegment_image(
    predictor: Predictor, micrograph: Micrograph, truth: Labels, threshold: float, group: str = ""
) -> OversegmentedImage:
    """The prediction for an image, divided into regions."""
    prediction = predictor.predict(micrograph, len(truth))
    scale = prediction.view.scale
    labels, first_region, regions = oversegment(prediction.maps, prediction.grey, threshold=threshold, scale=scale)
    places = np.maximum(labels - first_region + 1, 0).ravel(), truth[: len(labels)].ravel()
    common = csr_array((np.ones(labels.size), places), shape=(len(regions.peaks), int(truth.max(initial=0)) + 1))
    unit = ParticleOptions.of(predictor.card).diameter / scale
    return OversegmentedImage(prediction, truth, unit, regions, common, group)


def borders_of(image: OversegmentedImage, earlier_merges: Sequence[Mapping[str, float]]) -> Borders:
    """The features of the borders between regions, and whether each is real: between two particles, or a particle and
    the background.

    earlier_merges: weights by which regions are merged first; the borders between merged regions are added for each.
    Left out are borders within the background, and borders of regions that lie neither in a particle nor in the
    background by more than half.
    """
    graphs = [(image.regions, np.arange(len(image.regions.peaks)))]
    for weights in earlier_merges:
        ends = merge(image.regions, weights, image.unit).ends()
        graphs.append((merged_graph(image.regions, ends), ends))
    features, real = zip(*(_borders(regions, ends, image) for regions, ends in graphs), strict=True)
    return {name: np.concatenate([feature[name] for feature in features]) for name in features[0]}, np.concatenate(real)


def _borders(regions: RegionGraph, ends: NDArray[np.int64], image: OversegmentedImage) -> Borders:
    """The borders of (merged) regions. ends: for each region of the image the number of the region it was merged
    into."""
    count = len(ends)
    overlap = csr_array((np.ones(count), (ends, np.arange(count))), shape=(count, count)) @ image.common
    main_particle = np.asarray(overlap.argmax(axis=1)).ravel()
    is_clear = overlap.max(axis=1).toarray().ravel() > overlap.sum(axis=1) / 2
    region, neighbour = regions.pairs.T
    usable = np.flatnonzero(
        is_clear[region] & is_clear[neighbour] & ((main_particle[region] > 0) | (main_particle[neighbour] > 0))
    )
    region, neighbour = region[usable], neighbour[usable]
    features = border_features(regions, region, neighbour, usable, image.unit)
    if len(image.prediction.maps) < 3:
        del features["touching"]
    return features, main_particle[region] != main_particle[neighbour]


def _fit_weights(
    annotated_images: Sequence[OversegmentedImage], composed_images: Sequence[OversegmentedImage]
) -> Weights:
    """Weights that are fitted in two steps: on the borders of the regions, then also on those of regions that the first
    weights merge."""
    first_weights = _weights_from(annotated_images, composed_images, [])
    return _weights_from(
        annotated_images, composed_images, [first_weights | {MERGE_LIMIT: limit} for limit in EARLIER_LIMITS]
    )


def _weights_from(
    annotated_images: Sequence[OversegmentedImage],
    composed_images: Sequence[OversegmentedImage],
    earlier_merges: Sequence[Mapping[str, float]],
) -> Weights:
    """Weights that are fitted on `borders_of` all images. Annotated and composed images have the same total weight; for
    the borders of one image see `example_weights`."""
    borders_by_source = [
        [borders_of(image, earlier_merges) for image in images] for images in (annotated_images, composed_images)
    ]
    shares = [example_weights([len(real) for _, real in images]) for images in borders_by_source]
    share = np.concatenate([part / max(part.sum(), 1) for part in shares])
    examples = [borders for images in borders_by_source for borders in images]
    refusal = f"Cuts cannot be fitted: it takes {FEWEST} borders between particles and {FEWEST} within one"
    return fit_logistic(examples, share * len(share) / share.sum(), 4, refusal)


def _counts(
    predictor: Predictor, threshold: float, images: Sequence[OversegmentedImage], weights: Mapping[str, float]
) -> Floats:
    """(2, 3) hits, spurious and missed particles of all images at IoU 0.5 and at IoU 0.75, if regions are merged by
    these weights."""
    total, diameter = np.zeros((2, 3)), ParticleOptions.of(predictor.card).diameter
    for image in images:
        maps, grey, scale = image.prediction.maps, image.prediction.grey, image.prediction.view.scale
        labels = merge_regions(maps, grey, threshold=threshold, scale=scale, diameter=diameter, weights=weights)
        iou = overlap_of(without_specks(pad_rows(labels, image.truth.shape)), without_specks(image.truth)).iou
        total += [count_pairs(iou, 0.5), count_pairs(iou, 0.75)]
    return total


def mean_f1(counts: Floats) -> float:
    """The mean of F1 at IoU 0.5 and at 0.75, from counts (2, 3)."""
    return float(np.mean(np.nan_to_num(precision_recall_f1(*counts.T)["f1"])))
