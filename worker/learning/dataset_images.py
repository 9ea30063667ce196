"""Writes the files of dataset images: the stored files of an image (image, labels, preview,
annotations), and a folder with stored images for a training or a check."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.core.learning import dataset_files as files
from segmentation.core.micrograph.contrast import preview
from segmentation.core.micrograph.kinds import sha256_of
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from segmentation.core.report.exports.coco import geometry
from segmentation.core.report.figures.picture import sampled_labels
from segmentation.core.report.outlines import polygons
from segmentation.learning.datasets.services import publish_image
from segmentation.models import Dataset, DatasetImage
from segmentation.plain import storable

from ..fetching import fetch
from ..reading import decoding
from ..scratch import scratch_folder

if TYPE_CHECKING:
    from segmentation.lab.training.check import LearningTask

Labels = NDArray[np.int32]
PREVIEW_PX = 480  # longer side of a preview
DIAMETER_BINS_PX = np.geomspace(2, 2048, 21)  # edges of a histogram of diameters: two bins for each doubling
CHANGED = "{name} or its outlines were changed in the storage: remove the image from the dataset and add it again."
IN_BAR = "{name}: what was checked lies in its data bar. Check another part, or remove the image from the dataset."


def write_folder_dataset(
    images: Iterable[DatasetImage], folder: Path, report_alive: Callable[[], None] = lambda: None
) -> None:
    """Write images with their labels as a folder dataset, see `core.learning.dataset_files`. report_alive: as in
    `decoding.inspect`. Raises UnreadableImage if a file is missing or was changed, or if the
    checked region lies in the data bar, and Killed.

    Each image is written as TIFF, under its own name. So a training never decodes uploaded files
    itself.
    """
    groups, regions = dict[str, str](), dict[str, list[int]]()
    for name in (files.IMAGES, files.LABELS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for image in images:
        report_alive()
        with scratch_folder() as copies:
            try:
                source, labels = fetch(image.image.name, copies), fetch(image.labels.name, copies)
                micrograph = decoding.read_micrograph(source, name=image.name, report_alive=report_alive)
            except (UnreadableImage, decoding.Killed) as error:
                raise type(error)(f"{image.name}: {error}") from error
            # `datasets._write_image_files` may have converted the image to TIFF, but the stored SHA-256
            # belongs to the original file. So the SHA-256 of a .tif is not compared.
            may_differ = image.name.endswith(".tif")
            if sha256_of(labels) != image.labels_sha256 or not (may_differ or micrograph.sha256 == image.sha256):
                raise UnreadableImage(CHANGED.format(name=image.name))
            write_tiff(micrograph, folder / files.IMAGES / image.name)
            shutil.copyfile(labels, folder / files.labels_path(image.name, labels.name))
        groups[image.name] = image.group
        # The written TIFF has no metadata. If the metadata of the image tell where the data bar begins,
        # the region leaves the bar out.
        image_rows, columns = micrograph.metadata.get("image_rows"), micrograph.shape[1]
        region = image.region or ([0, 0, int(image_rows), columns] if image_rows else None)
        if region:
            top, left, bottom, right = region
            bottom = min(bottom, int(image_rows or bottom))
            if bottom <= top:
                raise UnreadableImage(IN_BAR.format(name=image.name))
            regions[image.name] = [top, left, bottom, right]
    (folder / files.GROUPS).write_text(files.groups_table(groups), encoding="utf-8")
    if regions:
        (folder / files.REGIONS).write_text(files.regions_table(regions), encoding="utf-8")


def store_image(
    dataset: Dataset,
    image: DatasetImage,
    learning: LearningTask,
    micrograph: Micrograph,
    source: Path,
    labels: Labels,
    further: dict[str, Any],
    **fields: Any,
) -> None:
    """Write the files of one image and store them. source: the image file. labels: (H, W), used
    only within the image's region. further: more entries of its summary. fields: of its row. Raises
    UnreadableImage if the sizes differ."""
    if labels.shape != micrograph.shape:
        raise UnreadableImage("The outlines are of another size than the image.")
    labels = _labels_within(labels, image.region, files.UNLABELLED if dataset.class_names else 0)
    with scratch_folder() as folder:
        written = files.write_labels(folder, "labels", labels)
        sha256 = hashlib.sha256(written.read_bytes()).hexdigest()
        renamed = written.rename(folder / f"labels-{sha256[:16]}{written.suffix}")
        preview, coco = folder / f"preview-{sha256[:16]}.webp", renamed.with_suffix(".json.gz")
        _write_preview(preview, dataset, image, micrograph, labels)
        coco.write_bytes(gzip.compress(json.dumps(_annotations(dataset, labels)).encode(), 6, mtime=0))
        copy = folder / f"image{PurePosixPath(image.name).suffix.lower()}"
        shutil.copyfile(source, copy)
        stored = {"image": copy, "labels": renamed, "preview": preview, "coco": coco}
        summary = storable({**_facts(dataset, learning, labels), **further})
        publish_image(dataset=dataset, image=image, files=stored, labels_sha256=sha256, summary=summary, **fields)


def _labels_within(labels: Labels, region: list[int] | None, outside: int) -> Labels:
    """The labels with the value `outside` outside of the region (None: the whole image)."""
    if region is None:
        return labels
    top, left, bottom, right = region
    inside = np.full_like(labels, outside)
    inside[top:bottom, left:right] = labels[top:bottom, left:right]
    return inside


def write_tiff(micrograph: Micrograph, file: Path) -> None:
    """Write the pixels of an image as compressed TIFF."""
    import tifffile

    tifffile.imwrite(file, micrograph.pixels, compression="zlib")


def _write_preview(file: Path, dataset: Dataset, image: DatasetImage, micrograph: Micrograph, labels: Labels) -> None:
    """Write the preview: a small picture with outlines, darker outside of the checked region."""
    from segmentation.lab.training.check import TRUE, with_classes, with_outlines

    grey = preview(micrograph, PREVIEW_PX)
    small = sampled_labels(labels, grey.shape)
    if dataset.class_names:
        picture = with_classes(grey, np.where(small == files.UNLABELLED, 0, small + 1))
    else:
        picture = with_outlines(grey, small, TRUE)
    if image.region:
        ones = np.ones(labels.shape, np.int32)
        outside = sampled_labels(_labels_within(ones, image.region, 0), grey.shape) == 0
        picture = np.where(outside[..., None], picture // 3, picture)
    Image.fromarray(picture).save(file, "WEBP", quality=85)


def _facts(dataset: Dataset, learning: LearningTask, labels: Labels) -> dict[str, Any]:
    """Entries of an image's summary: the shares of its classes, or the number and sizes (px) of its
    objects."""
    from scipy import ndimage

    if dataset.class_names:
        pixels = np.bincount(labels.ravel(), minlength=files.UNLABELLED + 1)[: len(dataset.class_names)]
        shares = pixels / max(1, pixels.sum())
        return {"shares": dict(zip(dataset.class_names, shares.round(4).tolist(), strict=True))}
    inside = labels == 0 if learning.drawn else labels > 0
    # If the labels are a mask, its connected parts are the objects.
    is_mask = learning.drawn or len(np.unique(labels[inside])) <= 1
    areas = np.bincount((ndimage.label(inside)[0] if is_mask else labels).ravel())[1:]
    diameters = np.sqrt(4 * areas[areas > 0] / np.pi)
    median = float(np.median(diameters)) if len(diameters) else None
    return {
        "objects": len(diameters),
        "median_px": median,
        "bins": np.histogram(diameters.clip(DIAMETER_BINS_PX[0], DIAMETER_BINS_PX[-1]), DIAMETER_BINS_PX)[0].tolist(),
    }


def _annotations(dataset: Dataset, labels: Labels) -> list[dict[str, Any]]:
    """The labels as COCO annotations, without ids and the number of the image, which an export
    adds."""
    if dataset.class_names:
        labels = np.where(labels == files.UNLABELLED, 0, labels + 1)
    ids = np.unique(labels[labels > 0])
    dense = np.searchsorted(ids, labels).astype(np.int32) + 1
    dense[labels == 0] = 0
    return [
        {"label": number, "category_id": number if dataset.class_names else 1, **geometry(shape, labels.shape)}
        for number, shape in zip(ids.tolist(), polygons(dense, len(ids)), strict=True)
    ]
