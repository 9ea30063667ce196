"""Windows of several processes in one batch: as many together as fit, the same maps as alone, and nobody waits for
ever. The device is a fake one that takes its time, except where maps are compared."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Client, Listener
from pathlib import Path

import numpy as np
import pytest

from segmentation.core.network import shared
from segmentation.core.network.batching import Batcher, on_device
from segmentation.core.network.cards import AlteredWeights, SilentDevice
from segmentation.core.network.inference import predict
from segmentation.core.network.runtime import Runtime, load_network
from segmentation.core.network.shared import SharedNetwork, Window

from .test_inference import EXACT, tiny_card

A_BATCH = 0.05  # s of the fake device, however many windows there are


class FakeDevice:
    """Gives back each picture as its maps, A_BATCH later and not before `go`; fails where a picture contains 255."""

    def __init__(self):
        self.batches = []
        self.go = threading.Event()
        self.busy = threading.Event()
        self.go.set()

    def __call__(self, windows):
        self.busy.set()
        time.sleep(A_BATCH)
        self.go.wait(60)
        self.batches.append([int(each.picture[0, 0, 0]) for each in windows])
        if any((each.picture == 255).any() for each in windows):
            raise MemoryError("too large")
        return [each.picture.astype(np.uint8) for each in windows]


@pytest.fixture
def serve(tmp_path):
    """Start a batcher over some work; returns its address. `serve.waiting()` counts the windows that wait."""
    listeners, batchers = [], []

    def start(work, *, size=4, delay=0.02, patience=1.0):
        address = str(tmp_path / f"socket{len(listeners)}")
        listeners.append(Listener(address, "AF_UNIX", backlog=64))
        batchers.append(Batcher(work, size=size, delay=delay, patience=patience))
        threading.Thread(target=batchers[-1].serve, args=(listeners[-1],), daemon=True).start()
        return address

    start.waiting = lambda: len(batchers[-1]._waiting)
    yield start
    for listener in listeners:
        listener.close()


KEPT = slice(0, 32), slice(0, 32)


def picture_of(value, side=32):
    return np.full((1, side, side), value, np.float32)


@pytest.fixture
def card(tmp_path):
    return tiny_card(tmp_path)


def wait_until(true):
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.001)


def seconds_for(address, card, jobs, windows=3):
    """Wall seconds of several jobs that each predict windows one after the other."""

    def job(number):
        network = SharedNetwork(card, 1, address)
        for _ in range(windows):
            assert network.predict(picture_of(number), KEPT, "sigmoid", 1024).max() == number

    began = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(job, range(jobs)))
    return time.perf_counter() - began


def test_eight_jobs_take_less_than_a_third_of_the_time_that_they_take_without_batches(serve, card):
    alone, together = FakeDevice(), FakeDevice()
    unbatched = seconds_for(serve(alone, size=1), card, 8)
    batched = seconds_for(serve(together, size=8), card, 8)
    assert len(alone.batches) == 24 and len(together.batches) <= 8
    assert unbatched > 3 * batched


def test_a_job_alone_does_not_wait_for_others(serve, card):
    assert seconds_for(serve(FakeDevice(), delay=60.0), card, 1) < 20


def ask_all(serve, device, card, *asked, **options):
    """Send windows (value, side, total) while another one keeps the device busy; their answers."""
    address = serve(device, delay=0.0, **options)
    connections = [Client(address, "AF_UNIX") for _ in range(len(asked) + 1)]
    windows = [Window(card, 1, "sigmoid", picture_of(value, side), KEPT, total) for value, side, total in asked]
    device.go.clear()
    connections[0].send(Window(card, 1, "softmax", picture_of(0), KEPT, 0))
    wait_until(device.busy.is_set)
    for number, (connection, window) in enumerate(zip(connections[1:], windows, strict=True), start=1):
        connection.send(window)
        wait_until(lambda number=number: serve.waiting() == number)
    device.go.set()
    answers = [connection.recv() for connection in connections]
    for connection in connections:
        connection.close()
    return answers[1:]


def test_only_windows_of_one_shape_share_a_batch_and_small_pictures_come_first(serve, card):
    device = FakeDevice()
    ask_all(serve, device, card, (1, 64, 9000), (2, 32, 1000), (3, 64, 9000), (4, 32, 1000))
    assert device.batches == [[0], [2, 4], [1, 3]]


def test_who_has_waited_long_enough_gives_way_no_longer(serve, card):
    device = FakeDevice()
    ask_all(serve, device, card, (1, 64, 9000), (2, 32, 1000), patience=0.0)
    assert device.batches == [[0], [1], [2]]


def test_a_window_that_fails_takes_no_other_along(serve, card):
    bad, good = ask_all(serve, FakeDevice(), card, (255, 32, 1), (7, 32, 1))
    assert isinstance(bad, RuntimeError) and "too large" in str(bad)
    assert (good == 7).all()


def test_a_process_that_is_gone_holds_up_nobody(serve, card):
    address = serve(FakeDevice(), delay=60.0)
    gone = Client(address, "AF_UNIX")
    gone.send(Window(card, 1, "sigmoid", picture_of(1), KEPT, 1))
    gone.close()
    assert seconds_for(address, card, 2) < 20


def test_maps_of_a_batch_are_those_of_the_network_alone(serve, card):
    address = serve(on_device(EXACT), delay=1.0)
    pictures = np.random.default_rng(0).random((4, 96, 130), np.float32)
    network = load_network(card, replace(EXACT, batcher=address), 2)
    assert isinstance(network, SharedNetwork)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: predict(network, picture, EXACT, tile=64, halo=32), pictures))
    alone = [predict(load_network(card, EXACT, 2), picture, EXACT, tile=64, halo=32) for picture in pictures]
    # Sums may run in another order in a batch, which may round to the next of 255 levels.
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(alone, together, strict=True)) <= 1


def test_what_is_wrong_with_the_weights_is_raised_in_the_job(serve, card):
    card.weights.write_bytes(b"other")
    network = load_network(card, Runtime("cpu", "float32", serve(on_device(Runtime("cpu", "bfloat16")))), 2)
    with pytest.raises(AlteredWeights, match="altered"):
        network.predict(picture_of(0), KEPT, "sigmoid", 1)


def ending(listener, times):
    """A batcher that ends (closes) with the first windows that it gets."""
    for _ in range(times):
        with listener.accept() as connection:
            connection.recv()


def test_a_batcher_that_ends_is_asked_again_and_one_that_is_gone_ends_the_wait(tmp_path, card, monkeypatch):
    monkeypatch.setattr(shared, "WAITS", (0.01, 0.1, 0.1))
    address = str(tmp_path / "socket")
    with Listener(address, "AF_UNIX") as listener:
        for times, raised in ((1, None), (3, RuntimeError)):

            def come_back(times=times):
                ending(listener, times)
                if times == 1:
                    with listener.accept() as connection:
                        connection.send(connection.recv().picture.astype(np.uint8))

            thread = threading.Thread(target=come_back)
            thread.start()
            if raised:
                with pytest.raises(raised, match="ended 3 times"):
                    SharedNetwork(card, 1, address).predict(picture_of(5), KEPT, "sigmoid", 1)
            else:
                assert (SharedNetwork(card, 1, address).predict(picture_of(5), KEPT, "sigmoid", 1) == 5).all()
            thread.join()
    assert not Path(address).exists()
    with pytest.raises(SilentDevice):
        SharedNetwork(card, 1, address).predict(picture_of(5), KEPT, "sigmoid", 1)
