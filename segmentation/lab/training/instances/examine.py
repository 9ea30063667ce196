"""Scores outlined objects: compares the outlines of each image with the true ones, also with other thresholds and other
post-processings (chains) of the same maps, and draws the pictures of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import find_boundaries, watershed

from ....core.labels.particles.options import ParticleOptions
from ....core.labels.particles.outline import counted_outlines, outline, particle_labels
from ....core.measure.objects.matching import Kind, count_pairs, error_kinds, overlap_of, without_specks
from ....core.micrograph.types import Micrograph
from ....core.report.figures.picture import with_coloured_objects
from ..contract import Field, Floats, Labels, Maps, Picture, Scoring
from ..evaluation.predictions import Options, Prediction, Predictor, pad_rows
from ..evaluation.scores import RULE, THRESHOLDS, pooled_scores, threshold_report
from ..sheets import STRENGTH, as_panels, in_colour
from .confidence import reliability
from .counts import ImageCounts, by_size, count_image
from .metrics import ap_by_iou

CURVES = {"50": "objects at IoU 0.5", "75": "objects at IoU 0.75", "pixels": "pixels"}
CHOOSING = ("50", "75")  # the curves by which the threshold is chosen
OF_OBJECTS = RULE.format(figure="mean of the particles' F1 at IoU 0.5 and at IoU 0.75")
PEAK_DISTANCE_PX = 9  # between peaks, and between a peak and the frame
OWN_CHAIN = "own"  # name of the chain that an analysis uses
COLOURS = {  # Okabe and Ito's palette, which colour-blind people can distinguish, too
    Kind.CORRECT: (0, 158, 115),
    Kind.LOW_IOU: (240, 228, 66),
    Kind.MERGED: (230, 159, 0),
    Kind.SPLIT: (204, 121, 167),
    Kind.FALSE_POSITIVE: (213, 94, 0),
    Kind.FALSE_NEGATIVE: (86, 180, 233),
}
LOST = (Kind.MERGED, Kind.FALSE_NEGATIVE)  # kinds of errors of true objects


def sweep_image(maps: Picture, grey: Picture, truth: Labels, scale: float, options: ParticleOptions) -> Floats:
    """(thresholds, 9): for each of THRESHOLDS the hits, spurious and missed particles at IoU 0.5, then at IoU 0.75,
    then the hits, spurious and missed pixels.

    maps: (2 or 3, R, W) uint8. grey: (R, W) uint8, the image as input of the network. truth: (H, W) labels, with as
    many rows or more. scale: the working scale.
    """
    true_objects, is_true = without_specks(truth), truth > 0
    rows = []
    for threshold in THRESHOLDS:
        predicted = pad_rows(particle_labels(maps, grey, scale, threshold, options), truth.shape)
        iou = overlap_of(without_specks(predicted), true_objects).iou
        hits = int(((predicted > 0) & is_true).sum())
        pixels = hits, int((predicted > 0).sum()) - hits, int(is_true.sum()) - hits
        rows.append([*count_pairs(iou, 0.5), *count_pairs(iou, 0.75), *pixels])
    return np.array(rows, float)


def published_postprocessing(foreground: Maps) -> Labels:
    """Labels (H, W) from a map of the foreground (H, W) uint8, by the post-processing of Ruehle et al. (2021) as
    their web page ran it.

    Threshold 0.5, holes filled, distance map, Gaussian of sigma 1, peaks at least PEAK_DISTANCE_PX apart, watershed
    with lines between the objects. As in the original, a component without a peak is lost: of peaks that are too near
    to each other only the highest is used, and none near the frame.
    """
    mask = np.asarray(ndimage.binary_fill_holes(foreground >= 128))
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1)
    peaks = peak_local_max(distance, min_distance=PEAK_DISTANCE_PX, exclude_border=True)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-distance, markers, mask=mask, watershed_line=True), np.int32)


# Post-processings by their names in options and reports.
CHAINS: dict[str, Callable[[Maps], Labels]] = {"published": published_postprocessing}


class OutlineExaminer:
    """The Examiner of objects that are outlined; see `contract.Examiner`.

    sweeps: of each image, see `sweep_image`. confidence: of each image, (n,) that of the found objects. chains: by
    name of a chain the ImageCounts of each image.
    """

    def __init__(self, scoring: Scoring, predictor: Predictor, options: Options) -> None:
        self.scoring, self.predictor, self.options = scoring, predictor, options
        self.card_options = ParticleOptions.of(predictor.card)
        self.chains: dict[str, list[ImageCounts]] = {chain: [] for chain in (OWN_CHAIN, *options.chains)}
        self.sweeps: list[Floats] = []
        self.confidence: list[Field] = []

    def find(self, prediction: Prediction, truth: Labels, unit: float) -> tuple[Labels, ImageCounts]:
        threshold, options = self.options.threshold_of(self.predictor.card), self.card_options
        maps, grey, scale = prediction.maps, prediction.grey, prediction.view.scale
        outlines = counted_outlines(outline(maps, grey, scale, threshold, options), grey, options)
        for chain, counts in self.chains.items():
            labels = outlines.labels if chain == OWN_CHAIN else CHAINS[chain](maps[0])
            counts.append(count_image(pad_rows(labels, truth.shape), truth, unit))
        own_chain = self.chains[OWN_CHAIN][-1]
        if self.options.thresholds:
            self.sweeps.append(sweep_image(maps, grey, truth, scale, options))
        self.confidence.append(outlines.confidence[own_chain.found_ids - 1])
        return outlines.labels, own_chain

    def report(self, images: Sequence[ImageCounts], groups: Sequence[str], nm: bool) -> dict[str, Any]:
        threshold = self.options.threshold_of(self.predictor.card)
        right = np.concatenate([image.right for image in images])
        chains = {name: pooled_scores(counts, self.scoring, nm, groups) for name, counts in self.chains.items()}
        return {
            "threshold": threshold,
            "by_iou": ap_by_iou(images),
            "by_size": by_size([image.by_size for image in images]),
            "thresholds": threshold_report(self.sweeps, CURVES, OF_OBJECTS, CHOOSING, threshold),
            "reliability": reliability(np.concatenate(self.confidence), right),
            "seed_threshold": self.card_options.seed_threshold,
            "sizes": {
                "measure": "minimum Feret diameter",
                "true": np.concatenate([i.true_sizes for i in images]).round(3).tolist(),
                "found": np.concatenate([i.found_sizes for i in images]).round(3).tolist(),
            },
            "postprocess": chains if len(chains) > 1 else {},
        }


def panels(micrograph: Micrograph, predicted: Labels, truth: Labels) -> list[Picture]:
    """(h, w, 3) uint8 pictures: the image, its truth, the result, and the errors.

    predicted, truth: (R, W) labels of the image's first R rows; only those are shown.
    """
    predicted, truth = without_specks(predicted), without_specks(truth)
    grey, small_found, small_true = as_panels(micrograph, predicted, truth)
    return [
        in_colour(grey),
        with_coloured_objects(grey, small_true, STRENGTH),
        with_coloured_objects(grey, small_found, STRENGTH),
        draw_errors(grey, predicted, truth, small_found, small_true),
    ]


def draw_errors(grey: Picture, predicted: Labels, truth: Labels, small_found: Labels, small_true: Labels) -> Picture:
    """The picture (h, w) with particles in the colours of their Kind and the true outlines in white.

    predicted, truth: (R, W) without specks, which are compared. small_found, small_true: the same, reduced to (h, w).
    """
    overlap = overlap_of(predicted, truth)
    kinds_of_objects = error_kinds(overlap)
    canvas = 0.45 * in_colour(grey).astype(np.float32)
    # Lost particles are drawn last, over the outline that covers them, which may be right about another particle.
    sides = (
        (small_found, overlap.found_ids, kinds_of_objects.of_found, COLOURS.keys()),
        (small_true, overlap.true_ids, kinds_of_objects.of_true, LOST),
    )
    for labels, ids, kinds, visible in sides:
        for kind in visible:
            inside = np.isin(labels, ids[kinds == kind])
            canvas[inside] = STRENGTH * np.array(COLOURS[kind]) + (1 - STRENGTH) * grey[inside][:, None]
    canvas[find_boundaries(small_true, mode="inner")] = 255
    return canvas.round().astype(np.uint8)
