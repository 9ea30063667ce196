"""Composes example pictures of agglomerates from the particles of a folder. They help a user to decide whether a
training should also learn from composed agglomerates."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ....core import dataset_files as files
from ..data import composing_function, load_folder
from ..settings import ComposedEntry
from ..sheets import TRUE, with_outlines

# All pictures together have about 40 kB; they are stored in the database row of a dataset.
PICTURES, SIDE_PX, QUALITY = 3, 224, 60


def composed_pictures(folder: Path) -> list[bytes]:
    """PICTURES composed micrographs with their outlines, as WEBP of SIDE_PX x SIDE_PX px; always the same for the same
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
