"""Whole trainings: recipes that are refused, runs that are killed, full disks, fine-tuning, published models."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tomlkit
import torch
from django.core.management import CommandError, call_command
from PIL import Image

from segmentation.core.network import cards
from segmentation.core.network.with_torch import load_module
from segmentation.core.tasks import particles
from segmentation.lab.research import reference
from segmentation.lab.training import files
from segmentation.lab.training.data import make_sources
from segmentation.lab.training.files import CannotWrite, InUse, lock_folder
from segmentation.lab.training.instances.targets import CHANNELS, OPTIONAL
from segmentation.lab.training.publish import publish
from segmentation.lab.training.runs import best_of
from segmentation.lab.training.settings import BadRecipe, Optimiser, Schedule, read_recipe
from segmentation.lab.training.start import plateaus, rate_factor, start_run
from segmentation.lab.training.train import CHOSEN_ON, EXAMPLES, RESERVED_BYTES, Training, scores_of, train
from tests.lab.folders import curve, make_folder, quietly, save, tiny
from tests.shell import manage

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
HEAD = 'name = "a"\ntitle = "b"\n'
NETWORK = '\n[architecture]\nname = "multires-unet"\nfilters = 4\n'
PATTERN = 'sources = [{{ kind = "folder", path = "x", group_pattern = "{}" }}]\n'
RENDERED = 'sources = [{ kind = "rendered", count = 1 }]\n'


def stop_at_step_4(line):
    if line.startswith("step 4"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("][", "cannot be read as TOML"),
        (HEAD + RENDERED + "crop = 100" + NETWORK, "crop is a multiple of 32"),
        (HEAD + RENDERED + "learning_rate = -1" + NETWORK, "learning_rate is above 0, not -1"),
        (HEAD + RENDERED + 'precision = "float8"' + NETWORK, "precision is bfloat16"),
        (HEAD + RENDERED + 'heads = ["foreground"]' + NETWORK, "heads is"),
        (HEAD + RENDERED + "options = {diameter = 100}" + NETWORK, "diameter, of its options, is one of the sizes"),
        (HEAD + RENDERED + "sizes = []" + NETWORK, "sizes is the smallest and the largest"),
        (HEAD + RENDERED + "options = {second_scale = 0.7}" + NETWORK, "options: second_scale is a factor from 1 to 4"),
        (HEAD.replace("b", "b\\nc") + RENDERED + NETWORK, "title is one line of text"),
        (HEAD + RENDERED + 'limits = ["\\u0007"]' + NETWORK, "limits is a list of sentences"),
        (HEAD + PATTERN.format("(x)").replace(" }", ', title = "\\u0000" }') + NETWORK, "sources 1: title is text"),
        (HEAD + "sources = []" + NETWORK, "sources is a list of at least 1"),
        (HEAD + 'sources = [{ kind = "web" }]' + NETWORK, "sources 1: kind is composed or .* rendered, not 'web'"),
        (HEAD + 'sources = [{ kind = "folder" }]' + NETWORK, "sources 1: it lacks path"),
        (HEAD + PATTERN.format("([") + NETWORK, r"sources 1: group_pattern is a regular expression .*, not '\(\['"),
        (HEAD + PATTERN.format("a.*") + NETWORK, "group_pattern is a regular expression with a group in parentheses"),
        (HEAD + RENDERED + NETWORK + "[augmentation]\nnoise = 2", "augmentation: noise is at most 1"),
        (HEAD + RENDERED + NETWORK + '[schedule]\nname = "lunar"', "schedule: name is"),
        (HEAD + RENDERED + NETWORK + "[schedule]\nrestarts = [5, 5]", "restarts are steps, each after the one before"),
        (HEAD + RENDERED + NETWORK + '[schedule]\nname = "steps"\nrestarts = [5]', "restarts are of the cosine"),
        (HEAD + RENDERED + NETWORK + '[optimiser]\nbetas = ["a", 1]', "betas 1 is a number"),
        ('name = "../a"\ntitle = "b"\n' + RENDERED + NETWORK, "small letters"),
    ],
)
def test_bad_recipes_are_refused(tmp_path, text, reason):
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    with pytest.raises(BadRecipe, match=reason):
        read_recipe(file)


RECIPES = sorted((ROOT / "segmentation" / "lab" / "recipes").glob("*.toml"))


@pytest.mark.parametrize("file", [file for file in RECIPES if not re.match(r"gan|.*sweep", file.stem)])
def test_the_released_recipes_are_valid(file):
    assert read_recipe(file).sources


def test_every_entry_of_a_recipe_is_described():
    assert "- `steps` (`3000`; ≥ 1): number of steps of the optimiser" in reference.document()
    for heading, model in reference.sections().items():
        undescribed = [name for name, field in model.model_fields.items() if not field.description]
        assert not undescribed, heading


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"architecture": {"name": "unet", "encoder": "resnet19"}}, "there is no encoder 'resnet19'"),
        ({"architecture": {"name": "nosuch"}}, "No network can be built"),
        ({"pretrained": "nosuch", "architecture": {"name": "unet", "encoder": "resnet18"}}, "'nosuch' is not known"),
        ({"pretrained": "imagenet"}, "needs an encoder"),
        ({"start_from": "nosuch"}, "no model named 'nosuch'"),
        ({"device": "cuda:9"}, "not to be had"),
        ({"sources": [{"kind": "folder", "path": "/nonexistent"}]}, "no folder /nonexistent"),
        ({"batch": 2_000_000_000}, "no batch of 2000000000 crops of 64 px: there is not enough memory"),
        ({"batch": 2**70}, "there is not enough memory"),
        ({"crop": 640_000}, "crops of 640000 px: there is not enough memory"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_the_command(tmp_path, folder, changes, reason):
    file = tmp_path / "recipe.toml"
    file.write_text(tomlkit.dumps({**tiny(folder).model_dump(), **changes}))
    with pytest.raises(CommandError, match=reason):
        call_command("train", file, "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.parametrize("link", ["folder", "images", "file"])
def test_what_is_for_evaluation_only_is_never_trained_on(tmp_path, folder, base, link):
    """Through links too: to the folder, to its images, to one of its files."""
    hidden = tmp_path / "evaluation-only" / "set"
    hidden.parent.mkdir()
    path = {"folder": folder, "images": folder / "images", "file": folder / "labels" / "2.png"}[link]
    path.rename(hidden)
    path.symlink_to(hidden)
    (tmp_path / "recipe.toml").write_text(tomlkit.dumps(tiny(folder).model_dump()))
    for what in ([tmp_path / "recipe.toml"], [folder, "--fine-tune", base]):
        with pytest.raises(CommandError, match="evaluation-only"):
            call_command("train", *what, "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_source_may_be_for_one_side_only(tmp_path, folder):
    other = make_folder(tmp_path / "other", 2, radius=7)
    parts = [{"kind": "folder", "path": str(folder), "use": "training"}]
    parts += [{"kind": "folder", "path": str(other), "use": "validation", "weight": 3.0}]
    sources = make_sources(tiny(folder, sources=parts), tmp_path)
    assert (sources.weights, sources.validation_weights) == ([1.0], [3.0])
    assert len(sources.training[0].pairs) == 4


@pytest.mark.drawn
def test_a_run_leaves_what_it_promises(folder, tmp_path):
    run = train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)
    names = {file.name for file in (tmp_path / "run").iterdir()}
    pictures = {"curves.png", "examples-000002.png", "examples-000004.png"}
    assert names == {"recipe.toml", "metrics.csv", "checkpoint.pt", *pictures}
    assert [row[0] for row in curve(tmp_path / "run")] == ["step", "2", "4"]
    assert read_recipe(tmp_path / "run" / "recipe.toml") == tiny(folder)
    assert run.step == 4 and not run.averaged.training
    metrics = tmp_path / "run" / "metrics.csv"
    metrics.write_text(metrics.read_text().replace("step", "row", 1))
    with pytest.raises(BadRecipe, match="was altered"):
        train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)


@pytest.mark.drawn
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.slow
def test_a_batch_may_be_smaller_than_the_number_of_example_crops(folder, tmp_path, batch):
    """The sentence about too little memory advises a lower batch."""
    run = train(tiny(folder, batch=batch, validation_batches=3, steps=2), tmp_path / "run", tmp_path, say=quietly)
    with Image.open(tmp_path / "run" / "examples-000002.png") as picture:
        assert picture.height > min(3 * batch, EXAMPLES) * 64
    assert run.step == 2


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_curve(folder, tmp_path):
    """kill -9 of the real command after its first checkpoint, then the same command again."""
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(tomlkit.dumps(tiny(folder, steps=10, checkpoint=2).model_dump()))
    command = [sys.executable, str(ROOT / "manage.py"), "train", str(recipe), "--out", str(tmp_path / "killed")]
    began = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    for line in began.stdout:
        if line.startswith("step 4/"):
            os.killpg(began.pid, signal.SIGKILL)
            break
    assert began.wait(timeout=60) == -signal.SIGKILL
    noted = curve(tmp_path / "killed")
    assert 2 <= len(noted) < 6
    done = manage("train", recipe, "--out", tmp_path / "killed")
    assert done.returncode == 0, done.stderr
    assert "resuming at step" in done.stdout
    train(tiny(folder, steps=10, checkpoint=2), tmp_path / "unbroken", tmp_path, say=quietly)
    assert curve(tmp_path / "killed") == curve(tmp_path / "unbroken")
    states = [torch.load(tmp_path / run / "checkpoint.pt")["averaged"] for run in ("killed", "unbroken")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.fixture
def restarting(folder):
    """Ten steps on rendered pictures alone, in cycles of four, three and three."""
    sources = [{"kind": "rendered", "count": 4}]
    return tiny(folder, sources=sources, steps=10, checkpoint=5, schedule={"warm_up": 0, "restarts": [4, 7, 12]})


@pytest.mark.slow
def test_restarts_take_the_mean_of_the_weights_and_new_pictures(restarting, tmp_path):
    """Whether the run is broken off at each step or not, right before and after a restart too."""
    lines = []
    unbroken = train(restarting, tmp_path / "unbroken", tmp_path, say=lines.append)
    assert lines.count("rendering new pictures") == 2
    steps = [row[0] for row in curve(tmp_path / "unbroken")]
    assert steps == ["step", "4", "5", "7", "10"]
    while (run := train(restarting, tmp_path / "broken", tmp_path, say=quietly, time_is_up=lambda: True)).step < 10:
        pass
    for weight, theirs in zip(run.averaged.state_dict().values(), unbroken.averaged.state_dict().values(), strict=True):
        assert torch.equal(weight, theirs)


@pytest.mark.slow
def test_a_cycle_ends_with_the_mean_of_both_weights(restarting, tmp_path):
    sources = make_sources(restarting, tmp_path)
    stock = [grey.copy() for grey, _ in sources.training[0].stock]
    training = Training(start_run(restarting, CPU), restarting, sources, tmp_path, CPU, quietly)
    run = training.run
    name = next(name for name, value in run.averaged.state_dict().items() if value.is_floating_point())
    for factor, mean in ((1.0, 1.0), (2.0, 0.3 * 1 + 0.7 * 2), (5.0, 0.3 * 1.7 + 0.7 * 5)):
        run.averaged.state_dict()[name].fill_(factor)
        training.end_cycle()
        for weights in (run.averaged, run.network):
            assert weights.state_dict()[name].flatten()[0] == pytest.approx(mean)
    sources.training[0].renew(1)
    assert len(sources.training[0].stock) == len(stock)
    assert not any(np.array_equal(old, new) for old, (new, _) in zip(stock, sources.training[0].stock, strict=True))
    anew = make_sources(restarting, tmp_path, cycle=1)
    assert np.array_equal(anew.training[0].stock[0][0], sources.training[0].stock[0][0])
    assert np.array_equal(anew.validation[0].stock[0][0], sources.validation[0].stock[0][0])


@pytest.mark.slow
def test_a_run_begun_again_forgets_the_curve_of_the_one_before(folder, tmp_path):
    train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)
    first = curve(tmp_path / "run")
    (tmp_path / "run" / "checkpoint.pt").unlink()
    train(tiny(folder, seed=5), tmp_path / "run", tmp_path, say=quietly)
    assert len(curve(tmp_path / "run")) == len(first) and curve(tmp_path / "run") != first


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(folder, tmp_path):
    for workers in (1, 2):
        train(tiny(folder, workers=workers), tmp_path / str(workers), tmp_path, say=quietly)
    assert curve(tmp_path / "1") == curve(tmp_path / "2")


def test_a_run_of_another_recipe_is_not_overwritten(folder, tmp_path):
    train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)
    with pytest.raises(BadRecipe, match="learning_rate differ"):
        train(tiny(folder, learning_rate=1e-4), tmp_path / "run", tmp_path, say=quietly)
    train(tiny(folder, workers=2), tmp_path / "run", tmp_path, say=quietly)


def test_two_trainings_do_not_write_into_one_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ENDING_SECONDS", 0)
    with lock_folder(tmp_path / "run"):
        with pytest.raises(InUse, match=r"writes into .*run"):
            train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)
        with pytest.raises(CommandError, match="Another training"):
            call_command("train_gan", "masks", "--out", tmp_path / "run")
        assert not list((tmp_path / "run").iterdir())
    assert train(tiny(folder), tmp_path / "run", tmp_path, say=quietly).step == 4
    metrics = tmp_path / "run" / "metrics.csv"
    rows = metrics.read_text() + metrics.read_text().splitlines()[-1].replace("4", "6", 1)  # of the other training
    metrics.write_text(rows)
    with lock_folder(tmp_path / "run"), pytest.raises(InUse):
        train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)
    assert metrics.read_text() == rows


def test_a_damaged_checkpoint_is_refused(folder, tmp_path):
    train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)
    file = tmp_path / "run" / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(BadRecipe, match=r"checkpoint\.pt is damaged"):
        train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_checkpoint(folder, tmp_path, monkeypatch):
    recipe, run = tmp_path / "tiny.toml", tmp_path / "run"
    recipe.write_text(tomlkit.dumps(tiny(folder).model_dump()))
    with pytest.raises(KeyboardInterrupt):
        train(tiny(folder), run, tmp_path, say=stop_at_step_4)
    before = (run / "checkpoint.pt").read_bytes()

    def no_room(file):
        if os.fstat(file).st_size >= len(before):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_room)
    with pytest.raises(CommandError, match=r"checkpoint\.pt cannot.*No space left.* kept"):
        call_command("train", recipe, "--out", run)
    monkeypatch.undo()
    assert (run / "checkpoint.pt").read_bytes() == before and not list(run.glob(".*"))
    assert train(tiny(folder), run, tmp_path, say=quietly).step == 4


def test_too_little_room_is_said_before_any_step(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**20))
    with pytest.raises(CannotWrite, match="1 MB are free"):
        train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)
    assert not (tmp_path / "run" / "recipe.toml").exists()


@pytest.mark.slow
def test_a_run_goes_on_in_the_room_that_it_began_with(folder, tmp_path, monkeypatch):
    """What it wrote before the disk was full is its own; a finished run needs no room at all."""
    room = 2 * checkpoint_bytes(folder) + RESERVED_BYTES
    out = tmp_path / "run"

    def usage(path):
        held = sum(file.stat().st_size for file in out.glob("*")) if out.exists() else 0
        return SimpleNamespace(free=room - held)

    monkeypatch.setattr("shutil.disk_usage", usage)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(folder), out, tmp_path, say=stop_at_step_4)
    assert (out / "checkpoint.pt").stat().st_size > checkpoint_bytes(folder) / 2
    assert train(tiny(folder), out, tmp_path, say=quietly).step == 4
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**16))
    assert train(tiny(folder), out, tmp_path, say=quietly).step == 4


@pytest.mark.slow
def test_a_run_under_way_needs_room_for_one_more_checkpoint(folder, tmp_path, monkeypatch):
    train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)
    (tmp_path / "run" / "checkpoint.pt").rename(tmp_path / "checkpoint.pt")
    state = torch.load(tmp_path / "checkpoint.pt")
    torch.save({**state, "step": 2}, tmp_path / "run" / "checkpoint.pt")
    (tmp_path / "run" / "large").write_bytes(bytes(RESERVED_BYTES))  # as many pictures would be
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=checkpoint_bytes(folder) - 1))
    with pytest.raises(CannotWrite, match="needs"):
        train(tiny(folder), tmp_path / "run", tmp_path, say=quietly)


def checkpoint_bytes(folder):
    """Five tensors for each weight, in single precision."""
    return 20 * sum(p.numel() for p in start_run(tiny(folder), CPU).network.parameters())


def test_a_run_stops_early_and_keeps_its_best(folder, tmp_path):
    """A rate far too high makes the validation loss rise."""
    recipe = tiny(folder, steps=400, learning_rate=0.05, patience=2, schedule=Schedule(name="constant", warm_up=0))
    lines = []
    run = train(recipe, tmp_path / "run", tmp_path, say=lines.append)
    best = best_of(run.rows)
    assert run.step < 400 and run.rows[-1].step == best.step + 2 * recipe.checkpoint
    assert "nothing better" in lines[-1]
    assert scores_of(run, recipe)[0]["split"] == CHOSEN_ON
    assert scores_of(run, recipe.replaced(patience=0))[0]["split"] == "held out"
    rerun = train(recipe, tmp_path / "run", tmp_path, say=quietly)
    assert rerun.step == run.step
    for weight, theirs in zip(run.averaged.state_dict().values(), rerun.averaged.state_dict().values(), strict=True):
        assert torch.equal(weight, theirs)


def test_rates_follow_their_schedule():
    cosine = [rate_factor(step, 1000) for step in (0, 99, 100, 550, 1000)]
    assert cosine == pytest.approx([0.01, 1, 1, 0.505, 0.01])
    schedule = Schedule(warm_up=0, last=0.0, restarts=[400, 2000])
    assert [rate_factor(step, 1000, schedule) for step in (200, 400, 700)] == pytest.approx([0.5, 0.5, 0.25])
    halved = Schedule(name="steps", warm_up=0, every=10)
    assert [rate_factor(step, 100, halved) for step in (0, 9, 10, 25)] == [1, 1, 0.5, 0.25]
    plateau = Schedule(name="plateau", warm_up=0, wait=2)
    assert rate_factor(50, 100, plateau, [3, 2, 2.5, 2.1]) == 0.5
    assert plateaus([3, 2, 1], 1) == 0


def test_a_loss_that_is_no_number_ends_the_run(folder, tmp_path):
    wild = tiny(
        folder,
        learning_rate=1e30,
        optimiser=Optimiser(name="sgd", clip=0),
        schedule=Schedule(name="constant", warm_up=0),
    )
    with pytest.raises(BadRecipe, match="lower learning_rate"):
        train(wild, tmp_path / "run", tmp_path, say=quietly)


@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "plain-unet", "filters": 2, "depth": 2},
        {"name": "multires-unet", "filters": 4},
        {"name": "fpn", "encoder": "mobilenet_v2"},
    ],
)
@pytest.mark.slow
def test_a_published_model_loads_and_predicts(folder, tmp_path, architecture):
    """With a map of contacts beside the usual two, which the card names."""
    recipe = tiny(folder, architecture=architecture, steps=1, heads=[*CHANNELS, *OPTIONAL])
    run = train(recipe, tmp_path / "run", tmp_path, say=quietly)
    file = publish(run.averaged, recipe, tmp_path, version="1.2.3", extra={"threshold": 0.4, "limits": ["none"]})
    card = cards.read_card(file)
    assert (card.version, card.threshold, card.limits) == ("1.2.3", 0.4, ["none"])
    (entry,) = card.data
    assert (entry["title"], entry["licence"]) == ("data", "unknown") and re.search("30%.* fold 0", entry["split"])
    assert card.maps == list(particles.TASK.channels(card).names) == [*CHANNELS, *OPTIONAL]
    network = load_module(card, 3)
    with torch.inference_mode():
        ours = network(torch.zeros(1, 1, 64, 64))
        theirs = run.averaged(torch.zeros(1, 1, 64, 64))
    assert theirs.shape == (1, 3, 64, 64) and torch.allclose(ours, theirs, atol=0.05)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda mask: 255 - mask, "is inverted"),
        (lambda mask: np.roll(mask, 20, 1), "they fit their image if they are moved by 20 px left"),
    ],
)
def test_a_recipe_is_refused_what_fine_tuning_is_refused(folder, tmp_path, change, reason, capsys):
    for number in range(4):
        mask = (255 * (np.asarray(Image.open(folder / "labels" / f"{number}.png")) > 0)).astype(np.uint8)
        save(folder / "labels" / f"{number}.png", change(mask))
    (tmp_path / "recipe.toml").write_text(tomlkit.dumps(tiny(folder).model_dump()))
    with pytest.raises(CommandError, match=rf"0.png.*{reason}.* 3 more"):
        call_command("train", tmp_path / "recipe.toml", "--out", tmp_path / "run")
    assert capsys.readouterr().out.count("error: ") == 4
    assert not (tmp_path / "run").exists()


def test_a_recipe_is_read_as_it_says_and_warned_of(folder, tmp_path, capsys):
    """A background of 255, a suffix and images without labels are in the recipe; shared numbers are found."""
    for number in range(3):
        labels = np.asarray(Image.open(folder / "labels" / f"{number}.png")).astype(np.uint8)
        labels[:3, :3] = 1
        save(folder / "labels" / f"{number}_m.png", np.where(labels, labels, 255).astype(np.uint8))
    source = {"kind": "folder", "path": str(folder), "label_suffix": "_m", "background": 255, "only_labelled": True}
    (tmp_path / "recipe.toml").write_text(tomlkit.dumps(tiny(folder, sources=[source]).model_dump()))
    call_command("train", tmp_path / "recipe.toml", "--out", tmp_path / "run")
    lines = capsys.readouterr().out
    assert "warning: 3 labels" in lines and "error: " not in lines and "step 4/4" in lines
    assert re.search("step 4 .*published", lines)
    call_command("train", tmp_path / "recipe.toml", "--out", tmp_path / "run")
    assert "warning:" not in capsys.readouterr().out
