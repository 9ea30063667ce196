"""Data, targets, losses, scores, and a training that survives a kill."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from segmentation.core.network import cards
from segmentation.core.network.runtime import Runtime, load_network
from segmentation.training.data import (
    BadDataset,
    Crops,
    RenderedSource,
    bright_particles,
    held_out,
    read_folder,
    resample,
)
from segmentation.training.evaluate import score
from segmentation.training.losses import map_loss
from segmentation.training.publish import publish
from segmentation.training.settings import BadRecipe, TrainingRecipe, read_recipe
from segmentation.training.synthesis.render import render
from segmentation.training.targets import inner_distance, weights_near_contacts
from segmentation.training.train import train

CPU = torch.device("cpu")
TINY = TrainingRecipe(
    name="tiny",
    title="Tiny",
    architecture={"name": "multires-unet", "filters": 4},
    sources=[{"kind": "rendered", "count": 4}],
    steps=4,
    batch=2,
    crop=64,
    checkpoint=2,
    precision="float32",
)


def test_inner_distance_is_one_at_the_core_and_small_at_contacts():
    labels = np.zeros((40, 60), np.int32)
    labels[5:35, 5:30] = 1
    labels[5:35, 30:55] = 2
    distance = inner_distance(labels)
    assert distance[labels == 0].max() == 0
    assert distance[labels == 1].max() == distance[labels == 2].max() == 1
    assert distance[20, 29] < 0.2 and distance[20, 30] < 0.2 and distance[20, 17] > 0.9


def test_weights_are_high_only_between_particles():
    labels = np.zeros((20, 40), np.int32)
    labels[5:15, 5:20] = 1
    labels[5:15, 20:35] = 2
    weights = weights_near_contacts(labels)
    assert weights[10, 19] == weights[10, 20] == 5
    assert weights[10, 10] == weights[0, 0] == weights[10, 5] == 1


def test_dark_particles_are_inverted():
    grey = np.full((10, 10), 200, np.uint8)
    labels = np.zeros((10, 10), np.int32)
    labels[3:6, 3:6] = 1
    grey[labels > 0] = 20
    assert bright_particles(grey, labels)[4, 4] == 235


def test_groups_never_straddle_the_split():
    groups = [f"10.1000/{i}" for i in range(2000)]
    share = np.mean([held_out(g, 0.15) for g in groups])
    assert 0.12 < share < 0.18
    assert all(held_out(g, 0.15) == held_out(g, 0.15) for g in groups[:20])
    assert [held_out(g, 0.15) for g in groups] != [held_out(g, 0.15, fold=1) for g in groups]


def test_resampling_moves_picture_and_labels_together():
    labels = np.zeros((64, 64), np.int32)
    labels[16:48, 16:48] = 1
    grey = (labels * 255).astype(np.uint8)
    for side in (32, 96):
        small, where = resample(grey, labels, side)
        assert small.shape == where.shape == (side, side)
        assert ((small > 127) == (where > 0)).mean() > 0.98


def test_a_sample_depends_on_seed_and_number_alone():
    source = RenderedSource(3, 80, seed=1)
    crops = Crops([source], [1.0], 64, seed=5)
    first, again = crops.sample(7), Crops([source], [1.0], 64, seed=5, start=7).sample(7)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    picture, target = first
    assert picture.shape == (1, 64, 64) and target.shape == (3, 64, 64)
    assert picture.min() >= -1 and picture.max() <= 1


def folder_of(tmp_path, shape_of_labels=(80, 80)):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    grey, labels = render((80, 80), np.random.default_rng(3), diameter=16)
    Image.fromarray(grey).save(tmp_path / "images" / "a.png")
    Image.fromarray(labels[: shape_of_labels[0]].astype(np.uint16)).save(tmp_path / "labels" / "a.png")
    (tmp_path / "groups.csv").write_text("image,doi\na.png,10.1000/1\n")
    return tmp_path


def test_a_folder_is_read_with_its_groups(tmp_path):
    (pair,) = read_folder(folder_of(tmp_path), "images", "labels", "groups.csv")
    assert pair.group == "10.1000/1" and pair.diameter > 4 and pair.labels.max() > 1


def test_labels_of_another_size_are_named(tmp_path):
    with pytest.raises(BadDataset, match=r"a\.png"):
        read_folder(folder_of(tmp_path, (70, 80)), "images", "labels", None)


def test_a_perfect_prediction_costs_less_than_any_other():
    target = torch.zeros(1, 3, 8, 8)
    target[:, :2, 2:6, 2:6] = 1
    target[:, 2] = 1
    right = (target[:, :2] - 0.5) * 40
    assert map_loss(right, target) < map_loss(right * 0, target) < map_loss(-right, target)


def test_scores_of_known_cases():
    truth = np.zeros((20, 40), np.int32)
    truth[2:12, 2:12] = 1
    truth[2:12, 20:30] = 2
    perfect = score([(truth, truth)])
    assert perfect.dice == perfect.ap50 == perfect.f75 == perfect.count_ratio == 1
    merged = np.where(truth > 0, 1, 0).astype(np.int32)
    one_missed = np.where(truth == 1, 1, 0).astype(np.int32)
    # A merged pair overlaps each true particle with IoU exactly 0.5.
    assert score([(merged, truth)]).ap75 == 0
    assert score([(one_missed, truth)])[4:] == pytest.approx((0.5, 0.5, 2 / 3, 2 / 3, 0.5))
    assert score([(np.zeros_like(truth), truth)]).ap50 == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("colour = 1", "unknown entries: colour"),
        ('name = "a"', "lacks"),
        ("][", "cannot be read as TOML"),
        ('name = "a"\ntitle = "b"\nsources = []\ncrop = 100\n[architecture]\nname = "x"', "multiple of 32"),
    ],
)
def test_bad_recipes_are_refused(tmp_path, text, reason):
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    with pytest.raises(BadRecipe, match=reason):
        read_recipe(file)


def test_a_killed_training_resumes_to_the_same_weights(tmp_path):
    unbroken = train(TINY, tmp_path / "a", tmp_path, CPU, lambda line: None)

    class Killed(Exception):
        pass

    def kill_after_the_first_checkpoint(line):
        if line.startswith("step 4"):
            raise Killed

    with pytest.raises(Killed):
        train(TINY, tmp_path / "b", tmp_path, CPU, kill_after_the_first_checkpoint)
    resumed = train(TINY, tmp_path / "b", tmp_path, CPU, lambda line: None)
    for mine, theirs in zip(
        unbroken.averaged.state_dict().values(), resumed.averaged.state_dict().values(), strict=True
    ):
        assert torch.allclose(mine.float(), theirs.float(), atol=1e-5)
    curves = [list(csv.reader((tmp_path / run / "metrics.csv").open())) for run in ("a", "b")]
    assert [row[0] for row in curves[1]] == ["step", "2", "4"]
    assert [row[:4] for row in curves[0]] == [row[:4] for row in curves[1]]


def test_a_published_model_loads_and_predicts(tmp_path):
    run = train(replace(TINY, steps=2), tmp_path / "run", tmp_path, CPU, lambda line: None)
    file = publish(run.averaged, TINY, tmp_path, version="1.2.3", extra={"threshold": 0.4, "limits": ["none"]})
    card = cards.read_card(file)
    assert (card.version, card.threshold, card.limits) == ("1.2.3", 0.4, ["none"])
    assert card.data[0]["licence"] == "MIT"
    network = load_network(card, Runtime("cpu", "float32"))
    with torch.inference_mode():
        ours = network(torch.zeros(1, 1, 32, 32))
        theirs = run.averaged(torch.zeros(1, 1, 32, 32))
    assert torch.allclose(ours, theirs, atol=0.05)
