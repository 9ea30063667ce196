"""Every test here has a storage of its own, one model and a silent bell."""

import pytest


@pytest.fixture(autouse=True)
def _surroundings(own_storage, model, bell):
    return None
