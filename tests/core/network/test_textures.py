"""Which kind of micrograph a picture looks like."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segmentation.core import pipeline
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.contrast import clip_outliers
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network import answers, cards, textures
from segmentation.lab.research import textures as learning


def grain(seed, reach):
    """(200, 240) float32 of smoothed noise: a kind of its own for each reach."""
    from scipy import ndimage

    noise = np.random.default_rng(seed).normal(size=(200, 240))
    smooth = ndimage.gaussian_filter(noise, reach)
    return ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """Two models, one of fine grain and one of coarse, and the card of the first."""
    tmp_path, monkeypatch = tmp_path_factory.mktemp("taught"), pytest.MonkeyPatch()
    first = cards.find("particles")
    second = replace(first, name="coarse", title="Coarse", task="other")
    monkeypatch.setattr(cards, "available", lambda: [first, second])
    monkeypatch.setattr(textures, "FILE", tmp_path / "textures.json")
    monkeypatch.setattr(learning, "FILE", tmp_path / "textures.json")
    monkeypatch.setattr(learning, "CROPPED_MODELS", {"coarse"})
    folders = {}
    for name, reach in (("particles", 1.5), ("coarse", 8.0)):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        for seed in range(6):
            Image.fromarray((grain(seed, reach) * 255).astype(np.uint8)).save(folders[name] / f"{seed}.png")
    lines = []
    learning.write_textures(folders, lines.append)
    textures.known_textures.cache_clear()
    yield first, second, lines
    monkeypatch.undo()
    textures.known_textures.cache_clear()


def test_each_picture_is_known_by_those_of_its_own_kind(taught):
    fine, coarse, lines = taught
    assert [line.partition(";")[0] for line in lines] == ["particles: 6 images", "coarse: 6 images"]
    assert all(re.search(r"its own 6\b.*another's 0\b", line) for line in lines)
    for seed in (20, 21, 22):
        assert textures.compared_with_models(grain(seed, 1.5), fine) == ([], False)
        assert textures.compared_with_models(grain(seed, 8.0), fine)[0] == [coarse]
        assert textures.compared_with_models(grain(seed, 1.5), coarse)[0] == [fine]
        assert textures.compared_with_models(grain(seed, 8.0)[60:160, 60:180], coarse) == ([], False)


def test_a_model_that_is_added_leaves_the_others_as_they_are(taught, tmp_path):
    before = json.loads(textures.FILE.read_text())
    for seed in range(4):
        Image.fromarray((grain(seed, 4.0) * 255).astype(np.uint8)).save(tmp_path / f"{seed}.png")
    try:
        learning.write_textures({"between": tmp_path}, str)
        after = json.loads(textures.FILE.read_text())
        assert [entry["model"] for entry in after["models"]] == ["particles", "coarse", "between"]
        assert after["models"][:2] == before["models"] and after["middle"] == before["middle"]
    finally:
        textures.FILE.write_text(json.dumps(before))
        textures.known_textures.cache_clear()


def test_nothing_is_said_of_a_users_model(taught):
    fine, _, _ = taught
    assert textures.compared_with_models(grain(20, 8.0), replace(fine, name="my-own")) == ([], False)


def test_what_looks_like_neither_is_unfamiliar(taught):
    fine, _, _ = taught
    stripes = np.tile((np.arange(240) // 20 % 2).astype(np.float32), (200, 1))
    assert textures.compared_with_models(stripes, fine) == ([], True)
    assert textures.compared_with_models(np.zeros((64, 64), np.float32), fine) == ([], False)


def test_the_user_is_told_which_model_to_take(taught, monkeypatch):
    monkeypatch.setattr(textures, "LIKELY", textures.UNFAMILIAR)
    monkeypatch.setattr(pipeline.tasks, "find", lambda name, find=pipeline.tasks.find: find("particles"))
    empty = lambda network, picture, **options: np.zeros((3, *picture.shape), np.uint8)  # noqa: E731
    monkeypatch.setattr(answers, "predict", empty)  # what a network finds in noise depends on the processor
    pixels = (grain(20, 8.0) * 255).astype(np.uint8)
    analysis = pipeline.analyse(Micrograph(pixels, "a.png", "0" * 64, Calibration.absent()), AnalysisSettings.of())
    assert any("Coarse" in flag.text and "use the other model" in flag.text for flag in analysis.flags)


def test_a_picture_may_have_any_size_and_range():
    for shape in ((1, 1), (3, 900), (700, 2)):
        noise = np.random.default_rng(0).random(shape).astype(np.float32)
        assert np.isfinite(textures.features(noise)).all()
    assert np.isfinite(textures.features(clip_outliers(np.full((40, 40), 7, np.uint8)))).all()
