"""A folder to train on and a model to start from."""

import shutil

import pytest

from tests.lab.folders import make_folder, quietly, tiny


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "data")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The card of a model that was trained once; torch takes 7 s of a process that only collects."""
    from segmentation.lab.training.publish import publish
    from segmentation.lab.training.train import train

    root = tmp_path_factory.mktemp("base")
    recipe = tiny(make_folder(root / "data"), name="base", steps=2)
    run = train(recipe, root / "base", root, say=quietly)
    return publish(run.averaged, recipe, root / "base", version="1", extra={"threshold": 0.45})


@pytest.fixture
def base(trained, tmp_path):
    """A published model to start from."""
    return shutil.copytree(trained.parent, tmp_path / "base") / trained.name


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    """No pictures of a run's progress and no charts of a report, but where the test is about them: they take half the
    time of a tiny run and of a tiny report."""
    if not request.node.get_closest_marker("drawn"):
        monkeypatch.setattr("segmentation.lab.research.page.chart", lambda *what: "data:,")
        for name in ("runs.draw_curves", "train.draw_examples"):
            monkeypatch.setattr(f"segmentation.lab.training.{name}", lambda *what: None)
