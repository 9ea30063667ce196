"""The GAN route end to end at a tiny size: every stage, what it lacks, kills and resumptions, the command."""

import csv
import io
import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command
from PIL import Image

from segmentation.core.masks.truth import BadDataset
from segmentation.core.network.cards import read_card
from segmentation.lab.research.gan import stages
from segmentation.lab.research.gan.loop import Work, deadline, numbered_pictures
from segmentation.lab.research.gan.settings import MissingStage, read_gan_recipe, unet_recipe
from segmentation.lab.research.gan.stages import STAGES, run_stage
from segmentation.lab.research.gan.stock import check_sources, micrograph_stock, outline_stock
from segmentation.lab.training.runs import load_state
from segmentation.lab.training.settings import BadRecipe
from tests.core.labels.test_separate import label_discs
from tests.lab.folders import save
from tests.lab.test_adaptation import Killed

pytestmark = pytest.mark.slow  # research, which no site reaches

RECIPES = Path(stages.__file__).resolve().parents[2] / "recipes"
TINY = """
name = "tiny"
title = "Tiny"
threads = 1
[outlines]
size = 16
latent = 8
filters = 4
batch = 8
steps = 4
checkpoint = 2
smallest = 6.0
[[outlines.sources]]
path = "FOLDER"
[masks]
count = 6
tile = 64
particles = [5, 8]
diameter = 12.0
[cyclegan]
filters = 4
critic_filters = 4
blocks = 1
batch = 1
crop = 32
steps = 4
checkpoint = 2
pool = 2
[[cyclegan.sources]]
path = "FOLDER"
diameter = 12.0
[translate]
reject = false
[unet]
steps = 2
batch = 2
crop = 32
checkpoint = 2
precision = "float32"
[unet.architecture]
name = "multires-unet"
filters = 4
[unet.loss]
balance = true
dice = 0.0
"""


def disc_fields(generator, count, latent, seed, device):
    """As a trained generator would draw."""
    rows, columns = np.mgrid[:16, :16] - 7.5
    return [np.clip(6 - np.hypot(rows, columns), -1, 1).astype(np.float32)] * count


@pytest.fixture
def trained_generator(monkeypatch):
    monkeypatch.setattr(stages, "draw_outlines", disc_fields)


def strewn(rng):
    """(96, 96) labels of nine discs of 12 to 18 px."""
    return label_discs(*((16 + 32 * (n // 3), 16 + 32 * (n % 3), rng.uniform(6, 9)) for n in range(9)), shape=(96, 96))


@pytest.fixture
def folder(tmp_path):
    """Three micrographs and the labels of their particles, of the user's own."""
    for number in range(3):
        labels = strewn(np.random.default_rng(number))
        grey = np.where(labels > 0, 180, 40) + np.random.default_rng(number).integers(0, 40, labels.shape)
        save(tmp_path / "own" / "images" / f"{number}.png", grey.astype(np.uint8))
        save(tmp_path / "own" / "labels" / f"{number}.png", labels.astype(np.uint16))
    return tmp_path / "own"


@pytest.fixture
def recipe_file(folder, tmp_path):
    file = tmp_path / "gan.toml"
    file.write_text(TINY.replace("FOLDER", folder.as_posix()))
    return file


@pytest.fixture
def work(recipe_file, tmp_path):
    lines = []
    made = Work(read_gan_recipe(recipe_file), tmp_path / "run", tmp_path, torch.device("cpu"), None, lines.append)
    made.__dict__["said"] = lines
    return made


def rows_of(file):
    return list(csv.DictReader(file.open()))


def weights_of(work, stage):
    state = load_state(work.out / stage / "checkpoint.pt")
    return {
        f"{part}.{name}": v
        for part in ("generator", "critic", "g_ab", "g_ba")
        for name, v in state.get(part, {}).items()
    }


def test_all_stages_lead_to_a_model(work, trained_generator):
    assert all(run_stage(stage, work) for stage in STAGES)
    assert [int(row["step"]) for row in rows_of(work.out / "outlines" / "metrics.csv")] == [2, 4]
    assert [int(row["step"]) for row in rows_of(work.out / "cyclegan" / "metrics.csv")] == [2, 4]
    assert {f.name for f in (work.out / "cyclegan" / "samples").iterdir()} == {"000002.png", "000004.png"}
    assert (
        len(numbered_pictures(work.out / "masks" / "labels")) == 6 == len(rows_of(work.out / "masks" / "metrics.csv"))
    )
    images, labels = (numbered_pictures(work.out / "translate" / kind) for kind in ("images", "labels"))
    assert [f.name for f in images] == [f.name for f in labels] and len(images) == 6
    assert np.array_equal(
        np.asarray(Image.open(labels[0])), np.asarray(Image.open(numbered_pictures(work.out / "masks" / "labels")[0]))
    )
    assert read_card(work.out / "unet" / "tiny.toml").data[0]["title"].endswith(" own (unknown)")
    summary = json.loads((work.out / "summary.json").read_text())
    assert list(summary) == list(STAGES) and all(stage["finished"] for stage in summary.values())
    before = (work.out / "cyclegan" / "checkpoint.pt").stat().st_mtime_ns
    assert all(run_stage(stage, work) for stage in STAGES)
    assert (work.out / "cyclegan" / "checkpoint.pt").stat().st_mtime_ns == before


def test_a_unet_that_has_run_out_of_patience_is_finished(work, trained_generator, monkeypatch):
    for stage in ("outlines", "masks", "cyclegan", "translate"):
        run_stage(stage, work)
    patient = replace(work, recipe=work.recipe.replaced(unet={**work.recipe.unet, "steps": 8, "patience": 1}))
    monkeypatch.setattr("segmentation.lab.training.train.patience_is_over", lambda rows, *_: len(rows) >= 2)
    assert run_stage("unet", patient)
    assert not read_card(work.out / "unet" / "tiny.toml").limits


@pytest.mark.parametrize(
    ("stage", "before"),
    [("masks", "outlines"), ("cyclegan", "masks"), ("translate", "cyclegan"), ("unet", "translate")],
)
def test_a_stage_says_what_it_lacks(work, stage, before):
    with pytest.raises(MissingStage, match=rf"{stage} stage .*run {before} first"):
        run_stage(stage, work)


def killed_at(work, line):
    def say(lines):
        if lines.startswith(line):
            raise Killed

    return replace(work, say=say)


@pytest.mark.parametrize(("stage", "before"), [("outlines", ()), ("cyclegan", ("outlines", "masks"))])
def test_a_killed_stage_resumes_to_the_same_weights(work, trained_generator, stage, before):
    other = replace(work, out=work.out.with_name("killed"))
    for run in (work, other):
        for earlier in before:
            run_stage(earlier, run)
    run_stage(stage, work)
    with pytest.raises(Killed):
        run_stage(stage, killed_at(other, f"{stage} 4/4"))
    run_stage(stage, other)
    ours, theirs = weights_of(work, stage), weights_of(other, stage)
    assert ours and all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)
    curves = [rows_of(run.out / stage / "metrics.csv") for run in (work, other)]
    assert [[row[k] for k in row if k != "seconds_per_step"] for row in curves[0]] == [
        [row[k] for k in row if k != "seconds_per_step"] for row in curves[1]
    ]


def test_more_steps_continue_a_run_and_other_settings_do_not(work):
    run_stage("outlines", work)
    longer = replace(work, recipe=work.recipe.replaced(outlines=work.recipe.outlines.replaced(steps=6)))
    run_stage("outlines", longer)
    assert load_state(work.out / "outlines" / "checkpoint.pt")["step"] == 6
    wider = replace(work, recipe=work.recipe.replaced(outlines=work.recipe.outlines.replaced(filters=8)))
    with pytest.raises(BadRecipe, match="filters differ"):
        run_stage("outlines", wider)


def test_masks_go_on_where_they_stopped_and_begin_anew_from_other_outlines(work, trained_generator):
    run_stage("outlines", work)
    with pytest.raises(Killed):
        run_stage("masks", killed_at(work, "masks 1/6"))
    first = numbered_pictures(work.out / "masks" / "labels")[0]
    made = first.stat().st_mtime_ns
    run_stage("masks", work)
    assert first.stat().st_mtime_ns == made and len(numbered_pictures(work.out / "masks" / "labels")) == 6
    fewer = replace(work, recipe=work.recipe.replaced(masks=work.recipe.masks.replaced(particles=[2, 2])))
    run_stage("masks", fewer)
    assert max(int(row["particles"]) for row in rows_of(work.out / "masks" / "metrics.csv")) <= 8
    assert first.stat().st_mtime_ns != made


def test_the_time_is_kept_and_what_was_done_is_kept_too(work, trained_generator):
    hurried = replace(work, minutes=1e-9)
    assert not run_stage("masks", hurried) if run_stage("outlines", work) else False
    assert not json.loads((work.out / "summary.json").read_text())["masks"]["finished"]
    assert run_stage("masks", work)
    cycle = work.recipe.cyclegan.replaced(steps=10**6, checkpoint=10**6)
    endless = replace(work, recipe=work.recipe.replaced(cyclegan=cycle), minutes=0.01)
    assert not run_stage("cyclegan", endless)
    assert load_state(work.out / "cyclegan" / "checkpoint.pt")["step"] >= 1
    assert not deadline(None)() and deadline(0)()


def test_a_translation_that_paints_nothing_is_said(work, trained_generator):
    for stage in ("outlines", "masks", "cyclegan"):
        run_stage(stage, work)
    blank = load_state(work.out / "cyclegan" / "checkpoint.pt")
    blank["g_ab"] = {name: torch.zeros_like(value) for name, value in blank["g_ab"].items()}
    torch.save(blank, work.out / "cyclegan" / "checkpoint.pt")
    strict = replace(work, recipe=work.recipe.replaced(translate=work.recipe.translate.replaced(reject=True)))
    run_stage("translate", strict)
    rows = rows_of(work.out / "translate" / "metrics.csv")
    assert [row["rejected"] for row in rows] == [row["particles"] for row in rows]
    with pytest.raises(MissingStage, match="bright enough"):
        run_stage("unet", strict)


def test_masks_of_the_users_own_may_be_binary_and_of_any_kind(work, folder):
    for file in (folder / "labels").iterdir():
        labels = np.asarray(Image.open(file))
        file.unlink()
        np.save(file.with_suffix(".npy"), labels > 0)
    training, held_out = outline_stock(work.recipe, work.base)
    assert training.shape[1:] == (16, 16) and len(training) == 18 and len(held_out) == 9


def test_outlines_may_come_from_the_renderer(work):
    (source,) = work.recipe.outlines.sources
    rendered = source.replaced(kind="rendered", path="", count=3)
    recipe = work.recipe.replaced(outlines=work.recipe.outlines.replaced(sources=[rendered]))
    assert len(outline_stock(recipe, work.base)[0]) > 3


def test_micrographs_are_brought_to_the_masks_diameter_and_dark_ones_inverted(work):
    (source,) = work.recipe.cyclegan.sources
    as_it_is = micrograph_stock(work.recipe, work.base)
    assert as_it_is[0].shape == (96, 96) and -1 <= as_it_is[0].min() < as_it_is[0].max() <= 1
    other = source.replaced(diameter=24.0, polarity="dark")
    halved = micrograph_stock(work.recipe.replaced(cyclegan=work.recipe.cyclegan.replaced(sources=[other])), work.base)
    assert halved[0].shape == (48, 48)
    assert halved[0].mean() == pytest.approx(-as_it_is[0].mean(), abs=0.02)
    tiny = source.replaced(diameter=90.0)
    with pytest.raises(BadDataset, match="than a crop"):
        micrograph_stock(work.recipe.replaced(cyclegan=work.recipe.cyclegan.replaced(sources=[tiny])), work.base)


def test_folders_are_checked_before_any_hour_is_spent(work, folder, tmp_path):
    check_sources(work.recipe, work.base)
    hidden = tmp_path / "evaluation-only"
    folder.rename(hidden)
    folder.symlink_to(hidden)
    with pytest.raises(BadRecipe, match="never trained on"):
        check_sources(work.recipe, work.base)
    folder.unlink()
    hidden.rename(folder)
    file = next((folder / "images").iterdir())
    hidden.mkdir()
    file.rename(hidden / file.name)
    file.symlink_to(hidden / file.name)
    with pytest.raises(BadRecipe, match="never trained on"):
        check_sources(work.recipe, work.base)
    shutil.rmtree(folder)
    with pytest.raises(BadDataset, match="no folder"):
        check_sources(work.recipe, work.base)


def test_the_command_runs_a_stage_and_answers_in_sentences(recipe_file, tmp_path):
    out = io.StringIO()
    arguments = {"recipe": recipe_file, "out": tmp_path / "run", "device": "cpu", "stdout": out}
    call_command("train_gan", "outlines", **arguments)
    assert "outlines 4/4" in out.getvalue()
    with pytest.raises(CommandError, match="run masks first"):
        call_command("train_gan", "cyclegan", **arguments)
    with pytest.raises(CommandError, match="no device 'nonsense'"):
        call_command("train_gan", "outlines", **{**arguments, "device": "nonsense"})
    with pytest.raises(CommandError, match="above 0"):
        call_command("train_gan", "outlines", **arguments, minutes=0.0)
    recipe_file.write_text('title = "a"')
    with pytest.raises(CommandError, match="lacks"):
        call_command("train_gan", "outlines", **arguments)


@pytest.mark.parametrize("name", ["gan.toml", "gan-small.toml"])
def test_the_recipes_of_the_house_are_valid_and_touch_permitted_folders_only(name):
    recipe = read_gan_recipe(RECIPES / name)
    assert unet_recipe(recipe).architecture == {"name": "multires-unet", "filters": 16}
    data = tomllib.loads((RECIPES / name).read_text())
    for table in ("outlines", "cyclegan"):
        assert all(source["path"].startswith("../shared/data/particles/") for source in data[table]["sources"])
