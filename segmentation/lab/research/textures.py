"""What the images that each model was taught on look like together: the file of `core.network.textures`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...core.micrograph import formats
from ...core.micrograph.contrast import clip_outliers
from ...core.micrograph.databar import data_bar
from ...core.micrograph.reader import read
from ...core.network.textures import CLEARLY, FILE, UNFAMILIAR, Textures, features, known_textures
from ...core.truth import BadDataset
from ..training.contract import Floats, Say
from ..training.settings import keep_apart

MANY = 100  # images from which on a covariance is estimated, not variances alone
# Users crop. A part of 2 is the middle half of both sides. Crops of the other models' images are not learnt: they
# would make ten of 366 halves of EMPS look like gamma prime, and half the images of `supported` like `particles`.
PARTS = 1, 2, 3
CROPPED = {"bubbles", "coatings", "grain-boundaries", "superalloy", "uhcs-steel"}
FLOOR = 0.05  # of the variance of all images together: what is added to each variance, as few images spread too little


def fit(folders: Mapping[str, Path], say: Say) -> None:
    """Write FILE for these folders of images by model, and say how left-out images would be taken.

    Models in FILE without a folder stay as they are, and then also the scale that all share. Raises BadDataset where a
    folder has fewer than three images.
    """
    textures = {model: _of_folder(model, folder) for model, folder in folders.items()}
    descriptions = np.concatenate([images[:, 0] for images in textures.values()])
    middle, spread = descriptions.mean(0), descriptions.std(0) + 1e-6
    every_known = known_textures().models if FILE.is_file() else {}
    before = {model: entry for model, entry in every_known.items() if model not in textures}
    if before:
        middle, spread = known_textures().middle, known_textures().spread
    scaled = {model: (values - middle) / spread for model, values in textures.items()}
    models = before | {model: _fit_textures(model, values) for model, values in scaled.items()}
    for model, scaled_textures in scaled.items():
        say(_left_out(model, scaled_textures, models))
    entries = []
    for entry in models.values():
        covariance = [_four_digits(row) for row in np.atleast_2d(entry.covariance)]
        entries.append(
            {
                "model": entry.model,
                "images": entry.images,
                "centre": _four_digits(entry.centre),
                "covariance": covariance if entry.covariance.ndim == 2 else covariance[0],
            }
        )
    content = {"middle": _four_digits(middle), "spread": _four_digits(spread), "models": entries}
    FILE.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    known_textures.cache_clear()


def _of_folder(model: str, folder: Path) -> Floats:
    rows = []
    for file in sorted(path for path in folder.iterdir() if path.suffix.lower() in formats.suffixes()):
        keep_apart(file)
        micrograph = read(file)
        pixels = micrograph.pixels[: data_bar(micrograph)]
        insets = [[side * (part - 1) // (2 * part) for side in pixels.shape] for part in PARTS]
        parts = [pixels[top : len(pixels) - top, left : pixels.shape[1] - left] for top, left in insets]
        rows.append([features(clip_outliers(part)) for part in (parts if model in CROPPED else parts[:1])])
    if len(rows) < 3:
        raise BadDataset(f"{folder} has {len(rows)} images; a model's textures need three or more.")
    return np.array(rows)


def _fit_textures(model: str, images: Floats) -> Textures:
    """images: (n, parts, d). Of few images the variances alone, raised by the share 4 / n."""
    count, scaled, size = len(images), np.concatenate(images), images.shape[-1]
    if count >= MANY:
        covariance = 0.95 * np.cov(scaled.T) + 0.05 * np.diag(scaled.var(0)) + 0.3 * FLOOR * np.eye(size)
    else:
        covariance = scaled.var(0) * (count + 4) / count + FLOOR
    return Textures(model, count, scaled.mean(0), covariance)


def _left_out(model: str, images: Floats, models: Mapping[str, Textures]) -> str:
    """How many images would look like another model's images; each is compared with the other images of its model."""
    others, right, far = 0, 0, 0
    for number, (image, *_) in enumerate(images):
        without = _fit_textures(model, np.delete(images, number, axis=0))
        best = max(entry.likelihood(image) for name, entry in models.items() if name != model)
        others += best > without.likelihood(image) + CLEARLY
        right += without.likelihood(image) > best + CLEARLY
        far += without.distance(image) > UNFAMILIAR
    return f"{model}: {len(images)} images; clearly its own {right}, clearly another's {others}, unfamiliar {far}"


def _four_digits(values: Floats) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
