"""Images with truth: a folder of a user's own, or what a training recipe holds out."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage

from ...core.micrograph import UnreadableImage, read
from ...core.micrograph.types import Calibration, Micrograph
from ..data import Labelled
from ..pictures import BadDataset, read_raw_labels
from .matching import Labels

LABEL_FOLDERS = ("labels", "masks", "segmaps")
LABEL_KINDS = (".png", ".tif", ".tiff", ".npy", ".bmp")
IMAGE_KINDS = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
NO_PARTICLES = "none"


@dataclass(frozen=True, eq=False)
class Example:
    """An image to score. name: of its truth, unique. group: images that belong together, such as one publication.
    load: gives the Micrograph and its truth (H, W), 0 background; raises BadDataset. files: that it reads."""

    name: str
    group: str
    load: Callable[[], tuple[Micrograph, Labels]]
    files: tuple[Path, ...] = ()


def of_recipe(held_out: Sequence[Labelled]) -> list[Example]:
    """The held-out images of a training recipe, as their files have them: polarity is the model's to find."""
    stems = Counter(Path(pair.name).stem for pair in held_out)
    examples = []
    for number, pair in enumerate(held_out, start=1):
        stem = Path(pair.name).stem
        name = stem if stems[stem] == 1 else f"{stem}-{number}"
        examples.append(Example(name, pair.group, partial(_load_pair, pair)))
    return examples


def _load_pair(pair: Labelled) -> tuple[Micrograph, Labels]:
    return Micrograph(pair.as_filed, pair.name, "", Calibration.absent()), pair.labels


def of_folder(folder: Path, images: str = "images", labels: str = "", groups: Path | None = None) -> list[Example]:
    """The labelled images of a folder, in the order of their names; nothing is loaded yet.

    images, labels: folders inside it; labels "" takes the first of LABEL_FOLDERS there is, "none" says that no
    image shows a particle. A label file belongs to the image of the same stem, or to the one whose stem it
    continues after "_" or "-" (1908248_m.tif, 1908248.tif). Images without labels are left out.
    groups: a CSV with image names in the first column and groups in the second; other images are their own group.
    """
    pictures = _files(folder / images, IMAGE_KINDS)
    group_of = _read_groups(groups) if groups else {}
    found: list[tuple[str, Path, Path | None]]
    if labels == NO_PARTICLES:
        found = [(file.stem, file, None) for file in pictures]
    else:
        stems = {file.stem: file for file in pictures}
        truths = _files(_label_folder(folder, labels), LABEL_KINDS)
        found = [(truth.stem, _image_of(truth, stems, folder / images), truth) for truth in truths]
    twice = [name for name, times in Counter(name for name, _, _ in found).items() if times > 1]
    if twice:
        raise BadDataset(f"There are several files of labels or images named {twice[0]}; names must differ.")
    return [
        Example(name, group_of.get(image.stem, image.stem), partial(_load, image, truth), (image, truth or image))
        for name, image, truth in found
    ]


def _files(folder: Path, kinds: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        raise BadDataset(f"There is no folder {folder}.")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in kinds)
    if not files:
        raise BadDataset(f"{folder} holds no files of the kinds {', '.join(kinds)}.")
    return files


def _label_folder(folder: Path, labels: str) -> Path:
    if labels:
        return folder / labels
    for name in LABEL_FOLDERS:
        if (folder / name).is_dir():
            return folder / name
    raise BadDataset(f"{folder} has no folder {', '.join(LABEL_FOLDERS)}: name that of the labels with --labels.")


def _image_of(truth: Path, stems: dict[str, Path], images: Path) -> Path:
    if truth.stem in stems:
        return stems[truth.stem]
    longest = max((s for s in stems if truth.stem.startswith((f"{s}_", f"{s}-"))), key=len, default=None)
    if longest is None:
        raise BadDataset(f"The labels {truth.name} have no image of that name in {images}.")
    return stems[longest]


def _read_groups(file: Path) -> dict[str, str]:
    """Image stem -> group."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return {Path(row[0]).stem: row[1] for row in csv.reader(lines) if len(row) > 1}
    except (OSError, ValueError, csv.Error) as error:
        raise BadDataset(f"The groups in {file} cannot be read: {error}.") from error


def _load(image: Path, truth: Path | None) -> tuple[Micrograph, Labels]:
    try:
        micrograph = read(image)
    except UnreadableImage as error:
        raise BadDataset(f"{image.name}: {error}") from error
    if truth is None:
        return micrograph, np.zeros(micrograph.shape, np.int32)
    return micrograph, read_labels(truth)


def read_labels(file: Path) -> Labels:
    """The truth in a PNG, TIFF, BMP or npy file as (H, W) int32 labels; raises BadDataset.

    A mask (only 0, 1 and 255) is labelled by 4-connectivity; otherwise every value but 0 is one particle.
    """
    raw = read_raw_labels(file)
    values, places = np.unique(raw, return_inverse=True)
    if set(values.tolist()) <= {0, 1, 255}:
        return np.asarray(ndimage.label(raw)[0], np.int32)
    numbers = np.arange(len(values)) + (values[0] != 0)
    return numbers[places].reshape(raw.shape).astype(np.int32)


def check(examples: Sequence[Example], rows: int | None) -> list[float | None]:
    """Load every image and its truth once, so that what is wrong is said before any time is spent on networks.

    rows: as in `cut`. Returns the nm per pixel that each file states. Raises BadDataset.
    """
    if not examples:
        raise BadDataset("There are no images to score.")
    return [cut(example, rows)[0].calibration.nm_per_pixel for example in examples]


def cut(example: Example, rows: int | None) -> tuple[Micrograph, Labels]:
    """The image and the truth, (R, W) int32, to be compared: of the first `rows` rows, or of all (None)."""
    micrograph, truth = example.load()
    height, width = micrograph.shape
    wanted = height if rows is None else min(rows, height)
    if truth[:wanted].shape != (wanted, width) or (rows is None and len(truth) != height):
        size = " x ".join(map(str, truth.shape))
        raise BadDataset(f"The labels of {example.name} are {size} pixels, its image is {height} x {width}.")
    return micrograph, truth[:wanted]
