"""The embedded broker: kombu's filesystem transport, made safe for many writers and for bad files.

The stock transport writes a message in place, so that a reader can meet half of it: messages get lost and workers
die (celery/kombu#1551). Here a message is written aside and renamed into the queue, and renamed out of it by the one
reader that gets it. A file that is no message is put into quarantine and does not stop the worker. The spool is
not the reference: `services.upkeep.upkeep.rescue` enqueues messages again that are lost in a crash.
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
GLANCE = 0.5  # seconds between two looks at the folder by one who waits for the bell
GLANCE_WITHOUT = 0.02  # the same where no pipe can be made, as on some network drives
BELLS = "bells"


class Bell:
    """A pipe with a name, in which whoever sends a message rings; one of each process that waits for some."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the file system knows no pipes."""
        path = folder / BELLS / uuid4().hex
        os.mkfifo(path, 0o600)
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # both ends, so that it never reads as ended

    def ring(self) -> None:
        """Wake the process whose bell this is."""
        with suppress(BlockingIOError):  # it is full of what nobody has heard yet
            os.write(self._pipe, b"!")

    def heard(self, seconds: float) -> bool:
        """Whether somebody rang, within so many seconds or since the last time."""
        rung, _, _ = select.select([self._pipe], [], [], seconds)
        if rung:
            with suppress(BlockingIOError):
                os.read(self._pipe, 4096)
        return bool(rung)


def ring(folder: Path) -> None:
    """Wake all processes that wait for messages. The bell of a process that has ended is removed."""
    for path in (folder / BELLS).glob("*"):
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:
                path.unlink(missing_ok=True)
            continue
        with suppress(BlockingIOError):  # it is full of what nobody has heard yet
            os.write(pipe, b"!")
        os.close(pipe)


class Channel(filesystem.Channel):
    """One folder: `<time>_<uuid>.<queue>.msg` is a message, anything else is not yet or no longer one."""

    # Without fan-out a routing table in memory is enough, and no table file is shared between processes.
    supports_fanout = False

    @property
    def folder(self) -> Path:
        """Where messages lie; made whenever it is missing, as somebody may tidy up the data folder."""
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
        """Add a message; a reader sees all of it or nothing."""
        name = f"{time.time_ns():020d}_{uuid4().hex}"
        aside = self.folder / f"{name}.part"
        try:
            aside.write_bytes(dumps(payload).encode())
            aside.replace(self.folder / f"{name}.{queue}.msg")
        except OSError:  # no room: the file there is no message
            aside.unlink(missing_ok=True)
            raise
        ring(self.folder)

    def _get(self, queue: str) -> dict[str, Any]:
        """Take the oldest message that is one; raises Empty."""
        for name in sorted(path.name for path in self.folder.iterdir()):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            payload = self._take(name)
            if payload is not None:
                return payload
        raise Empty

    def _take(self, name: str) -> dict[str, Any] | None:
        """The message in a file, None when another reader was faster or when it is no message."""
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
        """A task has ended: what was left in the folder, since its worker had no room for more, is taken at once."""
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

        The folder is read when the bell rings or something in it has changed, and at the polling interval all the same,
        since two changes may have one time. One that is to stop waits no longer.
        """
        from celery.worker import state  # not for those who only send

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
                if state.should_stop is not None or self._rung(folder, left):
                    break

    def wake(self) -> None:
        """Let `drain_events` look again, from any thread."""
        if self._bell:
            self._bell.ring()

    def _rung(self, folder: Path, seconds: float) -> bool:
        """Whether somebody rings within so many seconds, or a glance."""
        try:
            self._bell = self._bell or Bell(folder)
        except OSError:
            time.sleep(min(GLANCE_WITHOUT, seconds))
            return False
        return self._bell.heard(min(GLANCE, seconds))


def _time_of_change(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:  # a channel makes it
        return 0
