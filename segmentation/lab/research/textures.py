"""Writes the file that `core.network.textures` reads: texture statistics of the training images of each model. With
them the site recognises images that are unlike the training images. Used by `models textures`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...core.masks.truth import BadDataset
from ...core.micrograph import formats
from ...core.micrograph.contrast import clip_outliers
from ...core.micrograph.reader import read
from ...core.micrograph.scale_bar.databar import first_bar_row
from ...core.network.textures import CLEAR_DIFFERENCE, FILE, UNFAMILIAR, Textures, features, known_textures
from ..training.contract import Floats, Say
from ..training.settings import refuse_evaluation_data

COVARIANCE_IMAGES = 100  # images from which a covariance can be estimated; with fewer only variances are estimated
# Users crop images, so central crops are described, too. 1: the whole image, 2: the middle half of both sides, and so
# on.
CROP_DIVISORS = 1, 2, 3
# The models whose images are also cropped. For the other models, crops would make ten of 366 halves of EMPS look like
# gamma prime, and half of the images of `supported` look like `particles`.
CROPPED_MODELS = {"bubbles", "coatings", "grain-boundaries", "superalloy", "uhcs-steel"}
VARIANCE_FLOOR = 0.05  # added to each variance, as a share of the variance of all images: few images vary too little


def write_textures(folders: Mapping[str, Path], say: Say) -> None:
    """Write FILE from folders of training images, and report by leave-one-out which model the images resemble.

    folders: name of a model -> folder. Models in FILE without a folder stay as they are; then the mean and SD by which
    the features of all models are scaled stay, too. Raises BadDataset if a folder has fewer than three images.
    """
    features_by_model = {model: _features_of(model, folder) for model, folder in folders.items()}
    descriptions = np.concatenate([images[:, 0] for images in features_by_model.values()])
    mean, spread = descriptions.mean(0), descriptions.std(0) + 1e-6
    stored_models = known_textures().models if FILE.is_file() else {}
    unchanged_models = {model: entry for model, entry in stored_models.items() if model not in features_by_model}
    if unchanged_models:
        mean, spread = known_textures().middle, known_textures().spread
    scaled = {model: (values - mean) / spread for model, values in features_by_model.items()}
    models = unchanged_models | {model: _fit_textures(model, values) for model, values in scaled.items()}
    for model, scaled_features in scaled.items():
        say(_leave_one_out(model, scaled_features, models))
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
    content = {"middle": _four_digits(mean), "spread": _four_digits(spread), "models": entries}
    FILE.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    known_textures.cache_clear()


def _features_of(model: str, folder: Path) -> Floats:
    """(n, crops, d) texture features of the crops of each image of a folder. Raises BadDataset."""
    rows = []
    for file in sorted(path for path in folder.iterdir() if path.suffix.lower() in formats.format_by_suffix()):
        refuse_evaluation_data(file)
        micrograph = read(file)
        pixels = micrograph.pixels[: first_bar_row(micrograph)]
        divisors = CROP_DIVISORS if model in CROPPED_MODELS else CROP_DIVISORS[:1]
        margins = [[side * (divisor - 1) // (2 * divisor) for side in pixels.shape] for divisor in divisors]
        crops = [pixels[top : len(pixels) - top, left : pixels.shape[1] - left] for top, left in margins]
        rows.append([features(clip_outliers(crop)) for crop in crops])
    if len(rows) < 3:
        raise BadDataset(f"{folder} has {len(rows)} images; a model's textures need three or more.")
    return np.array(rows)


def _fit_textures(model: str, images: Floats) -> Textures:
    """The textures of a model from the scaled features (n, crops, d) of its images. For fewer than COVARIANCE_IMAGES
    images only the variances are estimated, and increased by the share 4 / n."""
    count, scaled, size = len(images), np.concatenate(images), images.shape[-1]
    if count >= COVARIANCE_IMAGES:
        covariance = 0.95 * np.cov(scaled.T) + 0.05 * np.diag(scaled.var(0)) + 0.3 * VARIANCE_FLOOR * np.eye(size)
    else:
        covariance = scaled.var(0) * (count + 4) / count + VARIANCE_FLOOR
    return Textures(model, count, scaled.mean(0), covariance)


def _leave_one_out(model: str, images: Floats, models: Mapping[str, Textures]) -> str:
    """A line with the numbers of images that resemble the other images of their model, another model's images, or
    none."""
    other_count, own_count, unfamiliar_count = 0, 0, 0
    for number, (image, *_) in enumerate(images):
        without_image = _fit_textures(model, np.delete(images, number, axis=0))
        best_other = max(entry.likelihood(image) for name, entry in models.items() if name != model)
        other_count += best_other > without_image.likelihood(image) + CLEAR_DIFFERENCE
        own_count += without_image.likelihood(image) > best_other + CLEAR_DIFFERENCE
        unfamiliar_count += without_image.distance(image) > UNFAMILIAR
    counts = f"clearly its own {own_count}, clearly another's {other_count}, unfamiliar {unfamiliar_count}"
    return f"{model}: {len(images)} images; {counts}"


def _four_digits(values: Floats) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
