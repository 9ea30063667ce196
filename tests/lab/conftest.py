"""A folder to train on and a model to start from."""

import pytest

from segmentation.lab.publish import publish
from segmentation.lab.train import train
from tests.lab.folders import make_folder, quietly, tiny


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "data")


@pytest.fixture
def base(folder, tmp_path):
    """A published model to start from."""
    recipe = tiny(folder, name="base", steps=2)
    run = train(recipe, tmp_path / "base", tmp_path, say=quietly)
    return publish(run.averaged, recipe, tmp_path / "base", version="1", extra={"threshold": 0.45})
