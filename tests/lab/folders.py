"""Small folders of drawn micrographs with their labels, and recipes that train on them in a second."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from segmentation.lab.training.settings import TrainingRecipe

SIDE = 96


def discs(seed, side=SIDE, count=8, radius=9):
    """(grey, labels) of bright discs that keep apart, on noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    labels = np.zeros((side, side), np.int32)
    for _ in range(40 * count):
        row, column = rng.integers(radius, side - radius, 2)
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        wide = (rows - row) ** 2 + (columns - column) ** 2 <= (radius + 2) ** 2
        if not labels[wide].any():
            labels[disc] = labels.max() + 1
        if labels.max() == count:
            break
    grey = rng.normal(70, 12, labels.shape) + 110 * (labels > 0)
    return grey.clip(0, 255).astype(np.uint8), labels


def squares(*boxes, shape=(60, 80)):
    """Labels 1..n of rectangles (top, left, bottom, right)."""
    labels = np.zeros(shape, np.int32)
    for number, (top, left, bottom, right) in enumerate(boxes, start=1):
        labels[top:bottom, left:right] = number
    return labels


def save(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".npy":
        np.save(file, array)
    else:
        Image.fromarray(array).save(file)
    return file


def make_folder(folder: Path, images=4, **options) -> Path:
    """`images` images 0.png, 1.png, ... with instance labels."""
    for number in range(images):
        grey, labels = discs(number, **options)
        save(folder / "images" / f"{number}.png", grey)
        save(folder / "labels" / f"{number}.png", labels.astype(np.uint16))
    return folder


def tiny(folder: Path, **changes) -> TrainingRecipe:
    """A recipe that trains a tiny network on the folder in a second, most of it the start of what prepares crops."""
    settings = {
        "name": "tiny",
        "title": "Tiny",
        "architecture": {"name": "plain-unet", "filters": 4, "depth": 2},
        "sources": [{"kind": "folder", "path": str(folder)}],
        "steps": 4,
        "batch": 2,
        "crop": 64,
        "checkpoint": 2,
        "validation": 0.3,
        "validation_batches": 1,
        "precision": "float32",
        "device": "cpu",
        "threads": 1,
    }
    return TrainingRecipe(**{**settings, **changes})


def quietly(line):
    """A `say` that says nothing."""


def curve(run):
    """The metrics without the seconds."""
    with (run / "metrics.csv").open(newline="") as lines:
        return [row[:4] for row in csv.reader(lines)]
