"""Dark-translation rejection: particles of a mask that the translation did not paint leave the labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_li

from .compose import Labels, renumbered


def bright_enough(picture: NDArray[np.uint8], labels: Labels) -> tuple[Labels, int]:
    """(labels, rejected): the particles whose mean grey reaches the picture's Li threshold, numbered 1..n anew.

    picture: (H, W) uint8, particles bright. labels: (H, W) int32. Li & Lee, Pattern Recognition 26, 617 (1993).
    In a picture of one grey no particle is seen, so all are rejected.
    """
    count = int(labels.max())
    if count == 0:
        return labels, 0
    means = np.asarray(ndimage.mean(picture, labels, np.arange(1, count + 1)))
    dark = means < threshold_li(picture) if picture.min() < picture.max() else np.ones(count, bool)
    keep = np.concatenate([[True], ~dark])
    return renumbered(np.where(keep[labels], labels, 0).astype(np.int32)), int(dark.sum())
