"""A model trained further on a user's own images: what is planned, held out, told and published; killed at any time."""

from __future__ import annotations

import io
import os
import re
import shutil
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import tomlkit
import torch
from safetensors.torch import load_file, save_file

from segmentation.core.learning import planning
from segmentation.core.masks.truth import BadDataset
from segmentation.core.measure.objects.matching import Kind
from segmentation.core.micrograph.kinds import sha256_of
from segmentation.core.network.cards import check_weights, read_card
from segmentation.core.tasks import find
from segmentation.lab.training import blend, outcome, replay
from segmentation.lab.training.adaptation import Options, adapt, trainings
from segmentation.lab.training.data import DrawnSource, make_sources
from segmentation.lab.training.evaluation.scores import Figure
from segmentation.lab.training.instances.counts import ImageCounts, Sums
from segmentation.lab.training.instances.option_sets import OptionSetResult
from segmentation.lab.training.masks import Compared
from segmentation.lab.training.replay import recipe_of
from segmentation.lab.training.settings import BadRecipe, read_recipe
from segmentation.lab.training.tasks.particles import SCORING
from tests.lab.folders import make_folder, save, tiny

FEW = {"batch": 2, "crop": 64, "validation_batches": 1, "checkpoint": 2, "precision": "float32", "workers": 1}
TINY = Options("own", "Own", data="discs", steps=4, pace=1.0, device="cpu", threads=1, recipe=FEW)


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def _little_to_replay(monkeypatch):
    for name, value in {"PICTURES": 3, "WITHHELD": 1, "SIDE": 96, "WITHHELD_SIDE": 96, "MICROGRAPHS": 0}.items():
        monkeypatch.setattr(replay, name, value)
    monkeypatch.setattr(trainings, "EXAMPLE_SIDE", 64)
    monkeypatch.setattr(replay, "recipe_of", lambda card: None)


def of(summary):
    """All of a summary but the time it was expected to take."""
    return {**summary, "plan": {**summary["plan"], "seconds": 0}}


@pytest.mark.slow
def test_three_images_are_each_held_out_once(base, tmp_path):
    out, reports = tmp_path / "run", []
    summary = adapt(
        make_folder(tmp_path / "own", 3), str(base), out, TINY, lambda stage, done, *_: reports.append((stage, done))
    )
    assert sorted(summary["plan"]["held_out"]) == [["0.png"], ["1.png"], ["2.png"]]
    assert summary["plan"]["trainings"] == 4 and any("uncertain" in note for note in summary["plan"]["notes"])
    steps = {(point["split"], point["step"]) for point in summary["curve"]}
    assert steps >= {(split, step) for split in range(3) for step in (0, 2, 4)} and (-1, 2) in steps
    assert all(point["score"] is None for point in summary["curve"] if point["split"] == -1)
    assert [change["name"] for change in summary["table"]] == list(SCORING.compared)
    assert all(change["after_interval"] is None for change in summary["table"]), "three images give no interval"
    assert {entry["image"] for entry in summary["images"]} == {"0.png", "1.png", "2.png"}
    files = {entry["file"] for entry in (*summary["images"], *summary["pictures"])}
    assert files == {file.name for file in (out / "files").iterdir()}
    assert "uncertain" in summary["outcome"]["sentence"]
    card = read_card(out / "final" / "own.toml")
    check_weights(card)
    assert len(card.options["own_images"]["taught"]) == 3 and card.options["own_images"]["limit"] >= 0.4
    assert card.title == "Own" and card.training["start_from"] == "base" and "3 images of discs" in card.limits[0]
    assert card.scores[0]["f50"] == pytest.approx(summary["table"][1]["after"], abs=1e-3)
    assert card.training["share"] == summary["share"]["share"] and summary["share"]["sentence"] == card.limits[-1]
    assert "held out" in card.scores[0]["split"] and str(tmp_path) not in (out / "final" / "own.toml").read_text()
    assert [done for _, done in reports] == sorted(done for _, done in reports) and reports[-1] == ("done", 1.0)
    assert of(adapt(tmp_path / "own", str(base), out, TINY)) == of(summary), "nothing is done twice"


@pytest.mark.slow
def test_killed_at_any_moment_it_comes_to_the_same_end(base, tmp_path):
    """Stopped after every fifth word, and begun again, with a learning curve."""
    options = replace(TINY, learning_curve=True)
    folder = make_folder(tmp_path / "own", 3)
    unbroken = adapt(folder, str(base), tmp_path / "a", options)
    stops, count = 0, [0]

    def report(stage, fraction, summary, remaining):
        count[0] += 1
        if count[0] == limit:
            raise Killed

    limit = 0
    while True:
        limit, count[0] = limit + 5, 0
        try:
            broken = adapt(folder, str(base), tmp_path / "b", options, report)
            break
        except Killed:
            stops += 1
    assert stops > 3 and of(broken) == of(unbroken)
    assert [step["images"] for step in unbroken["learning_curve"]] == [0, 1, 2]
    ours, theirs = (read_card(tmp_path / run / "final" / "own.toml") for run in "ab")
    assert ours.sha256 == theirs.sha256 and ours.entries() == theirs.entries()


@pytest.mark.slow
def test_what_an_earlier_call_did_does_not_count_as_speed(base, tmp_path, monkeypatch):
    """Every step takes a second by the clock, as planned; the second call begins in the middle, in another place, as
    the data folder of a site may move."""
    run, clock = tmp_path / "one" / "run", [0.0]
    make_folder(tmp_path / "one" / "own", 3)
    monkeypatch.setattr("segmentation.lab.training.adaptation.material.time.monotonic", lambda: clock[0])
    reports = []

    def report(stage, fraction, summary, remaining):
        clock[0] += 1.0
        if remaining is not None:
            reports.append((remaining, summary["plan"]["seconds"]))

    def stopped_half_way(*news):
        report(*news)
        if (run / "split-1" / "checkpoint.pt").exists():
            raise Killed

    with pytest.raises(Killed):
        adapt(tmp_path / "one" / "own", str(base), run, TINY, stopped_half_way)
    before = reports[-1][0]
    reports.clear()
    shutil.move(tmp_path / "one", tmp_path / "other")
    summary = adapt(tmp_path / "other" / "own", str(base), tmp_path / "other" / "run", TINY, report)
    assert summary["outcome"]["sentence"]
    assert min(remaining for remaining, _ in reports[:8]) > 0.4 * before


def test_agglomerates_are_never_composed_of_held_out_images(base, tmp_path):
    planned = trainings.Trainings(
        make_folder(tmp_path / "own", 4), str(base), tmp_path / "run", replace(TINY, composed=True), lambda *news: None
    )
    (tmp_path / "run").mkdir()
    planned.summary["plan"] = plan = planned.plan()
    assert plan["trainings"] == 9 and len(plan["held_out"]) == 4
    for split, (held,) in enumerate(plan["held_out"]):
        sources = make_sources(planned.recipe_without_split(split, "composed", composed=True), tmp_path / "run")
        (composed,) = (source for source in sources.training if isinstance(source, DrawnSource))
        cut_from = {particle.group for particle in composed.draw_picture.keywords["stock"].particles}
        assert len(cut_from) == 3 and held.removesuffix(".png") not in {
            group.removesuffix(".png") for group in cut_from
        }
        assert not any(isinstance(source, DrawnSource) for source in sources.validation), "real images alone judge"
        plain = make_sources(planned.recipe_without_split(split, "plain"), tmp_path / "run")
        assert not any(isinstance(source, DrawnSource) for source in plain.training)


@pytest.mark.slow
@pytest.mark.parametrize("helps", [True, False])
def test_composed_agglomerates_are_kept_only_where_they_help_on_held_out_images(base, tmp_path, monkeypatch, helps):
    monkeypatch.setattr(outcome, "CLEAR_SCORE", -1e9 if helps else 1e9)
    options, folder, out = replace(TINY, composed=True), make_folder(tmp_path / "own", 3), tmp_path / "run"
    stages = []
    summary = adapt(folder, str(base), out, options, lambda stage, *_: stages.append(stage))
    gain = summary["composed"]
    assert gain["kept"] is helps and summary["plan"]["trainings"] == 7
    assert gain["sentence"].endswith("learnt from them, too." if helps else "learnt without them.")
    assert "training 2 of 3, with composed agglomerates" in stages
    judges = "composed" if helps else "split"
    assert [(out / f"{judges}-{split}" / "share-70").is_dir() for split in range(3)] == [True] * 3
    kinds = [source.kind for source in read_recipe(out / "tuned" / "recipe.toml").sources]
    assert kinds == (["folder", "composed"] if helps else ["folder"])
    card = read_card(out / "final" / "own.toml")
    assert any("composed of particles of discs" in entry["title"] for entry in card.data) is helps
    assert {point["split"] for point in summary["curve"]} == {-1, 0, 1, 2}, "curves are those of the plain trainings"
    assert of(adapt(folder, str(base), out, options)) == of(summary), "nothing is done twice"


def test_the_gain_of_agglomerates_is_said_in_figures():
    figures = iter([{"median_off": 5.04, "f50": 0.8}, {"median_off": 4.2, "f50": None}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            outcome, "summarise", lambda *_, **__: {n: Figure(v, None, None) for n, v in next(figures).items()}
        )
        gain = outcome.composed_summary(SCORING, [0] * 6, [0] * 6, list("abcdef"), kept=True)
    assert (gain["without"], gain["with_them"], gain["score_without"], gain["score_with_them"]) == (
        5.04,
        4.2,
        0.8,
        None,
    )
    sentence = gain["sentence"]
    assert "is 4.2 % with composed agglomerates and 5.0 % without" in sentence
    assert "is not known with and 0.800 without. The model learnt from them, too." in sentence


@pytest.mark.parametrize(
    ("task", "particles", "words"),
    [
        ("particles", {"a": 6, "b": 6, "c": 4}, ""),
        ("particles", {"a": 14, "b": 4, "c": 4}, "here are 22, and 8 while some images are held out"),
        ("particles", {"a": 3, "b": 0}, "needs 10 whole, free particles of 16 px or more"),
        ("particles", dict.fromkeys("abcdef", 3), ""),  # of three parts two groups are held out at once
        ("particles", {**dict.fromkeys("ab", 9), **dict.fromkeys("cdef", 2)}, "here are 26, and 8 while"),
        ("particles", {}, "here are 0. "),
        ("grains", {"a": 99, "b": 99}, "these images show grains"),
    ],
)
def test_what_can_be_composed_is_known_before(task, particles, words):
    problem = planning.composing_obstacle(find(task), particles)
    assert words in problem and bool(problem) is bool(words)


def test_composing_takes_its_own_time_and_makes_no_training_shorter():
    for curve in (False, True):
        plain, composed = (
            planning.choose_plan(4, 4.0, pace=1.4, minutes=5, curve=curve, composed=tick) for tick in (False, True)
        )
        assert (plain.folds, plain.steps) == (composed.folds, composed.steps)
        assert composed.trainings == plain.trainings + 4
        assert composed.seconds - plain.seconds > 4 * plain.steps * plain.step_seconds


def test_bad_folders_are_refused_in_a_sentence(base, tmp_path):
    folder = make_folder(tmp_path / "one", 1)
    with pytest.raises(BadDataset, match="two at least"):
        adapt(folder, str(base), tmp_path / "run", TINY)
    empty = make_folder(tmp_path / "empty", 3)
    for number in range(3):
        save(empty / "labels" / f"{number}.png", np.zeros((96, 96), np.uint8))
    with pytest.raises(BadDataset, match="No image"):
        adapt(empty, str(base), tmp_path / "run", TINY)
    with pytest.raises(BadDataset, match="6 objects"):
        adapt(make_folder(tmp_path / "few", 3, count=2), str(base), tmp_path / "run", TINY)
    with pytest.raises(BadDataset, match="whole, free particles"):
        adapt(make_folder(tmp_path / "small", 3, radius=5), str(base), tmp_path / "run", replace(TINY, composed=True))
    with pytest.raises(BadRecipe, match="nosuch"):
        adapt(folder, "nosuch", tmp_path / "run", TINY)
    assert not (tmp_path / "run" / "plan.json").exists()


def test_images_of_one_specimen_are_never_parted(base, tmp_path):
    folder = make_folder(tmp_path / "own", 6)
    rows = [f"{number}.png,specimen {number // 2}" for number in range(6)]
    (folder / "groups.csv").write_text("image,group\n" + "\n".join(rows) + "\n")
    seen = {}

    def report(stage, fraction, summary, remaining):
        seen.update(summary)
        if "plan" in seen:
            raise Killed

    with pytest.raises(Killed):
        adapt(folder, str(base), tmp_path / "run", TINY, report)
    assert sorted(map(sorted, seen["plan"]["held_out"])) == [["0.png", "1.png"], ["2.png", "3.png"], ["4.png", "5.png"]]


def test_the_base_models_own_pictures_are_learnt_from_again_and_measured(base, tmp_path, monkeypatch):
    monkeypatch.undo()
    for name, value in {"PICTURES": 3, "WITHHELD": 3, "SIDE": 96, "WITHHELD_SIDE": 96}.items():
        monkeypatch.setattr(replay, name, value)
    recipe = replay.read_recipe(replay.RECIPES / "particles.toml")
    rendered = [entry for entry in recipe.sources if entry.kind == "rendered"]
    monkeypatch.setattr(replay, "recipe_of", lambda card: recipe.replaced(sources=rendered))
    result = replay.replay(read_card(base), tmp_path / "replay")
    assert result.training == tmp_path / "replay" / "training" and list(result.withheld) == ["rendered pictures"]
    assert len(result.withheld["rendered pictures"]) >= 3
    before = sorted((tmp_path / "replay").rglob("*.png"))
    assert replay.replay(read_card(base), tmp_path / "replay") == result
    assert before == sorted((tmp_path / "replay").rglob("*.png"))


def test_a_folder_that_is_composed_from_is_learnt_from_once(tmp_path):
    sources = [{"kind": kind, "path": str(make_folder(tmp_path, 4))} for kind in ("folder", "composed")]
    assert sum(map(len, replay._images_of_folders(tiny(tmp_path, sources=sources)))) == 4


def test_the_recipe_of_a_users_model_is_that_of_the_model_it_began_with():
    card = read_card(next(replay.ROOT.glob("segmentation/cards/particles.toml")))
    assert recipe_of(card).name == "particles"


@pytest.mark.parametrize(
    ("groups", "minutes", "folds", "splits"),
    [(3, 20, 3, 3), (4, 1, 4, 4), (10, 60, 5, 5), (10, 17, 3, 3), (10, 5, 3, 3), (20, 5, 5, 1)],
)
def test_as_much_is_held_out_as_time_allows(groups, minutes, folds, splits):
    chosen = planning.choose_plan(groups, 10.0, pace=1.4, minutes=minutes)
    assert (chosen.folds, chosen.splits, chosen.trainings) == (folds, splits, splits + 1)
    assert chosen.seconds <= 60 * minutes * 1.1 or chosen.steps == planning.LEAST_STEPS


@pytest.mark.parametrize(
    ("error", "score", "improved"),
    [((8, 4), (0.7, 0.8), True), ((8, 4), (0.8, 0.7), False), ((4, 8), (0.7, 0.9), False)],
)
def test_it_is_better_only_where_the_error_falls_and_the_score_does_not(error, score, improved):
    rows = [("median_off", "Error of an image's median size, %", error), ("f50", "F1 at 0.5", score)]
    table = [{"name": name, "title": title, "before": a, "after": b} for name, title, (a, b) in rows]
    result = outcome.outcome(SCORING, table, list("abcdef"))
    assert result["improved"] is improved and "uncertain" not in result["sentence"]
    moves = ["falls" if b < a else "rises" for a, b in (error, score)]
    assert re.findall(r"falls|rises|stays", result["sentence"]) == moves
    assert not outcome.outcome(SCORING, [{**table[0], "after": None}, table[1]], ["a"])["improved"]


def test_an_image_is_better_or_worse_by_both_figures():
    was = {"median_off": 5.0, "f50": 0.8}
    for error, score, verdict in ((2.0, 0.9, "better"), (5.1, 0.8, "same"), (9.0, 0.85, "same"), (9.0, 0.8, "worse")):
        assert outcome.verdict(SCORING, was, {"median_off": error, "f50": score}) == verdict
    assert outcome.verdict(SCORING, {**was, "median_off": None}, {"median_off": 1.0, "f50": 0.8}) == "same"


def test_weights_are_averaged_and_the_share_is_chosen_by_both_kinds_of_images(base, tmp_path, monkeypatch):
    """The tuned copy of a model has other weights and batch statistics; the numbers of the choice are drawn."""
    card = read_card(base)
    other = {name: value + 1 if value.is_floating_point() else value for name, value in load_file(card.weights).items()}
    save_file(other, tmp_path / "own.safetensors")
    entries = tomllib.loads(base.read_text()) | {"name": "own", "sha256": sha256_of(tmp_path / "own.safetensors")}
    (tmp_path / "own.toml").write_text(tomlkit.dumps(entries))
    tuned = read_card(tmp_path / "own.toml")
    old, new = load_file(card.weights), load_file(tuned.weights)
    for share in (0.0, 0.3, 1.0):
        mean = blend.mean_of(card, tuned, share, tmp_path / "mean")
        check_weights(mean)
        for name, value in load_file(mean.weights).items():
            expected = old[name] + share * (new[name].float() - old[name].float())
            assert value.dtype == new[name].dtype and torch.allclose(value.float(), expected.float(), atol=4e-3), name
    assert any("running_var" in name for name in old), "batch statistics are averaged, too"

    worth = {0.0: 0.60, 0.3: 0.62, 0.5: 0.64, 0.7: 0.66, 1.0: 0.67}
    figures = lambda score: {"f50": Figure(score, None, None), "median_off": Figure(0.0, None, None)}  # noqa: E731
    monkeypatch.setattr(blend, "summarise", lambda scoring, records, **_: figures(worth[records[0]]))
    held = {share: [share] for share in blend.SHARES}
    assert blend.choose(SCORING, held, []) == 1.0
    after = {0.0: 0.86, 0.3: 0.86, 0.5: 0.85, 0.7: 0.85, 1.0: 0.80}
    own_data = [blend.OwnData("own pictures", 12, "AP50", 0.86, after)]
    assert blend.choose(SCORING, held, own_data) == 0.7
    floored = [own_data[0]._replace(after={0.0: 0.86, 0.3: 0.86, 0.5: 0.84, 0.7: 0.83, 1.0: 0.80})]
    assert blend.choose(SCORING, held, floored) == 0.5, "0.7 has the highest sum, but keeps less than 97 %"
    read_otherwise = [own_data[0]._replace(after={0.0: 0.6, 0.3: 0.6, 0.5: 0.6, 0.7: 0.6, 1.0: 0.6})]
    assert blend.choose(SCORING, held, read_otherwise) == 1.0, "no share keeps 97 %"
    alone = "it keeps 70 % of what Test could before. Use it for pictures like the taught ones alone."
    description = blend.share_summary(card, 1.0, [read_otherwise[0].at_share(1.0)], [])
    assert alone.replace("Test", card.title) in description["sentence"]
    description = blend.share_summary(card, 0.7, [own_data[0].at_share(0.7)], [f"{number}.png" for number in range(5)])
    assert description["keeps"] == pytest.approx(0.85 / 0.86)
    sentence = f"70 % of what was learnt. On 12 own pictures it keeps 99 % of what {card.title} could before."
    assert sentence in description["sentence"]
    assert description["sentence"].endswith("pictures like the own pictures, 0.png, 1.png, 2.png and 2 more images.")
    assert blend.share_summary(card, 1.0, [], [])["sentence"] == "It takes 100 % of what was learnt."


def test_records_of_every_kind_of_scoring_come_back_as_they_were():
    labels = np.random.default_rng(0).integers(0, 5, (20, 30))
    sums = Sums(*(np.full(2, float(number)) for number in range(len(Sums._fields))))
    sizes = np.array([3.5]), np.array([4.25, 0.1])
    counts = ImageCounts(
        sums, *sizes, *sizes, {Kind.SPLIT: 2}, np.array([True, False]), np.array([7, 9]), np.eye(2, dtype=int)
    )
    compared = Compared(sizes[0], float("nan"), *sizes, *sizes, sizes[0])
    for record in (counts, compared, np.arange(6.0).reshape(2, 3)):
        result = outcome.unpacked_results(
            outcome.packed_results([OptionSetResult(record, labels), OptionSetResult(record, labels + 1)])
        )
        assert repr([result[0].record, result[1].record]) == repr([record, record])
        assert result[0].labels.dtype == np.int32
        assert (result[0].labels == labels).all() and (result[1].labels == labels + 1).all()


def test_stored_records_call_nothing():
    content = io.BytesIO()
    np.savez(content, kind="array", labels=np.zeros(2, np.uint8), json=np.array([os.getcwd], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        outcome.unpacked_results(content.getvalue())
