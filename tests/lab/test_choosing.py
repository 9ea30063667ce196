"""What is measured at each checkpoint, by which rule one is chosen, and which part of the encoder learns when."""

import math
import re
import tomllib

import numpy as np
import pytest
import torch
from torch import nn

from segmentation.core.network.cards import read_card
from segmentation.lab.training import tasks
from segmentation.lab.training.data import make_sources
from segmentation.lab.training.publish import publish_run
from segmentation.lab.training.runs import CheckpointScores, best_of, read_metrics
from segmentation.lab.training.settings import BadRecipe
from segmentation.lab.training.start import encoder_stages, start_run, unfreeze
from segmentation.lab.training.train import CHOSEN_ON, Training, patience_is_over, train
from tests.lab.folders import quietly, tiny
from tests.tasks.conftest import draw_folder

CPU = torch.device("cpu")
NAN = math.nan
ENCODER = {"name": "unet", "encoder": "timm-tf_efficientnet_lite0", "decoder_channels": [16, 8, 8, 8, 8]}


def row(step, loss, score=NAN, error=NAN):
    return CheckpointScores(step, 1.0, loss, 0.5, 1.0, 1e-3, score, error)


def test_each_rule_chooses_the_first_of_its_best():
    rows = [row(1, 3.0, 0.5, 9.0), row(2, 2.0, 0.7, 4.0), row(3, 2.0, 0.8, NAN), row(4, 2.5, 0.8, 2.0)]
    assert [best_of(rows, rule).step for rule in ("loss", "score", "quantity")] == [2, 3, 4]
    assert best_of([], "score") is None
    assert [patience_is_over(rows, 2, rule) for rule in ("loss", "score", "quantity")] == [True, False, False]
    assert not patience_is_over(rows, 3) and not patience_is_over(rows, 0) and not patience_is_over([], 1)


def test_a_table_of_other_columns_is_refused(tmp_path):
    file = tmp_path / "metrics.csv"
    file.write_text("step,loss,validation_loss,validation_dice,seconds_per_step\n2,3.0,3.1,0.5,1.0\n")
    with pytest.raises(TypeError):
        read_metrics(file, 2)


class Fixed(nn.Module):
    """A network that says of every pixel what it is told."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, picture):
        return self.logits[: len(picture)]


def training_of(recipe, tmp_path):
    return Training(start_run(recipe, CPU), recipe, make_sources(recipe, tmp_path), tmp_path, CPU, quietly)


def test_the_tasks_own_figures_are_measured_on_the_validation_crops(tmp_path):
    """A perfect network, and one that finds the first class everywhere."""
    recipe = tiny(draw_folder(tmp_path / "data", range(4)), task="phases", heads=["dark", "bright"], crop=32)
    work = training_of(recipe, tmp_path)
    truth = work.validation_batches[0][1][:, :2]
    work.run.averaged = Fixed(20 * truth - 10)
    _, figures, maps = work.validate()
    assert figures == [1.0, 1.0, 0.0] and maps.shape == (2, 2, 32, 32)
    work.run.averaged = Fixed(torch.tensor([10.0, -10.0]).reshape(1, 2, 1, 1).expand(2, 2, 32, 32))
    _, (dice, iou, error), _ = work.validate()
    dark = float(truth[:, 0].mean())
    assert (dice, iou) == pytest.approx((dark / (1 + dark), dark / 2)) and error == pytest.approx(100 * (1 - dark))


def test_objects_are_counted_on_the_validation_crops(folder, tmp_path):
    work = training_of(tiny(folder, augmentation={"flips": False}), tmp_path)
    truth = work.validation_batches[0][1][:, :2]
    work.run.averaged = Fixed(20 * truth - 10)
    _, (dice, score, error), _ = work.validate()
    assert dice == 1.0 and score > 0.9 and error < 15
    work.run.averaged = Fixed(torch.full((2, 2, 64, 64), -10.0))
    assert work.validate()[1] == [0.0, 0.0, 100.0]


def test_every_task_names_figures_that_its_scoring_defines():
    for name in ("particles", "phases", "bubbles", "grains", "lines"):
        scoring = tasks.find(name).scoring(tasks.find(name).channels or ["a", "b"])
        assert set(scoring.tracked) <= set(scoring.definitions)


@pytest.mark.parametrize("rule", ["", "score", "quantity"])
def test_the_card_tells_which_checkpoint_was_chosen_and_what_the_others_reached(folder, tmp_path, rule, monkeypatch):
    measured = iter([(3.0, [0.1, 0.9, 9.0]), (2.0, [0.2, 0.3, 1.0]), (1.0, [0.3, 0.2, 5.0])])
    maps_of_crops = np.zeros((2, 2, 64, 64), np.uint8)
    monkeypatch.setattr(Training, "validate", lambda self: (*next(measured), maps_of_crops))
    recipe = tiny(folder, steps=3, checkpoint=1, choose_by=rule)
    run = train(recipe, tmp_path / "run", tmp_path, say=quietly)
    card = read_card(publish_run(run, tmp_path / "run", tmp_path))
    step, split = {"": (3, "held out"), "score": (1, None), "quantity": (2, None)}[rule]
    (score,) = card.scores
    assert score["step"] == step and score["dice"] == step / 10
    assert score["split"] == (split or CHOSEN_ON)
    choices = card.training["choices"]
    assert re.match(r"step 3 by loss\b.*loss 1\b.*dice 0\.3\b", choices[0])
    assert re.search(r"step 1 by score\b.*loss 3\b.*dice 0\.1\b.*f50 0\.9\b.*off 9", choices[1])
    assert choices[2].startswith("step 2 by") and "quantity" in choices[2]
    assert [position for position, line in enumerate(choices) if "published" in line] == [
        {"": 3, "score": 1, "quantity": 2}[rule]
    ]
    best = run.best if rule else {}
    assert all(torch.equal(run.averaged.state_dict()[name], value) for name, value in best.items())
    assert (
        bool(best) == bool(rule) and "images" in tomllib.loads((tmp_path / "run" / "tiny.toml").read_text())["training"]
    )


def test_the_encoder_wakes_by_stages_the_deepest_first(tmp_path):
    recipe = tiny(tmp_path, architecture=ENCODER)
    network = start_run(recipe, CPU).network
    stages = encoder_stages(network, 64, CPU)
    assert len(stages) == 5 and network.encoder.training
    inside = {id(p) for stage in stages for module in stage for p in module.parameters(recurse=False)}
    unused = ("conv_head", "bn2")  # of a classifier
    assert inside == {id(p) for name, p in network.encoder.named_parameters() if not name.startswith(unused)}

    def awake(step, interval=10):
        network.train()
        unfreeze(network.encoder, stages, step, interval)
        learning = [{p.requires_grad for m in stage for p in m.parameters(recurse=False)} for stage in stages]
        assert learning == [{m.training for m in stage} for stage in stages]
        return [sides == {True} for sides in learning]

    assert awake(-1) == [False] * 5 and awake(0) == [False] * 4 + [True]
    assert awake(29) == [False, False, True, True, True] and awake(40) == awake(999) == [True] * 5
    assert awake(-1, 0) == [False] * 5 and awake(0, 0) == [True] * 5


@pytest.mark.slow
def test_what_rests_keeps_its_weights(folder, tmp_path, base):
    changes = {"architecture": ENCODER, "start_from": "", "steps": 2, "checkpoint": 2}
    recipe = tiny(folder, **changes)
    before = start_run(recipe, CPU).network.state_dict()
    settings = recipe.model_copy(update={"freeze": 1, "unfreeze": 5})  # its weights are random, which a recipe refuses
    work = training_of(settings, tmp_path)
    batch = work.validation_batches[0]
    for _ in range(2):
        work.one_step(batch)
    moved = {
        name
        for name, value in work.run.network.encoder.state_dict().items()
        if not torch.equal(value, before[f"encoder.{name}"])
    }
    assert any(name.startswith("blocks.6") for name in moved) and not any(
        name.startswith(("conv_stem", "blocks.2")) for name in moved
    )
    with pytest.raises(BadRecipe, match=r"unfreeze.* encoder"):
        encoder_stages(start_run(tiny(folder), CPU).network, 64, CPU)
