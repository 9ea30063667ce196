"""The embedded broker under many writers, racing readers and files that are no messages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from queue import Empty
from unittest.mock import Mock

import pytest
from kombu import Connection, Consumer, Queue

import deepsegm.celery  # noqa: F401  registers spool://
from worker.processes.data_directory import empty_spool
from worker.spool import CHECK_SECONDS_WITHOUT_BELL, Bell

from .lab import REPOSITORY, wait_for

WRITERS, EACH, READERS = 6, 150, 2

WRITER = """
import sys
import deepsegm.celery
from kombu import Connection
folder, writer, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Connection("spool://", transport_options={"folder": folder}) as connection:
    queue = connection.SimpleQueue("analyses")
    for number in range(count):
        queue.put({"message": f"{writer}-{number}", "padding": "x" * 5000})
"""

READER = """
import sys, time
import deepsegm.celery
from pathlib import Path
from queue import Empty
from kombu import Connection
folder, end = sys.argv[1], Path(sys.argv[2])
options = {"folder": folder, "polling_interval": 0.01}
with Connection("spool://", transport_options=options) as connection:
    queue = connection.SimpleQueue("analyses")
    while True:
        over = end.exists()
        try:
            message = queue.get(timeout=0.3)
        except Empty:
            if over:
                break
            continue
        print(message.payload["message"])
        message.ack()
"""


def start(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def channel(spool):
    with Connection("spool://", transport_options={"folder": str(spool)}) as connection:
        yield connection.channel()


def payload(word="hello"):
    return {
        "body": "aGVsbG8=",
        "content-type": "text/plain",
        "content-encoding": "utf-8",
        "headers": {"word": word},
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": "1",
            "delivery_info": {"exchange": "", "routing_key": "analyses"},
        },
    }


@pytest.mark.slow
def test_many_writers_and_readers_lose_and_double_nothing(spool, tmp_path):
    end = tmp_path / "end"
    readers = [start(READER, spool, end) for _ in range(READERS)]
    writers = [start(WRITER, spool, writer, EACH) for writer in range(WRITERS)]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    end.touch()
    read = Counter()
    for reader in readers:
        output, errors = reader.communicate(timeout=120)
        assert reader.returncode == 0, errors
        read.update(output.split())
    assert read == Counter(f"{writer}-{number}" for writer in range(WRITERS) for number in range(EACH))
    assert list(spool.glob("*.msg")) == list(spool.glob("*.part")) == []
    assert list((spool / "quarantine").iterdir()) == []


def test_what_lay_there_while_a_worker_was_busy_is_taken_as_soon_as_its_task_ends(spool):
    """Not at the next look at the folder, two seconds later: so long each image of a sample would wait."""
    with Connection("spool://", transport_options={"folder": str(spool), "polling_interval": 600.0}) as connection:
        channel, taken = connection.channel(), []
        channel.basic_qos(0, 1, False)
        consumer = Consumer(channel, Queue("analyses"), callbacks=[lambda body, message: taken.append(message)])
        with consumer:
            for word in "ab":
                channel._put("analyses", payload(word))
            connection.drain_events(timeout=60.0)
            waiting = threading.Thread(target=connection.drain_events, kwargs={"timeout": 600.0}, daemon=True)
            waiting.start()
            wait_for(lambda: connection.transport._bell, "it waits for the bell")
            assert len(taken) == 1
            taken[0].ack()
            waiting.join(60.0)
            assert [message.headers["word"] for message in taken] == ["a", "b"]


def test_messages_come_in_the_order_they_were_sent(channel):
    for word in "abc":
        channel._put("analyses", payload(word))
    assert channel._size("analyses") == 3
    assert [channel._get("analyses")["headers"]["word"] for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(Empty):
        channel._get("analyses")


def test_queues_are_kept_apart(channel):
    channel._put("upkeep", payload())
    with pytest.raises(Empty):
        channel._get("analyses")
    assert channel._get("upkeep")["headers"] == {"word": "hello"}


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"{", b"null", b"[]", b'"hello"', b"{}", b'{"properties": []}', b"[" * 100_000,
     json.dumps({**payload(), "body": "abc"}).encode(),
     json.dumps({**payload(), "properties": {"delivery_tag": None, "body_encoding": "rot13"}}).encode()],
)  # fmt: skip
def test_a_file_that_is_no_message_goes_into_quarantine(channel, spool, content):
    channel._put("analyses", payload("first"))
    bad = spool / f"{'0' * 20}_bad.analyses.msg"
    bad.write_bytes(content)
    assert channel._get("analyses")["headers"] == {"word": "first"}
    assert (spool / "quarantine" / bad.name).read_bytes() == content
    with pytest.raises(Empty):
        channel._get("analyses")


def test_a_half_written_message_is_not_read(channel, spool):
    channel._put("analyses", payload())
    (message,) = spool.glob("*.msg")
    message.rename(message.with_suffix("").with_suffix(".part"))
    with pytest.raises(Empty):
        channel._get("analyses")


def test_of_two_readers_one_gets_it(channel, spool, monkeypatch):
    channel._put("analyses", payload())
    (message,) = spool.glob("*.msg")
    channel._put("analyses", payload("second"))
    take = channel._take

    def beaten(name):
        message.unlink(missing_ok=True)
        return take(name)

    monkeypatch.setattr(channel, "_take", beaten)
    assert channel._get("analyses")["headers"] == {"word": "second"}


def test_a_purged_queue_is_empty(channel):
    channel._put("analyses", payload())
    Queue("analyses")(channel).purge()
    assert channel._size("analyses") == 0


def test_a_start_forgets_old_doorbells_but_keeps_the_quarantine(channel, spool):
    channel._put("analyses", payload())
    (spool / "1_a.part").touch()
    (spool / "taken" / "1_b.analyses.msg").touch()
    (spool / "quarantine" / "1_c.analyses.msg").touch()
    empty_spool(spool)
    assert [path.name for path in spool.rglob("*") if path.is_file()] == ["1_c.analyses.msg"]
    channel._put("analyses", payload())
    assert channel._get("analyses")


def test_a_folder_that_was_cleared_away_is_made_again(channel, spool):
    channel._put("analyses", payload())
    shutil.rmtree(spool)
    with pytest.raises(Empty):
        channel._get("analyses")
    channel._put("analyses", payload())
    assert channel._get("analyses")


def test_a_message_is_taken_when_the_bell_rings(tmp_path, monkeypatch):
    """Whoever waits sleeps until then; bells of processes that are gone are removed."""
    options = {"folder": str(tmp_path / "spool"), "polling_interval": 30.0}
    with Connection("spool://", transport_options=options) as connection:
        queue, sender = connection.SimpleQueue("analyses"), connection.clone().SimpleQueue("analyses")
        with pytest.raises(Empty):
            queue.get(timeout=0.001)
        os.mkfifo(tmp_path / "spool" / "bells" / "gone")
        heard, rung = Bell.wait, []

        def wait(bell, seconds):
            sender.put("message")
            rung.append(heard(bell, 30.0))
            return rung[-1]

        monkeypatch.setattr(Bell, "wait", wait)
        queue.get(timeout=60).ack()
        assert rung == [True]
    assert len(list((tmp_path / "spool" / "bells").iterdir())) == 1


def test_where_no_pipe_can_be_made_it_is_taken_at_the_next_glance(tmp_path, monkeypatch):
    slept = []
    options = {"folder": str(tmp_path / "spool"), "polling_interval": 30.0}
    monkeypatch.setattr("os.mkfifo", Mock(side_effect=PermissionError))
    with Connection("spool://", transport_options=options) as connection:
        queue, sender = connection.SimpleQueue("analyses"), connection.clone().SimpleQueue("analyses")
        with pytest.raises(Empty):
            queue.get(timeout=0.001)

        def sleep(seconds):
            slept.append(seconds)
            sender.put("message")

        monkeypatch.setattr("worker.spool.time.sleep", sleep)
        queue.get(timeout=60).ack()
        assert slept[-1] == CHECK_SECONDS_WITHOUT_BELL


def test_who_is_to_stop_waits_no_longer(tmp_path, monkeypatch):
    """Celery looks whether it is to stop each time it has waited, which it does for two seconds."""
    slept = []
    monkeypatch.setattr("worker.spool.time.sleep", slept.append)
    with Connection("spool://", transport_options={"folder": str(tmp_path / "spool")}) as connection:
        connection.SimpleQueue("analyses")
        monkeypatch.setattr("celery.worker.state.should_stop", 0)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=3600.0)
    assert slept == []


def test_a_message_that_finds_no_room_leaves_nothing(tmp_path, monkeypatch):
    def full(path, content):
        path.touch()
        raise OSError(28, "No space left on device")

    with Connection("spool://", transport_options={"folder": str(tmp_path / "spool")}) as connection:
        queue = connection.SimpleQueue("analyses")
        monkeypatch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            queue.put("message")
    assert not [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]
