"""One process calculates the networks of all children of a worker on a GPU; here its device is the processor."""

import os
import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from segmentation.core.network import runtime, served
from segmentation.core.network.cards import NoDevice, find
from segmentation.core.network.runtime import SERVER_KEY, Runtime, load_network
from tests.worker.lab import REPOSITORY
from worker import apps
from worker.child import NETWORKS
from worker.supervise import COMMAND, Supervisor

EXACT = Runtime("cpu", "float32", "torch")
WINDOW = np.random.default_rng(3).random((1, 1, 96, 128), np.float32)
BOX = slice(16, 80), slice(0, 128)


@pytest.fixture(scope="module")
def server():
    supervisor = Supervisor((*COMMAND, NETWORKS), folder=REPOSITORY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "_loaded", {})
        patch.setenv(SERVER_KEY, "for these tests alone")
        supervisor.start()
        yield supervisor
        supervisor.stop()


@pytest.mark.slow
def test_siblings_get_the_maps_that_a_network_of_their_own_gives(server, monkeypatch):
    networks = [served.ServedNetwork(find("particles"), EXACT, 2) for _ in range(2)]
    maps = {}
    siblings = [
        threading.Thread(target=lambda n=n: maps.update({n: networks[n].maps(WINDOW, BOX, "sigmoid")})) for n in (0, 1)
    ]
    for sibling in siblings:
        sibling.start()
    for sibling in siblings:
        sibling.join()
    monkeypatch.delenv(SERVER_KEY)
    monkeypatch.setattr(runtime, "_loaded", {})
    alone = load_network(find("particles"), EXACT, 2)
    assert all((each == alone.maps(WINDOW, BOX, "sigmoid")).all() for each in maps.values()) and len(maps) == 2
    assert (networks[0].engine, networks[0].tile) == (alone.engine, alone.tile)


@pytest.mark.slow
def test_what_is_wrong_comes_by_its_kind_and_a_killed_server_is_replaced(server):
    with pytest.raises(NoDevice, match="There is no device 'nonsense'"):
        load_network(find("particles"), Runtime("nonsense", engine="torch"), 2)
    network = load_network(find("particles"), EXACT, 2)
    assert isinstance(network, served.ServedNetwork)
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(served.ServerGone, match="ended: try again"):
        network.maps(WINDOW, BOX, "sigmoid")
    assert network.maps(WINDOW, BOX, "sigmoid").shape == (1, 2, 64, 128)


@pytest.mark.parametrize(
    ("concurrency", "queue", "gpu", "shares"),
    [
        (2, "analyses", True, True),
        (1, "analyses", True, False),
        (2, "training", True, False),
        (2, "analyses", False, False),
    ],
)
def test_children_share_a_gpu_where_there_are_several(concurrency, queue, gpu, shares, monkeypatch, settings):
    started = []
    settings.DEEPSEGM_DEVICE = "auto"
    monkeypatch.setenv(SERVER_KEY, "")
    monkeypatch.setattr(runtime, "has_gpu", lambda: gpu)
    monkeypatch.setattr(apps.Supervisor, "start", lambda self: started.append(self.command[-1]))
    queues = SimpleNamespace(consume_from={queue: None})
    apps.share_gpu(SimpleNamespace(concurrency=concurrency, app=SimpleNamespace(amqp=SimpleNamespace(queues=queues))))
    assert started == [NETWORKS] * shares and bool(os.environ[SERVER_KEY]) == shares
