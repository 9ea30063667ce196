"""The layout of an exported dataset: the names of its files, and how its tables are written and read.

images/NAME        the images as acquired
labels/STEM.png    labels (STEM.tif if there are more than 65,535): the number of the object at each pixel, or the
                   class of the pixel, 255 if unknown
groups.csv         image,group: specimen or session; images of one group stay on one side of every split
regions.csv        image,top,left,bottom,right in px: the part that was checked, of images that were checked in part
dataset.toml       description, licence, and for each image its scale and who allowed that models learn from it
coco.json          the same labels as COCO annotations
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import UserError
from ..report.tables import cells

IMAGES, LABELS = "images", "labels"
GROUPS, REGIONS, FACTS, COCO, README = "groups.csv", "regions.csv", "dataset.toml", "coco.json", "README.txt"
SIDE_NAMES = ("top", "left", "bottom", "right")
UNLABELLED = 255  # the class of an unknown pixel in a file of labels
LARGEST_TABLE = 2**21  # bytes of a TOML file, characters of a CSV file
LONGEST_LINE = 2**13  # bytes; with longer lines TOML is slow to read
# Sentences for the user.
TABLE = "{name} cannot be read as the table {columns}: save it as CSV with commas."
LONG = f"{{name}} is too long: {LARGEST_TABLE:,} characters are the limit. Make two datasets of it."
REGIONS_WRONG = f"{REGIONS} has the columns image,top,left,bottom,right in px and one row for an image: correct it."
NO_FACTS = "dataset.toml is damaged: export the dataset again, or leave it out."
Region = tuple[int, int, int, int]


def labels_path(name: str, file: str) -> str:
    """The path of an image's labels in the dataset: LABELS/STEM and the suffix of `file`, which `write_labels` wrote.

    name: that of the image.
    """
    return f"{LABELS}/{PurePosixPath(name).stem}{PurePosixPath(file).suffix}"


def write_labels(folder: Path, stem: str, labels: NDArray[np.int32]) -> Path:
    """Write labels (H, W) as PNG of 8 or 16 bits, or as TIFF of 32 bits if there are more than 65,535; the path."""
    largest = int(labels.max(initial=0))
    if largest > np.iinfo(np.uint16).max:
        import tifffile

        file = folder / f"{stem}.tif"
        tifffile.imwrite(file, labels, compression="zlib")
        return file
    file = folder / f"{stem}.png"
    Image.fromarray(labels.astype(np.uint8 if largest <= np.iinfo(np.uint8).max else np.uint16)).save(file)
    return file


def groups_table(groups: Mapping[str, str]) -> str:
    """The text of GROUPS. groups: image -> group."""
    return cells.csv_text([("image", "group"), *groups.items()])


def regions_table(regions: Mapping[str, Sequence[int]]) -> str:
    """The text of REGIONS. regions: image -> top, left, bottom, right in px."""
    return cells.csv_text([("image", *SIDE_NAMES), *((name, *region) for name, region in regions.items())])


def read_table(file: Path, name: str, columns: Sequence[str]) -> list[list[str]]:
    """The rows of a CSV file without its head; raises UserError. name: the file's name in the sentence of the error."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            text = lines.read(LARGEST_TABLE + 1)
        if len(text) > LARGEST_TABLE:  # else its last rows would be lost without a message
            raise UserError(LONG.format(name=name))
        rows = [row for row in csv.reader(io.StringIO(text)) if row]
    except UserError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(TABLE.format(name=name, columns=",".join(columns))) from error
    if any(len(row) < len(columns) for row in rows):
        raise UserError(TABLE.format(name=name, columns=",".join(columns)))
    return rows[1:] if rows and rows[0][0].strip().lower() == columns[0] else rows


def read_regions(file: Path) -> dict[str, Region]:
    """Image -> checked part, from a table of regions; raises UserError."""
    columns, regions = ("image", *SIDE_NAMES), dict[str, Region]()
    try:
        for image, *sides in (row[:5] for row in read_table(file, REGIONS, columns)):
            top, left, bottom, right = map(int, sides)
            if not (0 <= top < bottom and 0 <= left < right) or image in regions:
                raise ValueError(image)
            regions[image] = top, left, bottom, right
    except UserError:
        raise
    except ValueError as error:
        raise UserError(REGIONS_WRONG) from error
    return regions


def read_facts(file: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The entries of dataset.toml on the dataset, and those on each image by its name; raises UserError."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_TABLE)
        if max(map(len, content.splitlines()), default=0) > LONGEST_LINE:
            raise UserError(NO_FACTS)
        document = tomllib.loads(content.decode())
        return dict(document.get("dataset", {})), {str(row["name"]): dict(row) for row in document.get("images", [])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(NO_FACTS) from error
