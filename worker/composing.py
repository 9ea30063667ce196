"""What a training could compose of a dataset: its whole, free particles, and three pictures."""

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

from .dataset_images import lay_out
from .inspection import Killed
from .scratch import scratch

if TYPE_CHECKING:
    from segmentation.lab.training.check import CheckedPair

logger = logging.getLogger(__name__)
SHOWN = 4  # the pictures are composed of so many images, those with most particles: to read all takes long


def composed_of(
    dataset: Dataset, images: Sequence[DatasetImage], pairs: Sequence[CheckedPair], alive: Callable[[], None]
) -> dict[str, Any]:
    """The entry "composed" of a dataset's summary.

    whole: how many particles can be cut out, by group. pictures: WEBP in base64, none where a
    training cannot compose. mark: what the pictures rest on; the same are not made twice.

    images: those whose files are written. pairs: those of them that could be checked. alive: as of `lay_out`.
    """
    from segmentation.lab.training.check import mark

    by_image, whole = {pair.name: pair.whole for pair in pairs}, Counter[str]()
    for pair in pairs:
        whole[pair.group or pair.name] += pair.whole
    if planning.composing_obstacle(find(dataset.task), whole):
        return {"whole": whole, "pictures": [], "mark": ""}
    fullest = sorted(images, key=lambda image: (-by_image.get(image.name, 0), image.name))[:SHOWN]
    rests_on = mark(*((image.sha256, image.labels_sha256, image.region, image.group) for image in fullest))
    before = dataset.summary.get("composed", {})
    pictures = before["pictures"] if before.get("mark") == rests_on else _drawn(fullest, alive)
    return {"whole": whole, "pictures": pictures, "mark": rests_on if pictures else ""}


def _drawn(images: Sequence[DatasetImage], alive: Callable[[], None]) -> list[str]:
    """The pictures; none where an image could not be read again, which takes nothing from the check."""
    from segmentation.lab.training.check import composed_pictures

    try:
        with scratch() as folder:
            lay_out(images, folder, alive)
            return [b64encode(picture).decode() for picture in composed_pictures(folder)]
    except (UnreadableImage, Killed, BadDataset):
        logger.warning("No agglomerates could be composed of the images of a dataset.", exc_info=True)
        return []
