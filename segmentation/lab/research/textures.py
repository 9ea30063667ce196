"""Writes the file of `core.network.textures`: statistics of the images that each model learnt from, which tell images
of another kind from them (command `models`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...core.micrograph import formats
from ...core.micrograph.contrast import clip_outliers
from ...core.micrograph.databar import first_bar_row
from ...core.micrograph.reader import read
from ...core.network.textures import CLEAR_DIFFERENCE, FILE, UNFAMILIAR, Textures, features, known_textures
from ...core.truth import BadDataset
from ..training.contract import Floats, Say
from ..training.settings import keep_apart

MANY = 100  # images; with fewer only variances are estimated, no covariance
# Users crop images, so the middle of an image is learnt, too: a part of 2 is the middle half of both sides.
PARTS = 1, 2, 3
# The models for which parts are learnt. For the other models, parts would make ten of 366 halves of EMPS look like
# gamma prime, and half of the images of `supported` look like `particles`.
CROPPED = {"bubbles", "coatings", "grain-boundaries", "superalloy", "uhcs-steel"}
FLOOR = 0.05  # added to each variance, as a share of the variance of all images: few images vary too little


def fit(folders: Mapping[str, Path], say: Say) -> None:
    """Write FILE from these folders, one for each model; say which model each image resembles when it is left out.

    Models in FILE without a folder stay as they are; then the scale that all models share stays, too. Raises BadDataset
    if a folder has fewer than three images.
    """
    textures = {model: _features_of(model, folder) for model, folder in folders.items()}
    descriptions = np.concatenate([images[:, 0] for images in textures.values()])
    middle, spread = descriptions.mean(0), descriptions.std(0) + 1e-6
    stored_models = known_textures().models if FILE.is_file() else {}
    unchanged_models = {model: entry for model, entry in stored_models.items() if model not in textures}
    if unchanged_models:
        middle, spread = known_textures().middle, known_textures().spread
    scaled = {model: (values - middle) / spread for model, values in textures.items()}
    models = unchanged_models | {model: _fit_textures(model, values) for model, values in scaled.items()}
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


def _features_of(model: str, folder: Path) -> Floats:
    """(n, parts, d) texture features of the parts of each image of a folder. Raises BadDataset."""
    rows = []
    for file in sorted(path for path in folder.iterdir() if path.suffix.lower() in formats.format_by_suffix()):
        keep_apart(file)
        micrograph = read(file)
        pixels = micrograph.pixels[: first_bar_row(micrograph)]
        insets = [[side * (part - 1) // (2 * part) for side in pixels.shape] for part in PARTS]
        parts = [pixels[top : len(pixels) - top, left : pixels.shape[1] - left] for top, left in insets]
        rows.append([features(clip_outliers(part)) for part in (parts if model in CROPPED else parts[:1])])
    if len(rows) < 3:
        raise BadDataset(f"{folder} has {len(rows)} images; a model's textures need three or more.")
    return np.array(rows)


def _fit_textures(model: str, images: Floats) -> Textures:
    """The textures of a model from the scaled features (n, parts, d) of its images. For fewer than MANY images only the
    variances are estimated, and increased by the share 4 / n."""
    count, scaled, size = len(images), np.concatenate(images), images.shape[-1]
    if count >= MANY:
        covariance = 0.95 * np.cov(scaled.T) + 0.05 * np.diag(scaled.var(0)) + 0.3 * FLOOR * np.eye(size)
    else:
        covariance = scaled.var(0) * (count + 4) / count + FLOOR
    return Textures(model, count, scaled.mean(0), covariance)


def _left_out(model: str, images: Floats, models: Mapping[str, Textures]) -> str:
    """A line that says how many images resemble the other images of their model, another model's images, or none."""
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
