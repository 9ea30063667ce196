"""The logistic model behind a particle's confidence: fitted on images with truth, judged on others than those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy.optimize import minimize

from ....core.errors import UserError
from ....core.labels.confidence import likely_right, outline_features
from ....core.labels.options import INTERCEPT, ParticleOptions
from ....core.labels.outline import HOPELESS, particles
from ....core.measure.filters import LEAST_CONFIDENCE
from ....core.measure.fractions import wilson
from ....core.measure.matching import RIGHT_IOU, overlap_of, pairs, without_specks
from ....core.micrograph.contrast import clip_outliers
from ....core.micrograph.databar import data_bar
from ....core.micrograph.types import Calibration, Micrograph
from ....core.pace import followed
from ....core.truth import Pair
from ..contract import Field, Fitted, Floats, Labels, Mask, Say
from ..evaluation.predictions import Options, Predictor, padded
from ..synthesis.composites import compose
from ..synthesis.cutouts import cut_out
from ..synthesis.foreign import draw_empty

PARTS = 5
COMPOSED, COMPOSED_SHAPE, COMPOSED_SEED = 30, (512, 768), 30_000
EMPTY, EMPTY_SHAPE, EMPTY_SEED = 24, (384, 512), 20_000
NOISY, MIDDLE = ((1.0, 30), (0.5, 40)), 128  # contrast and noise, in grey levels, of copies around a middle grey
CROWD = 50  # particles of an image from which it counts no more: a few crowded pictures would decide alone
MOST = 150  # images of the user's that are used; of more every n-th
OFTEN = 10  # images after which it is said how far it is
BINS = np.linspace(0.0, 1.0, 21)
RIDGE = 1.0  # of the standardised weights: keeps them finite where yes and no fall apart
FEWEST = 20  # of each kind, under which nothing is fitted
T = TypeVar("T")


class LabelledParticles(NamedTuple):
    """The particles of one image. values: (n,) each, as of core.labels.confidence.outline_features. right: (n,) at IoU
    0.5. group: images of one are alike."""

    values: Mapping[str, Floats]
    right: Mask
    group: str = ""


class TooFew(UserError):
    """Not enough examples to fit; the message names them."""


def fit_logistic(
    examples: Sequence[tuple[Mapping[str, Floats], Mask]], shares: Floats, digits: int, refusal: str
) -> dict[str, float]:
    """Weights by name, INTERCEPT among them, of the probability 1 / (1 + exp(-(values @ weights + intercept))) of yes,
    by penalised maximum likelihood, rounded to `digits` decimals.

    examples: of each image its (n,) values by name, and (n,) whether yes. shares: how much each of all counts. Raises
    TooFew, which says `refusal`, with fewer than FEWEST of yes or of no.
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
    """The card's option `confidence`; its facts are the `reliability` on the examples and their noisy copies.

    The weights are fitted on all outlines in the examples, in composites of their particles and in rendered pictures
    without particles. Noisy copies of the examples teach how much less outlines are worth in noise: with them the
    probabilities on AMPIS powder, which no fit saw, were 0.06 too high in the mean, without them 0.11. The reliability
    leaves out hopeless outlines; each outline is judged by a fit on other groups. Raises TooFew.
    """
    used, threshold = every_nth(examples), options.threshold_of(predictor.card)
    labelled = [
        _labelled_objects(predictor, copy, truth, threshold, pair.group)
        for number, pair in enumerate(followed(used, len(used), say, OFTEN))
        for copy, truth in with_noisy_copies(*pair.load(options.rows), number)
    ]
    pictures = followed([*composed(used), *empty()], COMPOSED + EMPTY, say, OFTEN)
    others = [_labelled_objects(predictor, *picture, threshold) for picture in pictures]
    apart, right = cross_fitted(labelled, others), np.concatenate([particles.right for particles in labelled])
    likely = apart >= HOPELESS
    measured = reliability(apart[likely], right[likely])
    facts = {
        "confidence_error": round(measured["error"], 3),
        "wrong_under_limit": round(measured["under"]["wrong"] or 0, 3),
        "wrong_over_limit": round(measured["over"]["wrong"] or 0, 3),
    }
    return Fitted("confidence", {"options": {"confidence": fit([*labelled, *others])}}, facts, str(facts))


def with_noisy_copies(micrograph: Micrograph, truth: Labels, seed: int) -> Iterator[tuple[Micrograph, Labels]]:
    """An image as it is, and a copy without its data bar for each of NOISY."""
    rows = data_bar(micrograph)
    yield micrograph, truth
    grey = micrograph.pixels[:rows].astype(float)
    grey *= 255 / max(float(grey.max()), 255.0)
    for gain, noise in NOISY:
        levels = grey * gain + (1 - gain) * MIDDLE + np.random.default_rng(seed).normal(0, noise, grey.shape)
        pixels = np.clip(levels, 0, 255).astype(np.uint8)
        yield replace(micrograph, pixels=pixels, name=f"{micrograph.name} noise {noise}"), truth[:rows]


def every_nth(examples: Sequence[Pair]) -> Sequence[Pair]:
    """Every n-th of them, MOST at the most."""
    return examples[:: -(-len(examples) // MOST) or 1]


def composed(examples: Sequence[Pair]) -> list[tuple[Micrograph, Labels]]:
    """Agglomerates composed of the examples' bright particles, with their truth: contacts as real as they are many.

    None where no particle is whole and free. Of the publications that a training holds out no training composes.
    """
    loaded = ((pair.load(), pair.group) for pair in examples)
    pictures = (
        (np.rint(255 * clip_outliers(micrograph.pixels)).astype(np.uint8), truth, group)
        for (micrograph, truth), group in loaded
    )
    stock = cut_out(pictures)
    draws = (np.random.default_rng((COMPOSED_SEED, number)) for number in range(COMPOSED if stock.particles else 0))
    drawn = [compose(COMPOSED_SHAPE, rng, stock) for rng in draws]
    absent = Calibration.absent()
    return [(Micrograph(grey, f"composed {number}", "", absent), labels) for number, (grey, labels) in enumerate(drawn)]


def empty() -> Iterator[tuple[Micrograph, Labels]]:
    """Rendered pictures without particles."""
    for number in range(EMPTY):
        grey = draw_empty(EMPTY_SHAPE, np.random.default_rng((EMPTY_SEED, number)))
        yield Micrograph(grey, f"empty {number}", "", Calibration.absent()), np.zeros(EMPTY_SHAPE, np.int32)


def _labelled_objects(
    predictor: Predictor, micrograph: Micrograph, truth: Labels, threshold: float, group: str = ""
) -> LabelledParticles:
    """All outlines of an image, also those that an analysis would drop."""
    prediction, options = predictor.predict(micrograph, len(truth)), ParticleOptions.of(predictor.card)
    decoded = particles(prediction.maps, prediction.grey, prediction.view.scale, threshold, options)
    overlap = overlap_of(without_specks(padded(decoded, truth.shape)), without_specks(truth))
    right = np.zeros(len(overlap.found_ids), bool)
    right[pairs(overlap.iou, RIGHT_IOU)[1]] = True
    values = outline_features(prediction.maps, prediction.grey, decoded, prediction.view.scale, options.diameter)
    places = overlap.found_ids - 1
    return LabelledParticles({name: column[places] for name, column in values.items()}, right, group)


def fit(images: Sequence[LabelledParticles]) -> dict[str, float]:
    """Weights for `likely_right`, by `fit_logistic`. An image counts as at most CROWD particles. Raises TooFew."""
    shares = share_of([len(image.right) for image in images])
    refusal = f"The confidence cannot be calibrated: it takes {FEWEST} right and {FEWEST} wrong particles"
    return fit_logistic([(image.values, image.right) for image in images], shares, 5, refusal)


def share_of(counts: Sequence[int]) -> Floats:
    """How much each of so many things of several images counts, one after the other: CROWD of an image at the most."""
    return np.concatenate([np.full(count, min(1.0, CROWD / max(count, 1))) for count in counts])


def cross_fitted(labelled: Sequence[LabelledParticles], others: Sequence[LabelledParticles] = ()) -> Field:
    """Confidence of every particle of `labelled` by a model fitted on the images of other groups and on `others`.

    The groups are dealt to PARTS parts. Raises TooFew.
    """
    names = sorted({image.group for image in labelled})
    if len(names) < PARTS:
        raise TooFew(f"The confidence cannot be judged on fewer than {PARTS} groups of images.")
    part = [names.index(image.group) % PARTS for image in labelled]
    weights = [
        fit([*(image for image, mine in zip(labelled, part, strict=True) if mine != left_out), *others])
        for left_out in range(PARTS)
    ]
    probabilities = (likely_right(image.values, weights[mine]) for image, mine in zip(labelled, part, strict=True))
    return np.concatenate(list(probabilities))


def reliability(confidence: Field, right: Mask) -> dict[str, Any]:
    """The reliability diagram of found particles.

    confidence: (n,) in 0..1. right: (n,) whether there is a true particle for it at an IoU of at least 0.5.
    bins: non-empty bins of width 0.05 with their n, mean confidence, share right and its Wilson 95 % interval.
    error: expected calibration error, the mean over particles of |confidence - share right| by bin; None for none.
    limit: the confidence under which the product's filter calls a particle unsure; under, over: how many there are
    on either side of it, and the share of them that is wrong.
    """
    bin_of = np.clip(np.digitize(confidence, BINS) - 1, 0, len(BINS) - 2)
    bins: list[dict[str, Any]] = []
    for number in np.unique(bin_of):
        inside = right[bin_of == number]
        low, high = wilson(int(inside.sum()), len(inside))
        mean = float(np.mean(confidence[bin_of == number], dtype=float))
        bins.append({"n": len(inside), "confidence": mean, "right": float(inside.mean()), "low": low, "high": high})
    off = sum(b["n"] * abs(b["confidence"] - b["right"]) for b in bins)
    unsure = confidence < LEAST_CONFIDENCE
    return {
        "bins": bins,
        "error": off / len(right) if len(right) else None,
        "limit": LEAST_CONFIDENCE,
        "under": _wrong(right[unsure]),
        "over": _wrong(right[~unsure]),
    }


def _wrong(right: Mask) -> dict[str, Any]:
    return {"n": len(right), "wrong": float(1 - right.mean()) if len(right) else None}
