"""Every test here has a storage of its own, one model and a queue that only takes notes."""

import pytest


@pytest.fixture(autouse=True)
def _surroundings(own_storage, model, queue):
    return None
