"""The sources of training pictures: folders of labelled micrographs, rendered pictures, and agglomerates composed of
real particles. `Crops` draws the crops of a training from them."""

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

from ...core.masks.truth import BadDataset, Pair, find_pairs, groups_in
from ...core.micrograph.contrast import clip_outliers
from ...core.micrograph.types import GreyImage
from .contract import Field, Labels, Picture, Rng, Shape
from .instances.targets import near_contacts
from .settings import (
    SIZES,
    Augmentation,
    ComposedEntry,
    FolderEntry,
    RenderedEntry,
    TrainingRecipe,
    number_of_classes,
    refuse_evaluation_data,
)
from .synthesis.composites import compose
from .synthesis.cutouts import Stock, cut_out
from .synthesis.foreign import draw_empty
from .synthesis.noise import turned_or_mirrored
from .synthesis.render import render
from .synthesis.scene import split_pieces

if TYPE_CHECKING:
    from torch import Tensor

ZOOM = (0.8, 1.25)  # range of the random change of scale
Sample = tuple[Picture, Labels]  # a picture, objects bright, and its labels


class Source(Protocol):
    """A source of crops: `draw` returns a random square of `crop` px with its labels."""

    def draw(self, crop: int, rng: Rng) -> Sample: ...


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image with its labels, as a training uses it.

    grey: (H, W) uint8, objects bright. labels: (H, W) int32, each connected part an object, or the classes if
    the labels of the pair are classes. diameter: median ECD of the objects in px, 0 without any. dark: whether the
    objects are dark in the image itself.
    """

    pair: Pair
    grey: Picture
    labels: Labels
    diameter: float
    dark: bool = False

    @property
    def has_labels(self) -> bool:
        """Whether anything is labelled."""
        return bool(self.labels.any())


def are_dark(grey: Picture, labels: Labels) -> bool:
    """Whether the particles are darker than what surrounds them."""
    inside = labels > 0
    return bool(inside.any() and not inside.all() and grey[inside].mean() < grey[~inside].mean())


def pairs_of(folder: Path, entry: FolderEntry, count: int = 0) -> list[Pair]:
    """The images and labels of a folder as its entry describes them. count: of classes; 0: the labels are
    objects.

    Raises BadDataset, and BadRecipe for data that are for evaluation only.
    """
    refuse_evaluation_data(folder)
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
    refuse_evaluation_data(*(file for pair in pairs for file in pair.files))
    return pairs


def load_folder(folder: Path, entry: FolderEntry, count: int = 0) -> list[LabelledImage]:
    """The micrographs of a folder with their labels; raises BadDataset, also if nothing is labelled, and BadRecipe."""
    images = [load(pair) for pair in pairs_of(folder, entry, count)]
    if entry.polarity != "any":
        images = [image for image in images if image.dark == (entry.polarity == "dark")]
    if not any(image.has_labels for image in images):
        if count:
            numbers = ", ".join(map(str, images[0].pair.classes))
            nothing = f"holds no labelled pixels: in none of its labels there is a {numbers}."
        else:
            kind = "" if entry.polarity == "any" else f"{entry.polarity} "
            nothing = f"holds no {kind}particles: all its labels are background."
        raise BadDataset(f"{folder} {nothing}", on_page=f"The dataset {nothing}")
    return images


def load(pair: Pair) -> LabelledImage:
    """Read an image and its labels; raises BadDataset."""
    micrograph, labels = pair.load()
    return as_labelled_image(pair, micrograph.pixels, labels)


def as_labelled_image(pair: Pair, pixels: GreyImage, labels: Labels) -> LabelledImage:
    """The labelled image of a pair whose pixels (H, W) and labels (H, W) have been read."""
    if pair.classes:
        return LabelledImage(pair, clipped_picture(pixels), labels, 0.0)
    pieces, grey = split_pieces(labels), clipped_picture(pixels)
    dark = are_dark(grey, pieces)
    areas = np.bincount(pieces.ravel())[1:]
    areas = areas[areas > 0]
    diameter = float(np.median(np.sqrt(4 * areas / np.pi))) if len(areas) else 0.0
    return LabelledImage(pair, 255 - grey if dark else grey, pieces, diameter, dark)


def clipped_picture(pixels: GreyImage) -> Picture:
    """(H, W) uint8: the whole picture with its contrast clipped, as an analysis gives it to a network."""
    return np.rint(255 * clip_outliers(pixels)).astype(np.uint8)


def eight_bit_picture(pixels: GreyImage) -> Picture:
    """(H, W) uint8: the picture itself if it has eight bits, else `clipped_picture`."""
    return pixels if pixels.dtype == np.uint8 else clipped_picture(pixels)


def _hashed_fraction(name: str, salt: int) -> float:
    """A pseudo-random number in 0..1 from a hash of name and salt, the same in every run."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{name}".encode()).digest()[:4], "big") / 2**32


def validation_groups(groups: Sequence[str], fraction: float, fold: int = 0, folds: int = 0) -> set[str]:
    """The groups that are held out: a fraction of them or, with `folds`, part `fold` of `folds` parts. (Without
    `folds`, another `fold` draws other groups.)

    For a fraction above 0 of two groups or more, at least one group is held out, and never all. With fewer groups than
    parts some parts are empty.
    """
    every_group = sorted(set(groups))
    if folds:
        return set(sorted(every_group, key=lambda group: _hashed_fraction(group, 0))[fold::folds])
    if fraction == 0 or len(every_group) < 2:
        return set()
    in_drawn_order = sorted(every_group, key=lambda group: _hashed_fraction(group, fold))
    count = sum(_hashed_fraction(group, fold) < fraction for group in every_group)
    return set(in_drawn_order[: min(max(1, count), len(in_drawn_order) - 1)])


class FolderSource:
    """Crops of labelled micrographs.

    A picture of objects is resampled so that their median diameter is random within `sizes` px (with the limits in
    `draw`); a picture of classes by `scale` times a random factor within ZOOM.
    """

    def __init__(self, pairs: Sequence[LabelledImage], sizes: Sequence[float] = SIZES, scale: float = 1.0) -> None:
        self.pairs, self.sizes, self.scale = pairs, tuple(sizes), scale

    def draw(self, crop: int, rng: Rng) -> Sample:
        image = self.pairs[int(rng.integers(len(self.pairs)))]
        has_classes = bool(image.pair.classes)
        zoom = np.exp(rng.uniform(*np.log(ZOOM if has_classes else self.sizes))) * (self.scale if has_classes else 1.0)
        # The picture fills at least half of a crop, as the rest is padding. It is enlarged two times at most, because
        # a microscope does not resolve more.
        scale = float(np.clip(zoom / (image.diameter or 1.0), 0.5 * crop / min(image.grey.shape), 2.0))
        side = round(crop / scale)
        return resample(*_random_square(image.grey, image.labels, side, rng), crop, has_classes=has_classes)


DrawPicture = Callable[[Shape, Rng], Sample]  # makes a random picture of this shape, with its labels


@dataclass(eq=False)
class DrawnSource:
    """Crops of `count` rendered or composed pictures, with small changes of scale.

    side: px of a picture. blank: share of pictures without particles. draw_picture: makes a picture with particles.
    cycle: the number of the restart for which the pictures are made (see `renew`).
    """

    count: int
    side: int
    seed: int
    draw_picture: DrawPicture
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
                grey, labels = self.draw_picture(shape, rng)
            self.stock.append((clipped_picture(grey), labels))

    def draw(self, crop: int, rng: Rng) -> Sample:
        grey, labels = self.stock[int(rng.integers(len(self.stock)))]
        side = min(grey.shape[0], round(crop * rng.uniform(*ZOOM)))
        return resample(*_random_square(grey, labels, side, rng), crop)


def rendering_function(entry: RenderedEntry) -> DrawPicture:
    """The function that renders a picture with the settings of this source."""
    return partial(render, fixed=entry.settings, diameters=(entry.diameters[0], entry.diameters[1]))


def stock_of(pictures: Iterable[LabelledImage]) -> Stock:
    """Cut-outs for composites: whole particles that touch few others, and empty substrate."""
    return cut_out((image.grey, image.labels, image.pair.group) for image in pictures)


def composing_function(entry: ComposedEntry, pictures: Sequence[LabelledImage]) -> DrawPicture:
    """The function that composes pictures of the particles of these images; raises BadDataset if no whole
    particle touches few others."""
    stock = stock_of(pictures)
    if not stock.particles:
        raise BadDataset(f"{entry.path} holds no whole particle that lies free, so none can be cut out.")
    return partial(compose, stock=stock, diameters=(entry.diameters[0], entry.diameters[1]))


def _random_square(grey: Picture, labels: Labels, side: int, rng: Rng) -> Sample:
    """A random square of `side` px; a smaller picture is continued by mirroring it at its frame."""
    missing = [max(0, side - n) for n in grey.shape]
    if any(missing):
        pads = [(px // 2, px - px // 2) for px in missing]
        grey, labels = np.pad(grey, pads, mode="symmetric"), np.pad(labels, pads, mode="symmetric")
    row, column = (int(rng.integers(0, n - side + 1)) for n in grey.shape)
    window = slice(row, row + side), slice(column, column + side)
    return grey[window], labels[window]


def resample(grey: Picture, labels: Labels, side: int, *, has_classes: bool = False) -> Sample:
    """A square picture, resampled to `side` x `side` px by area averaging or interpolation, and its labels, by
    nearest pixel.

    If an object is then in several pieces, each piece becomes an object; pieces of a class stay one class.
    """
    split = (lambda classes: classes) if has_classes else split_pieces
    if grey.shape[0] == side:
        return grey, split(labels)
    method = Image.Resampling.BOX if grey.shape[0] > side else Image.Resampling.BICUBIC
    resized = np.asarray(Image.fromarray(grey).resize((side, side), method))
    index = ((np.arange(side) + 0.5) * grey.shape[0] / side).astype(int)
    return resized, split(labels[np.ix_(index, index)])


def augment(grey: Picture, labels: Labels, rng: Rng, settings: Augmentation) -> Sample:
    """A crop (S, S) uint8 and its labels, changed at random: turned or mirrored, and with another exposure, focus,
    noise.

    settings: how often and how much.
    """
    if settings.flips:
        grey, labels = turned_or_mirrored(rng, grey, labels)
    picture = _change_exposure(grey.astype(np.float32) / 255, settings, rng)
    result = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return result, np.ascontiguousarray(labels)


def _change_exposure(picture: Field, settings: Augmentation, rng: Rng) -> Field:
    """The picture (H, W), 0 to 1, with gamma, blur, noise, a brightness gradient and an inversion, each with the
    probability in the settings."""
    if rng.random() < settings.exposure:
        picture = picture ** np.float32(np.exp(rng.normal(0, settings.exposure_spread)))
    if rng.random() < settings.focus:
        picture = ndimage.gaussian_filter(picture, rng.uniform(0.3, settings.focus_px))
    if rng.random() < settings.noise:
        picture = picture + rng.normal(0, rng.uniform(0, settings.noise_spread), picture.shape)
    if rng.random() < settings.gradient:
        rows, columns = np.mgrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]
        slopes = rng.normal(0, settings.gradient_spread), rng.normal(0, settings.gradient_spread)
        picture = picture + slopes[0] * rows + slopes[1] * columns
    if settings.invert and rng.random() < settings.invert:
        picture = 1 - picture
    return picture


@dataclass(eq=False)
class Crops:
    """The crops of a training, by number: inputs (1, S, S) in -1..1 and targets (T, S, S).

    Crop n depends only on sources, seed and n, so a resumed run gets the same crops as an uninterrupted run, with any
    number of processes that prepare them. weights: relative frequencies of the sources. targets(labels): makes the
    targets. densest: number of crops that are drawn for each; the crop with most pixels near contacts is taken.
    """

    sources: Sequence[Source]
    weights: Sequence[float]
    crop: int
    seed: int
    _: KW_ONLY
    targets: Callable[[Labels], Field]
    augmentation: Augmentation = field(default_factory=Augmentation)
    densest: int = 1

    def with_labels(self, number: int) -> Sample:
        """The n-th crop, (S, S) uint8, with its labels, (S, S) int32."""
        rng = np.random.default_rng((self.seed, number))
        probabilities = np.asarray(self.weights, float) / np.sum(self.weights)
        source = self.sources[int(rng.choice(len(self.sources), p=probabilities))]
        samples = [source.draw(self.crop, rng) for _ in range(self.densest)]
        densest = max(samples, key=lambda sample: near_contacts(sample[1]).sum()) if self.densest > 1 else samples[0]
        return augment(*densest, rng, self.augmentation)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return self.tensors(*self.with_labels(number))

    def tensors(self, grey: Picture, labels: Labels) -> tuple[Tensor, Tensor]:
        """The input for the network and the targets for the loss, from a crop and its labels."""
        import torch

        return torch.from_numpy(grey[None].astype(np.float32) / 127.5 - 1), torch.from_numpy(self.targets(labels))


@dataclass(frozen=True, eq=False)
class Sources:
    """The sources of training crops and of validation crops, with their weights."""

    training: list[Source] = field(default_factory=list)
    validation: list[Source] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    validation_weights: list[float] = field(default_factory=list)


def make_sources(recipe: TrainingRecipe, base: Path, cycle: int = 0) -> Sources:
    """The sources of a recipe. Folders are split by group; their paths are relative to `base`.

    cycle: number of restarts so far; in each cycle other pictures are rendered for training. Folders are read before
    anything is rendered, so that an error in a folder is found at once. Raises BadDataset, and
    BadRecipe for data that are for evaluation only.
    """
    folders = iter(split_sources(recipe, base))
    result = Sources()
    for number, entry in enumerate(recipe.sources):
        parts: list[Source | None]
        if isinstance(entry, RenderedEntry):
            parts = _drawn_sources(recipe, number, entry, entry.count, [rendering_function(entry)] * 2, cycle)
        elif isinstance(entry, ComposedEntry):
            draw_functions = [composing_function(entry, images) if images else None for images in next(folders)]
            parts = _drawn_sources(recipe, number, entry, entry.pictures, draw_functions, cycle)
        else:
            labelled_images = [[image for image in images if image.has_labels] for images in next(folders)]
            scale = recipe.options.get("scale", 1.0)
            parts = [FolderSource(images, recipe.sizes, scale) if images else None for images in labelled_images]
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


def _drawn_sources(
    recipe: TrainingRecipe,
    number: int,
    entry: RenderedEntry | ComposedEntry,
    pictures: int,
    draw_functions: Sequence[DrawPicture | None],
    cycle: int,
) -> list[Source | None]:
    """The sources of rendered or composed pictures for training, in this cycle, and for validation, the same in all
    cycles.

    number: of the source in the recipe. draw_functions: those for training and for validation; None gives None.
    """
    side, training, validation = recipe.crop + recipe.crop // 4, *draw_functions
    return [
        training and DrawnSource(pictures, side, recipe.seed + number, training, entry.blank, cycle),
        validation and DrawnSource(max(8, pictures // 25), side, recipe.seed + 1000 + number, validation, entry.blank),
    ]


def training_images(recipe: TrainingRecipe, base: Path) -> list[LabelledImage]:
    """The micrographs of the recipe's folders that are trained on; raises what `make_sources` raises."""
    return _distinct([image for training, _ in split_sources(recipe, base) for image in training if image.has_labels])


def _distinct(pictures: Sequence[LabelledImage]) -> list[LabelledImage]:
    """The pictures, each file once: two sources may use the same folder, as it is and for composites."""
    return list({(image.pair.image, image.pair.labels): image for image in pictures}.values())


def held_out_images(recipe: TrainingRecipe, base: Path) -> list[LabelledImage]:
    """The micrographs of the recipe's folders that are held out; raises what `make_sources` raises."""
    folders = split_sources(recipe, base)
    if not folders:
        raise BadDataset("The recipe has no folder of micrographs: it holds nothing out.")
    return _distinct([image for _, held_out_images in folders for image in held_out_images])


def held_out_pairs(recipe: TrainingRecipe, base: Path) -> list[Pair]:
    """The images of `held_out_images` with their labels; if two have the same name, the second gets another one."""
    by_name: dict[str, Pair] = {}
    for number, pair in enumerate((image.pair for image in held_out_images(recipe, base)), start=1):
        name = pair.name if pair.name not in by_name else f"{pair.name}-{number}"
        by_name[name] = replace(pair, name=name)
    return list(by_name.values())


def count_groups(recipe: TrainingRecipe, base: Path) -> int:
    """The largest number of groups with labels in a folder of the recipe that is split; raises what `make_sources`
    raises."""
    count = number_of_classes(recipe.task, recipe.heads)
    folders = [entry for entry in recipe.sources if isinstance(entry, FolderEntry)]
    loaded = [load_folder(base / entry.path, entry, count) for entry in folders if entry.use in ("both", "held-out")]
    return max((len({image.pair.group for image in images if image.has_labels}) for images in loaded), default=0)


Split = tuple[list[LabelledImage], list[LabelledImage]]  # (images for training, held-out images)


def split_sources(recipe: TrainingRecipe, base: Path) -> list[Split]:
    """(for training, held out) micrographs of each of the recipe's folders; raises BadDataset, BadRecipe.

    If one source holds out an image, no other source trains on this image or on images of its group in that folder.
    If the entry has a `count`, so many of the remaining images are drawn for training.
    """
    folders = [entry for entry in recipe.sources if isinstance(entry, FolderEntry)]
    splits = [_split_source(entry, recipe, base) for entry in folders]
    # Compared by folder and group, and also by file: another source may use another path, or no groups.
    paths = [(base / entry.path).resolve() for entry in folders]
    held_out_groups = {
        (folder, image.pair.group)
        for folder, (_, held_out_images) in zip(paths, splits, strict=True)
        for image in held_out_images
    }
    held_out_files = {image.pair.image.resolve() for _, held_out_images in splits for image in held_out_images}
    checked_splits = []
    for entry, folder, (training, held_out_images) in zip(folders, paths, splits, strict=True):
        of_other_groups = [image for image in training if (folder, image.pair.group) not in held_out_groups]
        usable = [image for image in of_other_groups if image.pair.image.resolve() not in held_out_files]
        if len(usable) < entry.count:
            raise BadDataset(f"{entry.path} leaves {len(usable)} images to train on, and count asks for {entry.count}.")
        drawn_order = sorted(usable, key=lambda image: _hashed_fraction(image.pair.name, recipe.seed))
        checked_splits.append((drawn_order[: entry.count] if entry.count else usable, held_out_images))
    return checked_splits


def _split_source(entry: FolderEntry, recipe: TrainingRecipe, base: Path) -> Split:
    """(for training, held out) micrographs of a folder; raises BadDataset, and BadRecipe where it may not be used."""
    loaded = load_folder(base / entry.path, entry, number_of_classes(recipe.task, recipe.heads))
    if entry.use == "training":
        return loaded, []
    if entry.use == "validation":
        return [], loaded
    groups_with_labels = {image.pair.group for image in loaded if image.has_labels}
    groups_without_labels = {image.pair.group for image in loaded} - groups_with_labels
    held_out_groups = set()
    # Each kind is split separately, or else the held-out part could consist of empty images only.
    for groups in (groups_with_labels, groups_without_labels):
        held_out_groups |= validation_groups(sorted(groups), recipe.validation, recipe.fold, recipe.folds)
    training = [image for image in loaded if image.pair.group not in held_out_groups and entry.use == "both"]
    return training, [image for image in loaded if image.pair.group in held_out_groups]
