"""Counts, for the check of a dataset, the particles from which a training can compose agglomerates,
and makes example pictures of composed agglomerates.

Only whole particles can be used: complete ones that nothing touches.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from segmentation.core import planning
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.tasks import find
from segmentation.core.truth import BadDataset
from segmentation.models import Dataset, DatasetImage

from .dataset_images import write_folder_dataset
from .decoding import Killed
from .scratch import scratch_folder

if TYPE_CHECKING:
    from segmentation.lab.training.check import CheckedPair

logger = logging.getLogger(__name__)
# The pictures are made from this number of images, those with most particles: reading all images
# takes long.
MOST_SOURCES = 4


def composed_of(
    dataset: Dataset, images: Sequence[DatasetImage], pairs: Sequence[CheckedPair], report_alive: Callable[[], None]
) -> dict[str, Any]:
    """The entry "composed" of a dataset's summary.

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
    except (UnreadableImage, Killed, BadDataset):
        logger.warning("No agglomerates could be composed of the images of a dataset.", exc_info=True)
        return []
