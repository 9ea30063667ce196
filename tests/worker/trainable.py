"""A dataset of drawn discs with files of its own, a tiny model to start from, and trainings of seconds.

`python -m tests.worker.trainable make BASE IMAGES` makes them in a data folder, `... train` trains as a worker does.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np

FEW = {"batch": 2, "crop": 64, "validation_batches": 1, "checkpoint": 2, "precision": "float32", "workers": 1}


def install(put: Callable[..., None] = setattr) -> None:
    """Few steps, and no replay."""
    import worker.learning.training as training
    from segmentation.lab.training import replay
    from segmentation.lab.training.adaptation import trainings

    options = training._options
    few = {"steps": 4, "pace": 1.0, "device": "cpu", "recipe": FEW}
    put(training, "_options", lambda row: {**options(row), **few})
    put(replay, "recipe_of", lambda card: None)
    put(trainings, "EXAMPLE_SIDE", 64)


def make_training(base: Path, images: int = 3, owner=None):
    """A queued training on a dataset of so many images."""
    from django.core.files.base import ContentFile
    from PIL import Image

    from segmentation.models import Dataset, DatasetImage, Training
    from tests.lab.folders import discs

    dataset = Dataset.objects.create(name="My discs", task="particles", owner=owner, state="done")
    frozen = []
    for number in range(images):
        grey, labels = discs(number)
        files = []
        for array in (grey, labels.astype(np.uint16)):
            content = BytesIO()
            Image.fromarray(array).save(content, "PNG")
            files.append(content.getvalue())
        hashes = [hashlib.sha256(content).hexdigest() for content in files]
        row = DatasetImage(dataset=dataset, name=f"{number}.png", sha256=hashes[0], labels_sha256=hashes[1])
        row.group = f"specimen {number}"
        row.image.save(f"{row.folder}/{number}.png", ContentFile(files[0]), save=False)
        row.labels.save(f"{row.folder}/labels.png", ContentFile(files[1]), save=False)
        row.save()
        frozen.append(
            {
                "image": str(row.pk),
                "name": row.name,
                "sha256": hashes[0],
                "labels_sha256": hashes[1],
                "group": row.group,
                "region": None,
            }
        )
    return Training.objects.create(dataset=dataset, base=str(base), frozen=frozen, owner=owner)


def main(word: str) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    django.setup()
    from segmentation.models import REQUEUE_FIELDS, Training
    from worker import tasks

    if word == "make":
        print(make_training(Path(sys.argv[2]), int(sys.argv[3])).pk)
    if word == "train":
        install()
        Training.objects.filter(state="running").update(**REQUEUE_FIELDS)
        tasks.do_training()


if __name__ == "__main__":
    main(sys.argv[1])
