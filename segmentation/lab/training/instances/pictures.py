"""Truth, prediction and errors of an image side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....core.measure.matching import Kind, error_kinds, overlap_of, without_specks
from ....core.micrograph.contrast import preview
from ....core.micrograph.types import Micrograph
from ....core.report.picture import painted, sampled
from ..contract import Labels, Picture
from .targets import boundary

LONGEST = 640  # px of a panel's longest side
STRENGTH = 0.6
# Okabe and Ito's colour-blind-safe palette.
COLOURS = {
    Kind.CORRECT: (0, 158, 115),
    Kind.LOW_IOU: (240, 228, 66),
    Kind.MERGED: (230, 159, 0),
    Kind.SPLIT: (204, 121, 167),
    Kind.FALSE_POSITIVE: (213, 94, 0),
    Kind.FALSE_NEGATIVE: (86, 180, 233),
}
LOST = (Kind.MERGED, Kind.FALSE_NEGATIVE)


def panels(micrograph: Micrograph, predicted: Labels, truth: Labels, longest: int = LONGEST) -> list[Picture]:
    """(h, w, 3) uint8 pictures: the image, its truth, the result, and the errors.

    predicted, truth: (R, W) labels of the image's first R rows; only those are shown.
    """
    predicted, truth = without_specks(predicted), without_specks(truth)
    grey = preview(replace(micrograph, pixels=micrograph.pixels[: len(truth)]), longest)
    shape = grey.shape[0], grey.shape[1]
    small_true, small_found = sampled(truth, shape), sampled(predicted, shape)
    return [
        np.repeat(grey[..., None], 3, axis=2),
        painted(grey, small_true, STRENGTH),
        painted(grey, small_found, STRENGTH),
        errors(grey, predicted, truth, small_found, small_true),
    ]


def errors(grey: Picture, predicted: Labels, truth: Labels, small_found: Labels, small_true: Labels) -> Picture:
    """The picture (h, w) with particles in the colours of their Kind and the true outlines in white.

    predicted, truth: (R, W) without specks, by which they are judged; small_found, small_true: the same at (h, w).
    """
    overlap = overlap_of(predicted, truth)
    judged = error_kinds(overlap)
    canvas = 0.45 * np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    # Lost particles last: what swallowed one may well be right about another.
    sides = (
        (small_found, overlap.found_ids, judged.found, COLOURS.keys()),
        (small_true, overlap.true_ids, judged.true, LOST),
    )
    for labels, ids, kinds, visible in sides:
        for kind in visible:
            inside = np.isin(labels, ids[kinds == kind])
            canvas[inside] = STRENGTH * np.array(COLOURS[kind]) + (1 - STRENGTH) * grey[inside][:, None]
    canvas[boundary(small_true) & (small_true > 0)] = 255
    return canvas.round().astype(np.uint8)
