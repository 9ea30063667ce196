"""Finds and reads images with ground truth in a folder: pairs of an image and its labels, and groups of images.

It is used for measuring masks, for training, and for checking and scoring datasets.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..learning.dataset_files import REGIONS, UNLABELLED, Region, read_regions
from ..micrograph import formats
from ..micrograph.calibration.square import resample_labels, stored_shape
from ..micrograph.grey import to_grey
from ..micrograph.kinds import sha256_of
from ..micrograph.reader import read
from ..micrograph.scale_bar.databar import first_bar_row
from ..micrograph.types import Calibration, Micrograph, UnreadableImage
from ..names import file_name
from .label_images import LOSSY, TIFF, Labels, one_plane, read_array, read_mask, read_numbers

LABEL_KINDS = (".png", *TIFF, ".npy", ".bmp", *LOSSY)  # suffixes; LOSSY files are refused with a sentence when read
IMAGE_FOLDERS = ("images", "image", "imgs", "img")  # names of folders, the likeliest first
LABEL_FOLDERS = ("labels", "masks", "segmaps", "label", "mask", "annotations")
NO_LABELS = "none"  # instead of the name of a folder of labels: no image shows an object
ANY_NUMBER = -1  # as the number of classes: it is found from the files
MOST_CLASSES = 20
TILE = re.compile(
    r"(_block_\d+)?(_rotated_(?:90|180|270))?(_flipped)?$"
)  # ends the names that lab.research.tiles gives


class BadDataset(UserError):
    """Images with ground truth cannot be used; the message names the file and the reason."""


def image_suffixes() -> tuple[str, ...]:
    """The suffixes of images with ground truth: every suffix of a readable format, and .npy."""
    return (*formats.format_by_suffix(), ".npy")


@dataclass(frozen=True)
class Pair:
    """An image and its ground truth.

    name: stem of the labels' file, or of the image if it shows no object (labels None). group: images of one group,
    such as one publication, stay on one side of every split. background: as in `as_labels`. classes: the numbers that
    stand for the classes 1, 2, ... in the file of labels; empty if each number is an object. region: (top, left,
    bottom, right) in px, ends exclusive: only this part of image and labels is used; None for the whole image.
    """

    name: str
    image: Path
    labels: Path | None
    group: str
    background: int = 0
    classes: tuple[int, ...] = ()
    region: Region | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.image,) if self.labels is None else (self.image, self.labels)

    def load(self, rows: int | None = None) -> tuple[Micrograph, Labels]:
        """The image and its labels (H, W) int32. rows: only so many rows of labels, from the top; None: all of them.
        Raises BadDataset."""
        micrograph = load_image(self.image)
        if self.labels is None:
            micrograph = self._part(micrograph)
            return micrograph, np.zeros(micrograph.shape, np.int32)[:rows]
        labels = load_classes(self.labels, self.classes) if self.classes else load_labels(self.labels, self.background)
        height, width = micrograph.shape
        labels = resample_labels(labels, micrograph.shape, stored_shape(micrograph.metadata))
        if labels[:rows].shape != (min(rows or height, height), width):
            size = f"{labels.shape[1]} x {labels.shape[0]}"
            raise BadDataset(f"{self.image.name} is {width} x {height} pixels, its labels {self.name} are {size}.")
        return self._part(micrograph), self.cut(labels)[:rows]

    def cut(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The checked part (`region`) of an array that has a value for each pixel of the image."""
        if self.region is None:
            return pixels
        top, left, bottom, right = self.region
        return pixels[top:bottom, left:right]

    def _part(self, micrograph: Micrograph) -> Micrograph:
        """The checked part of the image. Its metadata has "image_rows", the number of rows above the data bar. Raises
        BadDataset."""
        if self.region is None:
            return micrograph
        height, width = micrograph.shape
        if self.region[2] > height or self.region[3] > width:
            raise BadDataset(
                f"The region of {self.image.name} in {REGIONS} reaches beyond its {width} x {height} pixels."
            )
        metadata = {name: value for name, value in micrograph.metadata.items() if name != "image_rows"}
        bottom = min(self.region[2], first_bar_row(micrograph))
        if bottom <= self.region[0]:
            raise BadDataset(f"The region of {self.image.name} in {REGIONS} lies in its data bar.")
        part = np.ascontiguousarray(self.cut(micrograph.pixels))
        return replace(micrograph, pixels=part, metadata={**metadata, "image_rows": bottom - self.region[0]})


@dataclass(frozen=True)
class PairedFiles:
    """The files of a folder of images and of a folder of labels. unlabelled: images without labels. unmatched: labels
    without an image."""

    pairs: list[Pair]
    unlabelled: list[Path]
    unmatched: list[Path]

    def complete(self, *, only_labelled: bool = False) -> list[Pair]:
        """The pairs; raises BadDataset for labels without an image and, unless `only_labelled`, for images without
        labels."""
        if self.unmatched:
            raise BadDataset(f"The labels {self.unmatched[0].name} have no image of that name.")
        if self.unlabelled and not only_labelled:
            raise BadDataset(f"{self.unlabelled[0]} has no labels.")
        if not self.pairs:
            raise BadDataset(
                "No image has labels: they are named as their image is, or continue its name (a_mask.png)."
            )
        return self.pairs


def find_pairs(
    folder: Path,
    images: str = "",
    labels: str = "",
    *,
    suffix: str = "",
    groups: Path | None = None,
    pattern: str = "",
    background: int = 0,
    classes: tuple[int, ...] = (),
    count: int = 0,
) -> PairedFiles:
    """The images and labels in two folders inside `folder`, sorted by name. No image is decoded; labels only for
    `count`.

    images, labels: names of the two folders; "" takes the first existing one of IMAGE_FOLDERS, or of LABEL_FOLDERS. If
        labels is NO_LABELS, no image shows an object.
    suffix: end of the stems of labels: a_mask.tif with the suffix "_mask" belongs to a.png. Without a suffix, labels
        belong to the image of the same stem, or to the image with the longest stem that begins the stem of the labels
        and ends with a word: a_mask.tif belongs to a.png, ab.tif does not.
    groups, pattern: see `grouping`. background: as in `as_labels`. classes: as in `Pair`.
    count: number of classes. If it is given and `classes` is empty, their numbers are found in the files
        (`class_numbers`).

    If the table REGIONS in `folder` names an image, only that part of it is used. Raises BadDataset, also if two files
    could be the labels of one image.
    """
    pictures = files_in(folder_in(folder, images, IMAGE_FOLDERS), image_suffixes())
    labels_folder = folder_in(folder, labels, LABEL_FOLDERS) if labels != NO_LABELS else None
    group, regions = grouping(groups, pattern), regions_in(folder)
    if missing := regions.keys() - {image.name for image in pictures}:
        unknown = f"{REGIONS} names {min(missing)}, which is no image of"
        raise BadDataset(f"{unknown} {folder}.", on_page=f"{unknown} the dataset.")
    if labels_folder is None:
        pairs = [Pair(image.stem, image, None, group(image), region=regions.get(image.name)) for image in pictures]
        return PairedFiles(pairs, [], [])
    truths = [truth for truth in files_in(labels_folder, LABEL_KINDS) if truth.stem.endswith(suffix)]
    owners = {truth: owner_of(truth, pictures, suffix) for truth in truths}
    _refuse_twice("images named", {image: image.stem for image in pictures})
    _refuse_twice("files of labels for", {truth: image.name for truth, image in owners.items() if image})
    pairs = [
        Pair(truth.stem, image, truth, group(image), background, classes, regions.get(image.name))
        for truth, image in owners.items()
        if image
    ]
    labelled = {pair.image for pair in pairs}
    if count and pairs and not classes:
        numbers = class_numbers(pairs, count)
        pairs = [replace(pair, classes=numbers) for pair in pairs]
    return PairedFiles(
        sorted(pairs, key=lambda pair: pair.name),
        [image for image in pictures if image not in labelled],
        [truth for truth, image in owners.items() if not image],
    )


def class_numbers(pairs: Sequence[Pair], count: int) -> tuple[int, ...]:
    """The numbers that stand for `count` classes in files of labels; ANY_NUMBER: for as many as occur, at most
    MOST_CLASSES.

    If exactly `count` numbers occur, these are the classes, in their order. If one more occurs, 255 or else 0 means
    unlabelled. If fewer occur, the classes are 0, 1, ... or 1, 2, ... A single class is every number above 0
    (`load_classes`). Raises BadDataset if the numbers do not fit.
    """
    if count == 1:
        return (1,)
    numbers: set[int] = set()
    for pair in pairs:
        if pair.labels:
            numbers |= {int(number) for number in np.unique(pair.cut(_read_with(read_numbers, pair.labels)))}
    if count == ANY_NUMBER:
        count = min(len(numbers - {UNLABELLED} if len(numbers) > 2 else numbers), MOST_CLASSES)
    unlabelled = next((number for number in (UNLABELLED, 0) if number in numbers and len(numbers) == count + 1), None)
    numbers_of_classes = sorted(numbers - {unlabelled})
    for possible in (numbers_of_classes, list(range(count)), list(range(1, count + 1))):
        if len(possible) == count and set(numbers_of_classes) <= {*possible, UNLABELLED}:
            return tuple(possible)
    listed = ", ".join(map(str, numbers_of_classes[:8])) + (" and more" if len(numbers_of_classes) > 8 else "")
    raise BadDataset(
        f"The labels hold the numbers {listed}, and heads names {count} classes: name every class in heads, or say with"
        " classes which numbers stand for them."
    )


def _refuse_twice(what: str, names: Mapping[Path, str]) -> None:
    """Raise BadDataset if two files have the same name. names: file -> name. what: words for the files, such as "images
    named"."""
    for name, times in Counter(names.values()).items():
        if times > 1:
            files = ", ".join(file.name for file, file_name in names.items() if file_name == name)
            raise BadDataset(f"There are several {what} {name}: {files}.")


def folder_in(folder: Path, name: str, usual: Sequence[str]) -> Path:
    """The folder `name` inside `folder`. Without a name the first existing one of the `usual` names. Raises BadDataset
    if there is none."""
    if not folder.is_dir():
        raise BadDataset(f"There is no folder {folder}.")
    inner = next((folder / option for option in ([name] if name else usual) if (folder / option).is_dir()), None)
    if not inner:
        raise BadDataset(f"There is no folder {(name or usual[0])!r} in {folder}.")
    return inner


def files_in(folder: Path, kinds: Sequence[str], pattern: str = "*") -> list[Path]:
    """The files with these suffixes (`kinds`) below a folder, sorted by name; raises BadDataset without any."""
    if not folder.is_dir():
        raise BadDataset(f"There is no folder {folder}.")
    paths = [path for path in folder.rglob(pattern) if path.suffix.lower() in kinds and not path.name.startswith(".")]
    if not paths:
        nothing = f"holds no files of the kinds {', '.join(kinds)}."
        raise BadDataset(f"{folder} {nothing}", on_page=f"The dataset {nothing}")
    return sorted((path for path in paths if path.is_file()), key=lambda path: path.name)


def owner_of(truth: Path, images: Sequence[Path], suffix: str = "") -> Path | None:
    """The image to which a file of labels belongs, by the rule of `find_pairs`; None if there is none."""
    stems = {image.stem: image for image in reversed(images)}
    if suffix:
        return stems.get(truth.stem.removesuffix(suffix)) if truth.stem.endswith(suffix) else None
    ends = (end for end in range(len(truth.stem), 0, -1) if _ends_a_word(truth.stem, end))
    return next((stems[truth.stem[:end]] for end in ends if truth.stem[:end] in stems), None)


def _ends_a_word(text: str, end: int) -> bool:
    """Whether a word ends at this place of the text: no letter is followed by a letter there, no digit by a digit."""
    before, after = text[end - 1], text[end : end + 1]
    return not (before.isalpha() and after.isalpha()) and not (before.isdigit() and after.isdigit())


def grouping(file: Path | None, pattern: str = "") -> Callable[[Path], str]:
    """A function that gives the group of an image.

    pattern: a regular expression; the group is what its first parentheses match in the image's name. Without a match
    BadDataset is raised.
    file: a CSV `image,group,...`, used without a pattern. The group of an image that it does not name is the stem of
    the image, for a tile (TILE) that of the image from which it was cut.
    """
    table = read_groups(file) if file else {}

    def group(image: Path) -> str:
        if not pattern:
            return table.get(image.name, table.get(image.stem, source_of(image.stem)))
        match = re.search(pattern, image.name)
        if not match or match[1] is None:
            raise BadDataset(f"group_pattern {pattern!r} finds no group in the name {image.name}.")
        return match[1]

    return group


def source_of(stem: str) -> str:
    """The stem of the image from which a tile, or a rotated or flipped copy, was made."""
    return TILE.sub("", stem) or stem


def groups_in(folder: Path, name: str | Path) -> Path | None:
    """The path of the table of groups: `name` in the folder if it exists there, else `name`; None without a name."""
    if not str(name):
        return None
    return folder / name if (folder / name).is_file() else Path(name)


def read_groups(file: Path) -> dict[str, str]:
    """Image -> group of a CSV `image,group,...`, by the image's name and by its stem; raises BadDataset."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = [row for row in csv.reader(lines) if len(row) > 1]
    except (OSError, ValueError, csv.Error) as error:
        why = "cannot be read as the table of groups."
        raise BadDataset(f"{file} {why}", on_page=f"{file.name} {why}") from error
    return {Path(row[0]).stem: row[1] for row in rows} | {row[0]: row[1] for row in rows}


def regions_in(folder: Path) -> dict[str, Region]:
    """Image -> checked part, from the table of regions in a folder; {} without that table. Raises BadDataset."""
    try:
        return read_regions(folder / REGIONS) if (folder / REGIONS).is_file() else {}
    except UserError as error:
        raise BadDataset(f"{folder}: {error}", on_page=error.on_page) from error


def read_image(path: Path) -> Micrograph:
    """The Micrograph in an image file or a npy array; raises UnreadableImage."""
    if path.suffix.lower() != ".npy":
        return read(path)
    pixels, notes = to_grey(one_plane(read_array(path)))
    return Micrograph(
        pixels, file_name(path.name), sha256_of(path), Calibration.absent(), {"kind": "npy"}, tuple(notes)
    )


def load_image(file: Path) -> Micrograph:
    """The Micrograph in a file; raises BadDataset, which names the file."""
    return _read_with(read_image, file)


def load_labels(file: Path, background: int = 0) -> Labels:
    """The labels (H, W) int32 in a file; raises BadDataset, which names the file."""
    return _read_with(lambda path: read_mask(path, background=background).labels, file)


T = TypeVar("T")


def _read_with(reader: Callable[[Path], T], file: Path) -> T:
    """The result reader(file). Raises BadDataset, which names the file, instead of UnreadableImage."""
    try:
        return reader(file)
    except UnreadableImage as error:
        raise BadDataset(f"{file}: {error}", on_page=f"{file.name}: {error}") from error


def load_classes(file: Path, numbers: Sequence[int]) -> Labels:
    """The classes (H, W) int32 in a file: n where it has the n-th of these numbers, 0 elsewhere; raises BadDataset.

    A single class is every number above 0, because some tools write masks with 0 and 1, others with 0 and 255.
    """
    values = _read_with(read_numbers, file)
    if len(numbers) == 1:
        return (values > 0).astype(np.int32)
    classes = np.zeros(values.shape, np.int32)
    for label, number in enumerate(numbers, start=1):
        classes[values == number] = label
    return classes
