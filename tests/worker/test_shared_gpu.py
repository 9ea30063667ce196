"""One process calculates the networks of all children of a worker on a GPU; here its device is the processor."""

import os
import shutil
import signal
import stat
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segmentation.core.network import runtime, served
from segmentation.core.network.cards import NoDevice, find
from segmentation.core.network.runtime import SERVER_FOLDER, Runtime, load_network
from tests.worker.lab import REPOSITORY
from worker import apps
from worker.processes.child import NETWORKS
from worker.processes.supervise import COMMAND, Supervisor

EXACT = Runtime("cpu", "float32", "torch")
WINDOW = np.random.default_rng(3).random((1, 1, 96, 128), np.float32)
BOX = slice(16, 80), slice(0, 128)


@pytest.fixture(scope="module")
def server():
    supervisor = Supervisor((*COMMAND, NETWORKS), folder=REPOSITORY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "_loaded", {})
        patch.setattr(served, "_server", served._Server())
        patch.setenv(SERVER_FOLDER, tempfile.mkdtemp())
        supervisor.start()
        yield supervisor
        supervisor.stop()
        shutil.rmtree(os.environ[SERVER_FOLDER])


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
    monkeypatch.delenv(SERVER_FOLDER)
    monkeypatch.setattr(runtime, "_loaded", {})
    alone = load_network(find("particles"), EXACT, 2)
    assert all((each == alone.maps(WINDOW, BOX, "sigmoid")).all() for each in maps.values()) and len(maps) == 2
    assert (networks[0].engine, networks[0].tile) == (alone.engine, alone.tile)


@pytest.mark.slow
def test_what_is_wrong_comes_by_its_kind(server):
    with pytest.raises(NoDevice, match="There is no device 'nonsense'"):
        load_network(find("particles"), Runtime("nonsense", engine="torch"), 2)
    assert isinstance(load_network(find("particles"), EXACT, 2), served.ServedNetwork)


@pytest.mark.slow
def test_one_death_or_one_hanging_fails_none_of_three_networks(server, monkeypatch):
    """Each of them had a dead connection of its own, and failed an attempt with it; who hung was waited for."""
    networks = [load_network(find(name), EXACT, 2) for name in ("particles", "supported", "particles-multires")]
    os.kill(server.pid, signal.SIGKILL)
    assert [network.maps(WINDOW, BOX, "sigmoid").shape for network in networks] == [(1, 2, 64, 128)] * 3
    hanging, kill = server.pid, served._kill

    def kill_once():
        monkeypatch.undo()  # the server that follows has its networks to load
        kill()

    monkeypatch.setattr(served, "LONGEST_WAIT_SECONDS", 1.0)
    monkeypatch.setattr(served, "_kill", kill_once)
    os.kill(hanging, signal.SIGSTOP)
    assert networks[0].maps(WINDOW, BOX, "sigmoid").shape == (1, 2, 64, 128)
    assert server.pid != hanging


@pytest.mark.slow
def test_those_who_connect_and_say_nothing_keep_nobody_waiting(server):
    served.connect_to_server()
    served.connect_to_server()._send(b"\0")
    network = load_network(find("particles"), EXACT, 2)
    assert network.maps(WINDOW, BOX, "sigmoid").shape == (1, 2, 64, 128)


def test_only_a_window_that_ended_two_servers_is_to_blame(tmp_path, monkeypatch):
    """The first server dies while the window waits, the second and the third while they calculate it."""
    ends = iter(["waits", "calculates", "calculates"])

    def serve(listener):
        for end in ends:
            with listener.accept() as connection:
                connection.recv()
                if end == "calculates":
                    connection.send(True)

    monkeypatch.setenv(SERVER_FOLDER, str(tmp_path))
    with served.Listener(str(tmp_path / served.SOCKET), "AF_UNIX") as listener:
        threading.Thread(target=serve, args=[listener], daemon=True).start()
        with pytest.raises(served.ServerGone, match="ended: try again"):
            served._Server().request("a window")
    assert next(ends, None) is None
    monkeypatch.setattr(served, "START_SECONDS", 0.0)
    with pytest.raises(served.ServerAway):
        served._Server().request("a window")


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
    monkeypatch.setenv(SERVER_FOLDER, "")
    monkeypatch.setattr(runtime, "has_gpu", lambda: gpu)
    monkeypatch.setattr(apps.Supervisor, "start", lambda self: started.append(self.command[-1]))
    queues = SimpleNamespace(consume_from={queue: None})
    apps.share_gpu(SimpleNamespace(concurrency=concurrency, app=SimpleNamespace(amqp=SimpleNamespace(queues=queues))))
    folder = os.environ[SERVER_FOLDER]
    assert started == [NETWORKS] * shares and bool(folder) == shares
    if shares:  # nobody else can connect
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
        Path(folder).rmdir()
