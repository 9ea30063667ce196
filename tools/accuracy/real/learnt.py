"""Measures how much better a model becomes by a training on ten corrected images, through a running site.

PYTHONPATH=client python -m tools.accuracy.real.learnt URL TOKEN FOLDER
    teach BASE         analyses ten images, replaces their outlines by the true ones, and starts a training
    score MODEL ...    analyses the other images with each model, and scores them here, without the scores of DeepSegm

FOLDER: images/ and, of the same names, masks in labels_255_is_BACKGROUND/, such as nanocomposite-agglomerates.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from deepsegm_client import Client
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

# Images of the training; seed; least px of an object in a mask; most seconds for an analysis or a training.
TAUGHT, SEED, SMALLEST_PX, MOST_SECONDS = 10, 1, 30, 3600.0
Labels = NDArray[np.int32]


class Score(NamedTuple):
    """Numbers of right, false and missed objects (right: IoU over 0.5). off: error of the median ECD in per cent."""

    right: int
    false: int
    missed: int
    off: float


def truth(folder: Path, image: Path) -> Labels:
    """(H, W): the connected parts of the mask of an image, 1, 2, ..."""
    mask = next((folder / "labels_255_is_BACKGROUND").glob(f"{image.stem}*"))
    parts, _ = ndimage.label(np.asarray(Image.open(mask).convert("L")) < 128)
    areas = np.bincount(parts.ravel())
    large = np.flatnonzero(areas >= SMALLEST_PX)
    numbers = np.zeros(areas.size, np.int32)
    numbers[large[large > 0]] = np.arange(1, (large > 0).sum() + 1)
    return numbers[parts]


def score(labels: Labels, true: Labels) -> Score:
    """The score of labels (H, W) against the true labels (H, W)."""
    both = np.zeros((true.max() + 1, labels.max() + 1))
    np.add.at(both, (true.ravel(), labels.ravel()), 1)
    of_true, of_found = both.sum(1)[1:], both.sum(0)[1:]
    right = int((both[1:, 1:] > 0.5 * (of_true[:, None] + of_found - both[1:, 1:])).sum())
    of_found = of_found[of_found > 0]
    off = 100 * (np.sqrt(np.median(of_found) / np.median(of_true)) - 1) if of_found.size and of_true.size else np.nan
    return Score(right, of_found.size - right, of_true.size - right, float(off))


def teach(client: Client, folder: Path, images: list[Path], base: str) -> None:
    """Make a dataset of these images with their true outlines, and train the model `base` on it."""
    dataset = client.create_dataset(folder.name)
    for image in images:
        corrected = client.analyse(str(image), model=base, timeout=MOST_SECONDS).send_outlines(truth(folder, image))
        dataset.add(corrected, reviewed=True, consent=True, group=image.stem)
        print(image.name, flush=True)
    dataset.wait(MOST_SECONDS)
    training = dataset.train(base)
    print(training.page, flush=True)
    training.wait(MOST_SECONDS)
    print(training.data["summary"]["outcome"]["sentence"])


def print_scores(client: Client, folder: Path, images: list[Path], model: str) -> None:
    """Analyse these images with a model, and print its scores."""
    scores = []
    for image in images:
        labels = client.analyse(str(image), model=model, timeout=MOST_SECONDS).labels()
        scores.append(score(labels, truth(folder, image)))
        print(f"  {image.name}: {scores[-1]}", flush=True)
    right, false, missed = (sum(result[part] for result in scores) for part in range(3))
    f1 = 2 * right / (2 * right + false + missed)
    off = np.nanmedian([abs(result.off) for result in scores])
    print(f"{model}: F1 at IoU 0.5 {f1:.3f}; in half of the images the median is less than {off:.0f} % wrong")


def main(url: str, token: str, path: str, step: str, *models: str) -> None:
    folder = Path(path)
    images = sorted((folder / "images").iterdir())
    order = np.random.default_rng(SEED).permutation(len(images))
    taught, others = ([images[index] for index in sorted(part)] for part in (order[:TAUGHT], order[TAUGHT:]))
    client = Client(url, token=token)
    for model in models:
        if step == "teach":
            teach(client, folder, taught, model)
        else:
            print_scores(client, folder, others, model)


if __name__ == "__main__":
    main(*sys.argv[1:])
