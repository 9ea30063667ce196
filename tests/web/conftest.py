"""Every test here has a storage of its own, one model and a queue that only takes notes."""

from types import SimpleNamespace

import pytest
from django.test import Client

from segmentation.learning.datasets import services as datasets
from segmentation.services.ground import bounds
from segmentation.services.upkeep import health

from . import bounded
from .finished import VISITOR, visit
from .trained import with_own_models


@pytest.fixture(autouse=True)
def _bounds(settings, monkeypatch):
    """No request of any test makes rows without asking whether its sender may (tests/web/test_bounds.py)."""
    bounded.unasked.clear()
    settings.MIDDLEWARE = ["tests.web.bounded.Watch", *settings.MIDDLEWARE]
    monkeypatch.setattr(bounds, "ask", bounded.ask)
    yield
    assert bounded.unasked == []


@pytest.fixture(autouse=True)
def _surroundings(own_storage, model, queue, monkeypatch):
    monkeypatch.setattr(health, "SLOW_SECONDS", 60.0)  # no earlier test's answer is kept
    monkeypatch.setattr(health, "_started_thread", asked_here)


def asked_here(work):
    """In place of a thread, which would not see the rows of this test's transaction."""
    work()
    return SimpleNamespace(join=lambda seconds: None, is_alive=lambda: False)


@pytest.fixture
def maker(client):
    """The browser of VISITOR."""
    return visit(client, VISITOR)


@pytest.fixture
def script():
    """A script: no cookies, no form key."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def dataset(ada):
    return datasets.create_dataset(user=ada, name="Powder", task="particles")


@pytest.fixture
def people(alice, charlie, ada):
    """A browser for each of them, one of VISITOR, and one of nobody."""
    browsers = {"nobody": Client(), "visitor": visit(Client(), VISITOR)}
    for name, user in (("alice", alice), ("charlie", charlie), ("ada", ada)):
        browsers[name] = Client()
        browsers[name].force_login(user)
    return browsers


@pytest.fixture
def learning(settings, tmp_path, monkeypatch, model):
    """A site where accounts may train, with models of its own."""
    settings.DEEPSEGM_TRAINING = "accounts"
    settings.DEEPSEGM_MODELS = tmp_path / "models"
    with_own_models(monkeypatch, model)
