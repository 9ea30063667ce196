"""Every test here has a storage of its own, one model and a silent bell."""

import pytest

from worker import tasks
from worker.pulse import Pulse


@pytest.fixture(autouse=True)
def _surroundings(own_storage, model, bell):
    return None


@pytest.fixture
def no_pulse(monkeypatch):
    """A test inside a transaction: a pulse, on a connection of its own, would not see its rows and call them lost."""
    monkeypatch.setattr(tasks, "Pulse", lambda row: Pulse(row, seconds=3600))
