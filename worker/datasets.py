"""Datasets: the files of new images are written, archives taken in, and the whole is checked as by the shell."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from django.core.files.storage import default_storage
from numpy.typing import NDArray

from segmentation import services
from segmentation.core import dataset_files as files
from segmentation.core.labels.segmentation import UnusableSegmentation
from segmentation.core.measure.filters import Reason
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.tasks import UnknownTask, find
from segmentation.models import Dataset, DatasetImage, Job
from segmentation.plain import plain
from segmentation.services.datasets import CHECK, keep_check, publish_dataset, publish_image
from segmentation.services.upkeep import MAX_DEATHS

from . import inspection
from .comparing import objects_of_job
from .exporting import stored_segmentation
from .fetching import fetch, pixels_of
from .scratch import scratch

if TYPE_CHECKING:
    from segmentation.core.micrograph.types import Micrograph
    from segmentation.lab.check import CheckedFolder, CheckedPair
    from segmentation.lab.contract import LearningTask

Progress = Callable[[str, float], None]
Labels = NDArray[np.int32]
TAKING, WRITING, CHECKING = 0.0, 0.4, 0.7
LONGEST = 480  # px of a preview
BINS = np.geomspace(2, 2048, 21)  # px, two bins each time the diameter doubles
OTHER_SCALE = 5.0  # times the usual pixel from which on it looks like a mistake
# An outline with one of these reasons is right but does not count, or counts in part, so it is true all the same.
TRUE_ALL_THE_SAME = {str(each) for each in (Reason.FRAME, Reason.SMALL, Reason.UNRESOLVED)}
CHANGED = "{name} or its outlines were changed in the storage: remove the image from the dataset and add it again."
IN_BAR = "{name}: what was checked lies in its data bar. Check another part, or remove the image from the dataset."
NO_RESULT = "Its result was deleted before its outlines were copied: remove it here, or add the image again."
UNSUITABLE = (UnusableSegmentation, UnreadableImage, UnknownTask, services.Refused)


def prepare_dataset(dataset: Dataset, progress: Progress, folder: Path) -> None:
    """Take in the archives, write the images that have no files yet, check the whole and publish what it says."""
    from .dataset_archives import take_in

    learning = _taught(dataset)
    take_in(dataset, learning, lambda stage, done: progress(stage, TAKING + (WRITING - TAKING) * done), folder)
    waiting = list(dataset.images.filter(labels="", error="").select_related("job__micrograph", "job__segmentation"))
    for number, image in enumerate(waiting):
        share = WRITING + (CHECKING - WRITING) * number / len(waiting)
        tell = partial(progress, f"writing the outlines of {image.name}", share)
        tell()
        try:
            _write(dataset, image, learning, folder, tell)
        except (*UNSUITABLE, inspection.Killed) as error:
            _again_if_killed(error, dataset)
            dataset.change()
            DatasetImage.objects.filter(pk=image.pk).update(error=str(error))
    progress("checking the images", CHECKING)
    every = list(dataset.images.all())
    ready = [image for image in every if image.labels]
    checked = _checked(dataset, learning, ready, progress) if ready else None
    publish_dataset(dataset=dataset, summary=plain(_summary(dataset, every, ready, checked)))


def lay_out(images: Iterable[DatasetImage], folder: Path, alive: Callable[[], None] = lambda: None) -> None:
    """Write images with their labels as a folder dataset, see `core.dataset_files`; raises UnreadableImage where a file
    is gone or was changed. alive: as for `inspection.inspect`.

    Each image becomes a TIFF, but keeps its name. So no decoder of foreign files runs where its pixels are used.
    """
    from segmentation.core.label_images import sha256_of

    groups, regions = dict[str, str](), dict[str, list[int]]()
    for name in (files.IMAGES, files.LABELS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for image in images:
        alive()
        with scratch() as own:
            try:
                source, labels = fetch(image.image.name, own), fetch(image.labels.name, own)
                micrograph = inspection.read_micrograph(source, name=image.name, alive=alive)
            except (UnreadableImage, inspection.Killed) as error:
                raise type(error)(f"{image.name}: {error}") from error
            # A file of an unusual format was converted to TIFF, which its hash does not describe.
            converted = image.name.endswith(".tif")
            if sha256_of(labels) != image.labels_sha256 or not (converted or micrograph.sha256 == image.sha256):
                raise UnreadableImage(CHANGED.format(name=image.name))
            _write_tiff(micrograph, folder / files.IMAGES / image.name)
            shutil.copyfile(labels, folder / files.labels_path(image.name, labels.name))
        groups[image.name] = image.group
        # What is written has no header, which may say where the data bar begins.
        rows, columns = micrograph.metadata.get("image_rows"), micrograph.shape[1]
        region = image.region or ([0, 0, int(rows), columns] if rows else None)
        if region:
            top, left, bottom, right = region
            bottom = min(bottom, int(rows or bottom))
            if bottom <= top:
                raise UnreadableImage(IN_BAR.format(name=image.name))
            regions[image.name] = [top, left, bottom, right]
    (folder / files.GROUPS).write_text(files.groups_table(groups), encoding="utf-8")
    if regions:
        (folder / files.REGIONS).write_text(files.regions_table(regions), encoding="utf-8")


def _taught(dataset: Dataset) -> LearningTask:
    from segmentation.lab import tasks as taught

    return taught.find(dataset.task)


def _again_if_killed(error: Exception, dataset: Dataset) -> None:
    """Raise an error again for which another attempt at the dataset may help; the last attempt notes it of the image
    and goes on."""
    if isinstance(error, inspection.Killed) and dataset.deaths < MAX_DEATHS - 1:
        raise error


def _write(
    dataset: Dataset, image: DatasetImage, learning: LearningTask, folder: Path, alive: Callable[[], None]
) -> None:
    from segmentation.core.truth import IMAGE_KINDS

    job = image.job
    if job is None or job.segmentation is None:
        raise services.Refused(NO_RESULT)
    micrograph = pixels_of(job.micrograph, folder, alive)
    labels, left_out = _true_labels(job, learning)
    source = fetch(job.micrograph.file.name, folder)
    if PurePosixPath(image.name).suffix.lower() not in IMAGE_KINDS:
        source = folder / "converted.tif"
        _write_tiff(micrograph, source)
        image.name = f"{PurePosixPath(image.name).stem}.tif"
    edited = job.summary["used"].get("corrected") or {}
    further = {"left_out": left_out, "model": job.model_name, "by_hand": job.is_by_hand, "corrected": edited}
    store(dataset, image, learning, micrograph, source, labels, further, name=image.name)


def store(
    dataset: Dataset,
    image: DatasetImage,
    learning: LearningTask,
    micrograph: Micrograph,
    source: Path,
    labels: Labels,
    further: dict[str, Any],
    **fields: Any,
) -> None:
    """Write and publish the files of one image. labels: (H, W); only the region counts. further: more entries of the
    image's summary. fields: of its row."""
    if labels.shape != micrograph.shape:
        raise UnreadableImage("The outlines are of another size than the image.")
    labels = _within(labels, image.region, files.UNLABELLED if dataset.class_names else 0)
    with scratch() as own:
        written = files.write_labels(own, "labels", labels)
        sha256 = hashlib.sha256(written.read_bytes()).hexdigest()
        named = written.rename(own / f"labels-{sha256[:16]}{written.suffix}")
        preview, coco = own / f"preview-{sha256[:16]}.webp", named.with_suffix(".json.gz")
        _draw(preview, dataset, image, micrograph, labels)
        coco.write_bytes(gzip.compress(json.dumps(_annotations(dataset, labels)).encode(), 6, mtime=0))
        kept = own / f"image{PurePosixPath(image.name).suffix.lower()}"
        shutil.copyfile(source, kept)
        rows = {"image": kept, "labels": named, "preview": preview, "coco": coco}
        summary = plain({**_facts(dataset, learning, labels), **further})
        publish_image(dataset=dataset, image=image, files=rows, labels_sha256=sha256, summary=summary, **fields)


def _true_labels(job: Job, learning: LearningTask) -> tuple[Labels, int]:
    """(labels, number of outlines left out). A training sees left-out outlines as background: a person set them aside,
    or they may be wrong and nobody confirmed them."""
    found = stored_segmentation(job)
    if find(found.provenance.task).semantic:
        return np.r_[files.UNLABELLED, found.classes].astype(np.int32)[found.dense], 0
    if learning.drawn:
        return learning.drawn(found.labels), 0
    known = objects_of_job(job)
    reasons = {each["id"]: each.get("reason", "") for each in (_measured(job, found) if known is None else known)}
    true = [number for number in found.ids.tolist() if not (why := reasons.get(number, "")) or why in TRUE_ALL_THE_SAME]
    return np.where(np.isin(found.labels, true), found.labels, 0), len(found) - len(true)


def _measured(job: Job, found: Any) -> list[dict[str, Any]]:
    """The objects of a result whose file of outlines cannot be read."""
    from segmentation.core import pipeline
    from segmentation.core.report.objects import Objects

    with scratch() as folder:
        objects = Objects.of(pipeline.measure(pixels_of(job.micrograph, folder), found, job.get_settings()))
    return [{"id": number, "reason": why} for number, why in zip(objects.ids.tolist(), objects.reasons, strict=True)]


def _within(labels: Labels, region: list[int] | None, outside: int) -> Labels:
    if region is None:
        return labels
    top, left, bottom, right = region
    found = np.full_like(labels, outside)
    found[top:bottom, left:right] = labels[top:bottom, left:right]
    return found


def _write_tiff(micrograph: Micrograph, file: Path) -> None:
    import tifffile

    tifffile.imwrite(file, micrograph.pixels, compression="zlib")


def _draw(file: Path, dataset: Dataset, image: DatasetImage, micrograph: Micrograph, labels: Labels) -> None:
    """A small picture with outlines, darker where nobody has checked."""
    from PIL import Image

    from segmentation.core.micrograph.contrast import preview
    from segmentation.core.report.picture import sampled
    from segmentation.lab.classes import coloured
    from segmentation.lab.sheets import TRUE, outlined

    grey = preview(micrograph, LONGEST)
    small = sampled(labels, grey.shape)
    if dataset.class_names:
        picture = coloured(grey, np.where(small == files.UNLABELLED, 0, small + 1))
    else:
        picture = outlined(grey, small, TRUE)
    if image.region:
        ones = np.ones(labels.shape, np.int32)
        outside = sampled(_within(ones, image.region, 0), grey.shape) == 0
        picture = np.where(outside[..., None], picture // 3, picture)
    Image.fromarray(picture).save(file, "WEBP", quality=85)


def _facts(dataset: Dataset, learning: LearningTask, labels: Labels) -> dict[str, Any]:
    """Counts and sizes of one image."""
    from scipy import ndimage

    if dataset.class_names:
        pixels = np.bincount(labels.ravel(), minlength=files.UNLABELLED + 1)[: len(dataset.class_names)]
        shares = pixels / max(1, pixels.sum())
        return {"shares": dict(zip(dataset.class_names, shares.round(4).tolist(), strict=True))}
    inside = labels == 0 if learning.drawn else labels > 0
    alone = learning.drawn or len(np.unique(labels[inside])) <= 1
    areas = np.bincount((ndimage.label(inside)[0] if alone else labels).ravel())[1:]
    diameters = np.sqrt(4 * areas[areas > 0] / np.pi)
    median = float(np.median(diameters)) if len(diameters) else None
    return {
        "objects": len(diameters),
        "median_px": median,
        "bins": np.histogram(diameters.clip(BINS[0], BINS[-1]), BINS)[0].tolist(),
    }


def _annotations(dataset: Dataset, labels: Labels) -> list[dict[str, Any]]:
    """The labels as COCO annotations; an export adds the number of the image."""
    from segmentation.core.report.exports.coco import geometry
    from segmentation.core.report.outlines import polygons

    if dataset.class_names:
        labels = np.where(labels == files.UNLABELLED, 0, labels + 1)
    ids = np.unique(labels[labels > 0])
    dense = np.searchsorted(ids, labels).astype(np.int32) + 1
    dense[labels == 0] = 0
    return [
        {"label": number, "category_id": number if dataset.class_names else 1, **geometry(shape, labels.shape)}
        for number, shape in zip(ids.tolist(), polygons(dense, len(ids)), strict=True)
    ]


def _checked(dataset: Dataset, learning: LearningTask, ready: list[DatasetImage], progress: Progress) -> CheckedFolder:
    """What the shell's `dataset check` says of these images. Only images that it has not seen yet are read."""
    from segmentation.core.truth import BadDataset
    from segmentation.lab.check import check_pairs

    classes = tuple(range(len(dataset.class_names))) or ((1,) if learning.classes else ())
    pairs: list[CheckedPair] = []
    errors, names = list[str](), list[str]()
    for number, image in enumerate(sorted(ready, key=lambda image: image.name)):
        names += [image.name, PurePosixPath(files.labels_path(image.name, image.labels.name)).name]
        try:
            tell = partial(progress, f"checking {image.name}", CHECKING + (1 - CHECKING) * number / len(ready))
            pairs.append(replace(_checked_pair(image, classes, tell), group=image.group))
        except BadDataset as error:
            errors.append(str(error))
        except (UnreadableImage, inspection.Killed) as error:
            _again_if_killed(error, dataset)
            errors.append(str(error))
    return check_pairs(pairs, errors, names, classes=classes, task=dataset.task)


def _checked_pair(image: DatasetImage, classes: tuple[int, ...], tell: Callable[[], None]) -> CheckedPair:
    """What is known of an image with its labels, kept beside them; tell: reports that it must be read."""
    from segmentation.core.truth import find_pairs
    from segmentation.lab import check

    rests_on = image.name, image.sha256, image.labels_sha256, image.region, classes
    name = f"{CHECK}{check.mark(*rests_on)}.npz"
    with scratch() as own:
        if default_storage.exists(f"{image.folder}/{name}"):
            with suppress(*check.DAMAGED):
                return check.kept(fetch(f"{image.folder}/{name}", own))
        tell()
        lay_out([image], own, tell)
        pair = check.check_pair(find_pairs(own, files.IMAGES, files.LABELS, classes=classes).pairs[0])
        check.keep(pair, own / name)
        keep_check(image=image, file=own / name)
    return pair


def _summary(
    dataset: Dataset, every: list[DatasetImage], ready: list[DatasetImage], checked: CheckedFolder | None
) -> dict[str, Any]:
    """What the page shows: totals, sizes, growth, and what the check says."""
    errors = [{"error": True, "sentence": f"{image.name}: {image.error}"} for image in every if image.error]
    scales = [{"error": False, "sentence": each} for each in contradicting_scales(ready)]
    found = [{"error": each.error, "sentence": _plainly(each.sentence)} for each in checked.findings] if checked else []
    bins = [image.summary["bins"] for image in ready if "bins" in image.summary]
    growth = dict[str, dict[str, Any]]()
    objects = 0
    for number, image in enumerate(ready, 1):
        objects += image.summary.get("objects", 0)
        day = image.consented.date().isoformat()
        growth[day] = {"day": day, "images": number, "objects": objects}
    return {
        "images": len(ready),
        "objects": objects,
        "groups": len({image.group for image in ready}),
        "megapixels": round(sum(image.width * image.height for image in ready) / 1e6, 2),
        "bytes": sum(image.size for image in ready),
        "sizes": {"edges": BINS.round(1).tolist(), "counts": np.sum(bins, 0).tolist()} if bins else {},
        "findings": [*errors, *scales, *found],
        "growth": list(growth.values()),
    }


def _plainly(sentence: str) -> str:
    """A sentence of the shell without its options."""
    return sentence.replace(" (--groups)", "").replace(", or --classes lacks it", "")


def contradicting_scales(images: list[DatasetImage]) -> list[str]:
    """A sentence for each image whose pixels are many times larger or smaller than is usual in the dataset."""
    known = [image for image in images if image.nm_per_pixel]
    if len(known) < 2:
        return []
    logs = {image.pk: math.log(image.nm_per_pixel or 1) for image in known}
    usual = float(np.median(list(logs.values()))) if len(known) > 2 else min(logs.values())
    return [
        f"A pixel of {image.name} is {image.nm_per_pixel:.3g} nm, and {math.exp(usual):.3g} nm is usual in this"
        " dataset: check its scale, unless its magnification was so different."
        for image in known
        if abs(logs[image.pk] - usual) >= math.log(OTHER_SCALE)
    ]
