"""Where training pictures come from: folders of labelled micrographs and our renderer."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from .augmentation import Sample, augment
from .entries import SIZES, Augmentation, FolderEntry, keep_apart
from .pictures import BadDataset, is_picture, read_grey, read_labels
from .synthesis.draw import DIAMETERS
from .synthesis.foreign import draw_empty
from .synthesis.render import render
from .synthesis.scene import split_pieces
from .targets import HEADS, targets


class Source(Protocol):
    def draw(self, crop: int, rng: np.random.Generator) -> Sample: ...


@dataclass(frozen=True, eq=False)
class Labelled:
    """One micrograph with its truth.

    grey: (H, W) uint8, particles bright. labels: (H, W) int32. diameter: median ECD in px. group: its publication.
    turned: whether particles are dark in the file, so that `grey` is inverted.
    """

    name: str
    grey: NDArray[np.uint8]
    labels: NDArray[np.int32]
    diameter: float
    group: str
    turned: bool = False

    @property
    def as_filed(self) -> NDArray[np.uint8]:
        """(H, W) uint8 grey of the file, particles bright or dark."""
        return 255 - self.grey if self.turned else self.grey


def bright_particles(grey: NDArray[np.uint8], labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The picture, inverted where its particles are darker than what surrounds them."""
    inside = labels > 0
    if inside.any() and not inside.all() and grey[inside].mean() < grey[~inside].mean():
        return 255 - grey
    return grey


def median_diameter(labels: NDArray[np.int32]) -> float:
    """Median ECD in px of the label image's particles; 0 without particles."""
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 0]
    return float(np.median(np.sqrt(4 * areas / np.pi))) if len(areas) else 0.0


def read_folder(
    folder: Path, images: str = "images", labels: str = "labels", groups: str | None = None
) -> list[Labelled]:
    """All pairs `folder/images/X`, `folder/labels/X` with instance labels; `groups`: a CSV `image,group,...`."""
    return read_entry(folder, FolderEntry(path=str(folder), images=images, labels=labels, groups=groups or ""))


def read_entry(folder: Path, entry: FolderEntry) -> list[Labelled]:
    """The labelled micrographs of a folder as its entry describes them, sorted by name; raises BadDataset."""
    group_of = read_groups(folder / entry.groups) if entry.groups else {}
    pairs = [
        _read_pair(image, truth, group_in(image, group_of, entry.group_pattern), entry.background)
        for image, truth in paired_files(folder, entry)
    ]
    if not any(pair.diameter for pair in pairs):
        raise BadDataset(f"{folder} holds no particles: all its labels are background.")
    return pairs


def paired_files(folder: Path, entry: FolderEntry) -> list[tuple[Path, Path]]:
    """(image, labels) files: of one name, or of one stem with the entry's suffix; raises BadDataset."""
    images, truths = (pictures_in(folder / name, name) for name in (entry.images, entry.labels))
    by_name = {file.name: file for file in truths}
    by_stem = {file.stem: file for file in truths}
    pairs = []
    for image in images:
        truth = by_name.get(image.name) if not entry.label_suffix else None
        truth = truth or by_stem.get(image.stem + entry.label_suffix)
        if truth:
            pairs.append((image, truth))
        elif not entry.only_labelled:
            raise BadDataset(f"{image} has no labels in {folder / entry.labels}.")
    if not pairs:
        raise BadDataset(f"{folder / entry.images} holds no images" + (" with labels." if images else "."))
    return pairs


def usable_files(folder: Path, entry: FolderEntry) -> list[tuple[Path, Path]]:
    """`paired_files` of data that may be trained on; raises BadRecipe for those that are for evaluation only."""
    keep_apart(folder, folder / entry.images, folder / entry.labels)
    pairs = paired_files(folder, entry)
    keep_apart(*(file for pair in pairs for file in pair))
    return pairs


def pictures_in(folder: Path, name: str) -> list[Path]:
    """The picture files below a folder, sorted by name; raises BadDataset when there is no such folder."""
    if not folder.is_dir():
        raise BadDataset(f"There is no folder {name!r} in {folder.parent}.")
    return sorted((file for file in folder.rglob("*") if file.is_file() and is_picture(file)), key=lambda f: f.name)


def _read_pair(file: Path, truth: Path, group: str, background: int) -> Labelled:
    grey, raw = read_grey(file), read_labels(truth, background)
    if grey.shape != raw.shape:
        (h, w), (rows, columns) = grey.shape, raw.shape
        raise BadDataset(f"{file.name} is {w} x {h} pixels, its labels are {columns} x {rows}.")
    labels = split_pieces(_dense(raw))
    bright = bright_particles(grey, labels)
    return Labelled(file.name, bright, labels, median_diameter(labels), group, turned=bright is not grey)


def group_in(file: Path, group_of: dict[str, str], pattern: str) -> str:
    """The group of an image: what the pattern's bracket finds in its name, else the table's, else its own."""
    if not pattern:
        return group_of.get(file.name, file.stem)
    found = re.search(pattern, file.name)
    if not found or found[1] is None:
        raise BadDataset(f"group_pattern {pattern!r} finds no group in the name {file.name}.")
    return found[1]


def read_groups(file: Path) -> dict[str, str]:
    """Image -> group of a CSV `image,group,...`; raises BadDataset."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return {row[0]: row[1] for row in csv.reader(lines) if len(row) > 1}
    except (OSError, ValueError) as error:
        raise BadDataset(f"{file} cannot be read as the table of groups.") from error


def held_out(group: str, fraction: float, fold: int = 0) -> bool:
    """Whether a group belongs to the validation part: by a hash of its name, so a group never straddles."""
    return _draw(group, fold) < fraction


def _draw(group: str, fold: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{fold}:{group}".encode()).digest()[:4], "big") / 2**32


def validation_groups(groups: Sequence[str], fraction: float, fold: int = 0, folds: int = 0) -> set[str]:
    """The groups that are held out: a share of them, or with `folds` the fold-th of so many equal parts.

    Of two groups or more at least one is held out and at least one is not.
    """
    everything = sorted(set(groups))
    if folds:
        return set(sorted(everything, key=lambda group: _draw(group, 0))[fold::folds])
    if fraction == 0 or len(everything) < 2:
        return set()
    by_draw = sorted(everything, key=lambda group: _draw(group, fold))
    count = sum(held_out(group, fraction, fold) for group in everything)
    return set(by_draw[: min(max(1, count), len(by_draw) - 1)])


class FolderSource:
    """Crops of labelled micrographs, resampled so that particles have a random size within `sizes` px."""

    def __init__(self, pairs: Sequence[Labelled], sizes: Sequence[float] = SIZES) -> None:
        self.pairs, self.sizes = [p for p in pairs if p.diameter > 0], tuple(sizes)

    def draw(self, crop: int, rng: np.random.Generator) -> Sample:
        pair = self.pairs[int(rng.integers(len(self.pairs)))]
        wanted = np.exp(rng.uniform(*np.log(self.sizes)))
        # Not below half a crop (mostly padding then) and not magnified beyond what a microscope resolves.
        scale = float(np.clip(wanted / pair.diameter, 0.5 * crop / min(pair.grey.shape), 2.0))
        side = round(crop / scale)
        return resample(*_cut(pair.grey, pair.labels, side, rng), crop)


class RenderedSource:
    """A stock of rendered pictures, made once and drawn from with small changes of scale."""

    def __init__(
        self,
        count: int,
        side: int,
        seed: int,
        blank: float = 0.05,
        fixed: Mapping[str, Any] | None = None,
        diameters: tuple[float, float] = DIAMETERS,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.stock: list[Sample] = []
        for _ in range(count):
            if rng.random() < blank:
                self.stock.append((draw_empty((side, side), rng), np.zeros((side, side), np.int32)))
            else:
                self.stock.append(render((side, side), rng, fixed=fixed, diameters=diameters))

    def draw(self, crop: int, rng: np.random.Generator) -> Sample:
        grey, labels = self.stock[int(rng.integers(len(self.stock)))]
        side = min(grey.shape[0], round(crop * rng.uniform(0.8, 1.25)))
        return resample(*_cut(grey, labels, side, rng), crop)


def _cut(grey: NDArray[np.uint8], labels: NDArray[np.int32], side: int, rng: np.random.Generator) -> Sample:
    """A random square of `side` px, mirrored at the frame where the picture is smaller."""
    short = [max(0, side - n) for n in grey.shape]
    if any(short):
        pads = [(s // 2, s - s // 2) for s in short]
        grey, labels = np.pad(grey, pads, mode="symmetric"), np.pad(labels, pads, mode="symmetric")
    row, column = (int(rng.integers(0, n - side + 1)) for n in grey.shape)
    window = slice(row, row + side), slice(column, column + side)
    return grey[window], labels[window]


def resample(grey: NDArray[np.uint8], labels: NDArray[np.int32], side: int) -> Sample:
    """Both resampled to `side` x `side` px: grey by area averaging or interpolation, labels by nearest pixel."""
    if grey.shape[0] == side:
        return grey, split_pieces(_dense(labels))
    how = Image.Resampling.BOX if grey.shape[0] > side else Image.Resampling.BICUBIC
    small = np.asarray(Image.fromarray(grey).resize((side, side), how))
    index = ((np.arange(side) + 0.5) * grey.shape[0] / side).astype(int)
    return small, split_pieces(_dense(labels[np.ix_(index, index)]))


def _dense(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    _, dense = np.unique(np.append(labels.ravel(), 0), return_inverse=True)
    return dense[:-1].reshape(labels.shape).astype(np.int32)


def normalise(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Percentiles 0.5 and 99.5 to -1 and 1, clipped: the input that every network of ours expects."""
    low, high = np.percentile(grey, [0.5, 99.5])
    return (2 * np.clip((grey - low) / max(high - low, 1e-6), 0, 1) - 1).astype(np.float32)


class Crops(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """(1, S, S) inputs and (heads + 1, S, S) targets: the heads' maps, then a weight (see `targets`).

    The n-th sample depends on `seed` and n alone, so a resumed run sees what an unbroken one would, whatever
    the number of processes that prepare samples.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        weights: Sequence[float],
        crop: int,
        seed: int,
        *,
        augmentation: Augmentation | None = None,
        heads: Sequence[str] = HEADS,
        contacts: float = 4.0,
    ) -> None:
        self.sources, self.crop, self.seed = list(sources), crop, seed
        self.chances = np.asarray(weights, float) / np.sum(weights)
        self.augmentation, self.heads, self.contacts = augmentation or Augmentation(), tuple(heads), contacts

    def labelled(self, number: int) -> Sample:
        """The n-th crop, (S, S) uint8, with its labels, (S, S) int32."""
        rng = np.random.default_rng((self.seed, number))
        source = self.sources[int(rng.choice(len(self.sources), p=self.chances))]
        return augment(*source.draw(self.crop, rng), rng, self.augmentation)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        grey, labels = self.labelled(number)
        target = targets(labels, self.heads, self.contacts)
        return torch.from_numpy(normalise(grey)[None]), torch.from_numpy(target)
