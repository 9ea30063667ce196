"""Puts the images of uploaded archives into a dataset: exports of this program, or images with
masks of other tools.

An archive is unpacked with the limits for uploads, and each file in it is decoded in a child
process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.auth import get_user_model
from django.utils import timezone

from segmentation.core.errors import UserError
from segmentation.core.learning import dataset_files as files
from segmentation.core.masks import truth
from segmentation.core.micrograph.calibration.square import stored_shape
from segmentation.core.micrograph.kinds import sha256_of
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.micrograph.unpacking import is_junk
from segmentation.core.names import clean_text
from segmentation.core.tasks import find
from segmentation.learning.datasets.services import (
    default_group_of,
    is_within,
    remove_archive,
    unique_name,
)
from segmentation.models import SHOWN_NAME, Dataset, DatasetImage
from segmentation.services.ground import bounds
from segmentation.services.ground.refusal import Refused
from segmentation.services.results.uploads import Note
from segmentation.services.upkeep.upkeep import MAX_DEATHS

from ..fetching import fetch
from ..heartbeat import Progress
from ..reading import decoding
from ..scratch import scratch_folder
from .dataset_images import store_image

if TYPE_CHECKING:
    from segmentation.lab.training.check import LearningTask

ARCHIVE_DIED = "The archive could not be read: it is damaged or needs too much memory. Make several smaller archives."
OTHER_TASK = "The archive holds a dataset of {other}, and this one is of {here}: make a new dataset for it."
OTHER_CLASSES = "The archive has the classes {other}, and this dataset {here}: make a new dataset for it."
UNNAMED_CLASSES = "The archive names no classes: make a dataset with the names of its classes, and send it there."
NO_IMAGES = f"The archive has no folder images: put the images into one, and their labels into a folder {files.LABELS}."
NO_LABELS = "It has no labels, so it was left out: its labels have its name, in the folder labels."
STRAY = "These labels have no image of their name, so they were left out."
SEVERAL = "There are several labels of {name}, so these were left out: leave one for each image."
TWICE = "It is the same file as {name}, so it was left out."
NO_SCALE = "Its nm_per_pixel is no size of a pixel, so it was taken without a scale."
OUTSIDE = "Its rectangle in regions.csv does not lie within the image, so it was left out."


class Pair(NamedTuple):
    """An image of an archive and the file with its labels. name: file name of the image, without folders."""

    name: str
    image: Path
    labels: Path


class Contents(NamedTuple):
    """The content of an archive. facts: the entries of dataset.toml on the dataset. groups, regions,
    image_facts: by the name of an image."""

    pairs: list[Pair]
    groups: dict[str, str]
    regions: dict[str, files.Region]
    facts: dict[str, Any]
    image_facts: dict[str, dict[str, Any]]


def add_archives(dataset: Dataset, learning: LearningTask, progress: Progress) -> None:
    """Put the images of all waiting archives into a dataset. The page of the dataset names files
    that were left out."""
    while dataset.incoming:
        notes: list[Note] = []
        # Reading this archive has killed the worker often enough.
        if dataset.deaths >= MAX_DEATHS - 1:
            notes.append(Note("", ARCHIVE_DIED))
        else:
            with scratch_folder() as folder:
                _add_archive(dataset, learning, progress, folder, notes)
        remove_archive(dataset=dataset, notes=[(note.name, note.sentence) for note in notes])


def _add_archive(dataset: Dataset, learning: LearningTask, progress: Progress, folder: Path, notes: list[Note]) -> None:
    """Put the images of the first waiting archive, unpacked into `folder`, into the dataset. Notes
    on files that are left out are added to `notes`."""
    entry = dataset.incoming[0]
    stage = f"reading {entry['name']}"
    progress(stage, 0.0)
    try:
        groups, left_out = decoding.unpack(fetch(entry["file"], folder), folder, partial(progress, stage, 0.0))
        paths = {name: path for [(name, path)] in groups}
        notes += left_out
        contents = _contents(paths, notes)
        bounds.ask(DatasetImage, of=dataset, added=len(contents.pairs), **dataset.maker)
        _adopt_classes(dataset, contents)  # last, because it changes the row
    except (Refused, UserError, UnreadableImage) as error:
        notes.append(Note("", str(error)))
        return
    sender = get_user_model().objects.filter(pk=entry["by"]).first()
    name_by_sha256 = dict[str, str]()
    for number, pair in enumerate(contents.pairs):
        report_alive = partial(progress, f"reading {pair.name}", number / len(contents.pairs))
        report_alive()
        sha256 = sha256_of(pair.image)
        if sha256 in name_by_sha256:
            notes.append(Note(pair.name, TWICE.format(name=name_by_sha256[sha256])))
            continue
        name_by_sha256[sha256] = pair.name
        earlier = dataset.images.filter(sha256=sha256, job=None, consented__gte=entry["sent"])
        if earlier.exclude(labels="").exists():  # an interrupted attempt has added it
            continue
        try:
            _add_image(dataset, learning, pair, contents, sender, report_alive, notes)
        except (UnreadableImage, Refused, decoding.Killed) as error:
            notes.append(Note(pair.name, str(error)))


def _add_image(
    dataset: Dataset,
    learning: LearningTask,
    pair: Pair,
    contents: Contents,
    sender: Any,
    report_alive: Callable[[], None],
    notes: list[Note],
) -> None:
    """Store an image of an archive with its labels, in place of an earlier one with the same file.

    sender: the account that sent the archive. report_alive: as in `decoding.inspect`. A note on an
    impossible scale is added to `notes`. Raises UnreadableImage, Refused, Killed.
    """
    micrograph = decoding.read_micrograph(pair.image, name=pair.name, report_alive=report_alive)
    rows, columns = micrograph.shape
    frame = [rows, columns, rows, stored_shape(micrograph.metadata) or ()]
    request = {"frame": frame, "task": dataset.task, "names": dataset.class_names, "image": pair.name}
    request["exported"] = "version" in contents.facts  # only our exports have it
    labels = decoding.read_truth(pair.labels, request, report_alive)
    region = contents.regions.get(pair.name)
    if region is not None and not is_within(region, rows, columns):
        raise Refused(OUTSIDE)
    image = dataset.images.filter(sha256=micrograph.sha256).first()
    image = image or DatasetImage(dataset=dataset, sha256=micrograph.sha256, name=unique_name(dataset, pair.name))
    scale = contents.image_facts.get(pair.name, {}).get("nm_per_pixel", micrograph.calibration.nm_per_pixel)
    if not isinstance(scale, int | float) or not 1e-4 <= scale <= 1e6:
        if scale is not None:
            notes.append(Note(pair.name, NO_SCALE))
        scale = None
    image.region = list(region) if region else None  # for `store_image`, which saves only `fields`
    fields = {
        "job": None,
        "by": sender,
        "consented": timezone.now(),
        "width": columns,
        "height": rows,
        "region": image.region,
        "nm_per_pixel": scale,
        "group": clean_text(contents.groups.get(pair.name, ""), SHOWN_NAME) or default_group_of(pair.name),
    }
    store_image(dataset, image, learning, micrograph, pair.image, labels, further={}, **fields)


def _contents(paths: dict[str, Path], notes: list[Note]) -> Contents:
    """The content of an unpacked archive; raises Refused, UserError.

    paths: path of each file, by its name with folders. Images are paired with labels as in a folder
    dataset (`truth.owner_of`); tables may be in any folder. Notes on files that are left out
    are added to `notes`.
    """
    tables = {PurePosixPath(name).name.lower(): path for name, path in paths.items() if not is_junk(name)}
    regions = files.read_regions(tables[files.REGIONS]) if files.REGIONS in tables else {}
    facts, image_facts = files.read_facts(tables[files.FACTS]) if files.FACTS in tables else ({}, {})
    rows = files.read_table(tables[files.GROUPS], files.GROUPS, ("image", "group")) if files.GROUPS in tables else []
    images = {
        PurePosixPath(name): path
        for name, path in _files_in_folders(paths, truth.IMAGE_FOLDERS, truth.image_suffixes())
    }
    if not images:
        raise Refused(NO_IMAGES)
    labels = {
        PurePosixPath(name): path for name, path in _files_in_folders(paths, truth.LABEL_FOLDERS, truth.LABEL_KINDS)
    }
    coco = next((path for name, path in tables.items() if name.endswith(".json")), None)
    labels_of = dict[PurePosixPath, Path]()
    for file, path in labels.items():
        owner = truth.owner_of(Path(file), [Path(image) for image in images])
        if owner is None:
            notes.append(Note(file.name, STRAY))
        elif PurePosixPath(owner) in labels_of:
            notes.append(Note(file.name, SEVERAL.format(name=owner.name)))
        else:
            labels_of[PurePosixPath(owner)] = path
    if coco and not labels:
        labels_of = dict.fromkeys(images, coco)
    notes += [Note(image.name, NO_LABELS) for image in images if image not in labels_of]
    pairs = [Pair(image.name, images[image], path) for image, path in labels_of.items()]
    return Contents(sorted(pairs), {row[0]: row[1] for row in rows}, regions, facts, image_facts)


def _files_in_folders(
    paths: dict[str, Path], folders: tuple[str, ...], kinds: tuple[str, ...]
) -> Iterator[tuple[str, Path]]:
    """(name with folders, path) of the files below a folder with one of these names, with one of
    the suffixes `kinds`."""
    for name, path in paths.items():
        file = PurePosixPath(name)
        if {part.lower() for part in file.parts[:-1]} & set(folders) and file.suffix.lower() in kinds:
            yield name, path


def _adopt_classes(dataset: Dataset, contents: Contents) -> None:
    """Give a dataset without classes those of the archive; raises Refused if the archive has
    another kind or other classes."""
    task = find(dataset.task)
    other = str(contents.facts.get("task", task.name))
    if other != task.name:
        raise Refused(OTHER_TASK.format(other=clean_text(other, 100), here=task.name))
    names = contents.facts.get("class_names") or []
    names = names if isinstance(names, list) else []
    if not task.semantic:
        return
    if not dataset.class_names:
        if len(names) < 2 or not all(isinstance(name, str) for name in names):
            raise Refused(UNNAMED_CLASSES)
        dataset.class_names = names
        dataset.change(class_names=names)
    if names and names != dataset.class_names:
        theirs, ours = (", ".join(map(str, classes)) for classes in (names, dataset.class_names))
        raise Refused(OTHER_CLASSES.format(other=theirs, here=ours))
