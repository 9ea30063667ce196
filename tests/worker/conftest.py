"""Every test here has a storage of its own, one model and a queue that only takes notes."""

import pytest

from worker import tasks
from worker.heartbeat import Heartbeat


@pytest.fixture(autouse=True)
def _surroundings(own_storage, model, queue):
    return None


@pytest.fixture
def no_heartbeat(monkeypatch):
    """A test inside a transaction: a heartbeat on a connection of its own would not see its rows."""
    monkeypatch.setattr(tasks, "Heartbeat", lambda row: Heartbeat(row, seconds=3600))
