"""Writes rendered micrographs and composites as files (command `synthesise`): images, labels, depth, settings and a
contact sheet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from ...core.errors import UserError
from ..training.contract import Labels, Picture, Shape
from ..training.data import composing_function, load_folder
from ..training.settings import ComposedEntry, checked_as
from ..training.sheets import as_grey, contact_sheet, in_colour, with_outlines
from ..training.synthesis.draw import DIAMETERS
from ..training.synthesis.render import Rendering, random_rendering
from ..training.synthesis.settings import every_setting

FOLDERS = ("images", "labels", "depth")
PICTURES_ON_SHEET = 24  # a contact sheet with more could not be read


@dataclass(frozen=True)
class PictureSet:
    """A set of rendered pictures: `count` pictures of `shape` (H, W) px.

    Picture k depends on `seed`, k and the other entries, not on `count`. fixed: settings that are not drawn at random.
    diameters: range of the typical diameter in px.
    """

    count: int
    shape: Shape = (512, 512)
    seed: int = 0
    fixed: Mapping[str, Any] = field(default_factory=dict)
    diameters: tuple[float, float] = DIAMETERS

    def picture(self, number: int) -> Rendering:
        """The picture with this number, from 0."""
        return random_rendering(self.shape, np.random.default_rng((self.seed, number)), self.fixed, self.diameters)


def write_pictures(pictures: PictureSet, folder: Path, progress: Callable[[int], None]) -> None:
    """Render pictures into a new folder: images/, labels/ (uint16 PNG), depth/ (float32 TIFF, px), settings.csv,
    sheet.png.

    progress: called with the number of pictures done. Raises UserError if `folder` is not empty, OSError if a file
    cannot be written.
    """
    _make_folders(folder, FOLDERS)
    thumbnails = []
    with (folder / "settings.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "seed", "number", "particles", *every_setting()])
        for number in range(pictures.count):
            rendering = pictures.picture(number)
            name = _write_pair(folder, number, rendering.grey, rendering.labels)
            tifffile.imwrite(folder / "depth" / f"{name}.tif", rendering.depth, compression="zlib")
            values = [f"{v:.6g}" if isinstance(v, float) else v for v in rendering.settings.flat().values()]
            rows.writerow([f"{name}.png", pictures.seed, number, int(rendering.labels.max()), *values])
            if number < PICTURES_ON_SHEET:
                thumbnails += [*_with_outlines(rendering.grey, rendering.labels), in_colour(as_grey(rendering.depth))]
            progress(number + 1)
    Image.fromarray(contact_sheet(thumbnails, columns=min(9, len(thumbnails)), side=240)).save(folder / "sheet.png")


def write_composites(pictures: PictureSet, particles: Path, folder: Path, progress: Callable[[int], None]) -> None:
    """Write images/, labels/ (uint16 PNG) and sheet.png of pictures composed of the particles of a labelled folder.

    Raises BadDataset if no whole particle can be cut out, BadRecipe for diameters that cannot be composed and for
    data that must only be used for evaluation, and the errors of `write_pictures`.
    """
    entry = checked_as(ComposedEntry, {"path": str(particles), "diameters": list(pictures.diameters)}, "--diameter")
    draw_composite = composing_function(entry, load_folder(particles, entry))
    _make_folders(folder, FOLDERS[:2])
    thumbnails = []
    for number in range(pictures.count):
        grey, labels = draw_composite(pictures.shape, np.random.default_rng((pictures.seed, number)))
        _write_pair(folder, number, grey, labels)
        if number < PICTURES_ON_SHEET:
            thumbnails += _with_outlines(grey, labels)
        progress(number + 1)
    Image.fromarray(contact_sheet(thumbnails, columns=min(4, len(thumbnails)), side=240)).save(folder / "sheet.png")


def _make_folders(folder: Path, names: Iterable[str]) -> None:
    """Make the folder with subfolders of these names; raises UserError if it is not empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} already holds something; name a new folder.")
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)


def _write_pair(folder: Path, number: int, grey: Picture, labels: Labels) -> str:
    """Write a picture and its labels; returns the name of both files without its ending. Raises UserError."""
    name = f"{number:05d}"
    if labels.max() > np.iinfo(np.uint16).max:
        raise UserError("More than 65,535 particles in one picture: choose a smaller size or larger particles.")
    Image.fromarray(grey).save(folder / "images" / f"{name}.png")
    Image.fromarray(labels.astype(np.uint16)).save(folder / "labels" / f"{name}.png")
    return name


def _with_outlines(grey: Picture, labels: Labels) -> list[Picture]:
    return [in_colour(grey), with_outlines(grey, labels, (255, 120, 0))]
