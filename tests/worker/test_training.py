"""Trainings made by a worker: to the end, killed, cancelled, on a full disk, elsewhere, and refused in a sentence."""

from __future__ import annotations

import errno
import importlib
import json
import multiprocessing
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from segmentation.core.network.cards import read_card
from segmentation.learning.trainings import trained
from segmentation.models import Dataset, DatasetImage, Superseded, Training
from segmentation.services.ground.refusal import Refused
from tests.lab.conftest import trained as base_model  # noqa: F401
from tests.lab.conftest import undrawn  # noqa: F401
from worker import tasks

from . import trainable
from .lab import REPOSITORY, Lab

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("read_here")]


@pytest.fixture
def training(base_model, no_heartbeat, monkeypatch, settings, tmp_path):  # noqa: F811
    """A queued training of a tiny model on three images."""
    settings.DEEPSEGM_MODELS, settings.DEEPSEGM_TRAINING_THREADS = tmp_path / "models", 1
    settings.DEEPSEGM_TRAINING_MEMORY_MB = 0
    trainable.install(monkeypatch.setattr)
    return trainable.make_training(base_model)


def run(row):
    Training.objects.filter(pk=row.pk).update(state="queued", due=None, finished=None)
    tasks.do_training()
    row.refresh_from_db()
    return row


@pytest.mark.slow
@pytest.mark.drawn
def test_a_dataset_becomes_a_model(training, settings, monkeypatch, tmp_path):
    from segmentation.lab.training import publish

    of_training, own_limits, add_graph = (
        [],
        importlib.import_module("worker.learning.training")._training_limits,
        publish.add_graph,
    )

    @contextmanager
    def limits():
        with own_limits():
            of_training.append(True)
            yield
            of_training.clear()

    def graph(card):
        assert of_training, "the memory of a training is more than an analysis may have"
        return add_graph(card)

    monkeypatch.setattr("worker.learning.training._training_limits", limits)
    monkeypatch.setattr(publish, "add_graph", graph)
    row = run(training)
    assert (row.state, row.error) == ("done", "")
    assert row.version == 1 and row.model_name.startswith("my-discs-") and row.ends is None
    assert {"plan", "curve", "pictures", "table", "images", "outcome"} <= set(row.summary)
    assert row.offered is row.summary["outcome"]["improved"]
    files = {file.name for file in row.artifacts.all()}
    assert {picture["file"] for picture in (*row.summary["images"], *row.summary["pictures"])} < files
    assert {f"{row.model_name}.toml", f"{row.model_name}.safetensors"} < files
    card = read_card(settings.DEEPSEGM_MODELS / f"{row.model_name}.toml")
    assert card.title == "My discs, version 1" and card.weights.is_file()
    assert {entry["sha256"][:12] for entry in row.frozen} <= set(card.training["images"]), "as the sender knows them"
    assert not (trained.runs_folder() / str(row.pk)).exists(), "what it needed is gone"

    shutil.rmtree(settings.DEEPSEGM_MODELS)
    trained.install_model(row)
    assert read_card(settings.DEEPSEGM_MODELS / f"{row.model_name}.toml") == card
    shutil.rmtree(settings.DEEPSEGM_MODELS)
    weights = row.artifacts.get(name=f"{row.model_name}.safetensors")
    with Path(weights.file.path).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1\1")
    with pytest.raises(Refused, match=r"safetensors .*altered"):
        trained.install_model(row)
    assert not list(settings.DEEPSEGM_MODELS.iterdir())

    another = Training.objects.create(dataset=row.dataset, base=row.base, frozen=row.frozen, state="running", attempt=1)
    trained.begin_version(training=another)
    assert another.version == 2


@pytest.mark.slow
def test_a_tick_lets_it_learn_from_composed_agglomerates(training, monkeypatch):
    monkeypatch.setattr("segmentation.lab.training.outcome.CLEAR_SCORE", -1e9)  # as if they helped
    Training.objects.update(options={"composed": True})
    row = run(training)
    assert (row.state, row.error) == ("done", "")
    assert row.summary["composed"]["kept"] and row.summary["plan"]["trainings"] == 7
    assert row.summary["composed"]["sentence"].endswith("The model learnt from them, too.")


def test_what_the_form_asked_reaches_the_training(training):
    options = importlib.import_module("worker.learning.training")._options
    for asked in ({}, {"composed": True}, {"learning_curve": True}):
        training.options = asked
        sent = options(training)
        assert {name: sent[name] for name in ("composed", "learning_curve")} == {
            "composed": False,
            "learning_curve": False,
            **asked,
        }


@pytest.mark.parametrize("name", ["x" * 150, "粒子", "TiO2 (batch 7)"])
def test_any_dataset_gives_a_model_a_name(name):
    row = Training(dataset=Dataset(name=name), version=123)
    made = trained.model_name_of(row)
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*-123", made) and len(f"{made}.safetensors") <= 50


@pytest.mark.slow
def test_deaths_count_only_while_nothing_is_gained(training, monkeypatch):
    Training.objects.filter(pk=training.pk).update(deaths=2, faults=1)
    seen = []
    report = trained.report_training
    monkeypatch.setattr(trained, "report_training", lambda **fields: (seen.append(fields), report(**fields)))
    row = run(training)
    assert row.state == "done" and sum(fields["brings_progress"] for fields in seen) > 5
    Training.objects.filter(pk=row.pk).update(state="running", attempt=9, deaths=2)
    row.refresh_from_db()
    trained.report_training(training=row, pictures=[], brings_progress=False, ends=None)
    row.refresh_from_db()
    assert row.deaths == 2
    trained.report_training(training=row, pictures=[], brings_progress=True, ends=None)
    row.refresh_from_db()
    assert row.deaths == 0


def test_a_cancelled_training_stops_and_goes_on_when_asked_again(training, monkeypatch):
    report = trained.report_training

    def cancel(**fields):
        report(**fields)
        if "split-0-step-00002.webp" in {picture["file"] for picture in fields.get("summary", {}).get("pictures", [])}:
            Training.objects.filter(pk=training.pk).update(state="cancelled")

    monkeypatch.setattr(trained, "report_training", cancel)
    tasks.do_training()
    training.refresh_from_db()
    assert training.state == "cancelled" and training.summary["curve"]
    assert (trained.runs_folder() / str(training.pk) / "run" / "plan.json").exists()
    training.delete()


def test_a_dataset_deleted_meanwhile_ends_its_training_and_nothing_of_it_is_kept(training, monkeypatch, commit):
    report = trained.report_training
    monkeypatch.setattr(trained, "report_training", lambda **fields: (report(**fields), Dataset.objects.all().delete()))
    with commit():
        row = run(training)
    assert row.state == "failed" and "deleted" in row.error
    assert not (trained.runs_folder() / str(row.pk)).exists()


def test_an_image_taken_back_meanwhile_stops_its_training_at_once(training, monkeypatch, commit):
    monkeypatch.setattr(importlib.import_module("worker.learning.training"), "DATASET_CHECK_SECONDS", 0.0)
    report, seen = trained.report_training, []

    def remove(**fields):
        report(**fields)
        seen.append(fields)
        if any(point["step"] == 2 for point in fields.get("summary", {}).get("curve", [])):
            DatasetImage.objects.filter(name="1.png").delete()

    monkeypatch.setattr(trained, "report_training", remove)
    with commit():
        row = run(training)
    assert row.state == "failed" and "1.png was removed" in row.error
    assert len(seen[-1]["summary"]["curve"]) < 6, "the training went on"
    assert row.summary == {} and not row.artifacts.exists() and not row.model_name
    assert not (trained.runs_folder() / str(row.pk)).exists()


def test_a_killed_process_that_prepares_crops_is_no_fault_of_ours(training, monkeypatch):
    killed = Mock(side_effect=RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "))
    monkeypatch.setattr("segmentation.lab.training.publish.train", killed)
    assert [(row.state, row.deaths) for row in (run(training) for _ in range(2))] == [("queued", 1), ("queued", 2)]
    row = run(training)
    assert row.state == "failed" and "memory" in row.error
    report = trained.report_training
    monkeypatch.setattr(trained, "report_training", lambda **fields: report(**{**fields, "brings_progress": True}))
    Training.objects.filter(pk=row.pk).update(deaths=2)
    row = run(row)
    assert (row.state, row.deaths) == ("queued", 1), "what brings progress does not add up"


def test_a_full_disk_puts_it_off(training, monkeypatch):
    from segmentation.lab.training import files

    def full(file, content):
        raise files.CannotWrite("It cannot be written.") from OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("segmentation.lab.training.adaptation.material.write_whole", full)
    row = run(training)
    assert row.state == "queued" and "disk is full" in row.stage and row.due and row.faults == 1
    monkeypatch.setattr(
        "segmentation.lab.training.train.check_disk_space", Mock(side_effect=files.CannotWrite("It needs more."))
    )
    monkeypatch.setattr("segmentation.lab.training.adaptation.material.write_whole", files.write_whole)
    assert run(row).state == "queued"


@pytest.mark.parametrize("what", ["dataset", "removed", "changed", "altered", "task", "base", "empty"])
def test_what_cannot_be_trained_is_refused_in_a_sentence(training, what):
    image = DatasetImage.objects.first()
    sentences = {"dataset": "deleted", "removed": "removed", "changed": "changed", "altered": "changed", "task": "kind"}
    if what == "dataset":
        Dataset.objects.all().delete()
    if what == "removed":
        image.delete()
    if what == "changed":
        DatasetImage.objects.filter(pk=image.pk).update(labels_sha256="0" * 64)
    if what == "altered":
        with Path(image.labels.path).open("ab") as file:
            file.write(b"more")
    if what == "task":
        Dataset.objects.update(task="grains")
    if what == "base":
        Training.objects.update(base="nosuch")
    if what == "empty":
        Training.objects.update(frozen=training.frozen[:1])
    row = run(training)
    assert row.state == "failed" and row.error.endswith(".")
    assert sentences.get(what, "") in row.error and str(trained.runs_folder()) not in row.error, row.error


def test_a_child_of_the_pool_may_start_processes_only_while_it_trains():
    process, limits = (
        multiprocessing.current_process(),
        importlib.import_module("worker.learning.training")._training_limits,
    )
    process.daemon = True  # as the children of a pool are
    try:
        with limits():
            started = multiprocessing.get_context("fork").Process(target=int)
            started.start()
            started.join()
        assert started.exitcode == 0
        with pytest.raises(AssertionError, match="daemonic"):
            multiprocessing.get_context("fork").Process(target=int).start()
    finally:
        process.daemon = False


@pytest.mark.slow
def test_a_training_whose_run_is_lost_begins_again(training, monkeypatch):
    report = trained.report_training

    def stop(**fields):
        report(**fields)
        if any(point["split"] == 1 and point["step"] == 4 for point in fields.get("summary", {}).get("curve", [])):
            raise Superseded

    monkeypatch.setattr(trained, "report_training", stop)
    tasks.do_training()
    shutil.rmtree(trained.runs_folder())
    monkeypatch.setattr(trained, "report_training", report)
    began = []
    monkeypatch.setattr("segmentation.lab.training.publish.train", _noting(began))
    row = run(training)
    assert row.state == "done", row.error
    assert "split-0" in began and row.deaths == 0 and row.offered is row.summary["outcome"]["improved"]
    assert {picture["file"] for picture in row.summary["pictures"]} < {file.name for file in row.artifacts.all()}


def _noting(began):
    from segmentation.lab.training.train import train

    def noting(recipe, folder, *rest, **more):
        began.append(folder.name)
        return train(recipe, folder, *rest, **more)

    return noting


@pytest.mark.slow
def test_killed_three_times_it_comes_to_the_same_end(base_model, lab, tmp_path):  # noqa: F811
    ends, rng, took = [], random.Random(1), 0.0
    command, made = [sys.executable, "-m", "tests.worker.trainable"], lab
    subprocess.run([*command, "make", str(base_model), "3"], check=True, cwd=REPOSITORY, env=made.env)
    for kills in (0, 3):
        lab = Lab(shutil.copytree(made.folder, tmp_path / f"lab {kills}"))
        lab.env |= {"OMP_NUM_THREADS": "1", "DEEPSEGM_TRAINING_THREADS": "1", "DEEPSEGM_DEVICE": "cpu"}
        options = {"cwd": REPOSITORY, "env": lab.env}
        began = time.monotonic()
        for _ in range(kills):
            process = subprocess.Popen([*command, "train"], **options)
            time.sleep(rng.uniform(0.4, 1.0) * took / 2)
            process.kill()
            process.wait()
        subprocess.run([*command, "train"], check=True, **options)
        took = time.monotonic() - began
        with sqlite3.connect(lab.folder / "db.sqlite3") as database:
            row = database.execute("select state, error, summary from segmentation_training").fetchone()
        database.close()
        assert row[0] == "done", row[1]
        card = next((lab.folder / "models").glob("*.toml"))
        ends.append((json.loads(row[2]), read_card(card).sha256))
    assert ends[0] == ends[1]
