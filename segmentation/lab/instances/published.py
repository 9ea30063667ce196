"""The published post-processing of Ruehle et al. (Sci Rep 11, 4942, 2021), written anew for comparison only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from .matching import Labels

MIN_DISTANCE = 9  # px between peaks, and between a peak and the frame
Map = NDArray[np.uint8]


def published(foreground: Map) -> Labels:
    """Version 1.0 as the web page ran it: threshold 0.5, holes filled, then `split`. (H, W) uint8 0..255 in."""
    return split(np.asarray(ndimage.binary_fill_holes(foreground >= 128)))


def published_later(foreground: Map) -> Labels:
    """Version 1.2: the map is stretched to full range, its threshold is Otsu's, and holes stay.

    After the stretching an empty map has a foreground, too; only one of a single value has none.
    """
    low, high = int(foreground.min()), int(foreground.max())
    if low == high:
        return np.zeros(foreground.shape, np.int32)
    stretched = (foreground.astype(np.float32) - low) / (high - low)
    return split(stretched > threshold_otsu(stretched))


def split(mask: NDArray[np.bool_]) -> Labels:
    """Distance map, Gaussian of sigma 1, peaks at least MIN_DISTANCE apart, watershed with lines burnt in.

    A component without a peak is lost, as in the original: peaks compete across the whole image, and none is
    accepted near the frame.
    """
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1)
    peaks = peak_local_max(distance, min_distance=MIN_DISTANCE, exclude_border=True)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-distance, markers, mask=mask, watershed_line=True), np.int32)


CHAINS: dict[str, Callable[[Map], Labels]] = {"published": published, "published-1.2": published_later}
