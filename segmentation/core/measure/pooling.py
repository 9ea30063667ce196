"""Many images as one sample: pooled statistics, how much the images differ, and which of them do not belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..micrograph.types import Calibration
from .bootstrap import median_interval, undefined
from .convergence import converge_by_image
from .distribution import Edge, Sizes, quantile
from .nano import nano_card, variants_of
from .outliers import between_images, find_outliers
from .statistics import PER_IMAGE, Statistics, describe
from .table import Table

BY_IMAGE = "by image"
NO_PIXEL_SIZE = "It has no calibration while others have one: type its width to include it."
ALIKE = 1.02  # ratio of pixel sizes up to which images count as equally magnified


@dataclass(frozen=True)
class Pooled(Statistics):
    """The statistics of a sample; as those of one image, but the intervals resample whole images.

    between: variance, standard deviation and share of the total variance of ln(size) that lies between the images,
        by a one-way analysis of variance; None where it is not defined. convergence: of two or more images, as whole
        images are counted. images: one row per image, in the order given:
        name, n (kept), n_set_aside, median, low, high (95 %, by particle, sampling alone), outlier and excluded ("" or
        the sentence that says why; an excluded image is not in the pooled numbers). notes: sentences for the user.
    """

    between: dict[str, float] | None = None
    images: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def pool(
    tables: Sequence[Table],
    *,
    names: Sequence[str],
    edge: Edge = "exclude",
    seed: int = 0,
    calibration: Calibration | None = None,
    filter: bool = False,
) -> Pooled:
    """Pool the judged tables of several images of one specimen.

    names: one for each table. calibration: that all images share the error of: its uncertainty is carried once for
    all. filter: whether the filter was on. An image without a calibration is left out where others have one.
    Raises ValueError where tables and names differ in number or there are none.
    """
    if len(tables) != len(names) or not tables:
        raise ValueError(f"{len(tables)} tables and {len(names)} names")
    excluded = _excluded(tables)
    used = [i for i in range(len(tables)) if not excluded[i]]
    chosen = [tables[i] for i in used]
    uncertainty = calibration.relative_uncertainty if calibration else None
    variants = variants_of(*chosen, edge=edge, filter=filter, uncertainty=uncertainty)
    sizes = variants["as analysed"]
    rows = [row_of(tables[i], names[i], edge=edge, seed=seed, excluded=excluded[i]) for i in range(len(tables))]
    for i, reason in zip(used, find_outliers(sizes, len(used)), strict=True):
        rows[i]["outlier"] = reason
    pixels = [each.nm_per_pixel for each in chosen if each.nm_per_pixel is not None]
    described = describe(sizes, *chosen, seed=seed, uncertainty=uncertainty or 0.0)
    if sizes.images > 1:
        rng, whole = np.random.default_rng(seed), described["intervals"]["median"]
        described["convergence"] = converge_by_image(sizes, whole, uncertainty or 0.0, rng)
    return Pooled(
        **described,
        edge=edge,
        interval_basis=BY_IMAGE if sizes.images > 1 else PER_IMAGE,
        relative_uncertainty=uncertainty,
        nano=nano_card(
            variants,
            uncertainty=uncertainty,
            unchecked=calibration is not None and calibration.source == "default",
            pixel=max(pixels, default=None),
        ),
        between=between_images(sizes),
        images=rows,
        notes=_notes(chosen, pixels, excluded),
    )


def _excluded(tables: Sequence[Table]) -> list[str]:
    """Why each image is left out, "" where it is not."""
    known = any(each.nm_per_pixel is not None for each in tables)
    return [NO_PIXEL_SIZE if known and each.nm_per_pixel is None else "" for each in tables]


def row_of(table: Table, name: str, *, edge: Edge = "exclude", seed: int = 0, excluded: str = "") -> dict[str, Any]:
    """One image's row of `Pooled.images`, sizes in the table's own unit; excluded: why it is not pooled."""
    sizes = Sizes.of(table, edge=edge)
    limits = None if undefined(sizes) else median_interval(sizes, np.random.default_rng(seed), 0.0)
    low, high = limits or (None, None)
    return {
        "name": name,
        "n": len(sizes),
        "n_set_aside": len(table) - len(sizes),
        "median": quantile(sizes.size, sizes.weights["number"], 0.5) if len(sizes) else None,
        "low": low,
        "high": high,
        "outlier": "",
        "excluded": excluded,
    }


def _notes(chosen: Sequence[Table], pixels: Sequence[float], excluded: Sequence[str]) -> list[str]:
    notes: list[str] = []
    left_out = sum(map(bool, excluded))
    if left_out:
        images = "1 image is" if left_out == 1 else f"{left_out} images are"
        notes.append(f"{images} not in the pooled numbers: without a calibration, while others have one.")
    if not pixels and len(chosen) > 1:
        notes.append("No image is calibrated: the sizes are pixels and can be pooled only if all magnify alike.")
    if pixels and max(pixels) > ALIKE * min(pixels):
        notes.append(
            f"The images were taken with {min(pixels):.4g} to {max(pixels):.4g} nm per pixel: the coarser ones"
            " resolve fewer small particles."
        )
    empty = sum(not each.kept.any() for each in chosen)
    if empty:
        notes.append(f"{empty} of {len(chosen)} images contribute no particle.")
    return notes
