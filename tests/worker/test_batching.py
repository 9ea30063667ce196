"""The batcher beside a worker's pool: a real process, started only where there is something to share, and killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segmentation.services.trouble import DEVICE, trouble
from tests.core.network.test_inference import EXACT, tiny_card
from worker import batching

from .lab import wait_for


@pytest.fixture
def start(settings, monkeypatch):
    """Begin as a worker with so many children does; returns the supervisors of what was started."""
    monkeypatch.setenv(batching.ADDRESS, "")
    monkeypatch.setenv("DEEPSEGM_BATCH", "4")
    monkeypatch.setenv("DEEPSEGM_DEVICE", "cpu")
    monkeypatch.setenv("DEEPSEGM_PRECISION", "float32")
    settings.DEEPSEGM_BATCH = 4

    def begin(concurrency, pool="prefork"):
        batching.start(SimpleNamespace(concurrency=concurrency, pool_cls=pool))
        return batching._supervisors

    yield begin
    batching.stop()


@pytest.mark.parametrize(("concurrency", "pool", "batch"), [(1, "prefork", 4), (2, "threads", 4), (2, "prefork", 1)])
def test_where_nothing_is_shared_there_is_no_batcher(start, settings, concurrency, pool, batch):
    settings.DEEPSEGM_BATCH = batch
    assert not start(concurrency, pool) and batching.address() == ""


@pytest.mark.slow
def test_a_batcher_that_is_killed_comes_back_and_the_analysis_goes_on(start, tmp_path):
    from segmentation.core.network.inference import predict
    from segmentation.core.network.runtime import Runtime, load_network

    (supervisor,) = start(2)
    card, picture = tiny_card(tmp_path), np.random.default_rng(0).random((64, 96), np.float32)
    alone = predict(load_network(card, EXACT, 2), picture, EXACT)
    network = load_network(card, Runtime(batcher=batching.address()), 2)
    folder = Path(batching.address()).parent
    assert folder.stat().st_mode & 0o077 == 0
    wait_for(Path(batching.address()).exists, "the batcher listens")
    assert np.array_equal(predict(network, picture, EXACT), alone)
    first = supervisor.pid
    os.kill(first, signal.SIGKILL)
    assert np.array_equal(predict(network, picture, EXACT), alone)
    assert supervisor.pid not in (None, first)
    batching.stop()
    assert not folder.exists()


def test_a_job_without_its_batcher_is_put_off_not_failed(tmp_path, monkeypatch):
    from segmentation.core.network import shared

    monkeypatch.setattr(shared, "WAITS", ())
    with pytest.raises(OSError) as caught:
        network = shared.SharedNetwork(tiny_card(tmp_path), 1, str(tmp_path / "none"))
        network.predict(np.zeros((1, 32, 32), np.float32), (slice(0, 32), slice(0, 32)), "sigmoid", 1024)
    assert trouble(caught.value) == DEVICE
