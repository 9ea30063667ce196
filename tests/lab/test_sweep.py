"""Variants, grids, folds and seeds: what is trained, how it is told, and that a sweep goes on."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tomlkit
from django.core.management import CommandError, call_command
from PIL import Image

from segmentation.lab.research.comparison import (
    COLUMN_PX,
    TrainingScores,
    gains,
    summaries_by_configuration,
    write_tables,
)
from segmentation.lab.research.sweep import Sweep, changed_recipe, plan_trainings, read_sweep
from segmentation.lab.training import tasks
from segmentation.lab.training.contract import Definition
from segmentation.lab.training.finetune import fine_tuning
from segmentation.lab.training.settings import BadRecipe, read_recipe
from tests.lab.folders import make_folder, save, tiny

pytestmark = pytest.mark.slow  # research, which no site reaches

RECIPES = Path("segmentation/lab/recipes")
KNOWN = {"f1": Definition("F1", ""), "count": Definition("Count", "", 0, counted=True)}


def rows(*table):
    return [TrainingScores((variant,), fold, seed, {"f1": f1, "count": 10.0}) for variant, fold, seed, f1 in table]


OTHERS = {"pretraining-sweep": ["superalloy", "bubbles", "phases-pretrained"], "defect-sweep-small": ["bubbles"]}


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*sweep*.toml")), ids=lambda file: file.stem)
def test_the_released_sweeps_are_valid_also_of_other_recipes(file):
    for recipe in (None, *(RECIPES / f"{name}.toml" for name in OTHERS.get(file.stem, []))):
        sweep, varied = read_sweep(file, recipe)
        for variant in plan_trainings(Sweep(**{**sweep.model_dump(), "folds": 2}), varied, Path()):
            assert variant.recipe.folds == 2


def test_a_recipe_alone_is_cross_validated():
    sweep, recipe = read_sweep(RECIPES / "uhcs-steel.toml")
    variants = list(plan_trainings(Sweep(**{**sweep.model_dump(), "folds": 3, "seeds": [1, 2]}), recipe, Path()))
    assert [(variant.recipe.seed, variant.recipe.fold) for variant in variants] == [
        (s, f) for s in (1, 2) for f in (0, 1, 2)
    ]
    assert {variant.configuration for variant in variants} == {(recipe.title,)}
    (variant,) = plan_trainings(Sweep(), recipe, Path())
    assert (variant.recipe.fold, variant.recipe.folds) == (recipe.fold, recipe.folds)


def test_seeds_and_folds_are_the_sweeps_own_entries():
    _, recipe = read_sweep(RECIPES / "uhcs-steel.toml")
    (variant,) = plan_trainings(Sweep(changes={"seed": 7, "fold": 2, "folds": 5}), recipe, Path())
    assert (variant.recipe.seed, variant.recipe.fold, variant.recipe.folds) == (7, 2, 5)
    for sweep in (Sweep(grid={"seed": [1, 2]}), Sweep(variants=[{"title": "a", "changes": {"folds": 4}}])):
        with pytest.raises(BadRecipe, match="seeds and folds"):
            list(plan_trainings(sweep, recipe, Path()))


def test_each_group_is_left_out_once(tmp_path):
    folder = make_folder(tmp_path / "data", 5)
    recipes = [variant.recipe for variant in plan_trainings(Sweep(folds="all"), tiny(folder), tmp_path)]
    assert [(recipe.fold, recipe.folds) for recipe in recipes] == [(fold, 5) for fold in range(5)]
    with pytest.raises(BadRecipe, match="two groups"):
        list(plan_trainings(Sweep(folds="all"), tiny(make_folder(tmp_path / "single", 1)), tmp_path))


def test_changes_replace_entries_and_lead_into_tables(tmp_path):
    recipe = tiny(tmp_path)
    variant = changed_recipe(
        recipe, {"loss.dice": 2.0, "architecture": {"name": "plain-unet"}, "optimiser.clip": 1.0}, "here"
    )
    assert (variant.loss.dice, variant.optimiser.clip, variant.architecture) == (2.0, 1.0, {"name": "plain-unet"})
    assert "heads" not in variant.model_fields_set  # so that a base model's are taken
    for changes, reason in (
        ({"loss.dicee": 2.0}, "here: loss: .*did you mean dice"),
        ({"steps.more": 2}, "here: steps.more leads into no table"),
        ({"stepz": 2}, "here: .*did you mean steps"),
    ):
        with pytest.raises(BadRecipe, match=reason):
            changed_recipe(recipe, changes, "here")


@pytest.mark.parametrize(
    ("text", "reason"),
    [('variants = [{title = "a"}, {title = "a"}]', "titles of variants differ"), ("folds = 1", "folds"),
     ('folds = "some"', "folds"), ("grid = {steps = []}", "grid"), ("colour = 1", "unknown entries: colour"),
     ("seeds = [1]", "lacks recipe"), ('recipe = "nosuch.toml"', "no recipe"),
     ("[[variants]]\nchanges = {}", "lacks title")],
)  # fmt: skip
def test_a_bad_sweep_is_told_in_one_sentence(tmp_path, text, reason):
    (tmp_path / "sweep.toml").write_text(text)
    with pytest.raises(CommandError, match=reason):
        call_command("sweep", tmp_path / "sweep.toml", "--out", tmp_path / "out")


def test_folds_and_seeds_are_averaged_and_counts_summed_over_folds():
    trainings = rows(("a", 0, 1, 0.5), ("a", 1, 1, 0.6), ("a", 0, 2, 0.7), ("a", 1, 2, np.nan))
    ((configuration, summaries),) = summaries_by_configuration(trainings, KNOWN)
    assert configuration == ("a",) and summaries["f1"][:2] == pytest.approx((0.6, 0.1))
    assert summaries["count"][:2] == (20, 0)
    ((_, summaries),) = summaries_by_configuration(trainings[:3], KNOWN)  # seed 2 is not through its folds
    assert summaries["count"].value == 20 and np.isnan(summaries["count"].sd)


def test_gains_are_paired_by_fold_and_seed():
    trainings = rows(("a", 0, 1, 0.5), ("a", 1, 1, 0.9), ("b", 0, 1, 0.6), ("b", 1, 1, 1.0), ("b", 0, 2, 0.1))
    gained = gains(trainings)
    assert [(row.fold, row.seed) for row in gained] == [(0, 1), (1, 1)]
    ((_, summaries),) = summaries_by_configuration(gained, KNOWN)
    assert summaries["f1"].value == pytest.approx(0.1) and summaries["f1"].sd == pytest.approx(0, abs=1e-9)
    assert gains(trainings[:2]) == []


def test_classes_have_a_table_of_their_own(tmp_path):
    scoring = tasks.find("phases").scoring(("matrix", "rare"))
    names = [*scoring.printed, *(name for scores in scoring.by_class.values() for name in scores)]
    trainings = [
        TrainingScores((variant,), fold, 1, {name: 0.5 + gain if name == "rare_iou" else 0.5 for name in names})
        for variant, gain in (("scratch", 0.0), ("pretrained", 0.2))
        for fold in range(2)
    ]
    write_tables(["variant"], trainings, scoring, tmp_path)
    text = (tmp_path / "table.md").read_text()
    assert "| variant | trainings | iou | dice | boundary_f1 | accuracy | fraction_error |" in text
    assert "| class | variant | trainings | true | iou | error | absolute_error |" in text
    assert "| rare | pretrained | 2 | 0.50 ± 0.00 | 0.700 ± 0.000 |" in text
    assert "| rare | pretrained | 2 | +0.00 ± 0.00 | +0.200 ± 0.000 |" in text
    assert "| matrix | pretrained | 2 | +0.00 ± 0.00 | +0.000 ± 0.000 |" in text and "Gain over “scratch”" in text
    assert (tmp_path / "classes.png").exists()
    assert len(list(csv.DictReader((tmp_path / "runs.csv").open()))) == 4


def test_a_sweep_is_trained_scored_and_goes_on(tmp_path, capsys):
    folder = make_folder(tmp_path / "data", 4, side=64, count=3, radius=6)
    recipe = tiny(
        folder, task="bubbles", steps=2, crop=32, architecture={"name": "plain-unet", "filters": 4, "depth": 2}
    )
    for file in (folder / "labels").iterdir():  # bubbles are taught as masks
        save(file, np.where(np.asarray(Image.open(file)) > 0, 255, 0).astype(np.uint8))
    (tmp_path / "tiny.toml").write_text(tomlkit.dumps(recipe.model_dump(exclude_unset=True)))
    (tmp_path / "sweep.toml").write_text('recipe = "tiny.toml"\ngrid = {weight_decay = [0.0, 0.1]}\n')
    command = ["sweep", tmp_path / "sweep.toml", "--out", tmp_path / "out"]
    call_command(*command)
    table = list(csv.DictReader((tmp_path / "out" / "runs.csv").open()))
    assert [(row["weight_decay"], row["fold"], row["seed"]) for row in table] == [("0", "0", "1"), ("0.1", "0", "1")]
    assert (tmp_path / "out" / "metrics.png").stat().st_size > 1000
    images = Image.open(tmp_path / "out" / "images.png")
    assert images.width == 4 * (COLUMN_PX + 6)  # image, truth and what each of two trainings found
    (report, *_) = (tmp_path / "out").glob("*/report/report.json")
    values = json.loads(report.read_text())["values"]
    assert sum(values["annotated"]) + sum(values["others"]) == 64 * 64 * len(json.loads(report.read_text())["images"])
    page = (report.parent / "report.html").read_text()
    assert "Predicted values" in page and "built-in method" not in page
    report = tmp_path / "out" / "tiny-0-0-0-1" / "report" / "report.json"
    assert json.loads(report.read_text())["data"]["images"] == 1
    assert read_recipe(report.parent.parent / "recipe.toml").weight_decay == 0
    assert not list((tmp_path / "out").rglob("checkpoint.pt"))
    before, output = report.stat().st_mtime_ns, capsys.readouterr().out
    assert "| Tiny | 0.1 | 1 |" in output and "Gain over “Tiny, 0”" in output
    assert "1/2 Tiny, 0, seed 1: step 2/2" in output and re.search(
        r"2/2 Tiny, 0.1, seed 1: .*\(of all .* left\)", output
    )
    call_command(*command)
    assert report.stat().st_mtime_ns == before and "step 2/2" not in capsys.readouterr().out
    (tmp_path / "tiny.toml").write_text(tomlkit.dumps({**recipe.model_dump(exclude_unset=True), "steps": 3}))
    with pytest.raises(CommandError, match="steps differ"):
        call_command(*command)


def test_a_model_is_trained_further_with_each_image_left_out(tmp_path, folder, base):
    recipe = fine_tuning(folder, str(base))
    assert [variant.recipe.fold for variant in plan_trainings(Sweep(folds="all"), recipe, tmp_path)] == [0, 1, 2, 3]
    with pytest.raises(CommandError, match="say which model"):
        call_command("sweep", folder, "--out", tmp_path / "out")
    for wrong, reason in (
        ({"folds": "some"}, "folds is 2 or more, all, or 0"),
        ({"seeds": [-1]}, "seeds 1 is at least 0"),
    ):
        with pytest.raises(CommandError, match=reason):
            call_command("sweep", folder, "--out", tmp_path / "out", fine_tune=str(base), **wrong)
