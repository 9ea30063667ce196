"""Counts how often an image is judged unlike the images of a training: python -m tools.accuracy.real.likeness
FOLDER ...

Each FOLDER has micrographs of one kind. Ten random images of a folder are taken as the images of a training, eight
times. The table shows the shares of the other images of this folder, and of the images of each other folder, that
get no warning.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network.likeness import LIKENESS, describe, distance, likeness_entry
from segmentation.lab.training.data import clipped_picture

TAUGHT, DRAWS, SEED = 10, 8, 0


def described(folder: Path) -> list[NDArray[np.float64]]:
    """The description of each image in a folder."""
    descriptions = []
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            descriptions.append(describe(clipped_picture(read(file).pixels)))
        except UnreadableImage:
            print(f"left out: {file}")
    return descriptions


def main() -> None:
    folders = {folder: described(Path(folder)) for folder in sys.argv[1:]}
    for name, images in folders.items():
        rng, shares = np.random.default_rng(SEED), []
        for _ in range(DRAWS):
            order = rng.permutation(len(images))
            count = min(TAUGHT, len(order) - 1)
            taught, rest = ([images[number] for number in part] for part in (order[:count], order[count:]))
            limit = likeness_entry(taught, list(map(str, range(count))))[LIKENESS]["limit"]
            groups = ({**folders, name: rest}).values()
            shares.append(
                [np.mean([distance(descriptor, taught) <= limit for descriptor in group]) for group in groups]
            )
        print(f"{count} images of {name}; without a warning:")
        for folder, share in zip(folders, np.mean(shares, axis=0), strict=True):
            print(f"    {share:4.0%} of {'the others' if folder == name else folder}")


if __name__ == "__main__":
    main()
