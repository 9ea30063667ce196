"""The work on a dataset: a worker reads its archives, writes the files of new images, and checks the
complete dataset as the command `dataset check` does."""

from __future__ import annotations

import logging
import math
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from django.core.files.storage import default_storage

from segmentation.core.labels.segmentation import UnusableSegmentation
from segmentation.core.learning import dataset_files as files
from segmentation.core.learning import planning
from segmentation.core.masks.truth import BadDataset, find_pairs, image_suffixes
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.tasks import UnknownTask, find
from segmentation.learning.datasets.services import CHECK_PREFIX, publish_dataset, store_check
from segmentation.models import Dataset, DatasetImage
from segmentation.plain import storable
from segmentation.services.ground.callers import check_has_lab
from segmentation.services.ground.refusal import Refused
from segmentation.services.upkeep.upkeep import MAX_DEATHS

from ..fetching import fetch, load_micrograph
from ..heartbeat import Progress
from ..reading import decoding
from ..scratch import scratch_folder
from .dataset_archives import add_archives
from .dataset_images import DIAMETER_BINS_PX, store_image, write_folder_dataset, write_tiff
from .dataset_labels import true_labels, without_ignored

if TYPE_CHECKING:
    from segmentation.lab.training.check import CheckedFolder, CheckedPair, LearningTask

logger = logging.getLogger(__name__)
READING, WRITING, CHECKING = 0.0, 0.4, 0.7  # the progress (0 to 1) at which these stages begin
# A pixel size that differs from the usual one by this factor looks like a mistake.
UNUSUAL_FACTOR = 5.0
# Pictures of composed agglomerates are made from this number of images, those with most particles: reading all images
# takes long.
MOST_SOURCES = 4
NO_RESULT = "Its result was deleted before its outlines were copied: remove it here, or add the image again."
UNSUITABLE = (UnusableSegmentation, UnreadableImage, UnknownTask, Refused)


def prepare_dataset(dataset: Dataset, progress: Progress, folder: Path) -> None:
    """Add the images of archives to a dataset, write the files of new images, check the complete
    dataset and publish the outcome."""
    check_has_lab()
    from segmentation.lab.training.check import find_task

    learning = find_task(dataset.task)
    add_archives(dataset, learning, lambda stage, done: progress(stage, READING + (WRITING - READING) * done))
    waiting = list(dataset.images.filter(labels="", error="").select_related("job__micrograph", "job__segmentation"))
    for number, image in enumerate(waiting):
        share = WRITING + (CHECKING - WRITING) * number / len(waiting)
        report_alive = partial(progress, f"writing the outlines of {image.name}", share)
        report_alive()
        try:
            _write_image_files(dataset, image, learning, folder, report_alive)
        except (*UNSUITABLE, decoding.Killed) as error:
            _raise_if_killed(error, dataset)
            dataset.change()  # raises Superseded, so that only the present attempt stores errors
            DatasetImage.objects.filter(pk=image.pk).update(error=str(error))
    progress("checking the images", CHECKING)
    images = list(dataset.images.all())
    ready = [image for image in images if image.labels]
    checked = _check(dataset, learning, ready, progress) if ready else None
    summary = _summary(images, ready, checked)
    if find(dataset.task).composable:
        report_alive = partial(progress, "composing agglomerates", 1.0)
        summary["composed"] = composed_of(dataset, ready, checked.pairs if checked else [], report_alive)
    publish_dataset(dataset=dataset, summary=storable(summary))


def _raise_if_killed(error: Exception, dataset: Dataset) -> None:
    """Raise the error again if a child was killed, because another attempt may succeed. In the last
    attempt it is not raised: it becomes the error of the image, and the work goes on."""
    if isinstance(error, decoding.Killed) and dataset.deaths < MAX_DEATHS - 1:
        raise error


def _write_image_files(
    dataset: Dataset, image: DatasetImage, learning: LearningTask, folder: Path, report_alive: Callable[[], None]
) -> None:
    """Write and store the files of a new image. report_alive: called now and then. Raises one of
    UNSUITABLE, Killed."""
    job = image.job
    if job is None or job.segmentation is None:
        raise Refused(NO_RESULT)
    micrograph = load_micrograph(job.micrograph, folder, report_alive)
    labels, left_out = true_labels(job, learning)
    if regions := job.get_settings().measurement.ignore:
        labels = without_ignored(regions, labels, image, job, bool(dataset.class_names))
    source = fetch(job.micrograph.file.name, folder)
    if PurePosixPath(image.name).suffix.lower() not in image_suffixes():
        source = folder / "converted.tif"
        write_tiff(micrograph, source)
        image.name = f"{PurePosixPath(image.name).stem}.tif"
    edited = job.stored.corrections["outlines"]
    further = {"left_out": left_out, "model": job.model_name, "by_hand": job.is_by_hand, "corrected": edited}
    store_image(dataset, image, learning, micrograph, source, labels, further, name=image.name, region=image.region)


def _check(dataset: Dataset, learning: LearningTask, ready: list[DatasetImage], progress: Progress) -> CheckedFolder:
    """The outcome of the command `dataset check` for these images. Only images without a stored
    check are read."""
    from segmentation.lab.training.check import check_pairs

    classes = tuple(range(len(dataset.class_names))) or ((1,) if learning.classes else ())
    pairs: list[CheckedPair] = []
    errors, names = list[str](), list[str]()
    for number, image in enumerate(sorted(ready, key=lambda image: image.name)):
        names += [image.name, PurePosixPath(files.labels_path(image.name, image.labels.name)).name]
        try:
            report_alive = partial(progress, f"checking {image.name}", CHECKING + (1 - CHECKING) * number / len(ready))
            pairs.append(replace(_checked_pair(image, classes, report_alive), group=image.group))
        except BadDataset as error:
            errors.append(str(error))
        except (UnreadableImage, decoding.Killed) as error:
            _raise_if_killed(error, dataset)
            errors.append(str(error))
    return check_pairs(pairs, errors, names, classes=classes, task=dataset.task)


def _checked_pair(image: DatasetImage, classes: tuple[int, ...], report_alive: Callable[[], None]) -> CheckedPair:
    """The check of one image with its labels; it is read from the storage, or made and stored.
    report_alive: called if it must be made."""
    from segmentation.lab.training import check

    sources = image.name, image.sha256, image.labels_sha256, image.region, classes
    name = f"{CHECK_PREFIX}{check.mark(*sources)}.json.z"
    with scratch_folder() as folder:
        if default_storage.exists(f"{image.folder}/{name}"):
            with suppress(*check.DAMAGED):
                return check.read_pair(fetch(f"{image.folder}/{name}", folder))
        report_alive()
        write_folder_dataset([image], folder, report_alive)
        pair = check.check_pair(find_pairs(folder, files.IMAGES, files.LABELS, classes=classes).pairs[0])
        check.write_pair(pair, folder / name)
        store_check(image=image, file=folder / name)
    return pair


def _summary(images: list[DatasetImage], ready: list[DatasetImage], checked: CheckedFolder | None) -> dict[str, Any]:
    """The summary of a dataset for its page: number of images, sizes of objects, and findings of
    the check."""
    errors = [{"error": True, "sentence": f"{image.name}: {image.error}"} for image in images if image.error]
    scales = [{"error": False, "sentence": sentence} for sentence in contradicting_scales(ready)]
    findings = [
        {"error": finding.error, "sentence": finding.on_page} for finding in (checked.findings if checked else ())
    ]
    bins = [image.summary["bins"] for image in ready if "bins" in image.summary]
    return {
        "images": len(ready),
        "sizes": {"edges": DIAMETER_BINS_PX.round(1).tolist(), "counts": np.sum(bins, 0).tolist()} if bins else {},
        "findings": [*errors, *scales, *findings],
    }


def contradicting_scales(images: list[DatasetImage]) -> list[str]:
    """A sentence for each image whose pixel size is UNUSUAL_FACTOR times larger or smaller than is
    usual in the dataset."""
    scaled = [image for image in images if image.nm_per_pixel]
    if len(scaled) < 2:
        return []
    logs = {image.pk: math.log(image.nm_per_pixel or 1) for image in scaled}
    usual = float(np.median(list(logs.values()))) if len(scaled) > 2 else min(logs.values())
    return [
        f"A pixel of {image.name} is {image.nm_per_pixel:.3g} nm, and {math.exp(usual):.3g} nm is usual in this"
        " dataset: check its scale, unless its magnification was so different."
        for image in scaled
        if abs(logs[image.pk] - usual) >= math.log(UNUSUAL_FACTOR)
    ]


def composed_of(
    dataset: Dataset, images: Sequence[DatasetImage], pairs: Sequence[CheckedPair], report_alive: Callable[[], None]
) -> dict[str, Any]:
    """The entry "composed" of a dataset's summary: the particles from which a training can compose agglomerates
    (complete ones that nothing touches), and example pictures.

    Its keys: "whole": by group the number of particles that can be used. "pictures": WEBP in
    base64; [] if a training cannot compose. "mark": a hash of what the pictures are made from, so
    that the same pictures are not made twice.

    images: those with written files. pairs: those images that could be checked. report_alive: as in
    `write_folder_dataset`.
    """
    from segmentation.lab.training.check import mark

    whole_by_image, whole = {pair.name: pair.whole for pair in pairs}, Counter[str]()
    for pair in pairs:
        whole[pair.group or pair.name] += pair.whole
    if planning.composing_obstacle(find(dataset.task), whole):
        return {"whole": whole, "pictures": [], "mark": ""}
    fullest = sorted(images, key=lambda image: (-whole_by_image.get(image.name, 0), image.name))[:MOST_SOURCES]
    source_hash = mark(*((image.sha256, image.labels_sha256, image.region, image.group) for image in fullest))
    before = dataset.summary.get("composed", {})
    pictures = before["pictures"] if before.get("mark") == source_hash else _composed_pictures(fullest, report_alive)
    return {"whole": whole, "pictures": pictures, "mark": source_hash if pictures else ""}


def _composed_pictures(images: Sequence[DatasetImage], report_alive: Callable[[], None]) -> list[str]:
    """The pictures, WEBP in base64; [] if an image could not be read (the check of the dataset goes
    on without them)."""
    from segmentation.lab.training.check import composed_pictures

    try:
        with scratch_folder() as folder:
            write_folder_dataset(images, folder, report_alive)
            return [b64encode(picture).decode() for picture in composed_pictures(folder)]
    except (UnreadableImage, decoding.Killed, BadDataset):
        logger.warning("No agglomerates could be composed of the images of a dataset.", exc_info=True)
        return []
