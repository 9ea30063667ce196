"""Measures the objects of a mask that another tool made: a Mask becomes an Analysis, without any network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..analysis import Analysis, AnalysisSettings
from ..labels.segmentation import MASKS, Provenance, Segmentation
from ..masks.label_images import Mask
from ..micrograph.calibration.crosscheck import crosscheck
from ..micrograph.calibration.square import resample_labels, stored_shape
from ..micrograph.kinds import sha256_of
from ..micrograph.types import IMAGE, IMAGE_SHA256, Micrograph, UnreadableImage
from ..pipeline import measure
from ..stages.pace import Progress, quiet
from ..stages.preparation import analysed_rows
from ..tasks import find

_OTHER_SIZE = "The image {name} has {columns} × {rows} px and the mask {mask_columns} × {mask_rows}: they must agree."


def analyse_mask(
    mask: Mask, settings: AnalysisSettings, progress: Progress = quiet, *, image: Micrograph | None = None
) -> Analysis:
    """The Analysis of a mask: its objects are measured like those that a network found, by the task of the settings.

    image: the micrograph that the mask was made from; it must have the same size. Without it, figures show the mask.

    If the settings have no calibration, that of the image is used, else that of the mask; none if the two contradict
    each other. If the pixels of the image's file are not square, the mask is resampled as the image was
    (`micrograph.square`). A data bar is looked for in the image; without an image only the settings can state
    one. Objects in the bar are removed; objects that reach it touch the frame. Raises UnreadableImage if the sizes
    differ, or if the bar leaves no row.
    """
    if image is not None:
        mask = replace(mask, labels=resample_labels(mask.labels, image.shape, stored_shape(image.metadata)))
    if image is None:
        pixels = np.where(mask.labels > 0, np.uint8(200), np.uint8(40))
        micrograph = Micrograph(pixels, mask.name, mask.sha256, mask.calibration, {"kind": "mask"}, mask.notes)
    else:
        micrograph = _of_image(mask, image)
    has_no_bar = image is None and settings.segmentation.data_bar == "auto"  # a mask shows no bar
    rows = len(mask.labels) if has_no_bar else analysed_rows(micrograph, settings.segmentation)
    labels = mask.labels.copy()
    labels[rows:] = 0
    ids = np.unique(labels[labels > 0])
    segmentation = Segmentation(
        labels,
        ids,
        np.zeros(len(ids), np.int32),
        find(settings.task).class_names,
        np.full(len(ids), np.nan, np.float32),  # the confidence of another tool's outlines is not known
        rows,
        Provenance(micrograph.sha256, settings.task, card={"name": MASKS, "sha256": mask.sha256}),
    )
    return measure(micrograph, segmentation, settings, progress)


def mask_of_outlines(file: Path, image: Micrograph, settings: AnalysisSettings) -> Mask:
    """The outlines in an ImageJ or COCO file as a Mask of the size of their image. Raises UnreadableImage."""
    from .reading import read_outlines
    from .shapes import Frame

    task, (height, columns) = find(settings.task), image.shape
    frame = Frame(height, columns, analysed_rows(image, settings.segmentation), stored_shape(image.metadata) or ())
    outlines = read_outlines(file, frame, task, task.class_names, image=image.name)
    return Mask(file.name, sha256_of(file), outlines.labels, outlines.notes)


def _of_image(mask: Mask, image: Micrograph) -> Micrograph:
    """The micrograph that a mask was made from, with the name and the hash of the mask, under which results are listed.
    Raises UnreadableImage if the sizes differ."""
    if image.shape != mask.labels.shape:
        (rows, columns), (mask_rows, mask_columns) = image.shape, mask.labels.shape
        raise UnreadableImage(
            _OTHER_SIZE.format(
                name=image.name, columns=columns, rows=rows, mask_columns=mask_columns, mask_rows=mask_rows
            )
        )
    metadata = {**image.metadata, IMAGE: image.name, IMAGE_SHA256: image.sha256}
    scales = {"image": image.calibration, "mask": mask.calibration}
    return replace(
        image,
        name=mask.name,
        sha256=mask.sha256,
        # The mask's calibration takes the place of the scale bar: it is used if the image has none.
        calibration=replace(image, reading=mask.calibration, texts_agree=True).scale.in_use,
        metadata=metadata,
        notes=(*mask.notes, *image.notes, *crosscheck(scales)),
    )
