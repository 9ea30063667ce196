"""The message broker for a site on one machine: files in a folder (the spool). It is kombu's
filesystem transport, made safe for several writers and for wrong files.

In kombu's transport a reader can find a half-written message: messages get lost and workers die
(celery/kombu#1551). Here a message is written under another name, then renamed into the queue; its
reader renames it out of the queue. A file that is no message is moved to quarantine and does not
stop the worker. If messages are lost in a crash, `services.upkeep.upkeep.rescue` sends them again.

A process that waits for messages has a bell: a named pipe. The sender of a message writes a byte to
every bell.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.transport import filesystem, virtual
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)
FOLDER_CHECK_SECONDS = 0.5  # between two checks of the folder, while a process waits for its bell
CHECK_SECONDS_WITHOUT_BELL = 0.02  # between them if no pipe can be made, as on some network drives
BELLS = "bells"  # folder of the pipes


class Bell:
    """The named pipe of a process that waits for messages."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError if the file system has no named pipes."""
        path = folder / BELLS / uuid4().hex
        os.mkfifo(path, 0o600)
        # Open for reading and writing, so that a read never reports the end of the file.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def ring(self) -> None:
        """Wake the process that has this bell."""
        with suppress(BlockingIOError):  # the pipe is full, so the process wakes anyway
            os.write(self._pipe, b"!")

    def wait(self, seconds: float) -> bool:
        """Wait for the bell, at most so many seconds; returns whether it rang since the last call."""
        readable, _, _ = select.select([self._pipe], [], [], seconds)
        if readable:
            with suppress(BlockingIOError):
                os.read(self._pipe, 4096)
        return bool(readable)


def ring(folder: Path) -> None:
    """Wake all processes that wait for messages. The bell of a process that has ended is removed."""
    for path in (folder / BELLS).glob("*"):
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:
                path.unlink(missing_ok=True)
            continue
        with suppress(BlockingIOError):  # the pipe is full, so the process wakes anyway
            os.write(pipe, b"!")
        os.close(pipe)


class Channel(filesystem.Channel):
    """The messages in one folder: files named `<time>_<uuid>.<queue>.msg`. Other files in the folder
    are not messages."""

    # Without fan-out (one message for several queues) a routing table in memory is enough.
    supports_fanout = False

    @property
    def folder(self) -> Path:
        """The folder of the messages. It is made if it is missing, because somebody may have
        deleted it."""
        folder = Path(self.transport_options["folder"])
        for path in (folder, *(folder / name for name in ("taken", "quarantine", BELLS))):
            path.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def data_folder_in(self) -> str:
        return str(self.folder)

    data_folder_out = data_folder_in

    def get_table(self, exchange: str) -> list[Any]:
        return virtual.Channel.get_table(self, exchange)

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:
        """Add a message; a reader finds it complete or not at all."""
        name = f"{time.time_ns():020d}_{uuid4().hex}"
        partial = self.folder / f"{name}.part"
        try:
            partial.write_bytes(dumps(payload).encode())
            partial.replace(self.folder / f"{name}.{queue}.msg")
        except OSError:  # such as a full disk; a .part file is no message
            partial.unlink(missing_ok=True)
            raise
        ring(self.folder)

    def _get(self, queue: str) -> dict[str, Any]:
        """Take the oldest message of a queue out of the folder; raises Empty."""
        for name in sorted(path.name for path in self.folder.iterdir()):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            payload = self._take(name)
            if payload is not None:
                return payload
        raise Empty

    def _take(self, name: str) -> dict[str, Any] | None:
        """Take the message in a file; None if another reader was faster, or if it is no message."""
        path = self.folder / "taken" / name
        try:
            (self.folder / name).rename(path)
        except FileNotFoundError:
            return None
        try:
            payload = loads(path.read_bytes().decode())
            self.Message(payload, channel=self)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            logger.error("The file %s in the spool is no message (%r): put into quarantine.", name, error)
            path.replace(self.folder / "quarantine" / name)
            return None
        path.unlink()
        return payload

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        self._purge(queue)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Called when a task has ended: wake the worker, which may now take a message that it had to
        leave in the folder."""
        super().basic_ack(delivery_tag, multiple)
        self.connection.wake()


class Transport(filesystem.Transport):
    """Registered as `spool://` by `deepsegm.celery`; transport option: folder."""

    Channel = Channel
    global_state = virtual.BrokerState()
    implements = filesystem.Transport.implements.extend(exchange_type=frozenset(["direct", "topic"]))
    driver_type = driver_name = "spool"
    _bell: Bell | None = None

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Wait for the next message; raises TimeoutError.

        The folder is read when the bell rings, when its time of change is new, and after the polling
        interval in any case, because two changes may have the same time. A worker that must stop does
        not wait any longer.
        """
        # Imported here, because processes that only send messages do not need it.
        from celery.worker import state

        end = None if timeout is None else time.monotonic() + timeout
        folder = Path(self.client.transport_options["folder"])
        while True:
            changed, late = _time_of_change(folder), time.monotonic() + self.polling_interval
            late = late if end is None else min(late, end)
            try:
                self.cycle.get(self._deliver, timeout=timeout)
                return
            except Empty:
                if state.should_stop is not None or (end is not None and time.monotonic() >= end):
                    raise TimeoutError from None
            while _time_of_change(folder) == changed and (left := late - time.monotonic()) > 0:
                if state.should_stop is not None or self._wait_for_bell(folder, left):
                    break

    def wake(self) -> None:
        """Let `drain_events` read the folder again; may be called in any thread."""
        if self._bell:
            self._bell.ring()

    def _wait_for_bell(self, folder: Path, seconds: float) -> bool:
        """Wait for the bell, at most so many seconds and FOLDER_CHECK_SECONDS; returns whether it rang."""
        try:
            self._bell = self._bell or Bell(folder)
        except OSError:
            time.sleep(min(CHECK_SECONDS_WITHOUT_BELL, seconds))
            return False
        return self._bell.wait(min(FOLDER_CHECK_SECONDS, seconds))


def _time_of_change(folder: Path) -> int:
    """When the folder was changed last, in ns; 0 if it does not exist."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:  # a channel makes it
        return 0
