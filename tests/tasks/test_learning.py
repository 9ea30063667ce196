"""A foreign kind of analysis is trained, published, installed, trained further and scored."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tomllib

import numpy as np
import pytest
import tifffile
import torch
from django.core.management import CommandError, call_command
from PIL import Image
from safetensors.torch import save as save_tensors

from segmentation.core.masks.truth import BadDataset
from segmentation.core.network import cards
from segmentation.core.network.architectures import build
from segmentation.lab.training.classes import confusion, fraction_errors, likeliest, metrics, targets
from segmentation.lab.training.data import make_sources
from segmentation.lab.training.losses import losses
from segmentation.lab.training.publish import set_entries
from segmentation.lab.training.settings import BadRecipe, read_recipe, recipe_from
from tests.lab.folders import save

from .brightness import CLASSES
from .conftest import draw_folder, drawn


@pytest.fixture
def unseen(tmp_path):
    return draw_folder(tmp_path / "unseen", range(100, 106))


def score(model, folder, out, *options):
    call_command("evaluate", str(model), str(folder), "--out", str(out), *map(str, options))
    return json.loads((out / "report.json").read_text())


def test_its_card_says_nothing_of_particles(toy, run):
    assert toy.task == "brightness"
    entries = tomllib.loads((run / "two-greys.toml").read_text())
    assert not {"smallest", "largest", "threshold"} & set(entries)
    assert "particle" not in str(entries).lower()
    assert toy.scores[0]["dice"] > 0.95 and toy.options == {"least": 3}


def test_pictures_of_its_training_show_the_classes(run):
    sheet = Image.open(run / "examples-000060.png")
    assert sheet.width == 5 * 32 + 4 * 4  # crop, truth, found and a map for each class


def test_it_is_scored_on_unseen_images(toy, unseen, tmp_path):
    report = score("two-greys", unseen, tmp_path / "report")
    figures = report["pooled"]["figures"]
    assert figures["iou"]["value"] > 0.9 and figures["accuracy"]["low"] > 0.9
    assert abs(figures["bright_error"]["value"]) < 3 and figures["bright_true"]["low"] is not None
    assert figures["bright_error"]["value"] == pytest.approx(-figures["dark_error"]["value"])
    labels = tifffile.imread(tmp_path / "report" / "labels" / "100.tif")
    assert (labels == drawn(100)[1]).mean() > 0.95
    page = (tmp_path / "report" / "report.html").read_text()
    for name, colour in zip(report["confusion"]["classes"], ("#e69f00", "#56b4e9"), strict=True):
        assert f'<i style="background:{colour}"></i>{name}</span>' in page, "the colours of the pictures have a legend"
    assert "Precision and recall" in page and "In use is" not in page  # the likeliest class is taken
    assert "IoU of bright" in page and "Only labelled pixels" in page and page.count("<figure>") == 6
    assert [word for word in ("Feret", "object", "article", "{{", "Errors by kind") if word in page] == []


def test_it_is_scored_on_what_its_recipe_holds_out(toy, run, tmp_path):
    report = score("two-greys", run / "recipe.toml", tmp_path / "report")
    assert 0 < report["data"]["images"] < 6 and report["pooled"]["figures"]["iou"]["value"] > 0.9


def test_labels_may_have_other_numbers(toy, tmp_path):
    for number in range(3):
        grey, classes = drawn(200 + number)
        save(tmp_path / "data" / "images" / f"{number}.png", grey)
        save(tmp_path / "data" / "labels" / f"{number}.png", np.where(classes == 2, 255, 0).astype(np.uint8))
    report = score("two-greys", tmp_path / "data", tmp_path / "report", "--classes", 0, 255)
    assert report["pooled"]["figures"]["iou"]["value"] > 0.9


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--postprocess", "published"], "Brightness are scored without --postprocess: leave it out."),
        (["--threshold", "0.4", "--flips"], "without --flips and --threshold"),
        (["--scale", "1"], "without --scale"),
        (["--polarity", "dark"], "without --polarity"),
        (["--classes", "1", "2", "3"], "--classes names a label for each class of two-greys (dark, bright)."),
    ],
)
def test_options_that_mean_nothing_to_it_are_refused(toy, unseen, tmp_path, options, sentence):
    with pytest.raises(CommandError) as refused:
        score("two-greys", unseen, tmp_path / "report", *options)
    assert sentence in str(refused.value)
    assert not (tmp_path / "report").exists()


def test_what_its_card_has_not_cannot_be_fitted(toy, unseen):
    with pytest.raises(CommandError, match=r"Brightness .*no threshold and no separation"):
        call_command("fit", "two-greys", str(unseen), "threshold", "separation")


def test_labels_without_its_classes_are_refused(toy, run, tmp_path):
    folder = draw_folder(tmp_path / "data", range(3))
    for file in (folder / "labels").iterdir():
        save(file, np.full((64, 64), 7, np.uint8))
    recipe = read_recipe(run / "recipe.toml").model_dump()
    recipe["sources"][0]["path"] = str(folder)
    with pytest.raises(BadDataset, match=r"numbers 7, .*2 classes"):
        make_sources(recipe_from(recipe, "here"), tmp_path)


@pytest.mark.slow
def test_it_is_installed_and_trained_further(toy, run, tmp_path, settings):
    settings.DEEPSEGM_MODELS = tmp_path / "models"
    call_command("models", "add", str(run), "--name", "mine")
    assert cards.read_card(tmp_path / "models" / "mine.toml").task == "brightness"
    folder = draw_folder(tmp_path / "own", range(300, 306))
    out = tmp_path / "further"
    arguments = ["train", str(folder), "--fine-tune", str(tmp_path / "models" / "mine.toml"), "--out", str(out)]
    call_command(*arguments, "--steps", "2", "--device", "cpu", "--name", "mine-2")
    card = cards.read_card(out / "final" / "mine-2.toml")
    assert (card.task, card.training["start_from"], card.options["least"]) == ("brightness", "mine", 3)
    assert len(card.options["own_images"]["taught"]) == 6
    assert card.scores[0]["dice"] > 0.9
    assert not any("nan" in choice for choice in card.training["choices"])


def test_a_network_that_takes_no_grey_picture_is_not_installed(run, toy, tmp_path):
    network = build({**toy.architecture, "channels_in": 3}, 2)
    weights = save_tensors({name: value.contiguous() for name, value in network.state_dict().items()})
    (tmp_path / "two-greys.safetensors").write_bytes(weights)
    shutil.copy(run / "two-greys.toml", tmp_path)
    sha256 = hashlib.sha256(weights).hexdigest()
    set_entries(tmp_path / "two-greys.toml", {"sha256": sha256, "architecture": {"channels_in": 3}})
    with pytest.raises(CommandError, match=r"picture of one channel\.$"):
        call_command("models", "add", str(tmp_path))


def test_a_folder_of_classes_is_checked_as_such(unseen, tmp_path, capsys):
    call_command("dataset", "check", str(unseen), "--classes", "1", "2", "--out", str(tmp_path / "pictures"))
    assert re.match(r"6 images .*\b2 classes", capsys.readouterr().out)
    with pytest.raises(CommandError, match="must be corrected"):
        call_command("dataset", "check", str(unseen), "--classes", "8", "9")
    assert re.search(r"the numbers 8, 9 are in no labels\.", capsys.readouterr().out)
    save(unseen / "images" / "100.png", np.full((64, 64), 50, np.uint8))
    with pytest.raises(CommandError, match="1 error "):
        call_command("dataset", "check", str(unseen), "--classes", "1", "2")
    assert re.search(r"100\.png .*one grey", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": "nosuch"}, "task: No kind of analysis named 'nosuch' can be taught"),
        ({"heads": ["foreground"]}, "heads is [dark, bright], not"),
        ({"loss": {"name": "classes", "dice": -1}}, "loss: dice is at least 0"),
        ({"loss": {"cross_entropy": 0, "dice": 0}}, "cross_entropy or dice is above 0."),
        ({"sources": [{"kind": "folder", "path": "x", "classes": [0]}]}, "a label for each class (dark, bright)"),
        ({"sources": [{"kind": "rendered"}]}, "brightness has classes, and rendered pictures have none"),
        ({"task": "particles", "sources": [{"kind": "folder", "path": "x", "classes": [0]}]}, "particles has none"),
    ],
)
def test_a_bad_recipe_is_told_in_one_sentence(toy, run, changes, sentence):
    recipe = read_recipe(run / "recipe.toml").model_dump()
    if changes.get("task"):
        del recipe["heads"], recipe["loss"], recipe["options"]
    with pytest.raises(BadRecipe) as refused:
        recipe_from({**recipe, **changes}, "here")
    assert sentence in str(refused.value) and str(refused.value).count("here:") == 1


def test_unlabelled_pixels_teach_and_count_nothing():
    labels = np.array([[1, 1, 0], [2, 2, 0]], np.int32)
    target = torch.from_numpy(targets(labels, CLASSES))[None]
    assert target[0, -1].tolist() == [[1, 1, 0], [1, 1, 0]]
    right = torch.full((1, 2, 2, 3), -9.0)
    right[0, 0, 0], right[0, 1, 1] = 9.0, 9.0
    wrong = right.clone()
    wrong[0, :, :, 2] = wrong[0, :, :, 2].flip(0)
    loss = losses()["classes"](name="classes")
    assert float(loss(right, target)) == pytest.approx(float(loss(wrong, target)), abs=1e-6)
    assert float(loss(right, target)) < 0.2  # the Dice loss counts one pixel of each class as right beforehand
    assert float(loss(-right, target)) > 5
    assert likeliest((right[0].softmax(0).numpy() * 255).astype(np.uint8)).tolist() == [[1, 1, 1], [2, 2, 2]]


def test_figures_are_those_of_the_definitions():
    truth = np.array([[1, 1, 1, 2], [2, 2, 0, 0]], np.int32)
    labels = np.array([[1, 1, 2, 2], [2, 0, 1, 2]], np.int32)
    table = confusion(labels, truth, 2)
    assert table[:, :3].tolist() == [[2, 1, 0], [0, 2, 1]]
    once = np.ones((1, 1))
    scores, errors = metrics(CLASSES, [table], once), fraction_errors(CLASSES, [table], once, False)
    assert scores["dark_iou"] == [2 / 3] and scores["bright_iou"] == [2 / 4] and scores["iou"] == [(2 / 3 + 1 / 2) / 2]
    assert np.isfinite(scores["boundary_f1"]).all()
    assert scores["dark_dice"] == [4 / 5] and scores["accuracy"] == [4 / 6]
    assert errors["dark_true"] == [50] and errors["dark_found"] == pytest.approx([100 / 3])
    assert errors["bright_error"] == [0]
    alone = metrics(CLASSES, [confusion(np.ones((2, 2), np.int32), np.ones((2, 2), np.int32), 2)], np.ones((1, 1)))
    assert np.isnan(alone["bright_iou"][0]) and alone["iou"] == [1.0]
