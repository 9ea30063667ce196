"""Where training pictures come from: folders of labelled micrographs and our renderer."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch.utils.data import IterableDataset

from .synthesis.render import render, render_blank
from .synthesis.scene import split_pieces
from .targets import inner_distance, weights_near_contacts

Sample = tuple[NDArray[np.uint8], NDArray[np.int32]]
SIZES = (12.0, 80.0)  # typical particle diameters, in px, that a network is taught


class BadDataset(ValueError):
    """A data source cannot be used; the message says which file and why."""


class Source(Protocol):
    def draw(self, crop: int, rng: np.random.Generator) -> Sample: ...


@dataclass(frozen=True, eq=False)
class Labelled:
    """One micrograph with its truth.

    grey: (H, W) uint8, particles bright. labels: (H, W) int32. diameter: median ECD in px. group: its publication.
    """

    name: str
    grey: NDArray[np.uint8]
    labels: NDArray[np.int32]
    diameter: float
    group: str


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


def read_folder(folder: Path, images: str, labels: str, groups: str | None) -> list[Labelled]:
    """All pairs `folder/images/X`, `folder/labels/X` with instance labels; `groups`: a CSV `image,group,...`."""
    group_of = _read_groups(folder / groups) if groups else {}
    pairs = []
    for file in sorted((folder / images).iterdir()):
        truth = folder / labels / file.name
        if not truth.exists():
            raise BadDataset(f"{file} has no labels at {truth}.")
        pairs.append(_read_pair(file, truth, group_of.get(file.name, file.stem)))
    if not pairs:
        raise BadDataset(f"{folder / images} holds no images.")
    return pairs


def _read_pair(file: Path, truth: Path, group: str) -> Labelled:
    grey = np.asarray(Image.open(file).convert("L"))
    raw = np.asarray(Image.open(truth))
    if grey.shape != raw.shape:
        raise BadDataset(f"{file.name} is {grey.shape} pixels, its labels are {raw.shape}.")
    labels = split_pieces(np.unique(raw, return_inverse=True)[1].reshape(raw.shape).astype(np.int32))
    return Labelled(file.name, bright_particles(grey, labels), labels, median_diameter(labels), group)


def _read_groups(file: Path) -> dict[str, str]:
    with file.open(newline="") as lines:
        return {row[0]: row[1] for row in csv.reader(lines) if len(row) > 1}


def held_out(group: str, fraction: float, fold: int = 0) -> bool:
    """Whether a group belongs to the validation part: by a hash of its name, so a group never straddles."""
    number = int.from_bytes(hashlib.sha256(f"{fold}:{group}".encode()).digest()[:4], "big")
    return number / 2**32 < fraction


class FolderSource:
    """Crops of labelled micrographs, resampled so that particles have a random size within SIZES."""

    def __init__(self, pairs: Sequence[Labelled]) -> None:
        self.pairs = [p for p in pairs if p.diameter > 0]

    def draw(self, crop: int, rng: np.random.Generator) -> Sample:
        pair = self.pairs[int(rng.integers(len(self.pairs)))]
        wanted = np.exp(rng.uniform(*np.log(SIZES)))
        # Not below half a crop (mostly padding then) and not magnified beyond what a microscope resolves.
        scale = float(np.clip(wanted / pair.diameter, 0.5 * crop / min(pair.grey.shape), 2.0))
        side = round(crop / scale)
        return resample(*_cut(pair.grey, pair.labels, side, rng), crop)


class RenderedSource:
    """A stock of rendered pictures, made once and drawn from with small changes of scale."""

    def __init__(self, count: int, side: int, seed: int, blank: float = 0.05) -> None:
        rng = np.random.default_rng(seed)
        self.stock: list[Sample] = []
        for _ in range(count):
            if rng.random() < blank:
                self.stock.append((render_blank((side, side), rng), np.zeros((side, side), np.int32)))
            else:
                self.stock.append(render((side, side), rng))

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


def augment(grey: NDArray[np.uint8], labels: NDArray[np.int32], rng: np.random.Generator) -> Sample:
    """Dihedral flips, and changes of exposure, focus and noise that leave the outlines where they are."""
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    grey, labels = np.rot90(grey, turns), np.rot90(labels, turns)
    if mirror:
        grey, labels = grey[:, ::-1], labels[:, ::-1]
    picture = grey.astype(np.float32) / 255
    if rng.random() < 0.5:
        picture = picture ** np.float32(np.exp(rng.normal(0, 0.3)))
    if rng.random() < 0.3:
        picture = ndimage.gaussian_filter(picture, rng.uniform(0.3, 1.3))
    if rng.random() < 0.5:
        picture = picture + rng.normal(0, rng.uniform(0, 0.07), picture.shape)
    if rng.random() < 0.3:
        rows, columns = np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
        picture = picture + rng.normal(0, 0.12) * rows + rng.normal(0, 0.12) * columns
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8), np.ascontiguousarray(labels)


def normalise(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Percentiles 0.5 and 99.5 to -1 and 1, clipped: the input that every network of ours expects."""
    low, high = np.percentile(grey, [0.5, 99.5])
    return (2 * np.clip((grey - low) / max(high - low, 1e-6), 0, 1) - 1).astype(np.float32)


class Crops(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """An endless stream of (1, S, S) inputs and (3, S, S) targets: foreground, inner distance, weight.

    The n-th sample depends on `seed` and n alone, so a resumed run sees what an unbroken one would.
    """

    def __init__(
        self, sources: Sequence[Source], weights: Sequence[float], crop: int, seed: int, start: int = 0
    ) -> None:
        self.sources, self.crop, self.seed, self.start = list(sources), crop, seed, start
        self.chances = np.asarray(weights, float) / np.sum(weights)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        number = self.start
        while True:
            yield self.sample(number)
            number += 1

    def sample(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng = np.random.default_rng((self.seed, number))
        source = self.sources[int(rng.choice(len(self.sources), p=self.chances))]
        grey, labels = augment(*source.draw(self.crop, rng), rng)
        target = np.stack([labels > 0, inner_distance(labels), weights_near_contacts(labels)])
        return torch.from_numpy(normalise(grey)[None]), torch.from_numpy(target.astype(np.float32))
