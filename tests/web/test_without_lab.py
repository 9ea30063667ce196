"""The site where the laboratory is not installed: no page offers a training, and whoever asks for one is told why."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from segmentation.learning.trainings.services import create_training, training_obstacle
from segmentation.location import NO_LAB, ROOT, has_lab
from segmentation.models import Dataset
from segmentation.services.ground.callers import may_train
from segmentation.services.ground.refusal import Refused
from tests.conftest import WITHOUT_LAB
from worker.learning.datasets import prepare_dataset
from worker.learning.training import train

# A page, a result and a command of each part of the site; all of it runs by hand (docs/development/architecture.md).
ESSENTIAL = ("tests/web/test_without_lab.py", "tests/web/views/test_pages.py")
without_lab = pytest.mark.skipif(not WITHOUT_LAB, reason="the laboratory is installed")


@pytest.mark.skipif(WITHOUT_LAB, reason="runs itself")
def test_the_site_runs_without_the_laboratory():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *ESSENTIAL]
    environment = {**os.environ, "DEEPSEGM_TEST_WITHOUT_LAB": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.fixture
def dataset(alice):
    return Dataset.objects.create(owner=alice, name="Mine", task="particles")


@without_lab
@pytest.mark.django_db
def test_nobody_is_offered_a_training(signed_in, alice, dataset):
    assert not has_lab() and not may_train(alice) and training_obstacle(dataset, alice) == NO_LAB
    page = signed_in.get(reverse("dataset-page", args=[dataset.pk])).content.decode()
    assert "Mine" in page and reverse("training-new", args=[dataset.pk]) not in page


@without_lab
@pytest.mark.django_db
def test_who_asks_for_one_is_told_why(alice, dataset, tmp_path):
    with pytest.raises(Refused) as refusal:
        create_training(dataset=dataset, base="particles", options={}, user=alice)
    assert (refusal.value.sentence, refusal.value.status) == (NO_LAB, 403)
    for work in (train, prepare_dataset):
        with pytest.raises(Refused, match="not installed here"):
            work(None, print, tmp_path)


@without_lab
@pytest.mark.parametrize("command", [["train", "recipe.toml", "--out", "run"], ["dataset", "check", "folder"]])
def test_commands_of_the_laboratory_say_so(command):
    with pytest.raises(CommandError, match="Training is not installed here"):
        call_command(*command, stdout=StringIO())
