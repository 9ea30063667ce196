"""Tells whether labels and their image belong together: outlines should lie on edges of the image, and particles should
have the shapes of particles.

Everything is measured on pictures of at most SIDE px. The limits were set on the 409 labelled images of EMPS, AMPIS
powder and spheroidite, and nanocomposite agglomerates: 5 images (all from EMPS) do not reach LEAST_SCORE, and none is
called moved or inverted. If each image gets the labels of the next one, 10 of 409 pass; if labels are moved by 40 px,
one passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import fft, ndimage
from skimage.segmentation import find_boundaries

from .contract import Labels, Mask, Picture

SIDE = 512  # px
LEAST_SCORE = 3.0  # standard deviations; labels of another image reach 3 in one case of 40
NEAR = 3  # px by which outlines drawn by hand may miss an edge
# Labels are called moved if another place reaches SURE standard deviations and is BETTER times as good as theirs.
SURE, BETTER = 8.0, 1.5
# For `has_shape_of_gaps`: the radii in px of the discs; how many more tip pixels the labels have, as a share of all tip
# pixels, and as a share of the length of the outlines; the share of the image that labels cover at least.
SMALL_DISC, LARGE_DISC = 2.5, 4.0
LEAST_EXCESS, LEAST_TIPS, LEAST_COVER = 0.4, 0.1, 0.2


@dataclass(frozen=True)
class Agreement:
    """How well labels fit their image.

    score: the mean steepness of the grey under the outlines, in standard deviations above its mean over all places to
    which the outlines could be moved. moved: (right, down) in px by which the labels must be moved to fit far better;
    (0, 0) if they need not.
    """

    score: float
    moved: tuple[int, int] = (0, 0)


def agreement(grey: Picture, labels: Labels) -> Agreement | None:
    """How well outlines follow the edges of (H, W) grey; None without outlines or edges."""
    small_labels = reduced(labels)
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
    reach = np.arange(-NEAR, NEAR + 1)
    in_place = float(correlation[np.ix_(reach % correlation.shape[0], reach % correlation.shape[1])].max())
    best = float(correlation.max())
    if best < SURE or best < BETTER * in_place or in_place >= SURE:
        return Agreement(in_place)
    down, right = (int(n) for n in np.unravel_index(correlation.argmax(), correlation.shape))
    factor = max(grey.shape) / max(small_grey.shape)
    height, width = correlation.shape
    # The correlation moves the outlines onto the edges.
    right, down = right - width * (right > width // 2), down - height * (down > height // 2)
    return Agreement(in_place, (round(right * factor), round(down * factor)))


def has_shape_of_gaps(labels: Labels) -> bool:
    """Whether labels (H, W) look like the gaps between particles, so that background and particles may be exchanged.

    Gaps have pointed tips, particles are round. A tip is a part of the labels (or of the background) that no disc
    inside it covers. With both radii the labels must have more tip pixels than the background, by LEAST_EXCESS of the
    sum of both. With the larger radius the difference must also exceed LEAST_TIPS times the length of the outlines.
    Labels that cover less than LEAST_COVER of the image are not judged.
    """
    inside = reduced(labels) > 0
    length = int(find_boundaries(inside.astype(np.int32)).sum())
    if not length or inside.mean() < LEAST_COVER or _tips(inside, SMALL_DISC) > 0.5 * inside.sum():
        return False  # the last condition: everything is thin, so shapes say nothing
    for radius in (SMALL_DISC, LARGE_DISC):
        inner, outer = _tips(inside, radius), _tips(~inside, radius)
        if inner - outer <= LEAST_EXCESS * max(1, inner + outer):
            return False
    return inner - outer > LEAST_TIPS * length  # both with the larger disc


def _tips(mask: Mask, radius: float) -> int:
    """How many pixels of a mask no disc of that radius inside it covers; the mask is continued beyond the frame."""
    padded = np.pad(mask, round(radius) + 1, mode="edge")
    centres = ndimage.distance_transform_edt(padded) > radius
    if not centres.any():
        return int(mask.sum())
    covered = ndimage.distance_transform_edt(~centres) <= radius
    return int((padded & ~covered).sum())


def reduced(labels: Labels) -> Labels:
    """Labels with a longest side of SIDE px at most, by nearest pixel."""
    scale = min(1.0, SIDE / max(labels.shape))
    rows, columns = (((np.arange(max(1, round(n * scale))) + 0.5) / scale).astype(int) for n in labels.shape)
    return labels[np.ix_(rows.clip(max=labels.shape[0] - 1), columns.clip(max=labels.shape[1] - 1))]
