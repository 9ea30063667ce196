"""Writes the download of a dataset: a ZIP file with the folder that `core.learning.dataset_files` describes,
written while it is being sent."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import tomlkit
from django.core.files.storage import default_storage
from django.db.models.fields.files import FieldFile

from ... import __version__
from ...core import tasks
from ...core.learning import dataset_files as files
from ...models import Dataset, DatasetImage
from .services import coco_path

PIECE = 2**20  # bytes that are read at once
README = """{name}: {count} images of {things} with labels that a person has checked, exported by DeepSegm {version}.

images/       the images as acquired
labels/       {labels}
groups.csv    specimen or session of each image: keep images of one group together when you split the dataset
regions.csv   the part of an image that was checked, in px, where it is not the whole image; outside there are no labels
coco.json     the same labels as COCO annotations
dataset.toml  description, licence, scale of each image, and who allowed that models learn from it

Licence: {licence}

"DeepSegm, Datasets, Add an archive" takes this file in again. Unpacked, so does:
deepsegm dataset import FOLDER --name NAME --checked
"""


def entries(dataset: Dataset) -> Iterator[tuple[str, bytes | Iterator[bytes]]]:
    """The files in the ZIP file as (name, content), piece by piece to save memory. Images without labels
    are left out."""
    images = list(dataset.images.exclude(labels="").select_related("by"))
    regions = {image.name: image.region for image in images if image.region}
    classes = ", ".join(f"{number} {name}" for number, name in enumerate(dataset.class_names))
    labels = f"the class of each pixel: {classes}; 255 not known" if classes else "each number an object, 0 background"
    things, licence = tasks.find(dataset.task).things, dataset.licence or "not stated"
    readme = README.format(
        name=dataset.name, count=len(images), things=things, version=__version__, labels=labels, licence=licence
    )
    yield files.README, readme.encode()
    yield files.FACTS, facts(dataset, images).encode()
    yield files.GROUPS, files.groups_table({image.name: image.group for image in images}).encode()
    if regions:
        yield files.REGIONS, files.regions_table(regions).encode()
    for image in images:
        yield f"{files.IMAGES}/{image.name}", _pieces(image.image)
        yield files.labels_path(image.name, image.labels.name), _pieces(image.labels)
    yield files.COCO, coco(dataset, images)


def facts(dataset: Dataset, images: list[DatasetImage]) -> str:
    """The text of dataset.toml. Unknown data of an image are left out."""
    about_dataset = {name: getattr(dataset, name) for name in ("name", "task", "class_names", "material", "instrument")}
    about_dataset |= {"licence": dataset.licence, "made": dataset.created.isoformat(), "version": __version__}
    entries_of_images = [
        {
            **{name: getattr(image, name) for name in ("name", "sha256", "group", "region", "nm_per_pixel")},
            "consent": image.by.get_username() if image.by else "",
            "consented": image.consented.isoformat(),
        }
        for image in images
    ]
    about_images = [{name: value for name, value in image.items() if value is not None} for image in entries_of_images]
    return tomlkit.dumps({"dataset": about_dataset, "images": about_images})


def coco(dataset: Dataset, images: list[DatasetImage]) -> Iterator[bytes]:
    """The text of coco.json, piece by piece. Each annotation also has `label` (not part of COCO): the
    number of its object in the file of labels."""
    task, count = tasks.find(dataset.task), 0
    yield b'{"annotations": ['
    for number, image in enumerate(images, 1):
        with default_storage.open(coco_path(image), "rb") as packed:
            annotations = json.loads(gzip.decompress(packed.read()))
        lines = [
            json.dumps({"id": pk, "image_id": number, **annotation})
            for pk, annotation in enumerate(annotations, count + 1)
        ]
        yield (", " if count and lines else "").encode() + ",\n".join(lines).encode()
        count += len(lines)
    head = {
        "images": [
            {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
            for number, image in enumerate(images, 1)
        ],
        "categories": [
            {"id": number, "name": name, "supercategory": task.thing}
            for number, name in enumerate(dataset.class_names or [task.thing], 1)
        ],
        "info": {"description": dataset.name, "version": __version__},
        "licenses": [{"id": 1, "name": dataset.licence}] if dataset.licence else [],
    }
    yield b"], " + json.dumps(head)[1:].encode()


def _pieces(file: FieldFile) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(PIECE):
            yield piece
