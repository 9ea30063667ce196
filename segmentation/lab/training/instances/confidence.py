"""Fits the logistic model that gives each outlined particle its confidence, and measures how reliable it is on
images that were not used in the fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from ....core.errors import UserError
from ....core.labels.particles.confidence import likely_right, outline_features
from ....core.labels.particles.options import INTERCEPT, ParticleOptions
from ....core.labels.particles.outline import LEAST_SHOWN, particle_labels
from ....core.masks.truth import Pair
from ....core.measure.objects.filters import LEAST_CONFIDENCE
from ....core.measure.objects.matching import RIGHT_IOU, overlap_of, pairs, without_specks
from ....core.measure.uncertainty.fractions import wilson
from ....core.micrograph.contrast import clip_outliers
from ....core.micrograph.scale_bar.databar import first_bar_row
from ....core.micrograph.types import Calibration, Micrograph
from ....core.stages.pace import reporting_progress
from ..contract import Field, Fitted, Floats, Labels, Mask, Say
from ..evaluation.predictions import Options, Predictor, pad_rows
from ..synthesis.composites import compose
from ..synthesis.cutouts import cut_out
from ..synthesis.foreign import draw_empty

PARTS = 5  # of the groups, for the cross-validation
COMPOSED, COMPOSED_SHAPE, COMPOSED_SEED = 30, (512, 768), 30_000  # number, shape in px and seed of composed pictures
EMPTY, EMPTY_SHAPE, EMPTY_SEED = 24, (384, 512), 20_000  # number, shape, seed of rendered pictures without particles
MIDDLE_GREY = 128
# Noisy copies: factor of the contrast about MIDDLE_GREY, and SD of the noise in grey levels.
NOISY = ((1.0, 30), (0.5, 40))
LARGEST_WEIGHT = 50  # particles; the total weight of an image, or a few crowded images would dominate the fit
MOST_IMAGES = 150  # of more images every n-th is used
IMAGES_PER_LINE = 10  # images between two lines of progress
BINS = np.linspace(0.0, 1.0, 21)  # of the confidence
RIDGE = 1.0  # penalty of the standardised weights; keeps them finite for linearly separable examples
FEWEST = 20  # examples of yes, and of no; with fewer nothing is fitted


class LabelledParticles(NamedTuple):
    """The outlined particles of one image. values: features by name, (n,) each
    (core.labels.particles.confidence.outline_features). right: (n,) whether each is right at IoU 0.5. group: the
    group of the
    image."""

    values: Mapping[str, Floats]
    right: Mask
    group: str = ""


class TooFew(UserError):
    """Not enough examples to fit; the message names them."""


def fit_logistic(
    examples: Sequence[tuple[Mapping[str, Floats], Mask]], shares: Floats, digits: int, refusal: str
) -> dict[str, float]:
    """Fit the probability of yes, 1 / (1 + exp(-(values @ weights + intercept))), by penalised maximum likelihood.

    Returns the weights by name and the intercept as INTERCEPT, rounded to `digits` decimals. examples: for each image
    the values (n,) by name, and (n,) whether yes. shares: (n,) weight of each example, for all images one after the
    other. Raises TooFew, whose message begins with `refusal`, for fewer than FEWEST examples of yes or of no.
    """
    yes = np.concatenate([answers for _, answers in examples])
    if min(yes.sum(), (~yes).sum()) < FEWEST:
        raise TooFew(f"{refusal} at least, here are {yes.sum()} and {(~yes).sum()}.")
    names = list(examples[0][0])
    values = np.concatenate([np.column_stack([features[name] for name in names]) for features, _ in examples])
    mean, spread = values.mean(0), np.maximum(values.std(0), 1e-6)
    inputs = np.column_stack([(values - mean) / spread, np.ones(len(values))])
    sign = np.where(yes, 1.0, -1.0)

    def cost(weights: Floats) -> tuple[float, Floats]:
        margin = sign * (inputs @ weights)
        pull = np.append(weights[:-1], 0.0)
        gradient = -(inputs.T @ (shares * sign / (1 + np.exp(margin)))) + RIDGE * pull
        return float(shares @ np.logaddexp(0, -margin) + RIDGE / 2 * pull @ pull), gradient

    solution = minimize(cost, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    weights = solution[:-1] / spread
    intercept = round(float(solution[-1] - weights @ mean), digits)
    return {**dict(zip(names, weights.round(digits).tolist(), strict=True)), INTERCEPT: intercept}


def fit_confidence(
    predictor: Predictor, examples: Sequence[Pair], options: Options, say: Say = lambda line: None
) -> Fitted:
    """Fit the card's option `confidence`; the facts are its `reliability` on the examples and their noisy copies.

    The weights are fitted on all outlines in the examples, in noisy copies of them, in composites of their particles
    and in rendered pictures without particles. The noisy copies teach that outlines in noise are less often right: on
    AMPIS powder, which was not in the fit, the probabilities were 0.06 too high in the mean with them, 0.11 without.
    The reliability leaves out hopeless outlines, and uses for each outline a fit on other groups. Raises TooFew.
    """
    used_examples, threshold = every_nth(examples), options.threshold_of(predictor.card)
    labelled_images = [
        _labelled_objects(predictor, image, truth, threshold, pair.group)
        for number, pair in enumerate(reporting_progress(used_examples, len(used_examples), say, IMAGES_PER_LINE))
        for image, truth in with_noisy_copies(*pair.load(options.rows), number)
    ]
    pictures = reporting_progress(
        [*composed_pictures(used_examples), *empty_pictures()], COMPOSED + EMPTY, say, IMAGES_PER_LINE
    )
    drawn_images = [_labelled_objects(predictor, *picture, threshold) for picture in pictures]
    confidence_by_others = cross_validated_confidence(labelled_images, drawn_images)
    is_right = np.concatenate([particles.right for particles in labelled_images])
    is_likely = confidence_by_others >= LEAST_SHOWN
    reliability_figures = reliability(confidence_by_others[is_likely], is_right[is_likely])
    facts = {
        "confidence_error": round(reliability_figures["error"], 3),
        "wrong_under_limit": round(reliability_figures["under"]["wrong"] or 0, 3),
        "wrong_over_limit": round(reliability_figures["over"]["wrong"] or 0, 3),
    }
    return Fitted(
        "confidence", {"options": {"confidence": fit_weights([*labelled_images, *drawn_images])}}, facts, str(facts)
    )


def with_noisy_copies(micrograph: Micrograph, truth: Labels, seed: int) -> Iterator[tuple[Micrograph, Labels]]:
    """An image with its truth, then for each of NOISY a noisy copy without the data bar, with its truth."""
    rows = first_bar_row(micrograph)
    yield micrograph, truth
    grey = micrograph.pixels[:rows].astype(float)
    grey *= 255 / max(float(grey.max()), 255.0)
    for gain, noise in NOISY:
        levels = grey * gain + (1 - gain) * MIDDLE_GREY + np.random.default_rng(seed).normal(0, noise, grey.shape)
        pixels = np.clip(levels, 0, 255).astype(np.uint8)
        yield replace(micrograph, pixels=pixels, name=f"{micrograph.name} noise {noise}"), truth[:rows]


def every_nth(examples: Sequence[Pair]) -> Sequence[Pair]:
    """Every n-th of the examples, so that they are MOST_IMAGES at most."""
    return examples[:: -(-len(examples) // MOST_IMAGES) or 1]


def composed_pictures(examples: Sequence[Pair]) -> list[tuple[Micrograph, Labels]]:
    """Agglomerates composed of the examples' bright particles, with their truth: they have many contacts of real
    particles.

    Empty if no particle is whole and apart from the others.
    """
    loaded = ((pair.load(), pair.group) for pair in examples)
    pictures = (
        (np.rint(255 * clip_outliers(micrograph.pixels)).astype(np.uint8), truth, group)
        for (micrograph, truth), group in loaded
    )
    stock = cut_out(pictures)
    draws = (np.random.default_rng((COMPOSED_SEED, number)) for number in range(COMPOSED if stock.particles else 0))
    pictures_and_labels = [compose(COMPOSED_SHAPE, rng, stock) for rng in draws]
    no_calibration = Calibration.absent()
    return [
        (Micrograph(grey, f"composed {number}", "", no_calibration), labels)
        for number, (grey, labels) in enumerate(pictures_and_labels)
    ]


def empty_pictures() -> Iterator[tuple[Micrograph, Labels]]:
    """Rendered pictures without particles, with their empty labels."""
    for number in range(EMPTY):
        grey = draw_empty(EMPTY_SHAPE, np.random.default_rng((EMPTY_SEED, number)))
        yield Micrograph(grey, f"empty {number}", "", Calibration.absent()), np.zeros(EMPTY_SHAPE, np.int32)


def _labelled_objects(
    predictor: Predictor, micrograph: Micrograph, truth: Labels, threshold: float, group: str = ""
) -> LabelledParticles:
    """All outlined particles of an image, also those that an analysis would leave out, each right or wrong."""
    prediction, options = predictor.predict(micrograph, len(truth)), ParticleOptions.of(predictor.card)
    decoded = particle_labels(prediction.maps, prediction.grey, prediction.view.scale, threshold, options)
    overlap = overlap_of(without_specks(pad_rows(decoded, truth.shape)), without_specks(truth))
    right = np.zeros(len(overlap.found_ids), bool)
    right[pairs(overlap.iou, RIGHT_IOU)[1]] = True
    values = outline_features(prediction.maps, prediction.grey, decoded, prediction.view.scale, options.diameter)
    places = overlap.found_ids - 1
    return LabelledParticles({name: column[places] for name, column in values.items()}, right, group)


def fit_weights(images: Sequence[LabelledParticles]) -> dict[str, float]:
    """Weights for `likely_right`, by `fit_logistic`; for the weight of each image see `example_weights`. Raises
    TooFew."""
    shares = example_weights([len(image.right) for image in images])
    refusal = f"The confidence cannot be calibrated: it takes {FEWEST} right and {FEWEST} wrong particles"
    return fit_logistic([(image.values, image.right) for image in images], shares, 5, refusal)


def example_weights(counts: Sequence[int]) -> Floats:
    """(n,) weight of each example, for all images one after the other; the examples of one image together have at most
    the weight LARGEST_WEIGHT.

    counts: the number of examples of each image.
    """
    return np.concatenate([np.full(count, min(1.0, LARGEST_WEIGHT / max(count, 1))) for count in counts])


def cross_validated_confidence(
    labelled: Sequence[LabelledParticles], others: Sequence[LabelledParticles] = ()
) -> Field:
    """(n,) the confidence of every particle of `labelled`, by a model that is fitted on images of other groups and
    `others`.

    The groups are divided into PARTS parts. Raises TooFew.
    """
    names = sorted({image.group for image in labelled})
    if len(names) < PARTS:
        raise TooFew(f"The confidence cannot be judged on fewer than {PARTS} groups of images.")
    part = [names.index(image.group) % PARTS for image in labelled]
    weights = [
        fit_weights([*(image for image, own_part in zip(labelled, part, strict=True) if own_part != left_out), *others])
        for left_out in range(PARTS)
    ]
    probabilities = (likely_right(image.values, weights[number]) for image, number in zip(labelled, part, strict=True))
    return np.concatenate(list(probabilities))


def reliability(confidence: Field, right: Mask) -> dict[str, Any]:
    """The reliability diagram of found particles, as a report stores it.

    confidence: (n,) in 0..1. right: (n,) whether each matches a true particle at an IoU of at least 0.5.

    Returns bins: non-empty bins of width 0.05 with their n, mean confidence, share right and its Wilson 95 %
    interval. error: expected calibration error, the mean over particles of |confidence - share right| by bin; None
    without particles. limit: the confidence below which an analysis regards a particle as unsure. under, over:
    number of particles below and above the limit, and the share of them that is wrong.
    """
    bin_of = np.clip(np.digitize(confidence, BINS) - 1, 0, len(BINS) - 2)
    bins: list[dict[str, Any]] = []
    for number in np.unique(bin_of):
        inside = right[bin_of == number]
        low, high = wilson(int(inside.sum()), len(inside))
        mean = float(np.mean(confidence[bin_of == number], dtype=float))
        bins.append({"n": len(inside), "confidence": mean, "right": float(inside.mean()), "low": low, "high": high})
    error_sum = sum(b["n"] * abs(b["confidence"] - b["right"]) for b in bins)
    unsure = confidence < LEAST_CONFIDENCE
    return {
        "bins": bins,
        "error": error_sum / len(right) if len(right) else None,
        "limit": LEAST_CONFIDENCE,
        "under": _wrong(right[unsure]),
        "over": _wrong(right[~unsure]),
    }


def _wrong(right: Mask) -> dict[str, Any]:
    """The number of particles, and the share that is wrong."""
    return {"n": len(right), "wrong": float(1 - right.mean()) if len(right) else None}
