"""Where training pictures come from: folders of labelled micrographs, our renderer, and composed real particles."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image
from scipy import ndimage

from ...core.micrograph.contrast import clip_outliers
from ...core.micrograph.types import GreyImage
from ...core.truth import BadDataset, Pair, find_pairs, groups_in
from .contract import Field, Labels, Picture, Rng, Shape
from .instances.targets import near_contacts
from .settings import (
    SIZES,
    Augmentation,
    ComposedEntry,
    FolderEntry,
    RenderedEntry,
    TrainingRecipe,
    keep_apart,
    number_of_classes,
)
from .synthesis.composites import compose
from .synthesis.cutouts import Stock, cut_out
from .synthesis.foreign import draw_empty
from .synthesis.noise import turned_or_mirrored
from .synthesis.render import render
from .synthesis.scene import split_pieces

if TYPE_CHECKING:
    from torch import Tensor

ZOOM = (0.8, 1.25)  # small changes of scale
Sample = tuple[Picture, Labels]


class Source(Protocol):
    def draw(self, crop: int, rng: Rng) -> Sample: ...


@dataclass(frozen=True, eq=False)
class Labelled:
    """A pair as it is trained on.

    grey: (H, W) uint8, objects bright. labels: (H, W) int32, each piece an object; or classes, where the pair's labels
    are. diameter: median ECD of objects in px, 0 without any. dark: whether they are so in the image.
    """

    pair: Pair
    grey: Picture
    labels: Labels
    diameter: float
    dark: bool = False

    @property
    def taught(self) -> bool:
        """Whether there is anything to learn from."""
        return bool(self.labels.any())


def are_dark(grey: Picture, labels: Labels) -> bool:
    """Whether the particles are darker than what surrounds them."""
    inside = labels > 0
    return bool(inside.any() and not inside.all() and grey[inside].mean() < grey[~inside].mean())


def pairs_of(folder: Path, entry: FolderEntry, count: int = 0) -> list[Pair]:
    """The images and labels of a folder as its entry describes them. count: of classes, 0 of objects.

    Raises BadDataset, and BadRecipe for data that are for evaluation only.
    """
    keep_apart(folder)
    folder_pairs = find_pairs(
        folder,
        entry.images,
        entry.labels,
        suffix=entry.label_suffix,
        groups=groups_in(folder, entry.groups),
        pattern=entry.group_pattern,
        background=entry.background,
        classes=tuple(entry.classes),
        count=count,
    )
    pairs = folder_pairs.complete(only_labelled=entry.only_labelled)
    keep_apart(*(file for pair in pairs for file in pair.files))
    return pairs


def load_folder(folder: Path, entry: FolderEntry, count: int = 0) -> list[Labelled]:
    """The labelled micrographs of a folder; raises BadDataset, also where nothing is labelled, and BadRecipe."""
    loaded = [load(pair) for pair in pairs_of(folder, entry, count)]
    if entry.polarity != "any":
        loaded = [one for one in loaded if one.dark == (entry.polarity == "dark")]
    if not any(one.taught for one in loaded):
        if count:
            numbers = ", ".join(map(str, loaded[0].pair.classes))
            nothing = f"holds no labelled pixels: in none of its labels there is a {numbers}."
        else:
            kind = "" if entry.polarity == "any" else f"{entry.polarity} "
            nothing = f"holds no {kind}particles: all its labels are background."
        raise BadDataset(f"{folder} {nothing}", on_page=f"The dataset {nothing}")
    return loaded


def load(pair: Pair) -> Labelled:
    """A pair, read; raises BadDataset."""
    micrograph, labels = pair.load()
    return labelled(pair, micrograph.pixels, labels)


def labelled(pair: Pair, pixels: GreyImage, labels: Labels) -> Labelled:
    """A pair whose image (H, W) and labels (H, W) are read."""
    if pair.classes:
        return Labelled(pair, as_seen(pixels), labels, 0.0)
    pieces, grey = split_pieces(labels), as_seen(pixels)
    dark = are_dark(grey, pieces)
    areas = np.bincount(pieces.ravel())[1:]
    areas = areas[areas > 0]
    diameter = float(np.median(np.sqrt(4 * areas / np.pi))) if len(areas) else 0.0
    return Labelled(pair, 255 - grey if dark else grey, pieces, diameter, dark)


def as_seen(pixels: GreyImage) -> Picture:
    """(H, W) uint8: the whole picture with its contrast clipped, as an analysis shows it to a network."""
    return np.rint(255 * clip_outliers(pixels)).astype(np.uint8)


def eight_bits(pixels: GreyImage) -> Picture:
    """(H, W) uint8: the picture itself where it has eight bits, else as it is seen."""
    return pixels if pixels.dtype == np.uint8 else as_seen(pixels)


def _draw_of(name: str, salt: int) -> float:
    """A number in 0..1 by a hash of both: the same for a name in every run."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{name}".encode()).digest()[:4], "big") / 2**32


def validation_groups(groups: Sequence[str], fraction: float, fold: int = 0, folds: int = 0) -> set[str]:
    """The groups that are held out: a share of them, or with `folds` the fold-th of so many equal parts.

    A share above 0 of two groups or more is at least one group, and never all of them. A part is empty where there are
    fewer groups than parts.
    """
    everything = sorted(set(groups))
    if folds:
        return set(sorted(everything, key=lambda group: _draw_of(group, 0))[fold::folds])
    if fraction == 0 or len(everything) < 2:
        return set()
    by_draw = sorted(everything, key=lambda group: _draw_of(group, fold))
    count = sum(_draw_of(group, fold) < fraction for group in everything)
    return set(by_draw[: min(max(1, count), len(by_draw) - 1)])


class FolderSource:
    """Crops of labelled micrographs, resampled so that their median diameter is random within `sizes` px, as far as
    `draw` allows; a picture of classes is resampled by `scale` times a random factor within ZOOM."""

    def __init__(self, pairs: Sequence[Labelled], sizes: Sequence[float] = SIZES, scale: float = 1.0) -> None:
        self.pairs, self.sizes, self.scale = pairs, tuple(sizes), scale

    def draw(self, crop: int, rng: Rng) -> Sample:
        image = self.pairs[int(rng.integers(len(self.pairs)))]
        has_classes = bool(image.pair.classes)
        zoom = np.exp(rng.uniform(*np.log(ZOOM if has_classes else self.sizes))) * (self.scale if has_classes else 1.0)
        # Not below half a crop (mostly padding then) and not magnified beyond what a microscope resolves.
        scale = float(np.clip(zoom / (image.diameter or 1.0), 0.5 * crop / min(image.grey.shape), 2.0))
        side = round(crop / scale)
        return resample(*_cut(image.grey, image.labels, side, rng), crop, has_classes=has_classes)


Drawing = Callable[[Shape, Rng], Sample]  # of a picture of this shape, and its labels


@dataclass(eq=False)
class DrawnSource:
    """Rendered or composed pictures, a share `blank` of them without particles, drawn from with small changes of scale;
    `renew` makes them anew."""

    count: int
    side: int
    seed: int
    drawing: Drawing
    blank: float = 0.0
    cycle: InitVar[int] = 0

    def __post_init__(self, cycle: int) -> None:
        self.renew(cycle)

    def renew(self, cycle: int) -> None:
        """Replace the pictures with the pictures of this cycle, counted from 0."""
        rng = np.random.default_rng((self.seed, cycle) if cycle else self.seed)
        shape = self.side, self.side
        self.stock: list[Sample] = []
        for _ in range(self.count):
            if rng.random() < self.blank:
                grey, labels = draw_empty(shape, rng), np.zeros(shape, np.int32)
            else:
                grey, labels = self.drawing(shape, rng)
            self.stock.append((as_seen(grey), labels))

    def draw(self, crop: int, rng: Rng) -> Sample:
        grey, labels = self.stock[int(rng.integers(len(self.stock)))]
        side = min(grey.shape[0], round(crop * rng.uniform(*ZOOM)))
        return resample(*_cut(grey, labels, side, rng), crop)


def renders(entry: RenderedEntry) -> Drawing:
    """What a source of rendered pictures draws."""
    return partial(render, fixed=entry.settings, diameters=(entry.diameters[0], entry.diameters[1]))


def stock_of(pictures: Iterable[Labelled]) -> Stock:
    """The whole, free particles and the empty substrate of pictures."""
    return cut_out((one.grey, one.labels, one.pair.group) for one in pictures)


def composites(entry: ComposedEntry, pictures: Sequence[Labelled]) -> Drawing:
    """What is composed of the pictures' particles; raises BadDataset where none is whole and free."""
    stock = stock_of(pictures)
    if not stock.particles:
        raise BadDataset(f"{entry.path} holds no whole particle that lies free, so none can be cut out.")
    return partial(compose, stock=stock, diameters=(entry.diameters[0], entry.diameters[1]))


def _cut(grey: Picture, labels: Labels, side: int, rng: Rng) -> Sample:
    """A random square of `side` px, mirrored at the frame where the picture is smaller."""
    short = [max(0, side - n) for n in grey.shape]
    if any(short):
        pads = [(s // 2, s - s // 2) for s in short]
        grey, labels = np.pad(grey, pads, mode="symmetric"), np.pad(labels, pads, mode="symmetric")
    row, column = (int(rng.integers(0, n - side + 1)) for n in grey.shape)
    window = slice(row, row + side), slice(column, column + side)
    return grey[window], labels[window]


def resample(grey: Picture, labels: Labels, side: int, *, has_classes: bool = False) -> Sample:
    """A square picture by area averaging or interpolation, and its labels by nearest pixel, of `side` x `side` px.

    Each piece of an object that falls to pieces is an object then; not of a class.
    """
    in_pieces = (lambda whole: whole) if has_classes else split_pieces
    if grey.shape[0] == side:
        return grey, in_pieces(labels)
    how = Image.Resampling.BOX if grey.shape[0] > side else Image.Resampling.BICUBIC
    small = np.asarray(Image.fromarray(grey).resize((side, side), how))
    index = ((np.arange(side) + 0.5) * grey.shape[0] / side).astype(int)
    return small, in_pieces(labels[np.ix_(index, index)])


def augment(grey: Picture, labels: Labels, rng: Rng, how: Augmentation) -> Sample:
    """Dihedral flips, and changes of exposure, focus, noise and the rest of `how`; grey (S, S) uint8."""
    if how.flips:
        grey, labels = turned_or_mirrored(rng, grey, labels)
    picture = _change_exposure(grey.astype(np.float32) / 255, how, rng)
    changed = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return changed, np.ascontiguousarray(labels)


def _change_exposure(picture: Field, how: Augmentation, rng: Rng) -> Field:
    """The picture (H, W), 0 to 1, with gamma, blur, noise, a slope and an inversion, each as often as `how` says."""
    if rng.random() < how.exposure:
        picture = picture ** np.float32(np.exp(rng.normal(0, how.exposure_spread)))
    if rng.random() < how.focus:
        picture = ndimage.gaussian_filter(picture, rng.uniform(0.3, how.focus_px))
    if rng.random() < how.noise:
        picture = picture + rng.normal(0, rng.uniform(0, how.noise_spread), picture.shape)
    if rng.random() < how.gradient:
        rows, columns = np.mgrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]
        slopes = rng.normal(0, how.gradient_spread), rng.normal(0, how.gradient_spread)
        picture = picture + slopes[0] * rows + slopes[1] * columns
    if how.invert and rng.random() < how.invert:
        picture = 1 - picture
    return picture


@dataclass(eq=False)
class Crops:
    """(1, S, S) inputs and (T, S, S) targets, which `targets` makes of labels (S, S).

    The n-th sample depends on sources, seed and n alone, so a resumed run sees what an unbroken one would, whatever the
    number of processes that prepare samples. densest: of so many crops that with most pixels at contacts is taken.
    """

    sources: Sequence[Source]
    weights: Sequence[float]
    crop: int
    seed: int
    _: KW_ONLY
    targets: Callable[[Labels], Field]
    augmentation: Augmentation = field(default_factory=Augmentation)
    densest: int = 1

    def labelled(self, number: int) -> Sample:
        """The n-th crop, (S, S) uint8, with its labels, (S, S) int32."""
        rng = np.random.default_rng((self.seed, number))
        probabilities = np.asarray(self.weights, float) / np.sum(self.weights)
        source = self.sources[int(rng.choice(len(self.sources), p=probabilities))]
        drawn = [source.draw(self.crop, rng) for _ in range(self.densest)]
        densest = max(drawn, key=lambda sample: near_contacts(sample[1]).sum()) if self.densest > 1 else drawn[0]
        return augment(*densest, rng, self.augmentation)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return self.tensors(*self.labelled(number))

    def tensors(self, grey: Picture, labels: Labels) -> tuple[Tensor, Tensor]:
        """A labelled crop as a network and its loss take it."""
        import torch

        return torch.from_numpy(grey[None].astype(np.float32) / 127.5 - 1), torch.from_numpy(self.targets(labels))


@dataclass(frozen=True, eq=False)
class Sources:
    """What to draw from, each list with its weights."""

    training: list[Source] = field(default_factory=list)
    validation: list[Source] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    validation_weights: list[float] = field(default_factory=list)


def make_sources(recipe: TrainingRecipe, base: Path, cycle: int = 0) -> Sources:
    """Training sources of a cycle and validation sources; folders are split by group, paths are relative to `base`.

    Folders are read before anything is rendered, so that a wrong one is found at once. Raises BadDataset, and
    BadRecipe for data that are for evaluation only.
    """
    folders = iter(split_sources(recipe, base))
    result = Sources()
    for number, entry in enumerate(recipe.sources):
        parts: list[Source | None]
        if isinstance(entry, RenderedEntry):
            parts = _drawn(recipe, number, entry, entry.count, [renders(entry)] * 2, cycle)
        elif isinstance(entry, ComposedEntry):
            drawings = [composites(entry, pairs) if pairs else None for pairs in next(folders)]
            parts = _drawn(recipe, number, entry, entry.pictures, drawings, cycle)
        else:
            taught = [[pair for pair in pairs if pair.taught] for pairs in next(folders)]
            scale = recipe.options.get("scale", 1.0)
            parts = [FolderSource(pairs, recipe.sizes, scale) if pairs else None for pairs in taught]
        lists = (result.training, result.weights), (result.validation, result.validation_weights)
        for source, (sources, weights) in zip(parts, lists, strict=True):
            if source:
                sources.append(source)
                weights.append(entry.weight)
    if not result.training:
        raise BadDataset("The recipe's sources leave no picture with labels to train on.")
    if not result.validation and recipe.validation_batches:
        raise BadDataset(
            "The recipe's sources leave no picture with labels to validate on: "
            'a folder needs images of two groups at least, or a source of its own with use = "validation".'
        )
    return result


def _drawn(
    recipe: TrainingRecipe,
    number: int,
    entry: RenderedEntry | ComposedEntry,
    pictures: int,
    drawings: Sequence[Drawing | None],
    cycle: int,
) -> list[Source | None]:
    """Drawn pictures for training, of this cycle, and for validation, always the same; None without a drawing."""
    side, training, validation = recipe.crop + recipe.crop // 4, *drawings
    return [
        training and DrawnSource(pictures, side, recipe.seed + number, training, entry.blank, cycle),
        validation and DrawnSource(max(8, pictures // 25), side, recipe.seed + 1000 + number, validation, entry.blank),
    ]


def training_images(recipe: TrainingRecipe, base: Path) -> list[Labelled]:
    """The micrographs of the recipe's folders that are trained on; raises as `make_sources`."""
    return _distinct([one for training, _ in split_sources(recipe, base) for one in training if one.taught])


def _distinct(pictures: Sequence[Labelled]) -> list[Labelled]:
    """Each file once: a folder may be trained on as it is and be composed from."""
    return list({(one.pair.image, one.pair.labels): one for one in pictures}.values())


def held_out(recipe: TrainingRecipe, base: Path) -> list[Labelled]:
    """The micrographs of the recipe's folders that are kept from training; raises as `make_sources`."""
    folders = split_sources(recipe, base)
    if not folders:
        raise BadDataset("The recipe has no folder of micrographs: it holds nothing out.")
    return _distinct([one for _, apart in folders for one in apart])


def held_out_pairs(recipe: TrainingRecipe, base: Path) -> list[Pair]:
    """The pairs of `held_out`, with names of their own where two folders share one."""
    named: dict[str, Pair] = {}
    for number, pair in enumerate((labelled.pair for labelled in held_out(recipe, base)), start=1):
        name = pair.name if pair.name not in named else f"{pair.name}-{number}"
        named[name] = replace(pair, name=name)
    return list(named.values())


def count_groups(recipe: TrainingRecipe, base: Path) -> int:
    """The largest number of groups with labels that a folder of the recipe parts; raises as `make_sources`."""
    count = number_of_classes(recipe.task, recipe.heads)
    folders = [entry for entry in recipe.sources if isinstance(entry, FolderEntry)]
    loaded = [load_folder(base / entry.path, entry, count) for entry in folders if entry.use in ("both", "held-out")]
    return max((len({one.pair.group for one in side if one.taught}) for side in loaded), default=0)


Sides = tuple[list[Labelled], list[Labelled]]


def split_sources(recipe: TrainingRecipe, base: Path) -> list[Sides]:
    """(for training, held out) micrographs of each of the recipe's folders; raises BadDataset, BadRecipe.

    What one source holds out, no other trains on, nor on that group in that folder. Of the rest `count` are drawn.
    """
    folders = [entry for entry in recipe.sources if isinstance(entry, FolderEntry)]
    sides = [_split_source(entry, recipe, base) for entry in folders]
    # By folder and group, and by file: another source may name the folder otherwise, or know no groups in it.
    where = [(base / entry.path).resolve() for entry in folders]
    held = {(folder, one.pair.group) for folder, (_, out) in zip(where, sides, strict=True) for one in out}
    files = {one.pair.image.resolve() for _, out in sides for one in out}
    divided = []
    for entry, folder, (training, out) in zip(folders, where, sides, strict=True):
        free = [one for one in training if (folder, one.pair.group) not in held]
        usable = [one for one in free if one.pair.image.resolve() not in files]
        if len(usable) < entry.count:
            raise BadDataset(f"{entry.path} leaves {len(usable)} images to train on, and count asks for {entry.count}.")
        by_draw = sorted(usable, key=lambda one: _draw_of(one.pair.name, recipe.seed))
        divided.append((by_draw[: entry.count] if entry.count else usable, out))
    return divided


def _split_source(entry: FolderEntry, recipe: TrainingRecipe, base: Path) -> Sides:
    """(for training, held out) micrographs of a folder; raises BadDataset, and BadRecipe where it may not be used."""
    loaded = load_folder(base / entry.path, entry, number_of_classes(recipe.task, recipe.heads))
    if entry.use == "training":
        return loaded, []
    if entry.use == "validation":
        return [], loaded
    full = {one.pair.group for one in loaded if one.taught}
    empty = {one.pair.group for one in loaded} - full
    apart = set()
    for groups in (full, empty):  # apart, so that a part held out is not all empty images
        apart |= validation_groups(sorted(groups), recipe.validation, recipe.fold, recipe.folds)
    training = [one for one in loaded if one.pair.group not in apart and entry.use == "both"]
    return training, [one for one in loaded if one.pair.group in apart]
