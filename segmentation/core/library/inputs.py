"""What a caller gives: images and masks as files or arrays, sizes of pixels, settings by names."""

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
from ..label_images import Kind, Mask, as_labels, read_mask
from ..micrograph.arrays import micrograph_of
from ..micrograph.barreading import read_bar
from ..micrograph.barresult import BarReading, reading_of_same_bar
from ..micrograph.databar import data_bar
from ..micrograph.pairing import is_side, pair
from ..micrograph.reader import read as read_file
from ..micrograph.readings import with_scale_read
from ..micrograph.types import Calibration, Micrograph
from ..network.cards import UnknownModel, automatic, stands_for
from ..tasks.base import Task
from ..typed import read_settings

Picture = str | os.PathLike[str] | ArrayLike | Micrograph
PixelSize = float | Calibration | None
LEAST_NM, MOST_NM = 1e-6, 1e6
DOUBTFUL = "The bar in the image seems to say {:.4g} nm per pixel: if that is right, give it as nm_per_pixel."
NO_SIZE = "nm_per_pixel is a number from 0.000001 to 1000000, not {given!r}."


def read(picture: Picture, *, name: str = "", page: int = 0, nm_per_pixel: PixelSize = None) -> Micrograph:
    """The image in a file or an array, with all that is known of its scale.

    picture: a file of a format that a site reads, beside which the microscope's side files may lie;
        or an array (H, W) or (H, W, 3) of any numbers (`micrograph_of`). A Micrograph is given back
        as it is.
    name: of the image, else the file's own or "array". page: the image of a stack, from 1.
    nm_per_pixel: where it is given, the image is only searched for a data bar, whose scale is
        compared with it. Else a bar that can be read for sure tells the scale if the file does not,
        and a doubtful one is a note.
    Returns a Micrograph: `pixels` (H, W) uint8, uint16 or float32; `scale.in_use` with
    `nm_per_pixel` (None where nothing tells it) and its source; `metadata`; `notes`.
    Raises UserError, one sentence for people.
    """
    if isinstance(picture, Micrograph):
        return picture
    if isinstance(picture, str | os.PathLike):
        path = Path(picture)
        micrograph = read_file(path, name=name or None, side=side_files(path), page=page)
    else:
        micrograph = micrograph_of(picture, name=name or "array")
    return with_bar(micrograph, is_scale_known=nm_per_pixel is not None)


def side_files(image: Path) -> list[tuple[str, Path]]:
    """The side files of the microscope that lie next to an image, as (name, path)."""
    try:
        near = [path for path in image.parent.iterdir() if is_side(path.name) and path.is_file()]
    except OSError:
        return []
    by_name = {path.name: path for path in near}
    paired = pair([image.name, *sorted(by_name)]).get(image.name, [])
    return [(name, by_name[name]) for name in paired]


def with_bar(
    micrograph: Micrograph,
    *,
    is_scale_known: bool,
    doubtful: str = DOUBTFUL,
    known: list[BarReading] | None = None,
) -> Micrograph:
    """The micrograph, with what its bar says. Where the file or the caller tells the scale, only a
    data bar is read.

    A sure reading counts, or is compared with the scale that is known. A doubtful one becomes the
    note `doubtful`, filled with the nm per pixel, if nothing else tells the scale. known: readings
    of earlier images, to which this one is added; a bar that is the same is not read again.
    """
    known, first_row = [] if known is None else known, data_bar(micrograph)
    is_scale_known = is_scale_known or micrograph.calibration.is_known
    if is_scale_known and first_row == micrograph.shape[0]:
        return micrograph
    reading = reading_of_same_bar(micrograph, first_row, known)
    if reading is None and (reading := read_bar(micrograph)) is not None:
        known.append(replace(reading, same_as=micrograph.name))
    if reading is None or reading.sure or is_scale_known:
        return with_scale_read(micrograph, asdict(reading) if reading else None)
    note = reading.note or doubtful.format(reading.nm_per_pixel)
    return replace(micrograph, notes=(*micrograph.notes, note))


def mask_of(labels: str | os.PathLike[str] | ArrayLike, task: Task, *, values: Kind, background: int) -> Mask:
    """The labels of a file or an array as `label_images` reads them; raises UserError."""
    corners = task.corners
    if isinstance(labels, str | os.PathLike):
        try:
            return read_mask(Path(labels), kind=values, background=background, corners=corners)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"The mask {labels} cannot be read: {reason}.") from None
    numbers = np.asarray(labels)
    named, notes = as_labels(numbers, kind=values, background=background, corners=corners)
    sha256 = hashlib.sha256(f"{named.shape} ".encode() + named.tobytes()).hexdigest()
    return Mask("mask", sha256, named, notes)


def task_named(kind: str) -> Task:
    """A kind of analysis by its name; raises UserError, which lists those that there are."""
    try:
        return tasks.find(kind)
    except tasks.UnknownTask as error:
        raise UserError(str(error)) from None


def stated_calibration(nm_per_pixel: PixelSize) -> Calibration | None:
    """What a caller says of the size of a pixel in nm; the last digit of a number says how well it
    is known. Raises UserError."""
    if nm_per_pixel is None or isinstance(nm_per_pixel, Calibration):
        return nm_per_pixel
    is_number = isinstance(nm_per_pixel, Real) and not isinstance(nm_per_pixel, bool)
    size = float(nm_per_pixel) if is_number else math.nan
    if not LEAST_NM <= size <= MOST_NM:
        raise UserError(NO_SIZE.format(given=nm_per_pixel))
    return Calibration.of_pixel(size)


def model_for(task: Task, name: str) -> str:
    """The name of a model for this kind of analysis, by default the one that chooses by the image;
    raises UserError."""
    try:
        model = name or automatic(task.name)
        if task.name not in {card.task for card in stands_for(model)}:
            raise UserError(f"The model {model} is not for {task.things}: choose another model.")
    except UnknownModel as error:
        raise UserError(str(error)) from None
    return model


def settings_of(
    task: Task, nm_per_pixel: PixelSize, values_by_name: Mapping[str, Any], allowed: Sequence[str]
) -> AnalysisSettings:
    """The settings of an analysis, defaults for those not given; raises UserError.

    given: values, or texts as the command line takes them. allowed: the names that there are.
    """
    if unknown := [name for name in values_by_name if name not in allowed]:
        near = get_close_matches(unknown[0], allowed, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"{task.title} have no setting {unknown[0]}.{hint}")
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in values_by_name.items()}
    try:
        settings = read_settings(task, plain)
    except ValueError as error:
        raise UserError(str(error)) from None
    return settings.with_(calibration=stated_calibration(nm_per_pixel))
