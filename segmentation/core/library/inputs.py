"""Reads the inputs of the Python library: images and masks as files or arrays, pixel sizes, settings by name."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import tasks
from ..analysis import AnalysisSettings
from ..errors import UserError
from ..masks.label_images import Kind, Mask, as_labels, read_mask
from ..micrograph.arrays import micrograph_of
from ..micrograph.pairing import is_side_file, pair
from ..micrograph.reader import read as read_file
from ..micrograph.scale_bar.barreading import read_bar
from ..micrograph.scale_bar.barresult import BarReading, reading_of_same_bar
from ..micrograph.scale_bar.databar import first_bar_row
from ..micrograph.scale_bar.readings import question_of, with_stored_reading
from ..micrograph.types import Calibration, Micrograph
from ..network.cards import UnknownModel, automatic_name, cards_for_name
from ..tasks.base import Task
from ..typed import read_settings

Picture = str | os.PathLike[str] | ArrayLike | Micrograph
PixelSize = float | Calibration | None
LEAST_NM, MOST_NM = 1e-6, 1e6  # limits of nm_per_pixel
DOUBTFUL = "The bar in the image seems to say {:.4g} nm per pixel: if that is right, give it as nm_per_pixel."
BAD_PIXEL_SIZE = "nm_per_pixel is a number from 0.000001 to 1000000, not {given!r}."


def read(picture: Picture, *, name: str = "", page: int = 0, nm_per_pixel: PixelSize = None) -> Micrograph:
    """The image in a file or an array, with its scale as far as it can be found.

    picture: a file of a format that the web site reads (side files of the microscope beside it are
        read, too), or an array (H, W) or (H, W, 3) of any numbers (`micrograph_of`). A Micrograph is
        returned unchanged.
    name: of the image; by default that of the file, or "array". page: number of the image in a
        stack, from 1 (0: the first).
    nm_per_pixel: if it is given, only a data bar is looked for, and its scale is compared with this
        one. Without it, and if the file has no scale, a scale bar that can be read for sure gives
        the scale; a doubtful reading becomes a note.
    Returns a Micrograph: `pixels` (H, W) uint8, uint16 or float32; `scale.in_use` with
    `nm_per_pixel` (None if not known) and its source; `metadata`; `notes`.
    Raises UserError, one sentence for the user.
    """
    if isinstance(picture, Micrograph):
        return picture
    if isinstance(picture, str | os.PathLike):
        path = Path(picture)
        micrograph = read_file(path, name=name or None, side=side_files(path), page=page)
    else:
        micrograph = micrograph_of(picture, name=name or "array")
    return with_bar_scale(micrograph, is_scale_known=nm_per_pixel is not None)


def side_files(image: Path) -> list[tuple[str, Path]]:
    """The side files of the microscope that lie next to an image, as (name, path)."""
    try:
        candidates = [path for path in image.parent.iterdir() if is_side_file(path.name) and path.is_file()]
    except OSError:
        return []
    paths = {path.name: path for path in candidates}
    names = pair([image.name, *sorted(paths)]).get(image.name, [])
    return [(name, paths[name]) for name in names]


def with_bar_scale(
    micrograph: Micrograph,
    *,
    is_scale_known: bool,
    doubtful: str = DOUBTFUL,
    known: list[BarReading] | None = None,
) -> Micrograph:
    """The micrograph, with the scale that its scale bar gives. If the scale is known from the file
    or from the caller (is_scale_known), the bar is read only in a data bar, to compare both.

    doubtful: text of the note about an unsure reading, with a place for the nm per pixel; such a
    reading gives no scale. known: readings of earlier images; this reading is added to them, and a
    bar that was read before is not read again.
    """
    known, first_row = [] if known is None else known, first_bar_row(micrograph)
    is_scale_known = is_scale_known or micrograph.calibration.is_known
    if is_scale_known and first_row == micrograph.shape[0]:
        return micrograph
    reading = reading_of_same_bar(micrograph, first_row, known)
    if reading is None and (reading := read_bar(micrograph)) is not None:
        known.append(replace(reading, same_as=micrograph.name))
    if reading is None or reading.sure or is_scale_known:
        return with_stored_reading(micrograph, asdict(reading) if reading else None)
    note = reading.note or question_of(asdict(reading)) or doubtful.format(reading.nm_per_pixel)
    return replace(micrograph, notes=(*micrograph.notes, note))


def mask_of(labels: str | os.PathLike[str] | ArrayLike, task: Task, *, values: Kind, background: int) -> Mask:
    """The Mask in a file or an array. values: as `kind` of `label_images.as_labels`; background: as
    there. Raises UserError."""
    corners = task.corners
    if isinstance(labels, str | os.PathLike):
        try:
            return read_mask(Path(labels), kind=values, background=background, corners=corners)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"The mask {labels} cannot be read: {reason}.") from None
    numbers = np.asarray(labels)
    renumbered, notes = as_labels(numbers, kind=values, background=background, corners=corners)
    sha256 = hashlib.sha256(f"{renumbered.shape} ".encode() + renumbered.tobytes()).hexdigest()
    return Mask("mask", sha256, renumbered, notes)


def task_by_name(kind: str) -> Task:
    """A kind of analysis by its name; raises UserError, whose sentence lists all kinds."""
    try:
        return tasks.find(kind)
    except tasks.UnknownTask as error:
        raise UserError(str(error)) from None


def stated_calibration(nm_per_pixel: PixelSize) -> Calibration | None:
    """The calibration from a pixel size in nm that the caller gives. The last digit of a number
    gives its uncertainty. Raises UserError."""
    if nm_per_pixel is None or isinstance(nm_per_pixel, Calibration):
        return nm_per_pixel
    is_number = isinstance(nm_per_pixel, Real) and not isinstance(nm_per_pixel, bool)
    size = float(nm_per_pixel) if is_number else math.nan
    if not LEAST_NM <= size <= MOST_NM:
        raise UserError(BAD_PIXEL_SIZE.format(given=nm_per_pixel))
    return Calibration.of_pixel(size)


def model_for(task: Task, name: str) -> str:
    """The name of a model for this kind of analysis; without `name` the automatic choice. Raises
    UserError if the model does not exist, or is for another kind."""
    try:
        model = name or automatic_name(task.name)
        if task.name not in {card.task for card in cards_for_name(model)}:
            raise UserError(f"The model {model} is not for {task.things}: choose another model.")
    except UnknownModel as error:
        raise UserError(str(error)) from None
    return model


def settings_of(
    task: Task, nm_per_pixel: PixelSize, values_by_name: Mapping[str, Any], allowed: Sequence[str]
) -> AnalysisSettings:
    """The settings of an analysis; those that are not given have their defaults. Raises UserError.

    values_by_name: values, or texts as the command line takes them. allowed: the names that may
    occur.
    """
    if unknown := [name for name in values_by_name if name not in allowed]:
        similar = get_close_matches(unknown[0], allowed, 1)
        hint = f" Did you mean {similar[0]}?" if similar else ""
        raise UserError(f"{task.title} have no setting {unknown[0]}.{hint}")
    values = {name: value.item() if isinstance(value, np.generic) else value for name, value in values_by_name.items()}
    try:
        settings = read_settings(task, values)
    except ValueError as error:
        raise UserError(str(error)) from None
    return settings.replaced(calibration=stated_calibration(nm_per_pixel))
