"""A store that hangs: few threads wait for it, not for long, and the others are told at once."""

from __future__ import annotations

import socket
import threading

import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from django.core.files.base import ContentFile

from segmentation import stores
from segmentation.services.ground.refusal import STORAGE, machine_fault
from segmentation.stores import LimitedS3Storage, StoreTurns


@pytest.fixture
def turns(monkeypatch):
    monkeypatch.setattr(stores, "_turns", StoreTurns())
    return stores._turns


@pytest.fixture
def hanging():
    """The address of a store that takes every connection and never answers, and the connections."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken = []

    def take():
        while True:
            try:
                taken.append(listener.accept()[0])
            except OSError:
                return

    threading.Thread(target=take, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", taken
    listener.close()


def store_at(address):
    limits = {"connect_timeout": 0.2, "read_timeout": 0.2, "retries": {"total_max_attempts": 2}}
    keys = {"access_key": "a", "secret_key": "b", "region_name": "us-east-1", "bucket_name": "c"}
    return LimitedS3Storage(endpoint_url=address, client_config=Config(**limits), file_overwrite=True, **keys)


def test_after_one_question_nobody_waits_for_a_hanging_store(turns, hanging, monkeypatch):
    address, taken = hanging
    store = store_at(address)
    with pytest.raises(ReadTimeoutError) as first:
        store.save("a", ContentFile(b"a"))
    asked = len(taken)
    questions = (lambda: store.save("b", ContentFile(b"b")), lambda: store.open("a").read(), lambda: store.delete("a"))
    for question in questions:
        with pytest.raises(OSError, match="does not answer") as later:
            question()
        assert machine_fault(first.value) == machine_fault(later.value) == STORAGE
    assert len(taken) == asked, "it was not asked again"
    turns._away_until = 1.0  # the pause is over
    with pytest.raises(ReadTimeoutError):
        store.exists("a")
    assert len(taken) > asked


def test_few_threads_wait_at_a_time(turns, monkeypatch):
    monkeypatch.setattr(stores, "TURN_SECONDS", 0.05)
    inside, release = [], threading.Event()

    def ask():
        with turns.turn():
            inside.append(1)
            release.wait(60)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(stores.AT_ONCE)]
    for thread in threads:
        thread.start()
    while len(inside) < stores.AT_ONCE:
        pass
    with pytest.raises(OSError, match="does not answer"), turns.turn():
        pass
    release.set()
    for thread in threads:
        thread.join()
    with turns.turn():
        pass


def test_a_missing_file_is_no_fault_of_the_store(turns):
    with pytest.raises(FileNotFoundError), turns.turn():
        raise FileNotFoundError
    with turns.turn():
        pass
