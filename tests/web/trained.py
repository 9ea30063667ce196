"""Datasets, trainings and the models that they made, without having trained anything."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import tomlkit
from django.conf import settings
from django.core.files.base import ContentFile
from PIL import Image

from segmentation.core.network.cards import ModelCard, UnknownModel, read_card
from segmentation.learning.trainings.services import frozen_images
from segmentation.models import Dataset, DatasetImage, Training, TrainingFile

BASE = "particles"
PLAN = {
    "steps": 300,
    "trainings": 4,
    "held_out": [["a.png"], ["b.png"], ["c.png"]],
    "seconds": 1200.0,
    "of_step": 1.0,
    "notes": ["Three images are few: each is held out once."],
}
CURVE = [
    {
        "split": split,
        "step": step,
        "loss": 0.5 - step / 1000,
        "validation_loss": 0.6 - step / 1200,
        "score": 0.6 + step / 2000 + 0.02 * split,
        "error": 20 - step / 20,
    }
    for split in (0, 1)
    for step in (0, 100, 200, 300)
]


def outcome(*, improved: bool = True) -> dict[str, Any]:
    """A finished summary: 13 to 6.5 %, or nothing gained."""
    after = 6.5 if improved else 14.0
    word = "better" if improved else "worse"
    return {
        "plan": PLAN,
        "curve": CURVE,
        "pictures": [
            {"image": name, "split": split, "step": step, "file": f"held-out-{split}-{step}.webp"}
            for split, name in enumerate("ab")
            for step in (0, 300)
        ],
        "table": [
            {
                "name": "median_error",
                "title": "Error of the median",
                "unit": "%",
                "better": "lower",
                "before": 13.0,
                "before_interval": [10.0, 17.0],
                "after": after,
                "after_interval": [4.0, 9.0] if improved else [11.0, 17.0],
            },
            {
                "name": "f50",
                "title": "F1 at 0.5",
                "unit": "",
                "better": "higher",
                "before": 0.767,
                "before_interval": None,
                "after": 0.831 if improved else 0.74,
                "after_interval": None,
            },
        ],
        "images": [
            {
                "image": "a.png",
                "before": {"median_error": 13.0, "f50": 0.75},
                "after": {"median_error": after, "f50": 0.84},
                "file": "changed-a.webp",
                "verdict": word,
            },
            {
                "image": "b.png",
                "before": {"median_error": 8.0, "f50": 0.8},
                "after": {"median_error": 9.0, "f50": 0.79},
                "file": "changed-b.webp",
                "verdict": "worse",
            },
        ],
        "legend": [["correct", "#009e73"], ["merged", "#cc79a7"]],
        "forgetting": [{"data": "rendered pictures", "images": 20, "figure": "AP50", "before": 0.81, "after": 0.805}],
        "learning_curve": [
            {"images": 0, "error": 13.0, "error_interval": [10.0, 17.0], "score": 0.62},
            {"images": 5, "error": 9.0, "error_interval": [6.0, 12.0], "score": 0.68},
            {"images": 10, "error": after, "error_interval": [4.0, 9.0], "score": 0.71},
        ],
        "outcome": {
            "improved": improved,
            "figure": "Error of the median",
            "before": 13.0,
            "after": after,
            "sentence": f"The error of the median on held-out images {'fell' if improved else 'rose'}"
            f" from 13 % to {after:g} %.",
        },
    }


PIXEL = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"  # a WEBP of one pixel
COMPOSED = {"whole": {"g0": 12, "g1": 9, "g2": 14}, "pictures": [PIXEL] * 3, "mark": "0"}


def make_dataset(owner: Any, images: int = 3, **fields: Any) -> Dataset:
    """A dataset whose images are written and checked."""
    dataset = Dataset.objects.create(**{"owner": owner, "name": "TiO2 powder", "task": "particles", **fields})
    for number in range(images):
        add_image(dataset, number)
    return dataset


def add_image(dataset: Dataset, number: int = 0, **fields: Any) -> DatasetImage:
    name = f"{'abcdefghij'[number]}.png"
    defaults = {"name": name, "sha256": f"{number:064d}", "labels_sha256": f"{number + 50:064d}", "group": f"g{number}"}
    defaults |= {"labels": "labels.tif", "image": name, "width": 64, "height": 48, "summary": {"objects": 60}}
    return DatasetImage.objects.create(dataset=dataset, **{**defaults, **fields})


def make_training(owner: Any, dataset: Dataset | None = None, **fields: Any) -> Training:
    dataset = dataset or make_dataset(owner)
    return Training.objects.create(
        **{"owner": owner, "dataset": dataset, "base": BASE, "frozen": frozen_images(dataset)[:1], **fields}
    )


def make_model(owner: Any, name: str = "tio2-1", *, improved: bool = True, **fields: Any) -> Training:
    """A finished training with its model in the folder of the site's own models."""
    defaults = {"state": "done", "progress": 1.0, "model_name": name, "version": 1, "offered": improved}
    training = make_training(owner, **{**defaults, "summary": outcome(improved=improved), **fields})
    install(name)
    return training


def install(name: str, **entries: Any) -> None:
    """A card with weights, as a training installs them."""
    folder = settings.DEEPSEGM_MODELS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.safetensors").write_bytes(name.encode())
    card = {
        "name": name,
        "title": f"TiO2 powder, {name}",
        "summary": "Finds particles of TiO2.",
        "version": name.rpartition("-")[2],
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
        **entries,
        "architecture": {"name": "Unet", "encoder_name": "resnet18", "classes": 3},
        "data": [{"title": "TiO2 powder", "licence": "of its owner", "split": "all"}],
    }
    (folder / f"{name}.toml").write_text(tomlkit.dumps(card))


def with_own_models(monkeypatch: Any, card: ModelCard) -> None:
    """The released model `card`, and what lies in the folder of the site's own models."""

    def available(folder: Any = None) -> list[ModelCard]:
        paths = [] if folder else sorted(settings.DEEPSEGM_MODELS.glob("*.toml"))
        return [card, *map(read_card, paths)]

    def find(name: str, folder: Any = None) -> ModelCard:
        models = {model.name: model for model in available(folder)}
        if name not in models:
            raise UnknownModel(f"There is no model named {name!r}; the models here are: {', '.join(models)}.")
        return models[name]

    monkeypatch.setattr("segmentation.core.network.cards.available", available)
    monkeypatch.setattr("segmentation.core.network.cards.find", find)


def add_pictures(training: Training) -> None:
    """A file for every picture that the summary names."""
    summary = training.summary
    names = {picture["file"] for part in ("pictures", "images") for picture in summary.get(part, [])}
    for number, name in enumerate(sorted(names)):
        row = TrainingFile(training=training, attempt=1, name=name, content_type="image/webp", size=1)
        row.file.save(f"{training.folder}/1/{name}", ContentFile(drawn(number)))


def drawn(seed: int) -> bytes:
    """A picture of discs."""
    rng, (rows, columns) = np.random.default_rng(seed), np.mgrid[:240, :320]
    pixels = rng.normal(60, 8, (240, 320))
    for row, column, radius in zip(*rng.uniform([[20], [20], [8]], [[220], [300], [22]], (3, 25)), strict=True):
        pixels[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = 180
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "WEBP")
    return file.getvalue()
