"""Changes of a crop that leave its truth true."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .contract import Field, Labels, Picture, Rng
from .settings import Augmentation
from .synthesis.noise import turned_or_mirrored

Sample = tuple[Picture, Labels]


def augment(grey: Picture, labels: Labels, rng: Rng, how: Augmentation | None = None) -> Sample:
    """Dihedral flips, and changes of exposure, focus, noise and the rest of `how`; grey (S, S) uint8."""
    how = how or Augmentation()
    if how.flips:
        grey, labels = turned_or_mirrored(rng, grey, labels)
    picture = _change_exposure(grey.astype(np.float32) / 255, how, rng)
    changed = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return changed, np.ascontiguousarray(labels)


def _change_exposure(picture: Field, how: Augmentation, rng: Rng) -> Field:
    """The picture (H, W), 0 to 1, with gamma, blur, noise, a slope and an inversion, each as often as `how` says."""
    if rng.random() < how.exposure:
        picture = picture ** np.float32(np.exp(rng.normal(0, how.exposure_spread)))
    if rng.random() < how.focus:
        picture = ndimage.gaussian_filter(picture, rng.uniform(0.3, how.focus_px))
    if rng.random() < how.noise:
        picture = picture + rng.normal(0, rng.uniform(0, how.noise_spread), picture.shape)
    if rng.random() < how.gradient:
        rows, columns = np.mgrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]
        slopes = rng.normal(0, how.gradient_spread), rng.normal(0, how.gradient_spread)
        picture = picture + slopes[0] * rows + slopes[1] * columns
    if how.invert and rng.random() < how.invert:
        picture = 1 - picture
    return picture
