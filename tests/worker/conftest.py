"""Every test here has a storage of its own, one model and a queue that only takes notes."""

import shutil

import pytest

from worker import tasks
from worker.heartbeat import Heartbeat

from .lab import Lab


@pytest.fixture(autouse=True)
def _surroundings(own_storage, model, queue):
    return None


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A data folder with a new database."""
    folder = tmp_path_factory.mktemp("lab") / "template"
    folder.mkdir()
    Lab(folder).run("migrate")
    return folder


@pytest.fixture
def lab(template, tmp_path):
    """A lab whose database is there already."""
    return Lab(shutil.copytree(template, tmp_path / "lab"))


@pytest.fixture
def no_heartbeat(monkeypatch):
    """A test inside a transaction: a heartbeat on a connection of its own would not see its rows."""
    monkeypatch.setattr(tasks, "Heartbeat", lambda row: Heartbeat(row, seconds=3600))
