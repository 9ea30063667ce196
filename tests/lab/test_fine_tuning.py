"""Trainings that go on from a model there is: its weights, its encoder alone, one command for a user's own folder."""

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command

from segmentation.core.masks.truth import BadDataset
from segmentation.core.network import cards
from segmentation.core.network.with_torch import read_weights
from segmentation.lab.training.data import make_sources
from segmentation.lab.training.files import fingerprint
from segmentation.lab.training.finetune import DEFAULTS, fine_tuning
from segmentation.lab.training.instances.targets import CHANNELS, OPTIONAL
from segmentation.lab.training.publish import publish
from segmentation.lab.training.settings import BadRecipe
from segmentation.lab.training.start import resolve_recipe, start_run
from segmentation.lab.training.train import train
from tests.lab.folders import make_folder, quietly, save, tiny

CPU = torch.device("cpu")


def test_fine_tuning_begins_with_the_models_weights(folder, tmp_path, base):
    run = start_run(tiny(folder, start_from=str(base), heads=[*CHANNELS, *OPTIONAL]), CPU)
    theirs = read_weights(cards.read_card(base))
    state = run.network.state_dict()
    assert all(
        torch.equal(state[name][: len(value)] if value.dim() else state[name], value) for name, value in theirs.items()
    )


def test_fine_tuning_keeps_the_map_of_contacts_that_a_model_has(folder, tmp_path):
    first = tiny(folder, name="first", steps=1, heads=[*CHANNELS, *OPTIONAL])
    card = publish(train(first, tmp_path / "a", tmp_path, say=quietly).averaged, first, tmp_path, version="1", extra={})
    recipe = resolve_recipe(tiny(folder, start_from=str(card)), tmp_path / "none.toml")
    assert recipe.heads == [*CHANNELS, *OPTIONAL]
    theirs = read_weights(cards.read_card(card))
    state = start_run(recipe, CPU).network.state_dict()
    assert state.keys() == theirs.keys() and all(torch.equal(state[name], theirs[name]) for name in state)
    two = resolve_recipe(tiny(folder, start_from=str(card), heads=list(CHANNELS)), tmp_path / "none.toml")
    state = start_run(two, CPU).network.state_dict()
    assert all(
        torch.equal(state[name], value[: len(state[name])] if value.dim() else value) for name, value in theirs.items()
    )


def test_weights_of_another_model_are_refused(folder, base):
    other = {"name": "multires-unet", "filters": 5}
    with pytest.raises(BadRecipe, match="another architecture"):
        start_run(tiny(folder, start_from=str(base), architecture=other), CPU)
    content = bytearray(base.with_suffix(".safetensors").read_bytes())
    content[-1] ^= 1
    base.with_suffix(".safetensors").write_bytes(content)
    with pytest.raises(BadRecipe, match="altered"):
        start_run(tiny(folder, start_from=str(base)), CPU)


@pytest.mark.slow
def test_of_a_model_with_another_decoder_the_encoder_is_taken(folder, tmp_path):
    narrow, wide = ({"name": "unet", "encoder": "mobilenet_v2", "decoder_channels": [n] * 5} for n in (4, 8))
    first = tiny(folder, name="first", architecture=narrow, steps=1)
    trained = train(first, tmp_path / "a", tmp_path, say=quietly).averaged
    card = publish(trained, first, tmp_path, version="1", extra={})
    theirs = read_weights(cards.read_card(card))
    state = start_run(tiny(folder, start_from=str(card), architecture=wide), CPU).network.state_dict()
    encoder = [name for name in theirs if name.startswith("encoder.")]
    assert encoder and all(torch.equal(state[name], theirs[name]) for name in encoder)
    with pytest.raises(BadRecipe, match="another architecture"):
        start_run(tiny(folder, start_from=str(card), architecture={**wide, "encoder": "resnet18"}), CPU)


def test_statistics_may_be_kept(folder, tmp_path, base):
    """Batch normalisation of a fine-tuned network knows what the base model's knew."""
    recipe = tiny(folder, start_from=str(base), keep_statistics=True)
    begun = start_run(recipe, CPU).network.state_dict()
    after = train(recipe, tmp_path / "run", tmp_path, say=quietly).network.state_dict()
    statistics = [name for name in begun if "running_" in name]
    assert statistics and all(torch.equal(begun[name], after[name]) for name in statistics)
    assert any(not torch.equal(begun[name], after[name]) for name in begun if name not in statistics)


@pytest.mark.slow
def test_a_network_that_drops_paths_by_chance_resumes_to_the_same_weights(folder, tmp_path, base):
    """Stochastic depth of the shipped encoder: whatever else is drawn, it sees the numbers of an unbroken run."""
    lite = {"name": "unet", "encoder": "timm-tf_efficientnet_lite0", "decoder_channels": [8] * 5}
    recipe = tiny(folder, architecture=lite, steps=3, checkpoint=100)
    unbroken = train(recipe, tmp_path / "a", tmp_path, say=quietly)
    stopped = train(recipe, tmp_path / "b", tmp_path, say=quietly, time_is_up=lambda: True)
    assert stopped.step == 1, "the time is asked for at every step, not at checkpoints alone"
    resumed = train(recipe, tmp_path / "b", tmp_path, say=quietly)
    for ours, theirs in ((resumed.network, unbroken.network), (resumed.averaged, unbroken.averaged)):
        assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))


@pytest.mark.slow
def test_one_command_holds_every_image_out_and_learns_from_all(folder, tmp_path, base, capsys, monkeypatch):
    few = {"batch": 2, "crop": 64, "validation_batches": 1}
    monkeypatch.setattr("segmentation.lab.training.finetune.DEFAULTS", {**DEFAULTS, **few})
    monkeypatch.setattr("segmentation.lab.training.replay.recipe_of", lambda card: None)
    out = tmp_path / "run"
    call_command("train", folder, "--out", out, "--fine-tune", base, "--steps", 2, "--threads", 1, "--device", "cpu")
    output = capsys.readouterr().out
    assert (
        "training 4 of 4" in output and "held out: Error of an image's median size" in output and "uncertain" in output
    )
    card = cards.read_card(out / "final" / "base-data.toml")
    assert {fingerprint(folder / "images" / f"{n}.png") for n in range(4)} <= set(card.training["images"])
    assert (out / "summary.json").is_file()


def test_a_fine_tuned_model_says_how_many_images_it_was_trained_on(tmp_path, base):
    """Of six images one has no particles, and of the other five one is held out."""
    folder = make_folder(tmp_path / "own", 6)
    save(folder / "labels" / "2.png", np.zeros((96, 96), np.uint8))
    recipe = fine_tuning(folder, str(base))
    assert "4 images of own" in recipe.summary and "4 images" in recipe.limits[0]
    assert "held out" in recipe.limits[1]
    sources = make_sources(recipe, tmp_path)
    assert (len(sources.training[0].pairs), len(sources.validation[0].pairs)) == (4, 1)


def test_fine_tuning_on_a_bad_folder_is_refused(folder, base):
    save(folder / "images" / "9.png", np.zeros((80, 80), np.uint8))
    with pytest.raises(BadDataset, match=r"9\.png .*dataset check"):
        fine_tuning(folder, str(base))


def test_a_folder_alone_is_no_recipe(folder, tmp_path):
    with pytest.raises(CommandError, match="--fine-tune"):
        call_command("train", folder, "--out", tmp_path / "run")
    with pytest.raises(CommandError, match="Leave --fold out"):
        call_command("train", folder, "--out", tmp_path / "run", "--fine-tune", "particles", "--fold", 1)
