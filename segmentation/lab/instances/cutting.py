"""The model of where to cut touching particles: fitted on images with truth and on rendered ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ...core.labels.cuts import Pieces, cut_apart, cut_traits, join, joined, oversegment
from ...core.micrograph.types import Calibration, Micrograph
from ...core.network.cards import CUT_TRAITS, INTERCEPT, LIMIT
from ...core.truth import Pair
from ..evaluation.predictions import Predictor, padded
from ..synthesis.render import render
from .calibrating import FEWEST, TooFew, fit_logistic
from .matching import Labels, match, overlap_of, without_specks

RENDERED, SHAPE, SEED = 40, (512, 768), 30_000
CROWD = 50  # borders of an image from which it counts no more: a few crowded pictures would decide alone
MOST = 150  # images of the user's that are used; of more every n-th
STATES = (0.2, 0.4)  # limits up to which pieces are joined, so that joined ones are learnt from too
LIMITS = (0.4, 0.5, 0.6, 0.7, 0.8)
RULE = (
    "The limit with the highest mean of the particles' F1 at IoU 0.5 and at IoU 0.75, averaged over the images and"
    f" {RENDERED} rendered pictures."
)
Floats = NDArray[np.float64]
Weights = dict[str, float]


@dataclass(frozen=True, eq=False)
class Shown:
    """An image as the network saw it: its maps (2, H, W) uint8, its truth (H, W), the scale; and its pieces.

    common: (n + 1, T + 1) px that each piece shares with each true particle, 0 being the background; mostly none.
    """

    maps: NDArray[np.uint8]
    truth: Labels
    scale: float
    pieces: Pieces
    common: csr_array


def fit_cuts(predictor: Predictor, examples: Sequence[Pair], *, threshold: float, rows: int | None = None) -> Weights:
    """The weights and the limit of a card's table [cuts].

    Raises TooFew when hardly any particles touch in the examples and the rendered pictures.
    """
    own = [show(predictor, *example.load(rows), threshold) for example in examples[:: 1 + len(examples) // MOST]]
    made = [show(predictor, *pair, threshold) for pair in rendered()]
    diameter = predictor.card.diameter
    weights = _fitted(own, made, diameter, [])
    weights = _fitted(own, made, diameter, [weights | {LIMIT: limit} for limit in STATES])
    merits = {
        limit: sum(_merit(images, diameter, threshold, weights | {LIMIT: limit}) for images in (own, made))
        for limit in LIMITS
    }
    return weights | {LIMIT: max(merits, key=lambda limit: merits[limit])}


def rendered() -> Iterator[tuple[Micrograph, Labels]]:
    """Rendered pictures with their truth, other ones than any training draws."""
    for number in range(RENDERED):
        grey, labels = render(SHAPE, np.random.default_rng((SEED, number)))
        yield Micrograph(grey, f"rendered {number}", "", Calibration.absent()), labels


def show(predictor: Predictor, micrograph: Micrograph, truth: Labels, threshold: float) -> Shown:
    """What the network sees of an image, taken to pieces."""
    seen = predictor.see(micrograph, len(truth))
    labels, first, pieces = oversegment(seen.maps, threshold=threshold, scale=seen.view.scale)
    places = np.maximum(labels - first + 1, 0).ravel(), truth[: len(labels)].ravel()
    common = csr_array((np.ones(labels.size), places), shape=(len(pieces.areas), int(truth.max(initial=0)) + 1))
    return Shown(seen.maps, truth, seen.view.scale, pieces, common)


def cuts_of(image: Shown, diameter: float, states: Sequence[Mapping[str, float]]) -> tuple[Floats, NDArray[np.bool_]]:
    """(m, k) traits of the borders between pieces, and between those joined under each of `states`; whether each is
    one between two particles. Borders of a piece that is of no particle for the most part are left out."""
    unit = diameter / image.scale
    every = [(image.pieces, np.arange(len(image.pieces.areas)))]
    for weights in states:
        ends = join(image.pieces, weights, unit)
        every.append((joined(image.pieces, ends), ends))
    values, real = zip(*(_borders(pieces, ends, image.common, unit) for pieces, ends in every), strict=True)
    return np.concatenate(values), np.concatenate(real)


def _borders(
    pieces: Pieces, ends: NDArray[np.int64], common: csr_array, unit: float
) -> tuple[Floats, NDArray[np.bool_]]:
    count = len(ends)
    of = csr_array((np.ones(count), (ends, np.arange(count))), shape=(count, count)) @ common
    mostly = np.asarray(of.argmax(axis=1)).ravel()
    sure = of.max(axis=1).toarray().ravel() > of.sum(axis=1) / 2
    one, other = pieces.pairs.T
    usable = sure[one] & sure[other] & ((mostly[one] > 0) | (mostly[other] > 0))
    one, other = one[usable], other[usable]
    peaks, areas = (pieces.peaks[one], pieces.peaks[other]), (pieces.areas[one], pieces.areas[other])
    values = np.column_stack(cut_traits(pieces.saddles[usable], peaks, areas, unit))
    return values, mostly[one] != mostly[other]


def _fitted(
    own: Sequence[Shown], made: Sequence[Shown], diameter: float, states: Sequence[Mapping[str, float]]
) -> Weights:
    """Weights from both kinds of images, which count the same in all; of an image CROWD borders count at the most."""
    values, real, shares = [], [], []
    for images in (own, made):
        found = [cuts_of(image, diameter, states) for image in images]
        values += [some for some, _ in found]
        real += [some for _, some in found]
        share = np.concatenate([np.full(len(some), min(1.0, CROWD / max(len(some), 1))) for _, some in found])
        shares.append(share / max(share.sum(), 1))
    is_real, share = np.concatenate(real), np.concatenate(shares)
    if min(is_real.sum(), (~is_real).sum()) < FEWEST:
        raise TooFew(
            f"Cuts cannot be fitted: it takes {FEWEST} borders between particles and {FEWEST} within one at least,"
            f" here are {is_real.sum()} and {(~is_real).sum()}."
        )
    weights, intercept = fit_logistic(np.concatenate(values), is_real, share * len(share) / share.sum())
    return {**dict(zip(CUT_TRAITS, weights.round(4).tolist(), strict=True)), INTERCEPT: round(intercept, 4)}


def _merit(images: Sequence[Shown], diameter: float, threshold: float, weights: Mapping[str, float]) -> float:
    """Mean of the pooled F1 at IoU 0.5 and at IoU 0.75."""
    total = np.zeros((2, 3))
    for image in images:
        found = cut_apart(image.maps, threshold=threshold, scale=image.scale, diameter=diameter, weights=weights)
        iou = overlap_of(without_specks(padded(found, image.truth.shape)), without_specks(image.truth)).iou
        total += [match(iou, 0.5), match(iou, 0.75)]
    hits, spurious, missed = total.T
    return float(np.mean(2 * hits / np.maximum(2 * hits + spurious + missed, 1)))
