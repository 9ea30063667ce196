"""Measures whether labels belong to their image: outlines should lie on edges of the image, and particles should have
the shapes of particles. Used by the check of a dataset.

Everything is measured on pictures reduced to SIDE_PX. The limits were set on the 409 labelled images of EMPS, AMPIS
powder and spheroidite, and nanocomposite agglomerates: 5 images (all from EMPS) do not reach LEAST_SCORE, and none is
reported as shifted or inverted. With the labels of the next image, 10 of 409 pass; with labels shifted by 40 px, one
passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import fft, ndimage
from skimage.segmentation import find_boundaries

from .contract import Labels, Mask, Picture

SIDE_PX = 512  # longest side of the pictures that are compared
LEAST_SCORE = 3.0  # standard deviations; labels of another image reach 3 in one case of 40
NEAR_PX = 3  # outlines drawn by hand may miss an edge by so much
# Labels are reported as shifted if the score at another place is at least SURE_SCORE, and BETTER_FACTOR times the score
# where they are.
SURE_SCORE, BETTER_FACTOR = 8.0, 1.5
# Limits of `has_shape_of_gaps`.
SMALL_DISC_PX, LARGE_DISC_PX = 2.5, 4.0  # radii of the discs
LEAST_EXCESS = 0.4  # tip pixels of the labels minus those of the background, as a share of all tip pixels
LEAST_TIPS = 0.1  # the same difference, as a share of the length of the outlines
LEAST_COVER = 0.2  # share of the image that labels cover


@dataclass(frozen=True)
class Agreement:
    """How well labels fit their image.

    score: the mean steepness of the grey under the outlines, in standard deviations above its mean over all places to
    which the outlines could be moved. shift: (right, down) in px by which the labels must be moved to fit far better;
    (0, 0) if they lie right.
    """

    score: float
    shift: tuple[int, int] = (0, 0)


def agreement(grey: Picture, labels: Labels) -> Agreement | None:
    """How well outlines follow the edges of (H, W) grey; None without outlines or edges."""
    small_labels = reduced_labels(labels)
    size = small_labels.shape[1], small_labels.shape[0]
    small_grey = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX), np.float32)
    steepness = ndimage.gaussian_gradient_magnitude(small_grey, 1.5)
    steepness = np.minimum(steepness, np.percentile(steepness, 99))
    outlines = find_boundaries(small_labels).astype(np.float32)
    if not outlines.any() or steepness.max() - steepness.min() < 1e-3:
        return None
    # The mean steepness under the outlines, for every shift of them.
    correlation = fft.irfft2(fft.rfft2(steepness) * np.conj(fft.rfft2(outlines)), steepness.shape) / outlines.sum()
    correlation = (correlation - correlation.mean()) / max(float(correlation.std()), 1e-9)
    reach = np.arange(-NEAR_PX, NEAR_PX + 1)
    score = float(correlation[np.ix_(reach % correlation.shape[0], reach % correlation.shape[1])].max())
    best = float(correlation.max())
    if best < SURE_SCORE or best < BETTER_FACTOR * score or score >= SURE_SCORE:
        return Agreement(score)
    down, right = (int(n) for n in np.unravel_index(correlation.argmax(), correlation.shape))
    factor = max(grey.shape) / max(small_grey.shape)
    height, width = correlation.shape
    # The correlation moves the outlines onto the edges.
    right, down = right - width * (right > width // 2), down - height * (down > height // 2)
    return Agreement(score, (round(right * factor), round(down * factor)))


def has_shape_of_gaps(labels: Labels) -> bool:
    """Whether labels (H, W) look like the gaps between particles, so that background and particles may be exchanged.

    Gaps have pointed tips, particles are round. A tip is a part of the labels (or of the background) that no disc
    inside it covers. Returns True if with both radii the labels have more tip pixels than the background, by
    LEAST_EXCESS of the sum of both, and with the larger radius the difference also exceeds LEAST_TIPS times the
    length of the outlines. Returns False for labels that cover less than LEAST_COVER of the image.
    """
    inside = reduced_labels(labels) > 0
    length = int(find_boundaries(inside.astype(np.int32)).sum())
    if not length or inside.mean() < LEAST_COVER or _count_tip_pixels(inside, SMALL_DISC_PX) > 0.5 * inside.sum():
        return False  # the last condition: everything is thin, so its shapes cannot be judged
    for radius in (SMALL_DISC_PX, LARGE_DISC_PX):
        inner, outer = _count_tip_pixels(inside, radius), _count_tip_pixels(~inside, radius)
        if inner - outer <= LEAST_EXCESS * max(1, inner + outer):
            return False
    return inner - outer > LEAST_TIPS * length  # both with the larger disc


def _count_tip_pixels(mask: Mask, radius: float) -> int:
    """Number of pixels of a mask that are not covered by any disc of this radius (px) inside the mask, which is
    continued beyond the frame."""
    padded = np.pad(mask, round(radius) + 1, mode="edge")
    centres = ndimage.distance_transform_edt(padded) > radius
    if not centres.any():
        return int(mask.sum())
    covered = ndimage.distance_transform_edt(~centres) <= radius
    return int((padded & ~covered).sum())


def reduced_labels(labels: Labels) -> Labels:
    """Labels with a longest side of SIDE_PX px at most, by nearest pixel."""
    scale = min(1.0, SIDE_PX / max(labels.shape))
    rows, columns = (((np.arange(max(1, round(n * scale))) + 0.5) / scale).astype(int) for n in labels.shape)
    return labels[np.ix_(rows.clip(max=labels.shape[0] - 1), columns.clip(max=labels.shape[1] - 1))]
