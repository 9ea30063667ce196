"""Pictures of the agglomerates that a training would compose of the particles of a folder. They help a user to decide
whether a training shall compose any."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ....core import dataset_files as files
from ..data import composites, load_folder
from ..settings import ComposedEntry
from ..sheets import TRUE, with_outlines

PICTURES, SIDE, QUALITY = (
    3,
    224,
    60,
)  # SIDE in px; all pictures take about 40 kB, which the database row of a dataset holds


def composed_pictures(folder: Path) -> list[bytes]:
    """PICTURES composed micrographs with their outlines, as WEBP of SIDE x SIDE px; always the same for the same
    folder.

    Raises BadDataset if no particle is whole and apart from the others.
    """
    entry = ComposedEntry(path=str(folder), images=files.IMAGES, labels=files.LABELS)
    draw_composite, pictures = composites(entry, load_folder(folder, entry)), []
    for number in range(PICTURES):
        grey, labels = draw_composite((SIDE, SIDE), np.random.default_rng(number))
        content = io.BytesIO()
        Image.fromarray(with_outlines(grey, labels, TRUE)).save(content, "WEBP", quality=QUALITY)
        pictures.append(content.getvalue())
    return pictures
