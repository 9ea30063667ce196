"""Measures grey levels at the contacts of particles, in real and drawn pictures, for docs/development/synthesis.md:
python -m tools.accuracy touching

For each pair of touching labels: the dip (how far the grey along the contact is below that of the darker side) and the
step (the difference of both sides), both divided by the contrast of the picture, and the width of the contact
divided by the diameter of the smaller particle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from segmentation.lab.training.contract import Labels, Picture
from segmentation.lab.training.data import LabelledImage, composing_function, load_folder, training_images
from segmentation.lab.training.settings import ComposedEntry, FolderEntry, read_recipe
from segmentation.lab.training.settings.recipe import RECIPES
from segmentation.lab.training.synthesis.render import render

ROOT = Path(__file__).resolve().parents[3]
POWDER = ROOT.parent / "shared" / "data" / "particles" / "ampis-powder"
SIZES = {"6 to 12 px": (6, 12), "12 to 22 px": (12, 22), "from 22 px": (22, np.inf)}
DRAWN, SHAPE = 12, (512, 768)
FLAT = 0.1  # of the contrast: a smaller dip cannot be seen
SIDES = (0.2, 0.5)  # distances from the contact, in smaller diameters, between which the grey of a side is measured
LEAST_CONTRAST = 8  # grey levels; a picture with less contrast is left out


def contacts(grey: Picture, labels: Labels) -> np.ndarray:
    """(n, 4) of touching pairs in a picture of bright objects: smaller diameter in px, dip, step, width."""
    smooth, objects = ndimage.gaussian_filter(grey.astype(np.float32), 0.5), labels > 0
    if not objects.any() or objects.all():
        return np.empty((0, 4))
    contrast = float(np.median(smooth[objects]) - np.median(smooth[~objects]))
    diameters = 2 * np.sqrt(np.bincount(labels.ravel()) / np.pi)
    rows = []
    for (one, other), pixels in _touching(labels).items():
        small = min(diameters[one], diameters[other])
        if small < SIZES["6 to 12 px"][0] or len(pixels) < 4 or contrast < LEAST_CONTRAST:
            continue
        low = np.maximum(pixels.min(0) - int(small), 0)
        window = tuple(slice(a, b + int(small) + 1) for a, b in zip(low, pixels.max(0), strict=True))
        away = np.ones(labels[window].shape, bool)
        away[tuple((pixels - low).T)] = False
        distance = ndimage.distance_transform_edt(away) / small
        ring = (distance >= SIDES[0]) & (distance <= SIDES[1])
        sides = [smooth[window][ring & (labels[window] == number)] for number in (one, other)]
        if min(map(len, sides)) >= 3:
            greys = [float(np.median(side)) for side in sides]
            dip = min(greys) - float(np.median(smooth[tuple(pixels.T)]))
            rows.append((small, dip / contrast, abs(greys[0] - greys[1]) / contrast, len(pixels) / 2 / small))
    return np.array(rows).reshape(-1, 4)


def _touching(labels: Labels) -> dict[tuple[int, int], np.ndarray]:
    """The pixels (n, 2) on both sides of the contact of each pair of labels."""
    pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for down, right in ((1, 0), (0, 1)):
        first, second = labels[: len(labels) - down, : labels.shape[1] - right], labels[down:, right:]
        for row, column in np.argwhere((first != second) & (first > 0) & (second > 0)):
            pair = sorted((int(first[row, column]), int(second[row, column])))
            pairs.setdefault((pair[0], pair[1]), []).extend([(row, column), (row + down, column + right)])
    return {pair: np.unique(pixels, axis=0) for pair, pixels in pairs.items()}


def lines() -> Iterator[str]:
    recipe = read_recipe(RECIPES / "particles-composites.toml")
    emps = training_images(recipe, ROOT)
    composed = next(entry for entry in recipe.sources if isinstance(entry, ComposedEntry))
    drawings = {"composites": composing_function(composed, emps), "renders": render}
    drawn = {name: [d(SHAPE, np.random.default_rng((3, n))) for n in range(DRAWN)] for name, d in drawings.items()}
    powder = load_folder(POWDER, FolderEntry(path="", labels="particle_labels_DERIVED", only_labelled=True))
    sets: dict[str, Iterable[tuple[Picture, Labels]]] = {
        "EMPS, bright": _pictures([one for one in emps if not one.dark]),
        "AMPIS powder": _pictures(powder),
        **drawn,
    }
    yield "| pictures | smaller of the pair | contacts | dip (quartiles) | dip under 0.1 | step | width |"
    yield "|---|---|---|---|---|---|---|"
    for name, pictures in sets.items():
        rows = np.concatenate([contacts(grey, labels) for grey, labels in pictures])
        for size, (low, high) in SIZES.items():
            diameter, dip, step, width = rows[(rows[:, 0] >= low) & (rows[:, 0] < high)].T
            if len(diameter):
                quartiles = "{1:.2f} ({0:.2f} to {2:.2f})".format(*np.percentile(dip, (25, 50, 75)))
                flat, middle = f"{(dip < FLAT).mean():.0%}", f"{np.median(step):.2f} | {np.median(width):.2f}"
                yield f"| {name} | {size} | {len(diameter)} | {quartiles} | {flat} | {middle} |"


def _pictures(labelled: list[LabelledImage]) -> Iterator[tuple[Picture, Labels]]:
    return ((one.grey, one.labels) for one in labelled)
