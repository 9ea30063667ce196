"""Label images and masks: each number is an object, or a class where every pixel belongs to one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..label_images import as_labels, read_array, read_numbers
from ..labels.segmentation import MOST_IDS
from ..micrograph.types import UnreadableImage
from ..report.picture import COLOURS
from .shapes import MANY, MOST_OUTLINES, Frame

NOT_ANALYSED = 255  # in place of a class, as in our own labels.tif
OTHER_NUMBER = "The file holds the number {found}, but here the classes are {classes}, and 255 is none of them."
OTHER_COLOUR = (
    "The file holds a colour that stands for none of the classes {classes}: save one number for each class, or their"
    " colours in the figure."
)


def read_objects(path: Path, frame: Frame, *, corners: bool) -> tuple[NDArray[np.int32], list[str]]:
    """(rows, W) int32 labels as in the file, and sentences about changes. A mask without numbers is divided into its
    connected pieces; corners: whether pixels that share only a corner are connected. Raises UnreadableImage."""
    numbers = read_numbers(path)
    frame.check(*numbers.shape)
    numbers = numbers[: frame.rows]
    present = np.unique(numbers)
    present = present[present > 0]
    if len(present) > MOST_OUTLINES:
        raise UnreadableImage(MANY)
    if len(present) > 1 and present[-1] < MOST_IDS:
        return np.where(numbers > 0, numbers, 0).astype(np.int32), []
    labels, notes = as_labels(numbers, corners=corners)
    if labels.max(initial=0) > MOST_OUTLINES:
        raise UnreadableImage(MANY)
    return labels, list(notes)


def read_classes(path: Path, frame: Frame, names: Sequence[str]) -> NDArray[np.int32]:
    """(rows, W) int32: 1 + the class of each pixel, 0 where it has none; raises UnreadableImage.

    The file holds the numbers of the classes from 0 on, 255 for none; of two classes a mask of 0 and 255 holds both.
    Or it holds the colours that the figure gives to the classes, black for none.
    """
    values = read_array(path)
    if values.ndim == 3 and values.shape[2] in (3, 4) and (values[..., :3] != values[..., :1]).any():
        return _of_colours(values[..., :3], frame, names)
    numbers = read_numbers(path)
    frame.check(*numbers.shape)
    numbers = numbers[: frame.rows]
    present = set(np.unique(numbers).tolist())
    if len(names) == 2 and present == {0, NOT_ANALYSED}:
        return np.where(numbers == 0, 1, 2).astype(np.int32)
    if wrong := sorted(present - {*range(len(names)), NOT_ANALYSED}):
        raise UnreadableImage(OTHER_NUMBER.format(found=wrong[0], classes=_listed(names)))
    return np.where(numbers == NOT_ANALYSED, 0, numbers.astype(np.int64) + 1).astype(np.int32)


def _of_colours(values: NDArray[Any], frame: Frame, names: Sequence[str]) -> NDArray[np.int32]:
    frame.check(*values.shape[:2])
    values = values[: frame.rows]
    labels = np.zeros(values.shape[:2], np.int32)
    classified = (values == 0).all(2)
    for number, colour in enumerate(COLOURS[: len(names)]):
        of_class = (values == colour).all(2)
        labels[of_class & ~classified] = number + 1
        classified |= of_class
    if not classified.all():
        raise UnreadableImage(OTHER_COLOUR.format(classes=_listed(names)))
    return labels


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"{number} ({name})" for number, name in enumerate(names))
