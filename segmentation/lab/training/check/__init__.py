"""Checks images and their labels before a training starts.

The site imports only this package and `adaptation` from the laboratory. Nothing here needs torch.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ....core.learning import dataset_files as files
from ..classes import with_classes
from ..contract import LearningTask
from ..data import composing_function, load_folder
from ..settings import ComposedEntry
from ..sheets import TRUE, with_outlines
from ..tasks import find as find_task
from .findings import CheckedFolder, Finding
from .folder import DAMAGED, NOT_CAUGHT, check_folder, check_pairs, check_sources, mark, read_pair, write_pair
from .pairs import CheckedPair, check_pair

# All pictures together have about 40 kB; they are stored in the database row of a dataset.
PICTURES, SIDE_PX, QUALITY = 3, 224, 60


def composed_pictures(folder: Path) -> list[bytes]:
    """Examples of composed agglomerates, by which a user decides whether a training learns from such: PICTURES
    micrographs with their outlines, as WEBP of SIDE_PX x SIDE_PX px; always the same for the same
    folder.

    Raises BadDataset if no particle is whole and apart from the others.
    """
    entry = ComposedEntry(path=str(folder), images=files.IMAGES, labels=files.LABELS)
    draw_composite, pictures = composing_function(entry, load_folder(folder, entry)), []
    for number in range(PICTURES):
        grey, labels = draw_composite((SIDE_PX, SIDE_PX), np.random.default_rng(number))
        content = io.BytesIO()
        Image.fromarray(with_outlines(grey, labels, TRUE)).save(content, "WEBP", quality=QUALITY)
        pictures.append(content.getvalue())
    return pictures
