"""Counts how often each warning about particles is right: python -m tools.accuracy doubts [FOLDER]

The images are those of `unseen`, every sixth of them also noisy and blurred, and drawn pictures with particles of two
sizes, in which small particles are missed, or in which the substrate only looks like small particles. A warning is
right if it is true by the ground truth. FOLDER stores the outlines, so that a changed rule is counted quickly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from scipy import ndimage

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.particles.options import EVEN_PROBABILITY, LEAST_EXPECTED
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.measure.objects.matching import RIGHT_IOU, overlap_of, pairs, without_specks
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import find
from segmentation.core.pipeline import measure, segment

from .unseen import MEASURED, ImageWithTruth, images

FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "noise": lambda grey: grey + np.random.default_rng(0).normal(0, 40, grey.shape),
    "blur": lambda grey: ndimage.gaussian_filter(grey, 3.0),
}
CHANGED_STEP = 6  # every sixth image is also changed
TWO_SIZES = [(contrast, seed) for contrast in (0.7, 0.5, 0.4, 0.3, 0.15, 0.0) for seed in (0, 1)]
SHAPE, COARSE_PX, FINE_PX = (768, 1024), 110, 11  # of a drawn picture, and diameters of its particles


def two_sizes(contrast: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey (H, W) and labels of coarse particles among fines, or among specks of the substrate (under a contrast of
    0.2), which are no particles. contrast: of the fines, relative to that of the coarse ones."""
    rng, (rows, columns) = np.random.default_rng((59, seed)), np.indices(SHAPE)
    labels, grey = np.zeros(SHAPE, np.int32), np.full(SHAPE, 70.0)
    for diameter, number, level in ((COARSE_PX, 22, 1.0), (FINE_PX, 400, contrast)):
        for row, column in zip(rng.uniform(0, SHAPE[0], number), rng.uniform(0, SHAPE[1], number), strict=True):
            wide, tall = diameter * rng.lognormal(0, 0.15, 2) / 2
            inside = ((rows - row) / tall) ** 2 + ((columns - column) / wide) ** 2 < 1
            if not labels[inside].any():
                labels[inside] = labels.max() + 1
                grey[inside] += 110 * level
        if contrast < 0.2 and diameter == COARSE_PX:
            truth = labels.copy()
    blurred = ndimage.gaussian_filter(grey, 1.0) + rng.normal(0, 6, SHAPE)
    return np.clip(blurred, 0, 255).astype(np.uint8), labels if contrast >= 0.2 else truth


def outlined(kind: str, name: str, grey: np.ndarray, truth: np.ndarray, folder: Path) -> ImageWithTruth:
    """An image with its truth and its segmentation, which is stored in the folder."""
    micrograph, file = Micrograph(grey, name, f"{59:064x}", Calibration.absent()), folder / f"{name}.doubts.npz"
    if not file.exists():
        segment(micrograph, MEASURED, card=find("particles")).save(file)
    return ImageWithTruth(kind, micrograph, Segmentation.load(file), truth)


def cases(folder: Path) -> Iterator[ImageWithTruth]:
    """Every picture, as it is and changed."""
    yield from images(folder)
    for form, change in FORMS.items():
        for case in islice(images(folder), 0, None, CHANGED_STEP):
            grey = np.clip(np.rint(change(case.micrograph.pixels.astype(float))), 0, 255).astype(np.uint8)
            yield outlined(case.kind, f"{form} {case.micrograph.name}", grey, case.truth, folder)
    for contrast, seed in TWO_SIZES:
        yield outlined("two sizes", f"two sizes {contrast} {seed}", *two_sizes(contrast, seed), folder)


def is_right(short: str, case: ImageWithTruth) -> bool:
    """Whether a warning is true by the ground truth. short: its short form."""
    found = without_specks(case.segmentation.dense)
    overlap = overlap_of(found, without_specks(case.truth))
    of_truth, of_found = pairs(overlap.iou, RIGHT_IOU)
    share = len(of_found) / max(len(overlap.found_ids), 1)
    if "were missed" in short:
        small = overlap.true_area < np.pi / 4 * case.segmentation.used["specks"]["below"] ** 2
        return bool(small.any()) and 2 * int(small[of_truth].sum()) < int(small.sum())
    if "are right" in short:
        return share < LEAST_EXPECTED
    if "not a micrograph" in short or "clearly a particle" in short or "very large" in short:
        return share < EVEN_PROBABILITY
    return 2 * len(of_found) / max(len(overlap.found_ids) + len(overlap.true_ids), 1) < LEAST_EXPECTED


def lines(folder: Path) -> Iterator[str]:
    """A row for each warning."""
    spoke, right = Counter[str](), Counter[str]()
    every = 0
    for case in cases(folder):
        every += 1
        analysis = measure(case.micrograph, case.segmentation, AnalysisSettings.of("particles"))
        for flag in (flag for flag in analysis.flags if flag.doubt):
            words = " ".join(word for word in flag.short.split() if not word[0].isdigit())
            spoke[words] += 1
            right[words] += is_right(flag.short, case)
    yield f"| warning ({every} pictures) | spoke | right |"
    yield "|---|---|---|"
    yield from (f"| {words} | {count} | {right[words]} |" for words, count in spoke.most_common())
