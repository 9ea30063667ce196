"""Pictures of the agglomerates that a training composes of the particles of a folder, for those who decide on it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ....core import dataset_files as files
from ..data import composites, load_folder
from ..settings import ComposedEntry
from ..sheets import TRUE, outlined

PICTURES, SIDE, QUALITY = 3, 224, 60  # SIDE in px; together about 40 kB, which the row of a dataset holds


def composed_pictures(folder: Path) -> list[bytes]:
    """PICTURES composed micrographs with their outlines, as WEBP of SIDE x SIDE px; the same folder gives the same.

    Raises BadDataset where no particle is whole and free.
    """
    entry = ComposedEntry(path=str(folder), images=files.IMAGES, labels=files.LABELS)
    drawing, pictures = composites(entry, load_folder(folder, entry)), []
    for number in range(PICTURES):
        grey, labels = drawing((SIDE, SIDE), np.random.default_rng(number))
        content = io.BytesIO()
        Image.fromarray(outlined(grey, labels, TRUE)).save(content, "WEBP", quality=QUALITY)
        pictures.append(content.getvalue())
    return pictures
