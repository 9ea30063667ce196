"""A foreign kind of analysis, registered for these tests alone, and a network that was trained for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command

from segmentation.core import pipeline, tasks
from segmentation.core.analysis import Analysis
from segmentation.core.measure import quantities
from segmentation.core.network import cards
from segmentation.core.network.runtime import Runtime
from segmentation.core.network.scale_search import View
from segmentation.core.network.with_torch import TorchNetwork
from segmentation.core.stages import prediction, search
from segmentation.lab.training import tasks as taught
from tests.core.builders import micrograph_of
from tests.lab.folders import save

from . import brightness, taught_brightness
from .kinds import Brightest, Kind

# Importing the task registers its quantities; documents that list all must not have them beside it.
OWN = [quantities.NUMBERS.pop(name) for name in brightness.TASK.quantities]
RECIPE = """
name = "two-greys"
title = "Two greys"
summary = "Tells bright from dark."
task = "brightness"
options = {{ least = 3 }}
steps = 60
batch = 4
crop = 32
checkpoint = 30
learning_rate = 1e-2
validation = 0.3
validation_batches = 1
precision = "float32"
device = "cpu"
threads = 1
schedule = {{ warm_up = 5 }}
ema_decay = 0.9

[architecture]
name = "plain-unet"
filters = 4
depth = 2

[[sources]]
kind = "folder"
path = "{folder}"
"""


def drawn(seed: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A grey picture (side, side) uint8 with bright bands and discs on dark ground, and its classes 1 and 2."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    bright = (rows // int(rng.integers(8, 20)) + columns // int(rng.integers(8, 20))) % 2 == 0
    for row, column in rng.integers(0, side, (3, 2)):
        bright ^= np.hypot(rows - row, columns - column) < 9
    grey = np.where(bright, 180, 70) + rng.normal(0, 10, bright.shape)
    return grey.clip(0, 255).astype(np.uint8), 1 + bright.astype(np.uint8)


def draw_folder(folder: Path, numbers: range) -> Path:
    for number in numbers:
        grey, classes = drawn(number)
        save(folder / "images" / f"{number}.png", grey)
        save(folder / "labels" / f"{number}.png", classes)
    return folder


@contextmanager
def registered() -> Iterator[None]:
    tasks.catalogue()["brightness"] = brightness.TASK
    taught.catalogue()["brightness"] = taught_brightness.TASK
    quantities.add(quantities.NUMBERS, *OWN)
    try:
        yield
    finally:
        for quantity in OWN:
            del quantities.NUMBERS[quantity.name]
        for registry in (tasks, taught):
            registry.catalogue().pop("brightness")


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """The folder of a finished run of the real `train` command."""
    base = tmp_path_factory.mktemp("brightness")
    folder = draw_folder(base / "data", range(6))
    (base / "two-greys-recipe.toml").write_text(RECIPE.format(folder=folder))
    with registered():
        call_command("train", str(base / "two-greys-recipe.toml"), "--out", str(base / "run"))
    return base / "run"


@pytest.fixture
def toy(run) -> Iterator[cards.ModelCard]:
    """The card of the trained network, among the models that are offered, and its task among those there are."""
    with registered():
        cards.add_folder(run)
        try:
            yield cards.find("two-greys")
        finally:
            cards._user_folders.remove(run)


@pytest.fixture(params=[*(task.name for task in tasks.every()), "brightness"])
def kind(request, monkeypatch, tmp_path) -> Kind:
    """Each kind of analysis there is, and the foreign one with the network that was trained for it.

    The others have a network that answers as a perfect one would for bright things on dark ground.
    """
    # Drawn cases are no micrographs.
    monkeypatch.setattr(search, "compared_with_models", lambda picture, card, **options: ([], False))
    if request.param == "brightness":
        return Kind(brightness.TASK, request.getfixturevalue("toy"))
    weights = tmp_path / "perfect.safetensors"
    weights.write_bytes(b"weights")
    task = tasks.find(request.param)
    card = cards.ModelCard("perfect", "Perfect", "Knows all.", "1", {"name": "none"}, "a" * 64, weights, task.name)
    card = replace(card, maps=list(task.golden().names))
    find = cards.find
    available = cards.available
    monkeypatch.setattr(cards, "find", lambda name: card if name == card.name else find(name))
    monkeypatch.setattr(cards, "available", lambda *folder: [*available(*folder), card])
    # Drawn discs look like the particles of a released model, which tests/core/network/test_textures.py is about.
    monkeypatch.setattr(search, "compared_with_models", lambda picture, card, **options: ([], False))
    network = TorchNetwork.of(Brightest(task.name, task.channels(card).names), Runtime("cpu", "float32"))
    for module in (search, prediction):
        monkeypatch.setattr(module, "load_network", lambda *which: network)
    return Kind(task, card)


ANALYSED: dict[str, Analysis] = {}  # by kind: a dozen tests look at each golden case


@pytest.fixture
def golden(kind, monkeypatch) -> Analysis:
    """The golden case, as if the network were perfect."""
    case, name = kind.task.golden(), kind.task.name
    if name not in ANALYSED:
        with monkeypatch.context() as patch:
            patch.setattr(search, "load_network", lambda *which: None)
            patch.setattr(search, "predict_maps", lambda *arguments: (case.maps, View()))
            micrograph = micrograph_of(case.picture, "golden.png")
            ANALYSED[name] = pipeline.analyse(micrograph, kind.settings(data_bar=0), card=kind.card)
    return ANALYSED[name]
